import type { Message, Quote } from "../backend/gen";

/** How much of a message its quote shows. */
const QUOTE_CHARACTERS = 200;

/** What the composer of a session is about beside its text: the message that is answered, or the one that is changed. */
export class Writing {
  replyTo = $state.raw<Quote | null>(null);
  editing = $state.raw<Message | null>(null);

  reply(quote: Quote): void {
    this.editing = null;
    this.replyTo = quote;
  }

  edit(message: Message): void {
    this.editing = message;
  }

  /** Gives up the change, else the answer; false when there was neither. */
  cancel(): boolean {
    if (this.editing !== null) this.editing = null;
    else if (this.replyTo !== null) this.replyTo = null;
    else return false;
    return true;
  }

  /** What is known of a message that changed while it is answered or changed here. */
  apply(message: Message): void {
    if (this.replyTo?.id === message.id) this.replyTo = quoteOf(message);
    if (this.editing?.id === message.id && message.deletedAt !== null) this.editing = null;
  }

  /** A message is gone from this machine. */
  remove(messageId: string): void {
    if (this.replyTo?.id === messageId) this.replyTo = null;
    if (this.editing?.id === messageId) this.editing = null;
  }
}

/** A message as the answer to it shows it. */
export function quoteOf(message: Message): Quote {
  return {
    id: message.id,
    senderUserId: message.senderUserId,
    message: Array.from(message.message.slice(0, QUOTE_CHARACTERS * 2)).slice(0, QUOTE_CHARACTERS).join(""),
    messageType: message.messageType,
    deleted: message.deletedAt !== null,
    attachment: message.attachments[0]?.name ?? null,
  };
}
