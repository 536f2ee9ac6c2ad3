/** Messages that arrive within this time are told as one. */
const BURST_MS = 900;

/** What a screen reader is told of messages that arrive: few, short, and a burst as a count. */
export class Announcer {
  /** The text of the hidden log. */
  text = $state("");
  #waiting: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #burst: (count: number) => string;

  constructor(burst: (count: number) => string) {
    this.#burst = burst;
  }

  /** Tells of one message. */
  message(text: string): void {
    this.#waiting.push(text);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      const [only] = this.#waiting;
      this.text = this.#waiting.length === 1 && only !== undefined ? only : this.#burst(this.#waiting.length);
      this.#waiting = [];
      this.#timer = undefined;
    }, BURST_MS);
  }
}
