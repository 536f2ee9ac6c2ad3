import type { Backend } from "../backend/backend";
import type { Attachment } from "../backend/gen";

/** What is drawn as an image. No SVG: that is a document, and shown as the file it is. */
const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"];
/** A larger image is shown by its thumbnail, and opened in a program made for it. */
const MOST_BYTES = 40_000_000;
const MOST_PIXELS = 60_000_000;
/** Addresses that are kept; what is not on screen goes first. */
const KEPT = 80;

/** Whether an attachment is shown as an image: one whose size is known, so that its place can be kept. */
export function isPicture(attachment: Attachment): boolean {
  return attachment.kind === "file" && KINDS.includes(attachment.mime) && (attachment.width ?? 0) > 0 && (attachment.height ?? 0) > 0;
}

/** Whether all of it may be drawn, when it is here. */
export function isDrawable(attachment: Attachment): boolean {
  return attachment.size <= MOST_BYTES && (attachment.width ?? 0) * (attachment.height ?? 0) <= MOST_PIXELS;
}

/** The size an image is shown with, within a box and never larger than it is; known before anything is loaded. */
export function shownSize(width: number, height: number, box: { width: number; height: number }): { width: number; height: number } {
  const scale = Math.min(1, box.width / width, box.height / height);
  return { width: Math.max(48, Math.round(width * scale)), height: Math.max(48, Math.round(height * scale)) };
}

/** Addresses of images, each fetched once. */
export class Pictures {
  #backend: Backend;
  #urls = new Map<string, Promise<string>>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** A `blob:` address of an image or of its thumbnail. */
  url(attachment: Pick<Attachment, "attachmentId" | "mime">, part: "whole" | "thumbnail"): Promise<string> {
    const key = `${part} ${attachment.attachmentId}`;
    const known = this.#urls.get(key);
    if (known !== undefined) {
      // Used last, forgotten last.
      this.#urls.delete(key);
      this.#urls.set(key, known);
      return known;
    }
    const made = this.#backend
      .content(attachment.attachmentId, part)
      .then((blob) => URL.createObjectURL(part === "whole" ? new Blob([blob], { type: attachment.mime }) : blob));
    this.#urls.set(key, made);
    made.catch(() => this.#urls.delete(key));
    for (const [oldest, url] of this.#urls) {
      if (this.#urls.size <= KEPT) break;
      this.#urls.delete(oldest);
      void url.then((address) => URL.revokeObjectURL(address), () => undefined);
    }
    return made;
  }
}
