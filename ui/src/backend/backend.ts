import type { Args, Change, CommandName, ErrorBody, Result, Upload } from "./gen";

/** What comes from the node or its shell without having been asked for. */
export type BackendMessage =
  | { type: "change"; change: Change }
  /** This reader fell behind or was away: what it shows must be loaded again. */
  | { type: "lagged" }
  /** A notification was clicked, or a link opened. */
  | { type: "openSession"; sessionId: string }
  /** A link asks to add somebody, `landline://add/…`, perhaps one that cannot be read. The person is asked first. */
  | { type: "openInvitation"; link: string }
  /** The window is about to close where there is no tray, and the person has not yet said what that should do. */
  | { type: "closeRequested" }
  /** Files are dragged over the window, or no longer. */
  | { type: "filesDragged"; over: boolean }
  /** Files of this computer were dropped on the window. */
  | { type: "filesDropped"; paths: string[] }
  /** Whether the node can be reached. */
  | { type: "connection"; state: Connection };

/** `gone`: the node ended or cannot be reached, and is tried again. `signedOut`: it no longer knows this page. */
export type Connection = "connected" | "gone" | "signedOut";

/** Whether a part of the shell works, and why not. */
export interface ShellInfo {
  /** Whether closing the window leaves an icon in the tray. */
  tray: { ok: boolean; reason: string | null };
  /** Whether the system shows notifications. */
  notifications: { ok: boolean; reason: string | null };
}

/** What was found on the clipboard of the desktop. */
export interface Pasted {
  paths: readonly string[];
  image: Upload | null;
  text: string | null;
}

/** What only the desktop shell can do. */
export interface Shell {
  info(): Promise<ShellInfo>;
  /** Shows a notification now; rejects with the reason when the system has no such service. */
  notificationTest(): Promise<void>;
  /** Lets the person choose files to send, in a window with this title: their paths, none when they chose none. */
  chooseFiles(title: string): Promise<readonly string[]>;
  /** Lets the person choose a folder; `null` when they chose none. */
  chooseFolder(title: string): Promise<string | null>;
  /** What the clipboard holds: paths of files, an image that has been added, or text. */
  pasteFiles(): Promise<Pasted>;
  /** The bytes of a picture on this computer: the one at a path, or without one what lies on the clipboard. `null` when that is none. */
  readPicture(path?: string): Promise<Blob | null>;
  /** Opens the file of an attachment in the system's own program. Only ever because a person asked for it. */
  openAttachment(attachmentId: string): Promise<void>;
  /** Shows the file of an attachment in its folder. */
  showAttachment(attachmentId: string): Promise<void>;
  /** Answers `closeRequested`: keep the node running, or end it. Remembered by the shell's settings. */
  setCloseChoice(keepRunning: boolean): Promise<void>;
}

/** The one way from the interface to a node. Calls reject with a `BackendError`. */
export interface Backend {
  readonly kind: "tauri" | "web";
  readonly shell?: Shell;
  call<K extends CommandName>(name: K, args: Args[K]): Promise<Result[K]>;
  /** Resolves once changes flow: what is loaded after that misses nothing. */
  subscribe(listener: (message: BackendMessage) => void): Promise<() => void>;
  /** Adds a file whose bytes this page has, to be sent. `ondone` hears how many bytes the node has. */
  upload(file: File, ondone: (bytes: number) => void, signal: AbortSignal): Promise<Upload>;
  /** The bytes of an attachment that is on this machine, or of the small image that stands for it. What was added and is not sent yet has only that. */
  content(attachmentId: string, part: "whole" | "thumbnail"): Promise<Blob>;
  /** Opens an http, https or mailto address in the system's own program. */
  openExternal(url: string): Promise<void>;
}

/** A refused or failed call. `code` is for programs, `message` for people. */
export class BackendError extends Error {
  readonly code: string;
  readonly field: string | undefined;
  readonly limit: number | undefined;

  constructor(body: ErrorBody) {
    super(body.message);
    this.name = "BackendError";
    this.code = body.code;
    this.field = body.field;
    this.limit = body.limit;
  }

  /** Makes one of whatever a call was rejected with. */
  static from(cause: unknown): BackendError {
    if (cause instanceof BackendError) return cause;
    if (typeof cause === "object" && cause !== null && "code" in cause && "message" in cause) {
      const body = cause as ErrorBody;
      return new BackendError({ ...body, code: String(body.code), message: String(body.message) });
    }
    if (cause instanceof Error) return new BackendError({ code: "internal", message: cause.message });
    return new BackendError({ code: "internal", message: String(cause) });
  }
}

/** The schemes a link may have. Everything else in a message stays plain text. */
export function isOpenable(url: string): boolean {
  try {
    return ["http:", "https:", "mailto:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}
