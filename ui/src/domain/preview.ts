import type { Message, Session } from "../backend/gen";

/** What the second line of a session says. */
export type Preview =
  | { kind: "typing" }
  | { kind: "draft"; text: string }
  | { kind: "none" }
  | { kind: "deleted"; message: Message }
  | { kind: "system"; message: Message }
  | { kind: "message"; message: Message; text: string; file: "image" | "file" | "folder" | null };

/** One line is enough of a message of 64 KiB. */
const LENGTH = 240;

/** What is worth a line of a session; `open`: its draft stands in the composer already. */
export function previewOf(session: Session, open: boolean): Preview {
  if (session.typing.length > 0) return { kind: "typing" };
  if (session.draft !== null && !open) return { kind: "draft", text: line(session.draft) };
  const message = session.lastMessage;
  if (message === null) return { kind: "none" };
  if (message.deletedAt !== null) return { kind: "deleted", message };
  if (message.messageType === "system") return { kind: "system", message };
  const [attachment] = message.attachments;
  const file =
    attachment === undefined ? null
    : attachment.kind === "folder" ? "folder"
    : attachment.mime.startsWith("image/") ? "image"
    : "file";
  // Words say more than the name of a file.
  return { kind: "message", message, text: line(message.message.trim() === "" ? (attachment?.name ?? "") : message.message), file };
}

function line(text: string): string {
  return text.slice(0, LENGTH).replace(/\s+/gu, " ");
}
