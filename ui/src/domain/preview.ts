import type { Attachment, Message, Session } from "../backend/gen";

/** What the second line of a session says. */
export type Preview =
  | { kind: "typing" }
  | { kind: "draft"; text: string; file: PreviewFile }
  | { kind: "none" }
  | { kind: "deleted"; message: Message }
  | { kind: "system"; message: Message }
  | { kind: "message"; message: Message; text: string; file: PreviewFile };

/** What is shown of a file before its words. */
type PreviewFile = "image" | "file" | "folder" | null;

/** One line is enough of a message of 64 KiB. */
const LENGTH = 240;

/** What is worth a line of a session; `open`: its draft stands in the composer already. */
export function previewOf(session: Session, open: boolean): Preview {
  if (session.typing.length > 0) return { kind: "typing" };
  const [drafted] = session.draftAttachments;
  if (!open && (session.draft !== null || drafted !== undefined)) {
    return { kind: "draft", text: line(session.draft ?? drafted?.name ?? ""), file: fileOf(drafted) };
  }
  const message = session.lastMessage;
  if (message === null) return { kind: "none" };
  if (message.deletedAt !== null) return { kind: "deleted", message };
  if (message.messageType === "system") return { kind: "system", message };
  const [attachment] = message.attachments;
  // Words say more than the name of a file.
  return { kind: "message", message, text: line(message.message.trim() === "" ? (attachment?.name ?? "") : message.message), file: fileOf(attachment) };
}

function fileOf(one: Pick<Attachment, "kind" | "mime"> | undefined): PreviewFile {
  if (one === undefined) return null;
  if (one.kind === "folder") return "folder";
  return one.mime.startsWith("image/") ? "image" : "file";
}

function line(text: string): string {
  return text.slice(0, LENGTH).replace(/\s+/gu, " ");
}
