import { BackendError } from "../../src/backend/backend";
import type { Args, Notification, NotificationStats, Page } from "../../src/backend/gen";
import type { FakeBackend } from "./backend";

const DAY = 86_400_000;

/** The kept notifications of a node, and what its commands do with them. */
export class FakeNotifications {
  readonly all: Notification[] = [];
  #fake: FakeBackend;
  #count = 0;

  constructor(fake: FakeBackend) {
    this.#fake = fake;
  }

  /** Keeps one without telling anybody. */
  put(kind: Notification["kind"], title: string, more: Partial<Notification> = {}): Notification {
    const notification: Notification = {
      id: `notification-${++this.#count}`,
      kind,
      sessionId: null,
      messageId: null,
      fromUserId: null,
      title,
      body: "",
      createdAt: new Date(this.#fake.now).toISOString(),
      read: false,
      count: 1,
      ...more,
    };
    this.all.push(notification);
    return notification;
  }

  /** Keeps one, or a changed one, and tells it. */
  say(notification: Notification): Notification {
    const at = this.all.findIndex((one) => one.id === notification.id);
    if (at >= 0) this.all[at] = notification;
    this.#fake.emit({ type: "change", change: { type: "notificationChanged", notification } });
    this.#unread();
    return notification;
  }

  page({ unread, kind, before, limit = 50 }: Args["notifications"]): Page<Notification> {
    const rows = this.all
      .filter((one) => (unread !== true || !one.read) && (kind === undefined || one.kind === kind))
      .sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id));
    const from = before === undefined ? 0 : rows.findIndex((one) => one.id === before) + 1;
    const items = rows.slice(from, from + limit);
    return { items, nextBefore: from + items.length < rows.length ? (items.at(-1)?.id ?? null) : null, nextAfter: null };
  }

  stats(): NotificationStats {
    const byKind: NotificationStats["byKind"] = {};
    const byDay = new Map<string, number>();
    for (const one of this.all) {
      byKind[one.kind] = (byKind[one.kind] ?? 0) + 1;
      const day = one.createdAt.slice(0, 10);
      byDay.set(day, (byDay.get(day) ?? 0) + 1);
    }
    return {
      total: this.all.length,
      unread: this.all.filter((one) => !one.read).length,
      byKind,
      byDay: [...byDay].map(([day, count]) => ({ day, count })).sort((a, b) => a.day.localeCompare(b.day)),
    };
  }

  read(id: string): Notification {
    const found = this.all.find((one) => one.id === id);
    if (found === undefined) throw new BackendError({ code: "not_found", message: "There is no such notification." });
    return this.say({ ...found, read: true });
  }

  readAll(): void {
    for (const one of [...this.all]) if (!one.read) this.say({ ...one, read: true });
  }

  remove(gone: (one: Notification) => boolean): number {
    const ids = this.all.filter(gone).map((one) => one.id);
    this.all.splice(0, this.all.length, ...this.all.filter((one) => !gone(one)));
    this.#fake.emit({ type: "change", change: { type: "notificationRemoved", ids } });
    this.#unread();
    return ids.length;
  }

  cleanUp({ daysOld = 30 }: Args["cleanup_notifications"]): number {
    const before = new Date(this.#fake.now - daysOld * DAY).toISOString();
    return this.remove((one) => one.createdAt < before);
  }

  #unread(): void {
    const total = this.all.filter((one) => !one.read).length;
    this.#fake.emit({ type: "change", change: { type: "notificationsUnread", total } });
  }
}
