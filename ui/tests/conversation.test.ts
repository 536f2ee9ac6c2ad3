import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { closedName, complete, completionAt, mentionsFor } from "../src/domain/completion";
import { Emojis } from "../src/domain/emojis.svelte";
import { buildRows } from "../src/domain/grouping";
import { composerKey, messageKey, type KeyLike } from "../src/domain/keymap";
import { EDIT_WINDOW_MS, allows, canDeleteEverywhere, canDeleteHere, canEdit, isAlive } from "../src/domain/operations";
import { Pins } from "../src/domain/pins.svelte";
import { groupReactions } from "../src/domain/reactions";
import { Selection } from "../src/domain/selection.svelte";
import { Timeline } from "../src/domain/timeline.svelte";
import { transcript } from "../src/domain/transcript";
import { TYPING_LASTS_MS, TypingSignal } from "../src/domain/typing-signal";
import { quoteOf } from "../src/domain/writing.svelte";
import { emojiCount, loadEmojis, qualified, searchEmojis, type Emoji } from "../src/shared/emoji";
import { FakeBackend, ME, START, person } from "./fake/backend";
import { drop, erase, pin } from "./fake/operations";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const anna = person("anna", "Anna");

function world(count: number) {
  const fake = new FakeBackend();
  const { sessionId } = fake.session(anna);
  const all = Array.from({ length: count }, (_, n) => fake.put(sessionId, n % 2 === 0 ? ME : anna.userId, `${n}`));
  const timeline = new Timeline(fake, sessionId, () => ME);
  fake.subscribe((message) => {
    if (message.type !== "change") return;
    const { change } = message;
    if (change.type === "messageChanged") timeline.apply(change.message, change.incoming, true);
    if (change.type === "messageRemoved") timeline.remove(change.messageId);
  });
  return { fake, sessionId, all, timeline };
}

function key(name: string, held: Partial<KeyLike> = {}): KeyLike {
  return { key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held };
}

describe("what changes under a reader", () => {
  test("a deleted message stays as a tombstone, its answers know, and nobody goes on changing it", async () => {
    const { fake, sessionId, all, timeline } = world(3);
    await timeline.open(fake.row(sessionId));
    const [first] = all;
    if (first === undefined) throw new Error("no message");
    const answer = await timeline.send("and?", { replyTo: first.id });
    expect(answer.quote?.message).toBe("0");
    timeline.writing.edit(first);
    timeline.selection.toggle(first.id);
    erase(fake, first.id);
    expect(timeline.messages.map((one) => [one.message, one.quote?.deleted])).toEqual([["", undefined], ["1", undefined], ["2", undefined], ["and?", true]]);
    expect([timeline.writing.editing, timeline.selection.active]).toEqual([null, false]);
  });

  test("a message that is gone here leaves no gap, and the unread divider moves on", async () => {
    const { fake, sessionId, all, timeline } = world(4);
    await timeline.open({ ...fake.row(sessionId), firstUnread: all[1]?.id ?? null });
    timeline.writing.reply(quoteOf(all[1] ?? fake.find("")));
    drop(fake, all[1]?.id ?? "");
    expect(timeline.messages.map((one) => one.message)).toEqual(["0", "2", "3"]);
    expect([timeline.dividerId, timeline.writing.replyTo]).toEqual([all[2]?.id, null]);
  });

  test("what goes while a page is on its way does not come back with it", async () => {
    const { fake, sessionId, all, timeline } = world(3);
    const opening = timeline.open(fake.row(sessionId));
    // The page was read; the message goes before it is applied.
    drop(fake, all[1]?.id ?? "");
    await opening;
    expect(timeline.messages.map((one) => one.message)).toEqual(["0", "2"]);
  });

  test("what is sent carries what it answers and whom it mentions", async () => {
    const { fake, sessionId, all, timeline } = world(1);
    await timeline.open(fake.row(sessionId));
    await timeline.send("@Anna yes", { replyTo: all[0]?.id ?? "", mentions: [anna.userId] });
    expect(fake.calls.at(-1)).toMatchObject({ name: "send_message", args: { replyTo: all[0]?.id, mentions: [anna.userId] } });
  });

  test("the pinned messages are loaded once and follow the stream, the newest first", async () => {
    const { fake, all } = world(3);
    const pins = new Pins(fake);
    await pins.follow([all[2]?.id ?? "", all[0]?.id ?? "", "gone"]);
    expect(pins.items.map((one) => one.message)).toEqual(["2", "0"]);
    pins.step();
    expect(pins.current?.message).toBe("0");
    pins.apply(pin(fake, all[0]?.id ?? "", true));
    expect(pins.current?.pinned).toBe(true);
    const calls = fake.calls.length;
    await pins.follow([all[2]?.id ?? "", all[0]?.id ?? "", "gone"]);
    await pins.follow([all[0]?.id ?? ""]);
    expect([pins.items.length, fake.calls.length], "because what is here is not fetched again").toEqual([1, calls]);
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

describe("what can be done with a message", () => {
  const fake = new FakeBackend();
  const { sessionId } = fake.session(anna);
  const own = fake.put(sessionId, ME, "x");
  const gone = { ...own, deletedAt: own.timestamp };
  const theirs = fake.put(sessionId, anna.userId, "y");

  test("own ones are changed within a day", () => {
    expect(canEdit(own, ME, START + EDIT_WINDOW_MS - 1)).toBe(true);
    for (const [message, now] of [[own, START + EDIT_WINDOW_MS], [theirs, START], [gone, START]] as const) {
      expect(canEdit(message, ME, now)).toBe(false);
    }
  });

  test("own ones are deleted everywhere, and here once they are on their way", () => {
    expect([own, theirs, gone].map((one) => canDeleteEverywhere(one, ME))).toEqual([true, false, false]);
    expect([own, theirs, gone, { ...own, state: "queued" as const }].map((one) => canDeleteHere(one, ME))).toEqual([true, true, true, false]);
    expect([own, gone, { ...own, messageType: "system" as const }].map(isAlive)).toEqual([true, false, false]);
  });

  test("keys and the menu offer what can be done", () => {
    const all = ["menu", "reply", "edit", "react", "copy", "select", "delete"] as const;
    const offered = (message: typeof own, writable = true) => all.filter((act) => allows(message, act, { me: ME, now: START, writable }));
    expect(offered(own)).toEqual(all);
    expect(offered(theirs)).toEqual(all.filter((act) => act !== "edit"));
    expect(offered(own, false)).toEqual(["menu", "copy", "select", "delete"]);
    expect(offered({ ...own, state: "failed" })).toEqual(["menu", "copy", "delete"]);
    expect(offered(gone)).toEqual(["menu", "delete"]);
  });

  test("several are copied as a transcript", () => {
    const time = () => "18:53";
    const name = (id: string) => (id === ME ? "Bea" : "Anna");
    expect(transcript([own, gone, theirs], name, time)).toBe("[18:53] Bea: x\n[18:53] Anna: y");
  });
});

test("reactions are gathered by emoji, in the order of first use", () => {
  const at = new Date(START).toISOString();
  const groups = groupReactions([{ emoji: "👍", userId: "a", at }, { emoji: "🎉", userId: ME, at }, { emoji: "👍", userId: ME, at }], ME);
  expect(groups).toEqual([{ emoji: "👍", userIds: ["a", ME], own: true }, { emoji: "🎉", userIds: [ME], own: true }]);
});

describe("choosing several", () => {
  const order = ["a", "b", "c", "d"];

  test("one by one, and a range from the last one", () => {
    const selection = new Selection();
    selection.toggle("b");
    selection.extend("d", order);
    expect([...selection.ids]).toEqual(["b", "c", "d"]);
    selection.toggle("c");
    expect([...selection.ids]).toEqual(["b", "d"]);
    selection.extend("a", order);
    expect([...selection.ids].sort()).toEqual(["a", "b", "c", "d"]);
  });

  test("ends with the last one, also when that was deleted", () => {
    const selection = new Selection();
    selection.toggle("b");
    selection.remove("b");
    expect(selection.active).toBe(false);
    selection.toggle("a");
    selection.toggle("a");
    expect(selection.active).toBe(false);
  });
});

describe("typing", () => {
  test("is told at the first key, and again while it goes on", () => {
    let now = 0;
    const tell = vi.fn();
    const signal = new TypingSignal(tell, () => now);
    for (now = 0; now < 5_000; now += 100) signal.typed("x".repeat(1 + now / 100));
    expect(tell.mock.calls).toEqual([[true], [true], [true]]);
    expect(TYPING_LASTS_MS).toBe(3_000);
  });

  test("ends when the text is gone, and by itself after it was sent", () => {
    let now = 0;
    const tell = vi.fn();
    const signal = new TypingSignal(tell, () => now);
    signal.typed("a");
    signal.typed("");
    expect(tell.mock.calls).toEqual([[true], [false]]);
    signal.typed("b");
    signal.sent();
    signal.stop();
    expect(tell.mock.calls.length, "because the message says that it is over").toBe(3);
    signal.typed("c");
    now = TYPING_LASTS_MS;
    signal.stop();
    expect(tell.mock.calls.length, "because it has run out by itself").toBe(4);
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

describe("keys", () => {
  const at = { enterSends: true, mac: false, empty: false, atStart: false };

  test("in the composer", () => {
    const ctrl = { ctrlKey: true };
    expect(composerKey(key("Enter"), at)).toBe("send");
    expect(composerKey(key("ArrowUp"), { ...at, empty: true, atStart: true })).toBe("editLast");
    expect(composerKey(key("ArrowUp"), at), "because it moves within a text").toBeUndefined();
    expect(composerKey(key("ArrowUp", ctrl), { ...at, atStart: true })).toBe("answerOlder");
    expect(composerKey(key("ArrowUp", ctrl), at)).toBeUndefined();
    expect(composerKey(key("ArrowDown", ctrl), { ...at, empty: true })).toBe("answerNewer");
    expect(composerKey(key("E", { ...ctrl, shiftKey: true }), at)).toBe("emoji");
    expect(composerKey(key("Escape"), at)).toBe("cancel");
    expect(composerKey(key("Escape", { isComposing: true }), at), "because it closes the input method").toBeUndefined();
    expect(composerKey(key("ArrowUp", { keyCode: 229 }), { ...at, empty: true })).toBeUndefined();
  });

  test("on a message", () => {
    const asked = ["Enter", "r", "R", "e", "+", "c", "x", "Delete", "q", "ArrowUp"].map((name) => messageKey(key(name)));
    expect(asked).toEqual(["menu", "reply", "reply", "edit", "react", "copy", "select", "delete", undefined, undefined]);
    expect(messageKey(key("c", { ctrlKey: true })), "because that copies what is marked").toBeUndefined();
  });
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
    expect(emojis.quick).toHaveLength(6);
    emojis.used("🎉");
    emojis.setTone(3);
    const again = new Emojis();
    expect([again.quick[0], again.recent, again.tone]).toEqual(["🎉", ["🎉"], 3]);
    localStorage.setItem("landline.emojis", JSON.stringify({ recent: [1, "x".repeat(500), "🙏"], tone: 99 }));
    expect([new Emojis().recent, new Emojis().tone]).toEqual([["🙏"], 5]);
    localStorage.setItem("landline.emojis", "{");
    expect(new Emojis().recent).toEqual([]);
    localStorage.clear();
  });
});
