import type { Message } from "../backend/gen";

/** Several messages as text for the clipboard, "[18:53] Anna: …", oldest first. Deleted ones have nothing to copy. */
export function transcript(
  messages: readonly Message[],
  nameOf: (userId: string) => string,
  timeOf: (timestamp: string) => string,
): string {
  return messages
    .filter((one) => one.deletedAt === null && one.messageType !== "system")
    .map((one) => `[${timeOf(one.timestamp)}] ${nameOf(one.senderUserId)}: ${contentOf(one)}`)
    .join("\n");
}

/** What a message says in text: its words, and the names of its files. */
export function contentOf(message: Message): string {
  return [message.message, ...message.attachments.map((one) => `[${one.name}]`)].filter((part) => part !== "").join(" ");
}
