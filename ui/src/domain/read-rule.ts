/** How long a message must have been on a focused screen before it counts as read. */
export const READ_AFTER_MS = 500;

/** What is on screen. `newest` is the last message that can be seen, `null` when nobody looks. */
export interface Seen {
  id: string;
  order: string;
}

/**
 * Decides when messages count as read: only after the newest visible one has been on a focused, visible screen for
 * half a second. Time comes in through the timer that is passed, so tests need no clock.
 */
export class ReadRule {
  #mark: (id: string) => void;
  #timer: { set: (run: () => void, ms: number) => number; clear: (id: number) => void };
  #pending: number | undefined;
  #next: Seen | undefined;
  #marked = "";

  constructor(
    mark: (id: string) => void,
    timer = {
      set: (run: () => void, ms: number): number => window.setTimeout(run, ms),
      clear: (id: number): void => window.clearTimeout(id),
    },
  ) {
    this.#mark = mark;
    this.#timer = timer;
  }

  /** Tells what can be seen now. */
  look(seen: Seen | null): void {
    if (seen === null) {
      this.stop();
      return;
    }
    if (seen.order <= this.#marked) return;
    // Each message has its own half second: a newer one waits until that of the older one is over.
    if (this.#pending !== undefined) {
      this.#next = seen;
      return;
    }
    const timer = this.#timer.set(() => {
      const next = this.#next;
      this.#pending = undefined;
      this.#next = undefined;
      this.#marked = seen.order;
      this.#mark(seen.id);
      if (next !== undefined) this.look(next);
    }, READ_AFTER_MS);
    this.#pending = timer;
  }

  /** The focus went, or another session is shown. */
  stop(): void {
    if (this.#pending !== undefined) this.#timer.clear(this.#pending);
    this.#pending = undefined;
    this.#next = undefined;
  }
}
