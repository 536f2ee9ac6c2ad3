import { BackendError } from "../../src/backend/backend";
import type { Args, Message, Quote } from "../../src/backend/gen";
import { ME, type FakeBackend } from "./backend";

const iso = (fake: FakeBackend) => new Date(fake.now).toISOString();

/** A message as an answer to it carries it. */
export function quote(message: Message): Quote {
  return {
    id: message.id,
    senderUserId: message.senderUserId,
    message: message.message.slice(0, 200),
    messageType: message.messageType,
    deleted: message.deletedAt !== null,
    attachment: message.attachments[0]?.name ?? null,
  };
}

/** What a node answers to what is done with messages that are there; `undefined` when it is none of these. */
export function operate(fake: FakeBackend, name: string, args: unknown): unknown {
  switch (name) {
    case "message":
      return fake.find((args as Args["message"]).messageId);
    case "edit_message": {
      const { messageId, message, mentions = [] } = args as Args["edit_message"];
      return edit(fake, messageId, message, mentions);
    }
    case "delete_message": {
      const { messageId, for: whose } = args as Args["delete_message"];
      return whose === "all" ? erase(fake, messageId) : drop(fake, messageId);
    }
    case "react": {
      const { messageId, emoji, on = true } = args as Args["react"];
      return react(fake, messageId, ME, emoji, on);
    }
    case "pin_message": {
      const { messageId, on } = args as Args["pin_message"];
      return pin(fake, messageId, on);
    }
    case "forward_message": {
      const { messageIds, sessionIds } = args as Args["forward_message"];
      const items = sessionIds.flatMap((id) =>
        messageIds.map((one) => {
          const { message, attachments } = fake.find(one);
          return fake.say(id, ME, message, { attachments, forwarded: true, state: "queued", deliveredAt: null });
        }),
      );
      return { items, nextBefore: null, nextAfter: null };
    }
    case "set_timer": {
      const { sessionId, seconds } = args as Args["set_timer"];
      fake.sessions.set(sessionId, { ...fake.row(sessionId), timerSeconds: seconds });
      fake.say(sessionId, ME, "", { messageType: "system", system: { kind: "timer", seconds } });
      return fake.row(sessionId);
    }
    case "message_history":
      return { items: fake.versions.get((args as Args["message_history"]).messageId) ?? [] };
    case "message_receipts": {
      const { sessionId, senderUserId, deliveredAt, readAt } = fake.find((args as Args["message_receipts"]).messageId);
      const userId = fake.row(sessionId).peer?.userId ?? "";
      return { items: senderUserId === ME ? [{ userId, deliveredAt, readAt }] : [] };
    }
    case "typing":
      return { ok: true };
    default:
      return undefined;
  }
}

export function edit(fake: FakeBackend, messageId: string, text: string, mentions: string[] = []): Message {
  const before = fake.find(messageId);
  const versions = fake.versions.get(messageId) ?? [{ message: before.message, editedAt: null }];
  fake.versions.set(messageId, [...versions, { message: text, editedAt: iso(fake) }]);
  return fake.change({ ...before, message: text, mentions, editedAt: iso(fake) });
}

/** Deletes a message for everyone: what is left says so. */
export function erase(fake: FakeBackend, messageId: string): Message {
  fake.versions.delete(messageId);
  const gone = { message: "", attachments: [], reactions: [], mentions: [], quote: null, pinned: false, editedAt: null };
  return fake.change({ ...fake.find(messageId), ...gone, deletedAt: iso(fake) });
}

/** Takes a message away from this machine. */
export function drop(fake: FakeBackend, messageId: string): Message {
  const message = fake.find(messageId);
  const { sessionId } = message;
  if (message.senderUserId === ME && message.state === "queued") {
    throw new BackendError({ code: "conflict", message: "It still waits to be sent; delete it for everyone." });
  }
  fake.messages.set(sessionId, (fake.messages.get(sessionId) ?? []).filter((one) => one.id !== messageId));
  fake.emit({ type: "change", change: { type: "messageRemoved", sessionId, messageId } });
  fake.emit({ type: "change", change: { type: "sessionChanged", session: fake.row(sessionId), opened: false } });
  return message;
}

export function react(fake: FakeBackend, messageId: string, userId: string, emoji: string, on: boolean): Message {
  const message = fake.find(messageId);
  const others = message.reactions.filter((one) => one.userId !== userId || one.emoji !== emoji);
  return fake.change({ ...message, reactions: on ? [...others, { emoji, userId, at: iso(fake) }] : others });
}

export function pin(fake: FakeBackend, messageId: string, on: boolean): Message {
  const message = fake.change({ ...fake.find(messageId), pinned: on });
  const row = fake.row(message.sessionId);
  const others = row.pinnedMessages.filter((one) => one !== messageId);
  fake.sessions.set(row.sessionId, { ...row, pinnedMessages: on ? [...others, messageId] : others });
  fake.emit({ type: "change", change: { type: "sessionChanged", session: fake.row(row.sessionId), opened: false } });
  return message;
}

/** Somebody begins or ends to type. */
export function types(fake: FakeBackend, sessionId: string, userId: string, typing: boolean): void {
  fake.sessions.set(sessionId, { ...fake.row(sessionId), typing: typing ? [userId] : [] });
  fake.emit({ type: "change", change: { type: "typing", sessionId, userId, typing } });
}
