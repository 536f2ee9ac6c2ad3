import type { Message } from "../backend/gen";
import { dayKey } from "../shared/time";

/** Messages of one sender closer together than this stand as one group. */
export const GROUP_MS = 5 * 60_000;

/** What the list of a conversation is made of. */
export type Row =
  | { kind: "start"; key: string }
  | { kind: "day"; key: string; timestamp: string }
  | { kind: "unread"; key: string }
  | { kind: "system"; key: string; message: Message }
  | { kind: "message"; key: string; message: Message; own: boolean; first: boolean; last: boolean; words: boolean };

/** A message with what its neighbours make of it. */
export type MessageRow = Extract<Row, { kind: "message" }>;

export interface GroupingOptions {
  /** Own machine ID. */
  me: string;
  /** The message that the unread divider stands before. */
  dividerId: string | null;
  /** Whether the oldest message is the very first of the session. */
  atStart: boolean;
}

/** Lays messages (oldest first) out as rows: days, the unread divider, groups by sender and time. */
export function buildRows(messages: readonly Message[], options: GroupingOptions): Row[] {
  const rows: Row[] = [];
  if (options.atStart) rows.push({ kind: "start", key: "start" });
  const spoken = spokenStates(messages, options.me);
  let previous: Message | undefined;
  let previousRow: MessageRow | undefined;
  for (const message of messages) {
    const newDay = previous === undefined || dayKey(previous.timestamp) !== dayKey(message.timestamp);
    if (newDay) rows.push({ kind: "day", key: `day ${dayKey(message.timestamp)} ${message.id}`, timestamp: message.timestamp });
    const divided = message.id === options.dividerId;
    if (divided) rows.push({ kind: "unread", key: "unread" });
    if (message.messageType === "system") {
      if (previousRow !== undefined) previousRow.last = true;
      rows.push({ kind: "system", key: message.id, message });
      previous = message;
      previousRow = undefined;
      continue;
    }
    const first = newDay || previousRow === undefined || divided || previous === undefined || !together(previous, message);
    if (first && previousRow !== undefined) previousRow.last = true;
    previousRow = {
      kind: "message",
      key: message.id,
      message,
      own: message.senderUserId === options.me,
      first,
      last: false,
      words: spoken.has(message.id),
    };
    rows.push(previousRow);
    previous = message;
  }
  if (previousRow !== undefined) previousRow.last = true;
  return rows;
}

/** Whether two messages, one after the other, belong to one group. */
export function together(earlier: Message, later: Message): boolean {
  if (earlier.senderUserId !== later.senderUserId) return false;
  // Clocks differ and jump: a message "before" the one above it starts a new group too when it is far off.
  return Math.abs(Date.parse(later.timestamp) - Date.parse(earlier.timestamp)) < GROUP_MS;
}

/**
 * The own messages whose state is said in words: every failed one, and the newest of each other state; what lies at a
 * relay is one of its own. The rest carry the same state as an icon.
 */
function spokenStates(messages: readonly Message[], me: string): Set<string> {
  const ids = new Set<string>();
  const newest = new Map<string, string>();
  for (const message of messages) {
    if (message.senderUserId !== me || message.messageType === "system" || message.deletedAt !== null) continue;
    if (message.state === "failed") ids.add(message.id);
    else newest.set(`${message.state} ${message.heldBy ?? ""}`, message.id);
  }
  for (const id of newest.values()) ids.add(id);
  return ids;
}
