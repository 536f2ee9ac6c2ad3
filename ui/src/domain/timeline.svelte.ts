import { tick } from "svelte";
import { SvelteSet } from "svelte/reactivity";
import { BackendError, type Backend } from "../backend/backend";
import type { Message, MessagesArgs, Page, SendMessageArgs, Session } from "../backend/gen";
import { startOf, type Day } from "../shared/days";
import { Pins } from "./pins.svelte";
import { Selection } from "./selection.svelte";
import { Writing, quoteOf } from "./writing.svelte";

/** Messages that are loaded at a time. */
export const PAGE = 60;
/** Most messages that are kept loaded; the far end is let go. */
export const KEPT = 600;
/** So many may be there while one scrolls towards the newest: see `rested`. */
export const KEPT_MOVING = 2 * KEPT;

/** Where a freshly loaded part is shown from: its end, the unread divider, or a message. */
export type Target = { at: "end" } | { at: "divider" } | { at: "message"; id: string };

/** Which page to load: none of these is the newest. */
type Where = Pick<MessagesArgs, "around" | "date">;

/** What a message is sent with beside its text. */
type Along = Pick<SendMessageArgs, "replyTo" | "mentions" | "attachments">;

/** The loaded part of one conversation, oldest first. Changes of the stream are applied to it. */
export class Timeline {
  readonly sessionId: string;
  messages = $state.raw<readonly Message[]>([]);
  /** Whether messages came or went at the old end just now: the list then keeps its place from the new end. */
  shift = $state(false);
  /** The first page is there. */
  ready = $state(false);
  loading = $state<"before" | "after" | null>(null);
  error = $state<BackendError | null>(null);
  /** The message that the unread divider stands before, until the session is left. */
  dividerId = $state<string | null>(null);
  /** Whether older and newer messages remain on disk. */
  moreBefore = $state(false);
  moreAfter = $state(false);
  /** Long messages that a person has unfolded. */
  readonly unfolded = new SvelteSet<string>();
  readonly selection = new Selection();
  readonly writing = new Writing();
  readonly pins: Pins;
  /** Messages of others that arrived below what is on screen. */
  below = $state(0);
  /** Counts how often the whole part was replaced: the list then starts anew, at `target`. */
  loads = $state(0);
  target: Target = { at: "end" };
  /** The message that was jumped to last; a new object for each jump, also to the same message. */
  landed = $state.raw<{ id: string } | null>(null);
  /** The topmost message on screen, told by the list; `null` while it stands at the end. */
  anchor: string | null = null;
  #backend: Backend;
  #me: () => string;
  #generation = 0;
  /** Whether a person had this conversation in focus since the divider was set. */
  #looked = false;
  /** Pages that are on their way, and what the stream said meanwhile: a page may have been read before that. */
  #reading = 0;
  #meanwhile = new Map<string, { message: Message; incoming: boolean; looking: boolean }>();
  /** Messages that went meanwhile. */
  #gone = new Set<string>();

  constructor(backend: Backend, sessionId: string, me: () => string) {
    this.#backend = backend;
    this.sessionId = sessionId;
    this.#me = me;
    this.pins = new Pins(backend);
  }

  /** Loads the page that the session opens with: around the first unread message, else the newest. */
  async open(session: Session | undefined): Promise<void> {
    this.dividerId = session?.firstUnread ?? null;
    const id = this.dividerId;
    await (id === null ? this.#load({}, { at: "end" }) : this.#load({ around: id }, { at: "divider" }));
  }

  /** Shows a message, however far back; false when it is not there any more. */
  async show(id: string): Promise<boolean> {
    if (!this.messages.some((one) => one.id === id)) {
      if (!(await this.#load({ around: id }, { at: "message", id }))) return false;
      if (!this.messages.some((one) => one.id === id)) return false;
    }
    this.landed = { id };
    return true;
  }

  /** Shows the first message of a day, or the next one after it; false when it cannot be had. */
  async showDay(day: Day): Promise<boolean> {
    const from = startOf(day);
    const first = (page: Page<Message>) =>
      page.items.find((one) => Date.parse(one.timestamp) >= from.getTime()) ?? page.items.at(-1);
    const loaded = await this.#load({ date: from.toISOString() }, (page) => {
      const id = first(page)?.id;
      return id === undefined ? { at: "end" } : { at: "message", id };
    });
    if (loaded && this.target.at === "message") this.landed = { id: this.target.id };
    return loaded;
  }

  /** Loads again what is on screen, after changes were missed. */
  async reload(): Promise<void> {
    const id = this.anchor;
    await (id === null ? this.#load({}, { at: "end" }) : this.#load({ around: id }, { at: "message", id }));
  }

  /** Shows the newest page. */
  async toNewest(): Promise<void> {
    if (this.moreAfter) await this.#load({}, { at: "end" });
    this.below = 0;
  }

  async #load(where: Where, target: Target | ((page: Page<Message>) => Target)): Promise<boolean> {
    const generation = ++this.#generation;
    this.loading = null;
    try {
      const page = await this.#read(where);
      if (generation !== this.#generation) return false;
      this.shift = false;
      this.messages = page.items;
      this.moreBefore = page.nextBefore != null;
      this.moreAfter = page.nextAfter != null;
      this.error = null;
      this.target = typeof target === "function" ? target(page) : target;
      this.loads += 1;
      this.ready = true;
      return true;
    } catch (cause) {
      if (generation === this.#generation) this.error = BackendError.from(cause);
      return false;
    } finally {
      this.#catchUp();
    }
  }

  async #read(where: Omit<MessagesArgs, "sessionId" | "limit">): Promise<Page<Message>> {
    this.#reading += 1;
    try {
      return await this.#backend.call("messages", { sessionId: this.sessionId, limit: PAGE, ...where });
    } finally {
      this.#reading -= 1;
    }
  }

  /** Applies again what the stream said while pages were read. Its last word on a message is never older than a page's. */
  #catchUp(): void {
    if (this.#reading > 0) return;
    const said = [...this.#meanwhile.values()];
    this.#meanwhile.clear();
    const gone = [...this.#gone];
    this.#gone.clear();
    for (const id of gone) this.remove(id);
    for (const { message, incoming, looking } of said) this.apply(message, incoming, looking);
  }

  /** Loads the page before the oldest loaded message. */
  async loadBefore(): Promise<void> {
    const oldest = this.messages[0];
    if (!this.moreBefore || this.loading !== null || oldest === undefined) return;
    await this.#extend("before", oldest.id);
  }

  /** Loads the page after the newest loaded message. */
  async loadAfter(): Promise<void> {
    const newest = this.messages.at(-1);
    if (!this.moreAfter || this.loading !== null || newest === undefined) return;
    await this.#extend("after", newest.id);
  }

  async #extend(side: "before" | "after", cursor: string): Promise<void> {
    const generation = this.#generation;
    this.loading = side;
    try {
      const page = await this.#read({ [side]: cursor });
      if (generation !== this.#generation) return;
      const known = new Set(this.messages.map((one) => one.id));
      const fresh = page.items.filter((one) => !known.has(one.id));
      // Two steps: the list can follow what comes at one end or what goes at the other, not both at once.
      if (side === "before") {
        this.shift = true;
        this.messages = [...fresh, ...this.messages];
        this.moreBefore = page.nextBefore != null;
        await tick();
        this.shift = false;
        if (this.messages.length > KEPT) {
          this.messages = this.messages.slice(0, KEPT);
          this.moreAfter = true;
        }
      } else {
        this.shift = false;
        this.messages = [...this.messages, ...fresh];
        this.moreAfter = page.nextAfter != null;
        await tick();
        if (this.messages.length > KEPT_MOVING) this.#trimStart();
      }
    } catch (cause) {
      if (generation === this.#generation) this.error = BackendError.from(cause);
    } finally {
      if (generation === this.#generation) this.loading = null;
      this.#catchUp();
    }
  }

  /**
   * The list stands still: lets go what is too much at the old end. While it moves, the list would take every row that
   * it measures meanwhile for a part of what went, and move what is being read.
   */
  rested(): void {
    this.#trimStart();
  }

  #trimStart(): void {
    if (this.messages.length <= KEPT) return;
    this.shift = true;
    this.messages = this.messages.slice(this.messages.length - KEPT);
    this.moreBefore = true;
    void tick().then(() => {
      this.shift = false;
    });
  }

  /** Applies one message of the stream. `looking`: a person has this conversation in focus. */
  apply(message: Message, incoming: boolean, looking: boolean): void {
    if (message.sessionId !== this.sessionId) return;
    if (this.#reading > 0) {
      // What is applied now as well is counted now; what is not, later.
      const counts = !this.ready && (incoming || this.#meanwhile.get(message.id)?.incoming === true);
      this.#meanwhile.set(message.id, { message, incoming: counts, looking });
    }
    if (!this.ready) return;
    this.pins.apply(message);
    this.writing.apply(message);
    if (message.deletedAt !== null) this.selection.remove(message.id);
    // Answers quote the message as it is now, also when it lies outside of the loaded part.
    if (this.messages.some((one) => one.quote?.id === message.id)) {
      const quote = quoteOf(message);
      this.shift = false;
      this.messages = this.messages.map((one) => (one.quote?.id === message.id ? { ...one, quote } : one));
    }
    const at = this.messages.findIndex((one) => one.id === message.id);
    if (at >= 0) {
      const next = [...this.messages];
      next[at] = message;
      this.shift = false;
      this.messages = next;
      return;
    }
    const newest = this.messages.at(-1);
    const oldest = this.messages[0];
    const latest = newest === undefined || message.order > newest.order;
    if (incoming && message.senderUserId !== this.#me()) {
      this.below += 1;
      // Someone who looks away and comes back finds where they stopped.
      if (!looking && (this.dividerId === null || this.#looked)) {
        this.dividerId = message.id;
        this.#looked = false;
      }
    }
    // What lies outside of the loaded part is loaded when somebody scrolls there.
    if (latest && this.moreAfter) return;
    if (!latest && oldest !== undefined && message.order < oldest.order && this.moreBefore) return;
    const next = [...this.messages];
    const place = latest ? next.length : next.findIndex((one) => one.order > message.order);
    next.splice(place, 0, message);
    this.shift = place === 0 && next.length > 1;
    this.messages = next;
    if (next.length > KEPT_MOVING) void tick().then(() => this.#trimStart());
  }

  /** A message is gone from this machine, and with it its place in the list. */
  remove(messageId: string): void {
    if (this.#reading > 0) {
      this.#meanwhile.delete(messageId);
      this.#gone.add(messageId);
    }
    const at = this.messages.findIndex((one) => one.id === messageId);
    this.writing.remove(messageId);
    this.selection.remove(messageId);
    if (at < 0) return;
    if (this.dividerId === messageId) this.dividerId = this.messages[at + 1]?.id ?? null;
    this.shift = at === 0;
    this.messages = this.messages.filter((one) => one.id !== messageId);
  }

  /** A person has come back to this conversation. */
  looked(): void {
    this.#looked = true;
  }

  /** Sends a message. The row that comes back is the echo; there is no other. */
  async send(text: string, along: Along = {}): Promise<Message> {
    if (this.moreAfter) await this.toNewest();
    const message = await this.#backend.call("send_message", {
      sessionId: this.sessionId,
      message: text,
      tempId: crypto.randomUUID(),
      ...along,
    });
    // The stream may have been quicker, and may know more by now: a row is never set back to an older state.
    const known = this.#meanwhile.has(message.id) || this.messages.some((one) => one.id === message.id);
    if (!known) this.apply(message, false, true);
    return message;
  }

  /** Changes the text of an own message. */
  async edit(messageId: string, text: string, mentions: string[]): Promise<void> {
    await this.#backend.call("edit_message", { messageId, message: text, mentions });
  }
}
