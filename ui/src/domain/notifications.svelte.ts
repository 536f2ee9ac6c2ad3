import { SvelteMap } from "svelte/reactivity";
import { BackendError, type Backend } from "../backend/backend";
import type { Notification, NotificationKind, NotificationStats } from "../backend/gen";
import { m } from "../shared/i18n.svelte";
import type { Toasts } from "./toasts.svelte";

/** Records that are fetched at a time. */
export const RECORDS = 50;

/** Which records the page shows. */
export type Shown = "all" | "unread" | NotificationKind;

/** The kept notifications, newest first. What changes comes by the stream; only the pages are fetched. */
export class Notifications {
  /** Unread ones, of all there are. */
  unread = $state(0);
  shown = $state<Shown>("all");
  /** The first page of `shown` is there. */
  ready = $state(false);
  loading = $state(false);
  error = $state<BackendError | null>(null);
  stats = $state.raw<NotificationStats | null>(null);
  #byId = new SvelteMap<string, Notification>();
  #next = $state<string | null>(null);
  #backend: Backend;
  #toasts: Toasts;
  #generation = 0;

  readonly items: readonly Notification[] = $derived(
    [...this.#byId.values()]
      .filter((one) => matches(one, this.shown))
      .sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id)),
  );

  constructor(backend: Backend, toasts: Toasts) {
    this.#backend = backend;
    this.#toasts = toasts;
  }

  /** Whether older ones remain. */
  get more(): boolean {
    return this.#next !== null;
  }

  /** Shows others of them. */
  async show(shown: Shown): Promise<void> {
    this.shown = shown;
    await this.load();
  }

  /** Loads the newest page of what is shown. */
  async load(): Promise<void> {
    const generation = ++this.#generation;
    this.ready = false;
    this.loading = true;
    try {
      const page = await this.#ask();
      if (generation !== this.#generation) return;
      this.#byId.clear();
      for (const one of page.items) this.#byId.set(one.id, one);
      this.#next = page.nextBefore;
      this.error = null;
    } catch (cause) {
      if (generation !== this.#generation) return;
      this.error = BackendError.from(cause);
    }
    this.loading = false;
    this.ready = true;
  }

  /** Loads the next older ones. */
  async loadMore(): Promise<void> {
    const before = this.#next;
    if (before === null || this.loading) return;
    const generation = this.#generation;
    this.loading = true;
    try {
      const page = await this.#ask(before);
      if (generation !== this.#generation) return;
      for (const one of page.items) if (!this.#byId.has(one.id)) this.#byId.set(one.id, one);
      this.#next = page.nextBefore;
    } catch (cause) {
      if (generation === this.#generation) this.error = BackendError.from(cause);
    } finally {
      if (generation === this.#generation) this.loading = false;
    }
  }

  /** Loads the counts by kind and day. */
  async loadStats(): Promise<void> {
    this.stats = await this.#backend.call("notification_stats", {});
    this.unread = this.stats.unread;
  }

  /** Applies one record of the stream. One that lies beyond the loaded part comes with its page. */
  apply(notification: Notification): void {
    if (!this.ready) return;
    const oldest = this.items.at(-1);
    const beyond = this.more && oldest !== undefined && notification.createdAt < oldest.createdAt;
    if (!beyond || this.#byId.has(notification.id)) this.#byId.set(notification.id, notification);
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#byId.delete(id);
  }

  async markRead(notificationId: string): Promise<void> {
    await this.#toasts.attempt(async () => {
      this.apply(await this.#backend.call("mark_notification_read", { notificationId }));
    });
  }

  async markAllRead(): Promise<void> {
    await this.#toasts.attempt(async () => void (await this.#backend.call("mark_all_notifications_read", {})));
  }

  async delete(notificationId: string): Promise<void> {
    await this.#toasts.attempt(async () => {
      await this.#backend.call("delete_notification", { notificationId });
      this.remove([notificationId]);
    });
  }

  /** Deletes those that are older than so many days. */
  async cleanUp(daysOld: number): Promise<void> {
    await this.#toasts.attempt(async () => {
      const { count } = await this.#backend.call("cleanup_notifications", { daysOld });
      this.#toasts.show(m.notifications_cleaned({ count }));
    });
  }

  #ask(before?: string) {
    const { shown } = this;
    return this.#backend.call("notifications", {
      limit: RECORDS,
      ...(shown === "unread" && { unread: true }),
      ...(shown !== "all" && shown !== "unread" && { kind: shown }),
      ...(before !== undefined && { before }),
    });
  }
}

function matches(notification: Notification, shown: Shown): boolean {
  if (shown === "all") return true;
  return shown === "unread" ? !notification.read : notification.kind === shown;
}
