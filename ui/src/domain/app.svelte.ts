import { BackendError, type Backend, type BackendMessage, type Connection, type ShellInfo } from "../backend/backend";
import type { Change, Info, Me, Message, Network, Notification, Session, Settings, Transfer, User } from "../backend/gen";
import type { Day } from "../shared/days";
import { m, useLanguage } from "../shared/i18n.svelte";
import { Announcer } from "./announce.svelte";
import { defaults } from "./defaults";
import { Drafts } from "./drafts";
import { Emojis } from "./emojis.svelte";
import { Find } from "./find.svelte";
import { Notifications } from "./notifications.svelte";
import { Operations } from "./operations";
import { People, SEARCH_MS } from "./people.svelte";
import { Pictures } from "./pictures";
import type { Dialog, Route } from "./places";
import { Relays } from "./relays.svelte";
import { Search } from "./search.svelte";
import { SessionOperations } from "./session-operations";
import { Sessions, isMuted, isUnread } from "./sessions.svelte";
import { Timeline } from "./timeline.svelte";
import { Toasts } from "./toasts.svelte";
import { Transfers } from "./transfers.svelte";
import { Tray } from "./tray.svelte";
import { Viewer } from "./viewer";
import { quoteOf } from "./writing.svelte";

const ZOOM = { least: 80, most: 160, step: 10 };

/** Everything the window knows. It lives on one stream of changes; components draw it. */
export class App {
  readonly backend: Backend;
  /** `loading` until the first data are there, `failed` when they cannot be had. */
  phase = $state<"loading" | "signedOut" | "failed" | "ready">("loading");
  failure = $state<BackendError | null>(null);
  connection = $state<Connection>("connected");
  me = $state.raw<Me | null>(null);
  settings = $state.raw<Settings>(defaults);
  network = $state.raw<Network | null>(null);
  info = $state.raw<Info | null>(null);
  shell = $state.raw<ShellInfo | null>(null);
  readonly sessions = new Sessions();
  readonly people = new People();
  readonly relays = new Relays();
  readonly drafts: Drafts;
  readonly emojis = new Emojis();
  readonly operations: Operations;
  readonly sessionOperations: SessionOperations;
  /** The search in everything; it stays as it was left. */
  readonly search: Search;
  readonly notifications: Notifications;
  readonly transfers: Transfers;
  readonly pictures: Pictures;
  readonly announcer = new Announcer((count) => m.announce_burst({ count }));
  /** What is told of files, apart from messages. */
  readonly fileAnnouncer = new Announcer((count) => m.announce_files({ count }));
  timeline = $state.raw<Timeline | null>(null);
  /** Finding in the open conversation, while its bar is there. */
  find = $state.raw<Find | null>(null);
  route = $state.raw<Route>({ page: "nearby" });
  /** In a narrow window, whether the main part covers the list. */
  inMain = $state(false);
  /** Whether the details of the open session stand beside it. */
  details = $state(false);
  dialog = $state.raw<Dialog | null>(null);
  readonly toasts = new Toasts();
  /** Whether a person can be looking: the window is visible and has the focus. */
  focused = $state(false);
  /** The current time, good to half a minute: for "today" and "last seen". */
  now = $state(Date.now());
  /** Raised whenever the composer should take the focus. */
  composerCalls = $state(0);
  /** Raised whenever the conversation should go to its newest message. */
  newestCalls = $state(0);
  /** Raised whenever a field that searches should take the focus. */
  searchCalls = $state(0);
  /** Raised whenever files should be chosen for the message that is being written. */
  attachCalls = $state(0);
  /** Files of the desktop are held over the window. */
  dragging = $state(false);
  /** Paths that were dropped, until the open conversation takes them. */
  dropped = $state.raw<readonly string[] | null>(null);
  /** The path that was dropped on the dialog that adds somebody, until it takes it. */
  droppedPicture = $state<string | null>(null);

  #trays = new Map<string, Tray>();
  #viewer: Viewer;
  #stop: (() => void) | undefined;
  #queue: Change[] | null = [];

  constructor(backend: Backend) {
    this.backend = backend;
    this.search = new Search(backend);
    this.notifications = new Notifications(backend, this.toasts);
    this.transfers = new Transfers(backend, this.toasts.attempt);
    this.pictures = new Pictures(backend);
    this.operations = new Operations(backend, this.toasts.attempt);
    this.sessionOperations = new SessionOperations(backend, this.sessions, this.toasts);
    this.#viewer = new Viewer(backend);
    this.drafts = new Drafts(async (sessionId, { draftAttachments, ...changed }) => {
      const files = draftAttachments?.map((uploadId) => ({ uploadId }));
      const patch = { sessionId, ...changed, ...(files !== undefined && { draftAttachments: files.length > 0 ? files : null }) };
      try {
        this.sessions.apply(await this.backend.call("update_session", patch));
      } catch {
        // Said by the connection banner; the text stays in the composer and is saved with the next key.
      }
    });
  }

  /** The session on screen. */
  get session() {
    return this.route.page === "session" ? this.sessions.get(this.route.sessionId) : undefined;
  }

  /** The name of a machine, this one's own included. */
  nameOf(userId: string): string {
    if (userId === this.me?.machineId) return this.me.name;
    // A member that has never been met has no name here, only its key.
    return this.people.get(userId)?.name ?? this.sessions.withUser(userId)?.title ?? userId.slice(0, 16);
  }

  /** Connects and loads what the window starts with. */
  async start(): Promise<void> {
    try {
      this.#stop ??= await this.backend.subscribe((message) => this.#hear(message));
      await this.#load();
      this.phase = "ready";
      this.tellFocus();
      setTimeout(() => (this.people.searched = true), SEARCH_MS);
    } catch (cause) {
      const error = BackendError.from(cause);
      this.phase = error.code === "signed_out" || error.code === "login_invalid" ? "signedOut" : "failed";
      this.failure = error;
      return;
    }
    if (this.backend.shell !== undefined) {
      this.shell = await this.backend.shell.info().catch(() => null);
    }
  }

  /** Ends the subscription: the page goes. */
  async stop(): Promise<void> {
    await this.drafts.flush();
    this.#stop?.();
    this.#stop = undefined;
  }

  async #load(): Promise<void> {
    // What changes while this is read is kept and applied after it, so nothing old covers something new.
    this.#queue ??= [];
    const call = this.backend;
    const [me, settings, sessions, users, network, info, relays] = await Promise.all([
      call.call("me", {}),
      call.call("settings", {}),
      call.call("sessions", {}),
      call.call("users", {}),
      call.call("network", {}),
      call.call("info", {}),
      call.call("relays", {}),
      this.notifications.loadStats(),
      this.transfers.load(),
    ]);
    this.me = me;
    this.#useSettings(settings);
    this.sessions.reset(sessions.items);
    this.people.reset(users.items);
    this.network = network;
    this.info = info;
    this.relays.reset(relays.items);
    const waiting = this.#queue;
    this.#queue = null;
    for (const change of waiting) this.#apply(change);
  }

  #hear(message: BackendMessage): void {
    if (message.type === "change") {
      if (this.#queue !== null) this.#queue.push(message.change);
      else this.#apply(message.change);
    } else if (message.type === "lagged") {
      if (this.phase === "ready") void this.#reload();
    } else if (message.type === "openSession") {
      this.openSession(message.sessionId);
    } else if (message.type === "openInvitation") {
      this.dialog = { kind: "add", text: message.link };
    } else if (message.type === "filesDragged") {
      this.dragging = message.over && this.route.page === "session" && this.dialog === null;
    } else if (message.type === "filesDropped") {
      this.dragging = false;
      if (this.dialog?.kind === "add") this.droppedPicture = message.paths[0] ?? null;
      else if (this.route.page === "session" && this.dialog === null) this.dropped = message.paths;
    } else if (message.type === "closeRequested") {
      this.dialog = { kind: "close" };
    } else if (message.type === "connection") {
      this.connection = message.state;
      if (message.state === "signedOut") this.phase = "signedOut";
    }
  }

  async #reload(): Promise<void> {
    try {
      await this.#load();
      await this.timeline?.reload();
      if (this.route.page === "notifications") await this.notifications.load();
      this.#viewer.forget();
      this.tellFocus();
    } catch {
      // The link went again; coming back ends here once more.
    }
  }

  #apply(change: Change): void {
    switch (change.type) {
      case "messageChanged": {
        const { message, incoming } = change;
        if (message.deletedAt !== null) this.#forget(message.id);
        this.sessions.applyMessage(message);
        const looking = this.focused && this.timeline?.sessionId === message.sessionId;
        this.timeline?.apply(message, incoming, looking);
        if (incoming && message.messageType !== "system" && message.senderUserId !== this.me?.machineId && this.timeline?.sessionId === message.sessionId) {
          const name = this.sessions.get(message.sessionId)?.title ?? "";
          this.announcer.message(m.announce_message({ name, text: message.message.slice(0, 300) }));
        }
        break;
      }
      case "sessionChanged":
        this.sessions.apply(change.session);
        break;
      case "messageRemoved":
        this.#forget(change.messageId);
        if (this.timeline?.sessionId === change.sessionId) this.timeline.remove(change.messageId);
        break;
      case "typing":
        this.sessions.applyTyping(change.sessionId, change.userId, change.typing);
        break;
      case "userChanged":
        this.people.apply(change.user);
        this.sessions.applyUser(change.user);
        break;
      case "meChanged":
        this.me = change.me;
        break;
      case "settingsChanged":
        this.#useSettings(change.settings);
        break;
      case "networkChanged":
        this.network = change.network;
        break;
      case "relaysChanged":
        this.relays.reset(change.relays);
        break;
      case "transferChanged":
        this.#moved(change.transfer);
        break;
      case "notificationChanged":
        this.notifications.apply(change.notification);
        break;
      case "notificationRemoved":
        this.notifications.remove(change.ids);
        break;
      case "notificationsUnread":
        this.notifications.unread = change.total;
        break;
      case "unreadChanged":
      case "noticeRaised":
      case "noticeWithdrawn":
        // The shell's: tray and notifications. The window counts from its sessions.
        break;
    }
  }

  /** A file has moved on; one that has come, or cannot, is told to those who listen. */
  #moved(transfer: Transfer): void {
    const before = this.transfers.get(transfer.transferId)?.state;
    this.transfers.apply(transfer);
    if (before === undefined || before === transfer.state) return;
    const name = transfer.name.slice(0, 100);
    if (transfer.state === "complete") this.fileAnnouncer.message(m.announce_file_here({ name }));
    else if (transfer.state === "failed" || transfer.state === "gone") this.fileAnnouncer.message(m.announce_file_failed({ name }));
  }

  /** A message is gone, and with it what searches have found of it. */
  #forget(messageId: string): void {
    this.search.drop(messageId);
    this.find?.search.drop(messageId);
  }

  #useSettings(settings: Settings): void {
    this.settings = settings;
    useLanguage(settings.language);
  }

  // ---- Where one is -------------------------------------------------------------------------------------------

  /** Opens a conversation at its first unread message, or at the message that is named; the focus goes to the composer. */
  openSession(sessionId: string, messageId?: string): void {
    this.dialog = null;
    this.inMain = true;
    if (this.route.page === "session" && this.route.sessionId === sessionId && this.timeline !== null) {
      this.composerCalls += 1;
      this.tellFocus();
      if (messageId !== undefined) void this.showMessage(messageId);
      return;
    }
    this.find = null;
    void this.drafts.flush();
    // Whoever opens it has seen to it.
    if (this.sessions.get(sessionId)?.markedUnread === true) void this.sessionOperations.update(sessionId, { markedUnread: false });
    this.route = { page: "session", sessionId };
    this.sessions.selected = sessionId;
    const timeline = new Timeline(this.backend, sessionId, () => this.me?.machineId ?? "");
    this.timeline = timeline;
    void this.#openTimeline(timeline, sessionId, messageId);
    this.composerCalls += 1;
    this.tellFocus();
  }

  async #openTimeline(timeline: Timeline, sessionId: string, messageId?: string): Promise<void> {
    // A cold start by a click on a notification: the list may not be here yet.
    if (this.sessions.get(sessionId) === undefined) {
      try {
        this.sessions.apply(await this.backend.call("session", { sessionId }));
      } catch (cause) {
        timeline.error = BackendError.from(cause);
        return;
      }
    }
    if (messageId !== undefined && (await timeline.show(messageId))) return;
    await timeline.open(this.sessions.get(sessionId));
    if (messageId !== undefined && timeline.ready) this.toasts.show(m.message_gone(), "error");
  }

  /** Goes to a message of the open conversation, however far back. */
  async showMessage(messageId: string): Promise<void> {
    const shown = (await this.timeline?.show(messageId)) ?? false;
    if (!shown) this.toasts.show(m.message_gone(), "error");
  }

  /** Goes to a day of the open conversation. */
  async showDay(day: Day): Promise<void> {
    this.dialog = null;
    const timeline = this.timeline;
    if (timeline === null || (await timeline.showDay(day))) return;
    this.toasts.show(timeline.error?.message ?? m.conversation_failed(), "error");
  }

  /** Opens the bar that finds in the open conversation; without one, the search in everything. */
  openFind(): void {
    const timeline = this.timeline;
    if (timeline === null) {
      this.openSearch();
      return;
    }
    this.find ??= new Find(this.backend, timeline.sessionId, (hit) => void this.showMessage(hit.message.id));
    this.searchCalls += 1;
  }

  closeFind(): void {
    this.find = null;
    this.composerCalls += 1;
  }

  /** Opens the search in everything. */
  openSearch(): void {
    if (this.route.page !== "search") this.go({ page: "search" });
    this.searchCalls += 1;
  }

  /** Opens the conversation with a machine, making it when there is none. */
  async openUser(userId: string): Promise<void> {
    const known = this.sessions.withUser(userId);
    if (known !== undefined) {
      this.openSession(known.sessionId);
      return;
    }
    await this.toasts.attempt(async () => {
      const { session } = await this.backend.call("create_session", { receiverUserId: userId });
      this.sessions.apply(session);
      this.openSession(session.sessionId);
    });
  }

  /** Goes to another page of the main part. */
  go(route: Exclude<Route, { page: "session" }>): void {
    void this.drafts.flush();
    this.dialog = null;
    this.timeline = null;
    this.find = null;
    this.sessions.selected = null;
    this.details = false;
    this.route = route;
    this.inMain = true;
    this.tellFocus();
  }

  /** Leaves what is open; in a narrow window, back to the list. */
  back(): void {
    if (this.details) {
      this.details = false;
      return;
    }
    this.go({ page: "nearby" });
    this.inMain = false;
  }

  /** The session `step` places away in the list; with `unread`, the next that has unread messages. */
  stepSession(step: 1 | -1, unread = false): void {
    const rows = this.sessions.shown;
    if (rows.length === 0) return;
    const at = rows.findIndex((one) => one.sessionId === this.sessions.selected);
    for (let i = 1; i <= rows.length; i++) {
      const base = at < 0 && step < 0 ? 0 : at;
      const one = rows[(((base + step * i) % rows.length) + rows.length) % rows.length];
      if (one !== undefined && (!unread || isUnread(one))) {
        this.openSession(one.sessionId);
        return;
      }
    }
  }

  // ---- What a person does -------------------------------------------------------------------------------------

  /** Begins an answer to a message of the open conversation. */
  reply(message: Message): void {
    this.timeline?.writing.reply(quoteOf(message));
    this.composerCalls += 1;
  }

  /** Begins to change an own message of the open conversation. */
  edit(message: Message): void {
    this.timeline?.writing.edit(message);
    this.composerCalls += 1;
  }

  /** Gives up what is being done with messages, the last begun first; false when there is nothing. */
  giveUp(): boolean {
    const timeline = this.timeline;
    if (timeline === null) return false;
    if (timeline.selection.active) timeline.selection.clear();
    else if (!timeline.writing.cancel()) return false;
    this.composerCalls += 1;
    return true;
  }

  async accept(userId: string): Promise<void> {
    await this.toasts.attempt(async () => {
      this.#gotUser(await this.backend.call("accept_user", { userId }));
      this.composerCalls += 1;
    });
  }

  async block(user: User): Promise<void> {
    await this.toasts.attempt(async () => {
      this.#gotUser(await this.backend.call("block_user", { userId: user.userId }));
      if (this.session?.peer?.userId === user.userId) this.back();
      this.toasts.show(m.blocked_toast({ name: user.name }));
    });
  }

  async unblock(userId: string): Promise<void> {
    await this.toasts.attempt(async () => this.#gotUser(await this.backend.call("unblock_user", { userId })));
  }

  #gotUser(user: User): void {
    this.people.apply(user);
    this.sessions.applyUser(user);
  }

  /** What goes with the message that is being written in a session. */
  tray(sessionId: string): Tray {
    let tray = this.#trays.get(sessionId);
    if (tray === undefined) {
      const kept = this.sessions.get(sessionId)?.draftAttachments;
      tray = new Tray(this.backend, kept, (draftAttachments) => this.drafts.set(sessionId, { draftAttachments }));
      this.#trays.set(sessionId, tray);
    }
    return tray;
  }

  /** Goes to what a notification tells of, and marks it read. */
  openNotification(notification: Notification): void {
    if (!notification.read) void this.notifications.markRead(notification.id);
    const { kind, sessionId, messageId } = notification;
    if (kind === "network") this.go({ page: "why" });
    else if (sessionId !== null) {
      // A mention and a transfer are one message; the other kinds open where reading goes on.
      this.openSession(sessionId, kind === "mention" || kind === "transfer" ? (messageId ?? undefined) : undefined);
      if (kind === "security") this.details = true;
    } else if (notification.fromUserId !== null) void this.openUser(notification.fromUserId);
  }

  /** Mutes the open session for good, or unmutes it. */
  async toggleMute(): Promise<void> {
    if (this.session !== undefined) await this.sessionOperations.mute(this.session, isMuted(this.session, this.now) ? null : "always");
  }

  /** Puts a session aside, or back into the list; the open one is left. */
  async archive(session: Session, archived: boolean): Promise<void> {
    if (!(await this.sessionOperations.archive(session, archived))) return;
    if (archived && this.session?.sessionId === session.sessionId) this.back();
  }

  async updateSettings(patch: Partial<Settings>): Promise<void> {
    await this.toasts.attempt(() => this.changeSettings(patch));
  }

  /** Changes settings, and rejects with what the node says against it. */
  async changeSettings(patch: Partial<Settings>): Promise<void> {
    this.#useSettings(await this.backend.call("update_settings", patch));
  }

  async updateMe(patch: Partial<Pick<Me, "name" | "device" | "statusText" | "colour" | "welcomed">>): Promise<void> {
    this.me = await this.backend.call("update_me", patch);
  }

  /** Makes texts larger or smaller; 0 goes back to normal. */
  async zoom(step: 1 | -1 | 0): Promise<void> {
    const zoom = step === 0 ? 100 : this.settings.zoom + step * ZOOM.step;
    await this.updateSettings({ zoom: Math.min(ZOOM.most, Math.max(ZOOM.least, zoom)) });
  }

  /** Marks the open conversation as read up to a message. */
  async markRead(messageId: string): Promise<void> {
    const sessionId = this.timeline?.sessionId;
    if (sessionId === undefined || (this.sessions.get(sessionId)?.unreadCount ?? 0) === 0) return;
    try {
      this.sessions.apply(await this.backend.call("mark_session_read", { sessionId, messageId }));
    } catch {
      // It stays unread, which is what the list says.
    }
  }

  // ---- Who looks ----------------------------------------------------------------------------------------------

  /** Follows the focus of the window. */
  setFocused(focused: boolean): void {
    this.focused = focused;
    if (focused) {
      this.now = Date.now();
      this.timeline?.looked();
    }
    this.tellFocus();
  }

  /** Tells the node what is on screen, so that it raises no notification for it. */
  tellFocus(): void {
    if (this.phase !== "ready") return;
    this.#viewer.tell(this.route.page === "session" ? this.route.sessionId : undefined, this.focused);
  }
}
