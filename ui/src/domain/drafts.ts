import type { Session } from "../backend/gen";

/** A draft is on disk at most this long after the last key. */
export const DRAFT_SAVE_MS = 250;

/** What is unsent in a session: the text, the message that it answers, and the uploads that it carries, by ID. */
export interface Draft {
  draft: string | null;
  draftReplyTo: string | null;
  draftAttachments: readonly string[];
}

const nothing: Draft = { draft: null, draftReplyTo: null, draftAttachments: [] };

/** What the node keeps as unsent of a session. */
export function draftOf({ draft, draftReplyTo, draftAttachments }: Session): Draft {
  return { draft, draftReplyTo, draftAttachments: draftAttachments.map((one) => one.uploadId) };
}

function sameFiles(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, place) => one === b[place]);
}

/**
 * Unsent messages, one a session. What is typed here is newer than what the node tells, until it is saved and told back.
 */
export class Drafts {
  #save: (sessionId: string, changed: Partial<Draft>) => Promise<void>;
  #typed = new Map<string, Draft>();
  /** What the node has, as far as is known. */
  #saved = new Map<string, Draft>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(save: (sessionId: string, changed: Partial<Draft>) => Promise<void>) {
    this.#save = save;
  }

  /** What a composer would show: what was typed here, else what the node keeps. */
  get(sessionId: string, kept: Draft): Draft {
    return this.#typed.get(sessionId) ?? kept;
  }

  /** A composer opens: gives what it shows. Until it differs from that, there is nothing to save. */
  start(sessionId: string, kept: Draft): Draft {
    const shown = this.get(sessionId, kept);
    this.#typed.set(sessionId, shown);
    this.#saved.set(sessionId, kept);
    return shown;
  }

  /** Takes what is in the composer and saves it shortly. */
  set(sessionId: string, changed: Partial<Draft>): void {
    const before = this.#typed.get(sessionId) ?? nothing;
    const after = { ...before, ...changed };
    const sameText = (before.draft ?? "") === (after.draft ?? "") && before.draftReplyTo === after.draftReplyTo;
    if (sameText && sameFiles(before.draftAttachments, after.draftAttachments)) return;
    this.#typed.set(sessionId, after);
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
    const typed = this.#typed.get(sessionId) ?? nothing;
    const saved = this.#saved.get(sessionId) ?? nothing;
    const draft = (typed.draft ?? "").trim() === "" ? null : typed.draft;
    // A text that was typed and sent within a moment was never a draft.
    const changed: Partial<Draft> = {};
    if (draft !== saved.draft) changed.draft = draft;
    if (typed.draftReplyTo !== saved.draftReplyTo) changed.draftReplyTo = typed.draftReplyTo;
    if (!sameFiles(typed.draftAttachments, saved.draftAttachments)) changed.draftAttachments = typed.draftAttachments;
    if (Object.keys(changed).length === 0) return;
    this.#saved.set(sessionId, { ...typed, draft });
    await this.#save(sessionId, changed);
  }
}
