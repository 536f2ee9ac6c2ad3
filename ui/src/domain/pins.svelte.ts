import type { Backend } from "../backend/backend";
import type { Message } from "../backend/gen";

/** So many pinned messages are shown; the session has the rest. */
const MOST = 30;

/** The pinned messages of a session, the newest first. */
export class Pins {
  items = $state.raw<readonly Message[]>([]);
  /** Which of them the bar shows. */
  at = $state(0);
  #backend: Backend;
  #wanted = "";

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get current(): Message | undefined {
    return this.items[Math.min(this.at, this.items.length - 1)];
  }

  /** Takes the IDs that the session has pinned, and loads those that are not here yet. */
  async follow(ids: readonly string[]): Promise<void> {
    const wanted = ids.slice(-MOST);
    const key = wanted.join(" ");
    if (key === this.#wanted) return;
    this.#wanted = key;
    const known = new Map(this.items.map((one) => [one.id, one]));
    const found = await Promise.all(
      wanted.map((messageId) => known.get(messageId) ?? this.#backend.call("message", { messageId }).catch(() => undefined)),
    );
    if (this.#wanted !== key) return;
    this.items = found
      .filter((one) => one !== undefined)
      .sort((a, b) => (a.order < b.order ? 1 : -1));
    this.at = 0;
  }

  /** Applies one message of the stream. */
  apply(message: Message): void {
    if (this.items.some((one) => one.id === message.id)) {
      this.items = this.items.map((one) => (one.id === message.id ? message : one));
    }
  }

  /** The next older one; round at the end. */
  step(): void {
    this.at = this.items.length === 0 ? 0 : (this.at + 1) % this.items.length;
  }
}
