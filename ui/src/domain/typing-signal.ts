/** A typing signal lasts this long at the other side; while one goes on typing, it is sent again before that. */
export const TYPING_LASTS_MS = 3_000;
const AGAIN_MS = 2_000;

/** Tells the node that one types: at the first key, again while it goes on, and when the text is gone. */
export class TypingSignal {
  #tell: (typing: boolean) => void;
  #now: () => number;
  #told = Number.NEGATIVE_INFINITY;

  constructor(tell: (typing: boolean) => void, now: () => number = () => performance.now()) {
    this.#tell = tell;
    this.#now = now;
  }

  /** The text changed by a key. */
  typed(text: string): void {
    if (text.trim() === "") {
      this.stop();
      return;
    }
    const now = this.#now();
    if (now - this.#told < AGAIN_MS) return;
    this.#told = now;
    this.#tell(true);
  }

  /** The text was sent or is gone. A signal that has run out by itself need not be ended. */
  stop(): void {
    const running = this.#now() - this.#told < TYPING_LASTS_MS;
    this.#told = Number.NEGATIVE_INFINITY;
    if (running) this.#tell(false);
  }

  /** The message that is sent ends the signal at the other side by itself. */
  sent(): void {
    this.#told = Number.NEGATIVE_INFINITY;
  }
}
