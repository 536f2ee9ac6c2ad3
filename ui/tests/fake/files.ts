import { BackendError, type Pasted } from "../../src/backend/backend";
import type { Args, Attachment, Transfer, TransferState, Upload } from "../../src/backend/gen";
import type { FakeBackend } from "./backend";

/** A file that came with a message and is here. */
export function attachment(name: string, mime: string, more: Partial<Attachment> = {}): Attachment {
  return {
    attachmentId: `attachment-${name}`,
    index: 0,
    hash: "ab".repeat(32),
    name,
    size: 2_400_000,
    mime,
    kind: "file",
    files: null,
    width: null,
    height: null,
    animated: false,
    thumbnail: false,
    state: "complete",
    failure: null,
    bytesDone: 2_400_000,
    path: null,
    relayCopy: null,
    ...more,
  };
}

/** An image that is here. */
export function picture(name: string, width: number, height: number, more: Partial<Attachment> = {}): Attachment {
  return attachment(name, "image/jpeg", { width, height, thumbnail: true, ...more });
}

/** The files of a node: what was added to be sent, and what is on its way. */
export class FakeFiles {
  readonly uploads = new Map<string, Upload>();
  readonly transfers = new Map<string, Transfer>();
  readonly opened: string[] = [];
  /** Paths that the dialogs and the clipboard of the desktop give. */
  chosen: string[] = ["/srv/bea/slides.pdf"];
  pasted: Pasted = { paths: [], image: null, text: null };
  /** Pictures of this computer, by path; `clipboard` is the one that lies there. */
  readonly pictures = new Map<string, Blob>();
  /** While set, uploads and images wait for it. */
  gate: Promise<void> | null = null;
  #fake: FakeBackend;
  #count = 0;

  constructor(fake: FakeBackend) {
    this.#fake = fake;
  }

  add(name: string, size: number, mime: string, kind: Upload["kind"] = "file"): Upload {
    const upload: Upload = {
      uploadId: `upload-${++this.#count}`,
      hash: "cd".repeat(32),
      name,
      size,
      mime,
      kind,
      files: kind === "folder" ? 12 : null,
      width: mime.startsWith("image/") ? 1200 : null,
      height: mime.startsWith("image/") ? 800 : null,
      animated: false,
      thumbnail: mime.startsWith("image/"),
      state: "ready",
      path: null,
    };
    this.uploads.set(upload.uploadId, upload);
    return upload;
  }

  async upload(file: File, ondone: (bytes: number) => void, signal: AbortSignal): Promise<Upload> {
    ondone(Math.floor(file.size / 2));
    await this.gate;
    signal.throwIfAborted();
    return this.add(file.name, file.size, file.type === "" ? "application/octet-stream" : file.type);
  }

  /** Adds the file of a path; a name without a dot is a folder. */
  addPath({ path }: Args["add_file"]): Upload {
    const name = path.split("/").at(-1) ?? "";
    if (name === "missing.txt") throw new BackendError({ code: "file_not_found", field: "path", message: "There is no file /srv/bea/missing.txt." });
    const mime = /\.(png|jpg)$/u.test(name) ? "image/png" : "application/pdf";
    return name.includes(".") ? this.add(name, 1_800_000, mime) : this.add(name, 48_000_000, "inode/directory", "folder");
  }

  /** The attachments of a message that is sent. */
  attach(wanted: Args["send_message"]["attachments"]): Attachment[] {
    return (wanted ?? []).map(({ uploadId }, index) => {
      const upload = this.uploads.get(uploadId);
      if (upload === undefined) throw new BackendError({ code: "upload_not_found", message: "There is no such upload." });
      const { hash, name, size, mime, kind, files, width, height, animated } = upload;
      const made = attachment(name, mime, { hash, size, kind, files, width, height, animated });
      return { ...made, attachmentId: `attachment-${uploadId}`, index, thumbnail: width !== null, state: "offered", bytesDone: 0 };
    });
  }

  /** Puts an attachment on its way. */
  put(sessionId: string, messageId: string, one: Attachment, more: Partial<Transfer> = {}): Transfer {
    const transfer: Transfer = {
      transferId: one.attachmentId,
      sessionId,
      messageId,
      attachmentId: one.attachmentId,
      userId: sessionId.replace("session-", ""),
      direction: "incoming",
      name: one.name,
      size: one.size,
      bytesDone: one.bytesDone,
      bytesPerSecond: null,
      secondsLeft: null,
      state: one.state,
      failure: one.failure,
      relayCopy: one.relayCopy,
      ...more,
    };
    this.transfers.set(transfer.transferId, transfer);
    return transfer;
  }

  /** Changes a transfer and tells it; where more than its progress changes, its message does too. */
  move(transferId: string, patch: Partial<Transfer>): Transfer {
    const before = this.transfers.get(transferId);
    if (before === undefined) throw new BackendError({ code: "attachment_not_found", message: "There is no such attachment here." });
    const transfer = { ...before, ...patch };
    this.transfers.set(transferId, transfer);
    this.#fake.emit({ type: "change", change: { type: "transferChanged", transfer } });
    const message = this.#fake.messages.get(transfer.sessionId)?.find((one) => one.id === transfer.messageId);
    if (message !== undefined && (patch.state !== undefined || patch.relayCopy !== undefined)) {
      const { state, bytesDone, failure, relayCopy } = transfer;
      const attachments = message.attachments.map((one) => (one.attachmentId === transfer.attachmentId ? { ...one, state, bytesDone, failure, relayCopy } : one));
      this.#fake.change({ ...message, attachments });
    }
    return transfer;
  }

  accept({ attachmentId }: Args["accept_attachment"]): Attachment {
    this.move(attachmentId, { state: "transferring" });
    for (const list of this.#fake.messages.values()) {
      for (const message of list) {
        const found = message.attachments.find((one) => one.attachmentId === attachmentId);
        if (found !== undefined) return found;
      }
    }
    throw new BackendError({ code: "attachment_not_found", message: "There is no such attachment here." });
  }

  step(transferId: string, state: TransferState): Transfer {
    return this.move(transferId, { state, bytesPerSecond: null, secondsLeft: null });
  }

  /** A drawn image; a colour for each name. */
  async content(attachmentId: string, part: "whole" | "thumbnail"): Promise<Blob> {
    await this.gate;
    const wide = part === "whole" ? 960 : 96;
    const canvas = new OffscreenCanvas(wide, Math.round((wide * 2) / 3));
    const pen = canvas.getContext("2d");
    if (pen === null) throw new BackendError({ code: "internal", message: "There is no canvas." });
    const hue = [...attachmentId].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0) * 7, 0) % 360;
    const sky = pen.createLinearGradient(0, 0, 0, canvas.height);
    sky.addColorStop(0, `hsl(${hue} 70% 72%)`);
    sky.addColorStop(1, `hsl(${(hue + 50) % 360} 55% 38%)`);
    pen.fillStyle = sky;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = "#fffbe8";
    pen.beginPath();
    pen.arc(canvas.width * 0.72, canvas.height * 0.3, canvas.width * 0.07, 0, 7);
    pen.fill();
    return canvas.convertToBlob({ type: "image/png" });
  }
}
