import { SvelteMap } from "svelte/reactivity";
import type { Message, Session, User } from "../backend/gen";
import { heldOrder } from "./held-order";

/** "Always", as far as a date can say it. */
export const MUTED_ALWAYS = "9999-12-31T23:59:59.000Z";

/** Which sessions the list shows. */
export type Filter = "all" | "unread" | "waiting" | "archived";

/** All conversations, as the list shows them. */
export class Sessions {
  filter = $state<Filter>("all");
  /** The session on screen; no filter takes it away. */
  selected = $state<string | null>(null);
  /** True once they have been loaded. */
  loaded = $state(false);
  readonly #byId = new SvelteMap<string, Session>();
  /** While the pointer or the focus is in the list, the order it had then. */
  #held = $state.raw<readonly string[] | null>(null);

  /** All of them, archived ones too, by name. */
  readonly all: readonly Session[] = $derived([...this.#byId.values()].sort((a, b) => a.title.localeCompare(b.title)));

  /** All that are not archived, pinned ones first, then the newest. */
  readonly sorted: readonly Session[] = $derived(
    [...this.#byId.values()].filter((one) => !one.archived).sort(compare),
  );

  /** Those that were put aside, the newest first. */
  readonly archived: readonly Session[] = $derived(
    [...this.#byId.values()].filter((one) => one.archived).sort(compare),
  );

  /** Message requests that wait for an answer. */
  readonly requests: readonly Session[] = $derived(
    this.sorted.filter((one) => one.request && one.peer?.trust !== "blocked"),
  );

  /** What the list shows, in the order it shows it. */
  readonly shown: readonly Session[] = $derived.by(() => {
    const from = this.filter === "archived" ? this.archived : this.sorted;
    const rows = from.filter(
      (one) => one.sessionId === this.selected || (one.peer?.trust !== "blocked" && matches(one, this.filter)),
    );
    if (this.#held === null) return rows;
    const byId = new Map(rows.map((one) => [one.sessionId, one]));
    return heldOrder(this.#held, [...byId.keys()]).flatMap((id) => byId.get(id) ?? []);
  });

  /** Unread messages in all of them. */
  readonly unread: number = $derived(
    this.sorted.reduce((sum, one) => sum + (one.peer?.trust === "blocked" ? 0 : one.unreadCount), 0),
  );

  get(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  /** The direct session with a machine. */
  withUser(userId: string): Session | undefined {
    return [...this.#byId.values()].find((one) => one.peer?.userId === userId);
  }

  /** Takes over what was loaded. */
  reset(sessions: readonly Session[]): void {
    const there = new Set(sessions.map((one) => one.sessionId));
    for (const id of this.#byId.keys()) if (!there.has(id)) this.#byId.delete(id);
    for (const one of sessions) this.#byId.set(one.sessionId, one);
    this.loaded = true;
  }

  /** Applies one row of the stream. */
  apply(session: Session): void {
    this.#byId.set(session.sessionId, session);
  }

  /** The peer of a session carries its presence; a change of it is a change of the session. */
  applyUser(user: User): void {
    for (const session of this.#byId.values()) {
      if (session.peer?.userId === user.userId) {
        this.#byId.set(session.sessionId, { ...session, peer: user, title: user.name });
      }
    }
  }

  /** Keeps the newest message in the preview in step with its own state. */
  applyMessage(message: Message): void {
    const session = this.#byId.get(message.sessionId);
    if (session === undefined) return;
    const last = session.lastMessage;
    if (last === null || message.order >= last.order) {
      this.#byId.set(session.sessionId, { ...session, lastMessage: message });
    }
  }

  /** Somebody types in a session, or no longer does. */
  applyTyping(sessionId: string, userId: string, typing: boolean): void {
    const session = this.#byId.get(sessionId);
    if (session === undefined) return;
    const others = session.typing.filter((one) => one !== userId);
    this.#byId.set(sessionId, { ...session, typing: typing ? [...others, userId] : others });
  }

  /** Stops reordering, because a person is about to hit something. */
  hold(): void {
    this.#held ??= this.shown.map((one) => one.sessionId);
  }

  /** Orders again. */
  release(): void {
    this.#held = null;
  }
}

/** When a session was last of interest. */
export function lastActivity(session: Session): string {
  return session.lastMessage?.timestamp ?? session.createdAt;
}

/** Whether a session is muted at an instant. */
export function isMuted(session: Session, now: number): boolean {
  return session.mutedUntil !== null && Date.parse(session.mutedUntil) > now;
}

/** Whether a session stands out as unread: it has unread messages, or a person marked it so. */
export function isUnread(session: Session): boolean {
  return session.unreadCount > 0 || session.markedUnread;
}

function matches(session: Session, filter: Filter): boolean {
  if (filter === "unread") return isUnread(session);
  if (filter === "waiting") return session.waitingCount > 0;
  return true;
}

function compare(a: Session, b: Session): number {
  if (a.pinned !== b.pinned) return a.pinned ? -1 : 1;
  const newer = lastActivity(b).localeCompare(lastActivity(a));
  return newer !== 0 ? newer : a.sessionId.localeCompare(b.sessionId);
}
