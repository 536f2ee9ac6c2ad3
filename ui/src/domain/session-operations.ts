import type { Backend } from "../backend/backend";
import type { Session, UpdateSessionArgs } from "../backend/gen";
import { m } from "../shared/i18n.svelte";
import { isolate } from "../shared/platform";
import { MUTED_ALWAYS, type Sessions } from "./sessions.svelte";
import type { Toasts } from "./toasts.svelte";

const HOUR_MS = 3_600_000;

/** What a person does with sessions as a whole. */
export class SessionOperations {
  #backend: Backend;
  #sessions: Sessions;
  #toasts: Toasts;

  constructor(backend: Backend, sessions: Sessions, toasts: Toasts) {
    this.#backend = backend;
    this.#sessions = sessions;
    this.#toasts = toasts;
  }

  /** Changes what this machine keeps of a session. */
  update(sessionId: string, patch: Omit<UpdateSessionArgs, "sessionId">): Promise<boolean> {
    return this.#toasts.attempt(async () => {
      this.#sessions.apply(await this.#backend.call("update_session", { sessionId, ...patch }));
    });
  }

  /** Mutes one for some hours or for good; `null` unmutes it. */
  async mute(session: Session, hours: number | "always" | null): Promise<void> {
    const until = hours === null ? null : hours === "always" ? MUTED_ALWAYS : new Date(Date.now() + hours * HOUR_MS).toISOString();
    if (!(await this.update(session.sessionId, { mutedUntil: until }))) return;
    const name = isolate(session.title);
    this.#toasts.show(until === null ? m.unmuted_toast({ name }) : m.muted_toast({ name }));
  }

  /** Puts one aside, or back into the list. */
  async archive(session: Session, archived: boolean): Promise<boolean> {
    if (!(await this.update(session.sessionId, { archived }))) return false;
    this.#toasts.show(archived ? m.archived_toast() : m.unarchived_toast());
    return true;
  }

  /** Marks one as unread, so that it stands out, or as read, all of it. */
  async mark({ sessionId }: Session, unread: boolean): Promise<void> {
    if (unread) {
      await this.update(sessionId, { markedUnread: true });
      return;
    }
    await this.#toasts.attempt(async () => {
      this.#sessions.apply(await this.#backend.call("mark_session_read", { sessionId }));
    });
  }

  /** Agrees in one how long messages are kept; 0 keeps them. */
  async setTimer(sessionId: string, seconds: number): Promise<void> {
    await this.#toasts.attempt(async () => {
      this.#sessions.apply(await this.#backend.call("set_timer", { sessionId, seconds }));
    });
  }
}
