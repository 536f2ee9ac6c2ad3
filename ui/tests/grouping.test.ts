import { describe, expect, test } from "vitest";
import type { Message } from "../src/backend/gen";
import { GROUP_MS, buildRows, together, type GroupingOptions } from "../src/domain/grouping";
import { FakeBackend, ME, START, person } from "./fake/backend";

const anna = person("anna", "Anna");
const fake = new FakeBackend();
const { sessionId } = fake.session(anna);
const options: GroupingOptions = { me: ME, dividerId: null, atStart: false };

function at(minutes: number, from: string, more: Partial<Message> = {}): Message {
  fake.now = START + minutes * 60_000;
  return fake.put(sessionId, from, "text", more);
}

/** The rows in short: days, divider, and messages as their place in a group. */
function shape(messages: Message[], more: Partial<GroupingOptions> = {}): string[] {
  return buildRows(messages, { ...options, ...more }).map((row) =>
    row.kind === "message" ? `${row.own ? "me" : "anna"}${row.first ? "(" : ""}${row.last ? ")" : ""}` : row.kind,
  );
}

describe("rows", () => {
  test("messages of one sender within five minutes are one group", () => {
    expect(shape([at(0, ME), at(4, ME), at(8.5, ME)])).toEqual(["day", "me(", "me", "me)"]);
    expect(shape([at(0, ME), at(5, ME)]), "because five minutes is the end of it").toEqual(["day", "me()", "me()"]);
    expect(shape([at(0, ME), at(1, anna.userId), at(2, ME)])).toEqual(["day", "me()", "anna()", "me()"]);
  });

  test("a day parts groups, and a divider too", () => {
    const late = at(15 * 60 - 1, ME);
    const next = at(15 * 60 + 1, ME);
    const dayOf = (m: Message) => new Date(m.timestamp).getDate();
    const rows = shape([late, next]);
    expect(rows).toEqual(dayOf(late) === dayOf(next) ? ["day", "me(", "me)"] : ["day", "me()", "day", "me()"]);
    const [one, two] = [at(0, anna.userId), at(1, anna.userId)];
    expect(shape([one, two], { dividerId: two.id })).toEqual(["day", "anna()", "unread", "anna()"]);
  });

  test("the beginning is said only where it is", () => {
    expect(shape([at(0, ME)], { atStart: true })).toEqual(["start", "day", "me()"]);
    expect(shape([], { atStart: true })).toEqual(["start"]);
  });

  test("a clock that jumps back does not join what is hours apart", () => {
    expect(together(at(60, ME), at(0, ME))).toBe(false);
    expect(together(at(1, ME), at(0, ME)), "because a small step back is noise").toBe(true);
    expect(GROUP_MS).toBe(300_000);
  });

  test("states are said in words once each, failures always", () => {
    const list = [
      at(0, ME, { state: "delivered" }),
      at(1, ME, { state: "delivered" }),
      at(2, ME, { state: "failed" }),
      at(3, ME, { state: "failed" }),
      at(4, ME, { state: "queued" }),
      at(5, ME, { state: "queued" }),
      at(6, ME, { state: "queued", heldBy: "wss://relay.example.org:4282" }),
      at(7, anna.userId),
    ];
    const words = buildRows(list, options).map((row) => row.kind === "message" && row.words);
    expect(words.slice(1)).toEqual([false, true, true, true, false, true, true, false]);
  });

  test("keys of rows are unique, or the list would mix them up", () => {
    const keys = buildRows([at(0, ME), at(1500, ME), at(0, ME), at(1500, ME)], { ...options, atStart: true }).map((r) => r.key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
