import type { Backend } from "../backend/backend";
import type { Message } from "../backend/gen";
import type { MessageKey } from "./keymap";
import type { Attempt } from "./toasts.svelte";

/** How long after it was written a message can be changed. The node decides; this is said early. */
export const EDIT_WINDOW_MS = 24 * 3_600_000;

/**
 * What a person does with messages that are there. Nothing is changed here: the node answers within milliseconds, and
 * its stream brings the row as it is then.
 */
export class Operations {
  #backend: Backend;
  #attempt: Attempt;

  constructor(backend: Backend, attempt: Attempt) {
    this.#backend = backend;
    this.#attempt = attempt;
  }

  /** Puts an emoji on a message, or takes it away. */
  react(messageId: string, emoji: string, on: boolean): Promise<boolean> {
    return this.#attempt(async () => void (await this.#backend.call("react", { messageId, emoji, on })));
  }

  pin(messageId: string, on: boolean): Promise<boolean> {
    return this.#attempt(async () => void (await this.#backend.call("pin_message", { messageId, on })));
  }

  /** Deletes messages everywhere, or from this machine alone. */
  remove(messageIds: readonly string[], whose: "all" | "me"): Promise<boolean> {
    return this.#attempt(async () => {
      for (const messageId of messageIds) await this.#backend.call("delete_message", { messageId, for: whose });
    });
  }

  /** Sends copies of messages to other sessions. */
  forward(messageIds: readonly string[], sessionIds: readonly string[]): Promise<boolean> {
    return this.#attempt(async () => {
      await this.#backend.call("forward_message", { messageIds: [...messageIds], sessionIds: [...sessionIds] });
    });
  }

  /** Puts a failed message back into the queue. */
  retry(messageId: string): Promise<boolean> {
    return this.#attempt(async () => void (await this.#backend.call("retry_message", { messageId })));
  }
}

/** Whether a message still has something to answer, react to, or copy. */
export function isAlive(message: Message): boolean {
  return message.deletedAt === null && message.messageType !== "system";
}

/** Whether this machine may still change a message. */
export function canEdit(message: Message, me: string, now: number): boolean {
  return isAlive(message) && message.senderUserId === me && now - Date.parse(message.timestamp) < EDIT_WINDOW_MS;
}

/** Who looks at a message, when, and whether its session can be written to. */
export interface Looker {
  me: string;
  now: number;
  writable: boolean;
}

/** Whether what a key or the menu asks for can be done with a message. */
export function allows(message: Message, act: MessageKey, { me, now, writable }: Looker): boolean {
  const sent = isAlive(message) && message.state !== "failed";
  switch (act) {
    case "menu":
    case "delete":
      return true;
    case "info":
      return isAlive(message);
    case "copy":
      return isAlive(message) && message.message !== "";
    case "select":
      return sent;
    case "reply":
    case "react":
      return sent && writable;
    case "edit":
      return sent && writable && canEdit(message, me, now);
  }
}

/** Whether a message can be deleted from this machine alone. One that still waits would go out all the same. */
export function canDeleteHere(message: Message, me: string): boolean {
  return message.senderUserId !== me || message.state !== "queued" || message.deletedAt !== null;
}

/** Whether a message can be deleted everywhere. */
export function canDeleteEverywhere(message: Message, me: string): boolean {
  return isAlive(message) && message.senderUserId === me;
}
