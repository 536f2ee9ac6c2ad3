import { BackendError, type Backend, type BackendMessage, type ShellInfo } from "../../src/backend/backend";
import { defaults } from "../../src/domain/defaults";
import { FakeFiles } from "./files";
import { FakeInvitations } from "./invitations";
import { FakeNotifications } from "./notifications";
import { operate, quote } from "./operations";
import { FakeRelays } from "./relays";
import { searchIn } from "./search";
import type { Args, CommandName, Message, Network, Page, Result, Session, Settings, User, Version } from "../../src/backend/gen";

/** The machine whose window is under test. */
export const ME = "landline1me";
/** When the world of the test begins. */
export const START = Date.parse("2026-11-20T09:00:00.000Z");

export function person(id: string, name: string, more: Partial<User> = {}): User {
  const userId = `landline1${id}`;
  return {
    userId,
    machineId: userId,
    name,
    device: `${name.toLowerCase().split(" ")[0] ?? "some"}-laptop`,
    statusText: "",
    colour: name.length % 12,
    keyTag: id.slice(0, 4).padEnd(4, "q"),
    status: "online",
    lastSeen: null,
    trust: "accepted",
    path: "direct",
    via: null,
    relayed: false,
    relays: [],
    nearby: true,
    nameClash: false,
    clockSkewSeconds: null,
    ...more,
  };
}

/** A node without a network: it keeps sessions in memory, answers the window's calls and tells its changes. */
export class FakeBackend implements Backend {
  readonly kind = "tauri" as const;
  readonly calls: { name: CommandName; args: unknown }[] = [];
  readonly opened: string[] = [];
  readonly messages = new Map<string, Message[]>();
  readonly sessions = new Map<string, Session>();
  readonly users = new Map<string, User>();
  readonly notifications = new FakeNotifications(this);
  readonly files = new FakeFiles(this);
  readonly invitations = new FakeInvitations(this);
  readonly relays = new FakeRelays(this);
  /** What edited messages said, by message. */
  readonly versions = new Map<string, Version[]>();
  /** What the next call of a name is refused with. */
  readonly refusals = new Map<CommandName, BackendError>();
  me: Result["me"] = {
    machineId: ME,
    name: "Bea Lindqvist",
    device: "bea-desktop",
    statusText: "",
    colour: 6,
    keyTag: "m3x9",
    keyStorage: "keyring",
    welcomed: true,
    relays: [],
  };
  settings: Settings = { ...defaults, language: "en" };
  network: Network = {
    listen: "[::]:4281",
    interfaces: [{ name: "wlan0", addresses: ["192.168.1.20", "fe80::1c2d:3eff:fe4f:5a6b"] }],
    mdns: { ok: true, reason: null },
    beacon: { ok: true, reason: null },
    discovered: 0,
    links: 0,
  };
  shellInfo: ShellInfo = { tray: { ok: true, reason: null }, notifications: { ok: true, reason: null } };
  now = START;
  #listener: ((message: BackendMessage) => void) | undefined;
  #count = 0;

  readonly shell = {
    info: async () => this.shellInfo,
    notificationTest: async () => {
      if (!this.shellInfo.notifications.ok) {
        throw new BackendError({ code: "unavailable", message: this.shellInfo.notifications.reason ?? "" });
      }
    },
    chooseFiles: async () => this.files.chosen,
    pasteFiles: async () => this.files.pasted,
    readPicture: async (path?: string) => this.files.pictures.get(path ?? "clipboard") ?? null,
    openAttachment: async (attachmentId: string) => void this.files.opened.push(attachmentId),
    showAttachment: async (attachmentId: string) => void this.files.opened.push(`folder of ${attachmentId}`),
    chooseFolder: async () => "/srv/bea/Downloads/Landline",
    setCloseChoice: async (keepRunning: boolean) => {
      this.calls.push({ name: "update_settings", args: { closeKeepsRunning: keepRunning } });
    },
  };

  async subscribe(listener: (message: BackendMessage) => void) {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  }

  async upload(file: File, ondone: (bytes: number) => void, signal: AbortSignal) {
    return this.files.upload(file, ondone, signal);
  }

  async content(attachmentId: string, part: "whole" | "thumbnail") {
    return this.files.content(attachmentId, part);
  }

  async openExternal(url: string) {
    this.opened.push(url);
  }

  emit(message: BackendMessage): void {
    this.#listener?.(structuredClone(message));
  }

  async call<K extends CommandName>(name: K, args: Args[K]): Promise<Result[K]> {
    this.calls.push({ name, args });
    const refusal = this.refusals.get(name);
    if (refusal !== undefined) {
      this.refusals.delete(name);
      throw refusal;
    }
    return structuredClone(this.#answer(name, args)) as Result[K];
  }

  #answer(name: CommandName, args: unknown): unknown {
    const given = args as Record<string, never>;
    switch (name) {
      case "me":
        return this.me;
      case "update_me":
        this.me = { ...this.me, ...given };
        return this.me;
      case "settings":
        return this.settings;
      case "update_settings":
        this.settings = { ...this.settings, ...given };
        return this.settings;
      case "network":
        return this.network;
      case "info":
        return { name: "Landline", version: "0.1.0", apiVersion: "v1", machineId: ME };
      case "users":
        return page([...this.users.values()]);
      case "sessions":
        return page([...this.sessions.values()].map((one) => this.row(one.sessionId)));
      case "session":
        return this.row(given["sessionId"] ?? "");
      case "create_session": {
        const user = this.users.get(given["receiverUserId"] ?? "");
        if (user === undefined) throw new BackendError({ code: "not_found", message: "No such machine." });
        return { session: this.session(user), created: true };
      }
      case "update_session": {
        const { sessionId, draftAttachments: drafted, ...patch } = given as unknown as Args["update_session"];
        const row = this.row(sessionId);
        const uploads = drafted?.flatMap(({ uploadId }) => this.files.uploads.get(uploadId) ?? []);
        const draftAttachments = drafted === undefined ? row.draftAttachments : (uploads ?? []);
        this.sessions.set(sessionId, { ...row, ...patch, draftAttachments });
        return this.row(sessionId);
      }
      case "accept_user":
        return this.trust(given["userId"] ?? "", "accepted");
      case "block_user":
        return this.trust(given["userId"] ?? "", "blocked");
      case "unblock_user":
        return this.trust(given["userId"] ?? "", "accepted");
      case "add_contact":
        return this.invitations.add(given as unknown as Args["add_contact"]);
      case "create_invitation":
        return this.invitations.make();
      case "relays":
        return page(this.relays.items);
      case "add_relay":
        return this.relays.add(given as unknown as Args["add_relay"]);
      case "remove_relay":
        return this.relays.remove(given as unknown as Args["remove_relay"]);
      case "messages":
        return this.page(given as unknown as Args["messages"]);
      case "send_message": {
        const { sessionId, message, tempId, replyTo, mentions = [], attachments: wanted } = given as unknown as Args["send_message"];
        const attachments = this.files.attach(wanted);
        const images = attachments.length > 0 && attachments.every((one) => one.mime.startsWith("image/"));
        const messageType = images ? "image" : attachments.length > 0 ? "file" : "text";
        const answered = replyTo === undefined ? null : quote(this.find(replyTo));
        const more = { replyTo: replyTo ?? null, quote: answered, mentions, attachments, messageType } as const;
        return this.say(sessionId ?? "", ME, message, { state: "queued", deliveredAt: null, tempId: tempId ?? null, ...more });
      }
      case "retry_message": {
        const message = this.find(given["messageId"] ?? "");
        return this.change({ ...message, state: "queued", failure: null });
      }
      case "mark_session_read": {
        const sessionId = given["sessionId"] ?? "";
        const list = this.messages.get(sessionId) ?? [];
        const upto = given["messageId"] === undefined ? list.length : list.findIndex((one) => one.id === given["messageId"]) + 1;
        const row = this.row(sessionId);
        const from = Math.max(upto, list.findIndex((one) => one.id === row.firstUnread));
        const left = row.firstUnread === null ? [] : list.slice(from).filter((one) => one.senderUserId !== ME);
        this.sessions.set(sessionId, { ...row, markedUnread: false, unreadCount: left.length, firstUnread: left[0]?.id ?? null });
        return this.row(sessionId);
      }
      case "search":
        return searchIn(this, given as unknown as Args["search"]);
      case "notifications":
        return this.notifications.page(given as unknown as Args["notifications"]);
      case "notification_stats":
        return this.notifications.stats();
      case "mark_notification_read":
        return this.notifications.read(given["notificationId"] ?? "");
      case "mark_all_notifications_read":
        this.notifications.readAll();
        return { ok: true };
      case "delete_notification":
        this.notifications.remove((one) => one.id === given["notificationId"]);
        return { ok: true };
      case "cleanup_notifications":
        return { count: this.notifications.cleanUp(given as unknown as Args["cleanup_notifications"]) };
      case "add_file":
        return this.files.addPath(given as unknown as Args["add_file"]);
      case "transfers":
        return page([...this.files.transfers.values()]);
      case "accept_attachment":
        return this.files.accept(given as unknown as Args["accept_attachment"]);
      case "pause_transfer":
        return this.files.step(given["transferId"] ?? "", "paused");
      case "resume_transfer":
        return this.files.step(given["transferId"] ?? "", "transferring");
      case "cancel_transfer":
        return this.files.step(given["transferId"] ?? "", "cancelled");
      case "focus":
        return { ok: true };
      default: {
        const done = operate(this, name, args);
        if (done !== undefined) return done;
        throw new BackendError({ code: "unknown_command", message: `The fake has no ${name}.` });
      }
    }
  }

  /** Opens a session with somebody. */
  session(user: User, more: Partial<Session> = {}): Session {
    this.users.set(user.userId, user);
    const sessionId = `session-${user.userId}`;
    this.sessions.set(sessionId, {
      sessionId,
      kind: "direct",
      title: user.name,
      participants: [ME, user.userId],
      peer: user,
      createdAt: new Date(this.now).toISOString(),
      lastMessage: null,
      unreadCount: 0,
      waitingCount: 0,
      pinned: false,
      mutedUntil: null,
      archived: false,
      draft: null,
      firstUnread: null,
      request: false,
      held: false,
      typing: [],
      timerSeconds: 0,
      retentionDays: null,
      notify: "all",
      markedUnread: false,
      draftReplyTo: null,
      draftAttachments: [],
      pinnedMessages: [],
      ...more,
    });
    this.messages.set(sessionId, this.messages.get(sessionId) ?? []);
    return this.row(sessionId);
  }

  /** Changes a session and tells it. */
  tell(sessionId: string, patch: Partial<Session>): Session {
    this.sessions.set(sessionId, { ...this.row(sessionId), ...patch });
    const session = this.row(sessionId);
    this.emit({ type: "change", change: { type: "sessionChanged", session, opened: false } });
    return session;
  }

  /** The row of a session as the node would tell it. */
  row(sessionId: string): Session {
    const session = this.sessions.get(sessionId);
    if (session === undefined) throw new BackendError({ code: "not_found", message: "No such session." });
    const peer = session.peer === null ? null : (this.users.get(session.peer.userId) ?? session.peer);
    return {
      ...session,
      peer,
      title: peer?.name ?? session.title,
      request: session.request && peer?.trust === "requested",
      lastMessage: this.messages.get(sessionId)?.at(-1) ?? null,
    };
  }

  /** Adds a message without telling anybody. */
  put(sessionId: string, from: string, text: string, more: Partial<Message> = {}): Message {
    const n = ++this.#count;
    const message: Message = {
      id: `message-${n}`,
      sessionId,
      senderUserId: from,
      receiverUserId: null,
      message: text,
      messageType: "text",
      timestamp: new Date(this.now).toISOString(),
      state: "delivered",
      failure: null,
      heldBy: null,
      tempId: null,
      deliveredAt: new Date(this.now).toISOString(),
      order: String(n).padStart(10, "0"),
      readAt: null,
      editedAt: null,
      deletedAt: null,
      replyTo: null,
      quote: null,
      reactions: [],
      pinned: false,
      forwarded: false,
      expiresAt: null,
      attachments: [],
      mentions: [],
      receipts: { delivered: 1, read: 0, of: 1 },
      system: null,
      ...more,
    };
    this.messages.get(sessionId)?.push(message);
    return message;
  }

  /** Adds a message and tells the change, as when it arrives or is sent. */
  say(sessionId: string, from: string, text: string, more: Partial<Message> = {}): Message {
    const message = this.put(sessionId, from, text, more);
    const incoming = from !== ME;
    this.emit({ type: "change", change: { type: "messageChanged", message, incoming } });
    if (incoming) {
      const row = this.row(sessionId);
      this.sessions.set(sessionId, {
        ...row,
        unreadCount: row.unreadCount + 1,
        firstUnread: row.firstUnread ?? message.id,
      });
    }
    this.emit({ type: "change", change: { type: "sessionChanged", session: this.row(sessionId), opened: false } });
    return message;
  }

  /** Changes a message that is there and tells it. */
  change(message: Message): Message {
    const list = this.messages.get(message.sessionId) ?? [];
    list[list.findIndex((one) => one.id === message.id)] = message;
    this.emit({ type: "change", change: { type: "messageChanged", message, incoming: false } });
    return message;
  }

  /** Changes a machine and tells it. */
  user(user: User): User {
    this.users.set(user.userId, user);
    this.emit({ type: "change", change: { type: "userChanged", user } });
    return user;
  }

  trust(userId: string, trust: User["trust"]): User {
    const user = this.users.get(userId);
    if (user === undefined) throw new BackendError({ code: "not_found", message: "No such machine." });
    const changed = this.user({ ...user, trust });
    for (const session of this.sessions.values()) {
      if (session.peer?.userId === userId) {
        this.emit({ type: "change", change: { type: "sessionChanged", session: this.row(session.sessionId), opened: false } });
      }
    }
    return changed;
  }

  find(messageId: string): Message {
    for (const list of this.messages.values()) {
      const found = list.find((one) => one.id === messageId);
      if (found !== undefined) return found;
    }
    throw new BackendError({ code: "not_found", message: "No such message." });
  }

  page({ sessionId, before, after, around, date, limit = 50 }: Args["messages"]): Page<Message> {
    const all = this.messages.get(sessionId) ?? [];
    const at = (id: string) => {
      const index = all.findIndex((one) => one.id === id);
      if (index < 0) throw new BackendError({ code: "message_not_found", message: "There is no such message." });
      return index;
    };
    let from = Math.max(0, all.length - limit);
    let to = all.length;
    if (before !== undefined) {
      to = at(before);
      from = Math.max(0, to - limit);
    } else if (after !== undefined) {
      from = at(after) + 1;
      to = Math.min(all.length, from + limit);
    } else if (date !== undefined) {
      const first = all.findIndex((one) => one.timestamp >= date);
      from = Math.max(0, (first < 0 ? all.length : first) - Math.floor(limit / 2));
      to = Math.min(all.length, from + limit);
    } else if (around !== undefined) {
      from = Math.max(0, at(around) - Math.floor(limit / 2));
      to = Math.min(all.length, from + limit);
    }
    const items = all.slice(from, to);
    return {
      items,
      nextBefore: from > 0 ? (items[0]?.id ?? null) : null,
      nextAfter: to < all.length ? (items.at(-1)?.id ?? null) : null,
    };
  }
}

function page<T>(items: T[]): Page<T> {
  return { items, nextBefore: null, nextAfter: null };
}
