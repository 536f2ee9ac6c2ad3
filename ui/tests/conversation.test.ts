import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { closedName, complete, completionAt, mentionsFor } from "../src/domain/completion";
import { Emojis } from "../src/domain/emojis.svelte";
import { buildRows } from "../src/domain/grouping";
import { composerKey, type KeyLike } from "../src/domain/keymap";
import { Timeline } from "../src/domain/timeline.svelte";
import { emojiCount, loadEmojis, qualified, searchEmojis, type Emoji } from "../src/shared/emoji";
import { FakeBackend, ME, START, person } from "./fake/backend";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const anna = person("anna", "Anna");

function world(count: number) {
  const fake = new FakeBackend();
  const { sessionId } = fake.session(anna);
  const all = Array.from({ length: count }, (_, n) => fake.put(sessionId, n % 2 === 0 ? ME : anna.userId, `${n}`));
  const timeline = new Timeline(fake, sessionId, () => ME);
  return { fake, sessionId, all, timeline };
}

function key(name: string, held: Partial<KeyLike> = {}): KeyLike {
  return { key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held };
}

describe("what changes under a reader", () => {
  test("a message that is gone here leaves no gap, and the unread divider moves on", async () => {
    const { fake, sessionId, all, timeline } = world(4);
    await timeline.open({ ...fake.row(sessionId), firstUnread: all[1]?.id ?? null });
    timeline.remove(all[1]?.id ?? "");
    expect(timeline.messages.map((one) => one.message)).toEqual(["0", "2", "3"]);
    expect(timeline.dividerId).toBe(all[2]?.id);
  });
});

describe("rows", () => {
  const rows = (more: Parameters<FakeBackend["put"]>[3][]) => {
    const fake = new FakeBackend();
    const { sessionId } = fake.session(anna);
    const messages = more.map((one) => fake.put(sessionId, ME, "x", one));
    return buildRows(messages, { me: ME, dividerId: null, atStart: false }).slice(1);
  };

  test("a line of the session itself parts a group", () => {
    const shapes = rows([{}, { messageType: "system", system: { kind: "timer", seconds: 60 } }, {}]).map((row) =>
      row.kind === "message" ? [row.first, row.last] : row.kind,
    );
    expect(shapes).toEqual([[true, true], "system", [true, true]]);
  });

  test("the newest of each state is said in words; a tombstone has none", () => {
    const read = { state: "read" as const };
    const words = rows([read, read, { deletedAt: new Date(START).toISOString() }, { state: "delivered" }, { state: "queued" }]).map(
      (row) => row.kind === "message" && row.words,
    );
    expect(words).toEqual([false, true, false, true, true]);
  });
});

describe("completion", () => {
  test.each([
    ["so :smi", { kind: "emoji", query: "smi", from: 3 }],
    [":+1", { kind: "emoji", query: "+1", from: 0 }],
    ["@", { kind: "mention", query: "", from: 0 }],
    ["ask @Anna Sj", { kind: "mention", query: "Anna Sj", from: 4 }],
    ["(@é", { kind: "mention", query: "é", from: 1 }],
  ])("%s", (text, wanted) => expect(completionAt(text, text.length)).toMatchObject(wanted));

  test.each(["10:30", "http://x", ":s", "a:smile", "mail@example", "::", "x @ y\n"])("%s is none", (text) =>
    expect(completionAt(text, text.length)).toBeUndefined(),
  );

  test("looks only at what stands before the caret", () => {
    expect(completionAt(":smile and more", 4)).toMatchObject({ query: "smi", to: 4 });
    expect(completionAt("@An", 0)).toBeUndefined();
  });

  test("a closed name", () => {
    expect(closedName("so :smile:", 10)).toMatchObject({ query: "smile", from: 3, to: 10 });
    expect(closedName("at 10:30:15:", 12)).toBeUndefined();
  });

  test("puts a name in with a space after it, an emoji as it is", () => {
    const mention = { kind: "mention", query: "An", from: 4, to: 7 } as const;
    expect(complete("ask @An now", mention, "@Anna")).toEqual({ text: "ask @Anna now", caret: 9 });
    expect(complete("ask @An", mention, "@Anna")).toEqual({ text: "ask @Anna ", caret: 10 });
    expect(complete("x :sm", { kind: "emoji", query: "sm", from: 2, to: 5 }, "😄")).toEqual({ text: "x 😄", caret: 4 });
  });

  test("people by the beginning of any of their names", () => {
    const people = [{ userId: "1", name: "Anna Sjöberg" }, { userId: "2", name: "Omar" }];
    const found = (query: string) => mentionsFor(people, query).map((one) => one.userId);
    expect([found(""), found("sjo"), found("anna sj"), found("o"), found("anna x"), found("nna")]).toEqual([["1", "2"], ["1"], ["1"], ["2"], [], []]);
  });
});

test("keys in the composer", () => {
  const at = { enterSends: true, mac: false };
  expect(composerKey(key("Enter"), at)).toBe("send");
  expect(composerKey(key("Enter", { shiftKey: true }), at)).toBe("break");
  expect(composerKey(key("E", { ctrlKey: true, shiftKey: true }), at)).toBe("emoji");
  expect(composerKey(key("e", { ctrlKey: true, shiftKey: true, isComposing: true }), at), "because its keys are not ours").toBeUndefined();
  expect(composerKey(key("ArrowUp"), at)).toBeUndefined();
});

describe("emojis", () => {
  let all: Emoji[] = [];
  beforeAll(async () => {
    all = await loadEmojis();
  });

  test("all groups are there, each emoji once, in the spelling that is sent", () => {
    expect(all.length).toBeGreaterThan(1_800);
    expect(new Set(all.map((one) => one.group)).size).toBe(9);
    expect(new Set(all.map((one) => one.text)).size).toBe(all.length);
    expect(all.filter((one) => one.text !== qualified(one.text) || new TextEncoder().encode(one.text).length > 64)).toEqual([]);
    expect(all.filter((one) => emojiCount(one.text, 1) !== 1).map((one) => one.label)).toEqual([]);
    expect(all.filter((one) => one.names.length === 0)).toEqual([]);
    expect([qualified("✋\uFE0F"), qualified("❤\uFE0F"), qualified("☺\uFE0F")]).toEqual(["✋", "❤\uFE0F", "☺\uFE0F"]);
  });

  test("are found by name and by what they show", () => {
    const found = (query: string) => searchEmojis(all, query, 5).map((one) => one.text);
    expect(found("tada")[0]).toBe("🎉");
    expect(found("+1")[0]).toBe("👍");
    expect(found("smile")[0]).toBe("😄");
    expect(found("red heart")).toContain("❤️");
    expect(found("  ")).toEqual([]);
    expect(found("qqqq")).toEqual([]);
  });

  test("a message of a few emojis is known from one of words", () => {
    expect(["🎉", "🎉 🎉", "👨‍👩‍👧‍👦", "🇸🇪", "1️⃣", "❤️"].map((text) => emojiCount(text, 3))).toEqual([1, 2, 1, 1, 1, 1]);
    expect(["", "a", "🎉!", "1", "#", "©", "🎉".repeat(4), " ", `🎉${"\u0301".repeat(5_000)}`].map((text) => emojiCount(text, 3))).toEqual(Array(9).fill(0));
  });

  test("those used last come first, and what is kept is checked", () => {
    localStorage.clear();
    const emojis = new Emojis();
    emojis.used("🎉");
    emojis.setTone(3);
    const again = new Emojis();
    expect([again.recent, again.tone]).toEqual([["🎉"], 3]);
    localStorage.setItem("landline.emojis", JSON.stringify({ recent: [1, "x".repeat(500), "🙏"], tone: 99 }));
    expect([new Emojis().recent, new Emojis().tone]).toEqual([["🙏"], 5]);
    localStorage.setItem("landline.emojis", "{");
    expect(new Emojis().recent).toEqual([]);
    localStorage.clear();
  });
});
