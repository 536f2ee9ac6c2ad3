import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Announcer } from "../src/domain/announce.svelte";
import { checks, type Seen } from "../src/domain/checks";
import { DRAFT_SAVE_MS, Drafts } from "../src/domain/drafts";
import { App } from "../src/domain/app.svelte";
import { relayName } from "../src/domain/relays.svelte";
import { heldOrder } from "../src/domain/held-order";
import { READ_AFTER_MS, ReadRule } from "../src/domain/read-rule";
import { shownState } from "../src/domain/send-state";
import { Sessions, isMuted } from "../src/domain/sessions.svelte";
import { FakeBackend, ME, START, person } from "./fake/backend";
import { FakeRelays } from "./fake/relays";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("reading", () => {
  const seen = (order: number) => ({ id: `m${order}`, order: String(order).padStart(4, "0") });

  test("what was on a focused screen for half a second is read", () => {
    const mark = vi.fn();
    const rule = new ReadRule(mark);
    rule.look(seen(1));
    vi.advanceTimersByTime(READ_AFTER_MS - 1);
    expect(mark, "because half a second is not over").not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(mark).toHaveBeenCalledExactlyOnceWith("m1");
  });

  test("a glance is not reading", () => {
    const mark = vi.fn();
    const rule = new ReadRule(mark);
    rule.look(seen(1));
    vi.advanceTimersByTime(400);
    rule.look(null);
    vi.advanceTimersByTime(10_000);
    expect(mark).not.toHaveBeenCalled();
  });

  test("a message that comes meanwhile has its own half second", () => {
    const mark = vi.fn();
    const rule = new ReadRule(mark);
    rule.look(seen(1));
    vi.advanceTimersByTime(300);
    rule.look(seen(2));
    vi.advanceTimersByTime(200);
    expect(mark).toHaveBeenLastCalledWith("m1");
    vi.advanceTimersByTime(READ_AFTER_MS);
    expect(mark).toHaveBeenLastCalledWith("m2");
  });

  test("what is read is not marked again, nor what is older", () => {
    const mark = vi.fn();
    const rule = new ReadRule(mark);
    for (const order of [5, 5, 3]) {
      rule.look(seen(order));
      vi.advanceTimersByTime(1_000);
    }
    expect(mark).toHaveBeenCalledTimes(1);
  });
});

describe("drafts", () => {
  const none = { draft: null, draftReplyTo: null, draftAttachments: [] };
  const kept = { draft: "kept", draftReplyTo: null, draftAttachments: [] };

  test("are saved within 300 ms, once for many keys, and cleared by an empty text", () => {
    const save = vi.fn(async () => undefined);
    const drafts = new Drafts(save);
    drafts.set("a", { draft: "h" });
    drafts.set("a", { draft: "he" });
    drafts.set("a", { draft: "hello" });
    vi.advanceTimersByTime(DRAFT_SAVE_MS);
    expect(DRAFT_SAVE_MS).toBeLessThanOrEqual(300);
    expect(save).toHaveBeenCalledExactlyOnceWith("a", { draft: "hello" });
    drafts.set("a", { draft: "" });
    vi.advanceTimersByTime(DRAFT_SAVE_MS);
    expect(save).toHaveBeenLastCalledWith("a", { draft: null });
  });

  test("belong to their session; what is typed here is newer than what is kept", () => {
    const drafts = new Drafts(async () => undefined);
    expect(drafts.get("a", kept).draft).toBe("kept");
    drafts.set("a", { draft: "typed" });
    expect(drafts.get("a", kept).draft).toBe("typed");
    expect(drafts.get("b", none).draft).toBeNull();
  });

  test("know what they answer, also without a text", () => {
    const save = vi.fn(async () => undefined);
    const drafts = new Drafts(save);
    expect(drafts.start("a", { ...none, draft: "so", draftReplyTo: "m1" })).toEqual({ ...none, draft: "so", draftReplyTo: "m1" });
    drafts.set("a", { draft: "so", draftReplyTo: "m2" });
    vi.advanceTimersByTime(DRAFT_SAVE_MS);
    expect(save, "because only what changed is saved").toHaveBeenLastCalledWith("a", { draftReplyTo: "m2" });
    drafts.set("a", { draft: "", draftReplyTo: null });
    vi.advanceTimersByTime(DRAFT_SAVE_MS);
    expect(save).toHaveBeenLastCalledWith("a", { draft: null, draftReplyTo: null });
  });

  test("know what they carry, in its order, also without a text", () => {
    const save = vi.fn(async () => undefined);
    const drafts = new Drafts(save);
    drafts.start("a", { ...none, draftAttachments: ["u1"] });
    drafts.set("a", { draftAttachments: ["u1"] });
    vi.advanceTimersByTime(DRAFT_SAVE_MS);
    expect(save, "because that is what is kept").not.toHaveBeenCalled();
    drafts.set("a", { draftAttachments: ["u2", "u1"] });
    vi.advanceTimersByTime(DRAFT_SAVE_MS);
    expect(save).toHaveBeenCalledExactlyOnceWith("a", { draftAttachments: ["u2", "u1"] });
    drafts.set("a", { draftAttachments: [] });
    vi.advanceTimersByTime(DRAFT_SAVE_MS);
    expect(save).toHaveBeenLastCalledWith("a", { draftAttachments: [] });
  });

  test("what is not saved yet is saved at once when the session is left", async () => {
    const save = vi.fn(async () => undefined);
    const drafts = new Drafts(save);
    drafts.set("a", { draft: "one" });
    drafts.set("b", { draft: "two" });
    await drafts.flush();
    expect(save).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(1_000);
    expect(save, "because nothing is saved twice").toHaveBeenCalledTimes(2);
  });

  test("what was typed and sent before it was saved is not saved as nothing", async () => {
    const save = vi.fn(async () => undefined);
    const drafts = new Drafts(save);
    drafts.start("a", none);
    drafts.set("a", { draft: "quick" });
    drafts.set("a", { draft: "" });
    await drafts.flush();
    vi.advanceTimersByTime(1_000);
    expect(save).not.toHaveBeenCalled();
  });

  test("opening a session without typing saves nothing", () => {
    const save = vi.fn(async () => undefined);
    const drafts = new Drafts(save);
    drafts.start("a", kept);
    drafts.set("a", { draft: "kept", draftReplyTo: null });
    vi.advanceTimersByTime(1_000);
    expect(save).not.toHaveBeenCalled();
  });
});

describe("the list of sessions", () => {
  const world = () => {
    const fake = new FakeBackend();
    const sessions = new Sessions();
    const ids = ["anna", "berta", "carl"].map((name, index) => {
      fake.now = START + index * 60_000;
      const { sessionId } = fake.session(person(name, name));
      fake.put(sessionId, `landline1${name}`, "hello");
      return sessionId;
    });
    sessions.reset(ids.map((id) => fake.row(id)));
    const order = () => sessions.shown.map((one) => one.title);
    return { fake, sessions, ids, order };
  };

  test("newest first, pinned ones before", () => {
    const { fake, sessions, ids, order } = world();
    expect(order()).toEqual(["carl", "berta", "anna"]);
    sessions.apply({ ...fake.row(ids[0] ?? ""), pinned: true });
    expect(order()).toEqual(["anna", "carl", "berta"]);
  });

  test("nothing moves under the pointer; new ones come last until it leaves", () => {
    const { fake, sessions, ids, order } = world();
    sessions.hold();
    fake.now = START + 3_600_000;
    fake.put(ids[0] ?? "", ME, "newest");
    sessions.apply(fake.row(ids[0] ?? ""));
    sessions.apply(fake.session(person("dora", "dora")));
    expect(order()).toEqual(["carl", "berta", "anna", "dora"]);
    sessions.release();
    expect(order().slice(0, 2).sort()).toEqual(["anna", "dora"]);
  });

  test("filters, but never the one that is open", () => {
    const { fake, sessions, ids, order } = world();
    sessions.apply({ ...fake.row(ids[1] ?? ""), unreadCount: 2 });
    sessions.apply({ ...fake.row(ids[2] ?? ""), waitingCount: 1 });
    sessions.filter = "unread";
    expect(order()).toEqual(["berta"]);
    sessions.filter = "waiting";
    expect(order()).toEqual(["carl"]);
    sessions.selected = ids[0] ?? null;
    expect(order()).toEqual(["carl", "anna"]);
    expect(sessions.unread).toBe(2);
  });

  test("blocked people and archived sessions are out of it", () => {
    const { fake, sessions, ids, order } = world();
    sessions.apply({ ...fake.row(ids[0] ?? ""), archived: true });
    sessions.applyUser({ ...person("berta", "berta"), trust: "blocked" });
    expect(order()).toEqual(["carl"]);
  });

  test("presence and state of the newest message follow the stream", () => {
    const { fake, sessions, ids } = world();
    sessions.applyUser({ ...person("anna", "Anna B."), status: "offline" });
    expect(sessions.get(ids[0] ?? "")).toMatchObject({ title: "Anna B.", peer: { status: "offline" } });
    const sent = fake.put(ids[0] ?? "", ME, "x", { state: "queued" });
    sessions.applyMessage(sent);
    sessions.applyMessage({ ...sent, state: "delivered" });
    expect(sessions.get(ids[0] ?? "")?.lastMessage?.state).toBe("delivered");
  });

  test("held order drops what is gone", () => {
    expect(heldOrder(["a", "b", "c"], ["d", "c", "a"])).toEqual(["a", "c", "d"]);
  });

  test("mute ends by the clock", () => {
    const { fake, ids } = world();
    const session = { ...fake.row(ids[0] ?? ""), mutedUntil: new Date(START).toISOString() };
    expect([isMuted(session, START - 1), isMuted(session, START)]).toEqual([true, false]);
  });
});

describe("what is said of a message", () => {
  const fake = new FakeBackend();
  const anna = person("anna", "Anna");
  const session = fake.session(anna);
  const message = fake.put(session.sessionId, ME, "x", { state: "queued" });

  test("never more than is known", () => {
    expect(shownState(message, session)).toBe("sending");
    expect(shownState(message, { ...session, peer: { ...anna, status: "offline" } })).toBe("waiting");
    expect(shownState(message, { ...session, held: true })).toBe("held");
    expect(shownState(message, { ...session, peer: { ...anna, trust: "blocked" } })).toBe("blocked");
    expect(shownState({ ...message, state: "delivered" }, { ...session, held: true })).toBe("delivered");
    const away = { ...session, peer: { ...anna, status: "offline" as const } };
    const atRelay = { ...message, heldBy: "wss://relay.example.org:4282" };
    expect([shownState(atRelay, away), shownState(atRelay, { ...away, held: true })], "because it has left this machine").toEqual(["relay", "relay"]);
    expect(shownState({ ...atRelay, state: "delivered" }, away), "because a relay's word is not the other's").toBe("delivered");
    expect(shownState({ ...message, state: "failed" }, session)).toBe("failed");
  });
});

test("a burst of messages is announced as a count", () => {
  const announcer = new Announcer((count) => `${count} new messages`);
  announcer.message("Anna: hello");
  vi.advanceTimersByTime(1_000);
  expect(announcer.text).toBe("Anna: hello");
  for (let n = 0; n < 5; n++) announcer.message(`Anna: ${n}`);
  vi.advanceTimersByTime(1_000);
  expect(announcer.text).toBe("5 new messages");
});

test("the page about the search says only what was seen", () => {
  const { network } = new FakeBackend();
  const wrong = (seen: Partial<Seen>) =>
    checks({ network, visibility: "everyone", relays: [], ...seen }).filter((one) => !one.ok).map((one) => one.kind);
  expect(wrong({}), "because nobody needs a relay").toEqual(["heard"]);
  const cut = { ...network, interfaces: [], mdns: { ok: false, reason: "taken" }, beacon: { ok: false, reason: null } };
  expect(wrong({ network: cut, visibility: "hidden" })).toEqual(["interface", "mdns", "beacon", "visible", "heard"]);
});

describe("relays", () => {
  const relay = new FakeRelays(new FakeBackend()).of("wss://relay.example.org");
  const failed = { ...relay, state: "failed" as const, error: { code: "unreachable", message: "It cannot be reached." } };

  test("one that works is enough; one that does not is said, and whether somebody is seen there", () => {
    const { network } = new FakeBackend();
    const last = (relays: Seen["relays"]) => checks({ network, visibility: "everyone", relays }).at(-1);
    expect(last([])).toMatchObject({ kind: "relay", ok: true, state: "none" });
    expect(last([failed, relay])).toMatchObject({ ok: true, state: "connected", relay: "relay.example.org" });
    expect(last([failed])).toMatchObject({ ok: false, state: "failed", reason: "It cannot be reached." });
    const anna = person("anna", "Anna", { path: "none", status: "offline" });
    const first = (more: Partial<typeof anna>) => checks({ network, visibility: "everyone", relays: [], person: { ...anna, ...more } })[0];
    expect(first({ path: "relay" })).toMatchObject({ kind: "person", ok: true, found: "linked" });
    expect(first({})).toMatchObject({ ok: false, found: "noRelay" });
    const relays = ["wss://relay.example.org:4282", "wss://b.example:443"];
    expect(first({ relays })).toMatchObject({ ok: false, found: "notThere", relay: "relay.example.org, b.example:443" });
    expect(first({ relays, relayed: true })).toMatchObject({ ok: true, found: "atRelay" });
  });

  test("are called by their host", () => {
    expect(["wss://relay.example.org:4282", "ws://[::1]:4300", "wss://10.0.0.1:443"].map(relayName)).toEqual(["relay.example.org", "[::1]:4300", "10.0.0.1:443"]);
  });

  test("follow the stream", async () => {
    const fake = new FakeBackend();
    const app = new App(fake);
    await app.start();
    await fake.call("add_relay", { address: "wss://relay.example.org" });
    expect(app.relays.items.map((one) => one.state)).toEqual(["connecting"]);
    fake.relays.set("wss://relay.example.org", { state: "failed", error: failed.error });
    expect(app.relays.failed).toHaveLength(1);
    await fake.call("remove_relay", { address: "wss://relay.example.org" });
    expect(app.relays.items).toEqual([]);
    await app.stop();
  });
});
