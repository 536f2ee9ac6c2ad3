/** A draft is on disk at most this long after the last key. */
export const DRAFT_SAVE_MS = 250;

/**
 * Unsent text, one a session. What is typed here is newer than what the node tells, until it is saved and told back.
 */
export class Drafts {
  #save: (sessionId: string, draft: string | null) => Promise<void>;
  #texts = new Map<string, string>();
  /** What the node has, as far as is known. */
  #saved = new Map<string, string>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(save: (sessionId: string, draft: string | null) => Promise<void>) {
    this.#save = save;
  }

  /** What a composer would show: what was typed here, else what the node keeps. */
  get(sessionId: string, kept: string | null): string {
    return this.#texts.get(sessionId) ?? kept ?? "";
  }

  /** A composer opens: gives what it shows. Until it differs from that, there is nothing to save. */
  start(sessionId: string, kept: string | null): string {
    const text = this.get(sessionId, kept);
    this.#texts.set(sessionId, text);
    this.#saved.set(sessionId, kept ?? "");
    return text;
  }

  /** Takes what is in the composer and saves it shortly. */
  set(sessionId: string, text: string): void {
    if (this.#texts.get(sessionId) === text) return;
    this.#texts.set(sessionId, text);
    clearTimeout(this.#timers.get(sessionId));
    this.#timers.set(
      sessionId,
      setTimeout(() => void this.#write(sessionId), DRAFT_SAVE_MS),
    );
  }

  /** Saves at once what is not saved yet: the session is left, the window closes. */
  async flush(): Promise<void> {
    await Promise.all([...this.#timers.keys()].map((id) => this.#write(id)));
  }

  async #write(sessionId: string): Promise<void> {
    clearTimeout(this.#timers.get(sessionId));
    this.#timers.delete(sessionId);
    const typed = this.#texts.get(sessionId) ?? "";
    const text = typed.trim() === "" ? "" : typed;
    // A text that was typed and sent within a moment was never a draft.
    if (this.#saved.get(sessionId) === text) return;
    this.#saved.set(sessionId, text);
    await this.#save(sessionId, text === "" ? null : text);
  }
}
