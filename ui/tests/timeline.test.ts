import { describe, expect, test } from "vitest";
import { BackendError } from "../src/backend/backend";
import type { Message } from "../src/backend/gen";
import { KEPT, KEPT_MOVING, PAGE, Timeline } from "../src/domain/timeline.svelte";
import { FakeBackend, ME, person } from "./fake/backend";

const anna = person("anna", "Anna");

function world(count: number) {
  const fake = new FakeBackend();
  const { sessionId } = fake.session(anna);
  const all = Array.from({ length: count }, (_, n) => fake.put(sessionId, n % 2 === 0 ? ME : anna.userId, `${n}`));
  const timeline = new Timeline(fake, sessionId, () => ME);
  const texts = () => timeline.messages.map((one) => Number(one.message));
  return { fake, sessionId, all, timeline, texts };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

describe("a conversation", () => {
  test("opens with its newest page", async () => {
    const { timeline, texts, fake, sessionId } = world(200);
    await timeline.open(fake.row(sessionId));
    expect(texts()).toEqual(range(200 - PAGE, 200));
    expect([timeline.moreBefore, timeline.moreAfter, timeline.dividerId]).toEqual([true, false, null]);
  });

  test("opens around the first unread message, with the divider before it", async () => {
    const { timeline, texts, fake, sessionId, all } = world(200);
    await timeline.open({ ...fake.row(sessionId), firstUnread: all[100]?.id ?? null });
    expect(timeline.dividerId).toBe(all[100]?.id);
    expect(texts()).toContain(100);
    expect([timeline.moreBefore, timeline.moreAfter]).toEqual([true, true]);
  });

  test("walks back and forth and never keeps more than its limit", async () => {
    const { timeline, texts, fake, sessionId } = world(2_000);
    await timeline.open(fake.row(sessionId));
    for (let n = 0; n < 20; n++) await timeline.loadBefore();
    expect(timeline.messages.length).toBe(KEPT);
    expect(texts(), "because nothing is missing between").toEqual(range(texts()[0] ?? 0, (texts()[0] ?? 0) + KEPT));
    expect(timeline.moreAfter).toBe(true);
    for (let n = 0; n < 30; n++) await timeline.loadAfter();
    expect(texts().at(-1)).toBe(1_999);
    expect(timeline.messages.length, "because it is bounded while one scrolls too").toBeLessThanOrEqual(KEPT_MOVING + PAGE);
    timeline.rested();
    expect([timeline.messages.length, timeline.moreAfter, timeline.moreBefore]).toEqual([KEPT, false, true]);
  });

  test("asks for one page at a time", async () => {
    const { timeline, fake, sessionId } = world(500);
    await timeline.open(fake.row(sessionId));
    await Promise.all([timeline.loadBefore(), timeline.loadBefore(), timeline.loadBefore()]);
    expect(timeline.messages.length).toBe(2 * PAGE);
  });

  test("never sets a message back when the answer comes after the stream", async () => {
    const { fake, sessionId } = world(0);
    const call = fake.call.bind(fake);
    fake.call = (async (name, args) => {
      const answer = await call(name, args);
      if (name === "send_message") timeline.apply({ ...(answer as Message), state: "delivered" }, false, true);
      return answer;
    }) as typeof fake.call;
    const timeline = new Timeline(fake, sessionId, () => ME);
    await timeline.open(fake.row(sessionId));
    await timeline.send("quick");
    expect(timeline.messages.map((one) => one.state), "because the stream knew more").toEqual(["delivered"]);
  });

  test("knows what the stream said while its page was on the way", async () => {
    const { fake, sessionId, all, timeline } = world(3);
    const call = fake.call.bind(fake);
    fake.call = (async (name, args) => {
      const answer = await call(name, args);
      if (name === "messages") {
        // The page was read; before it arrives, a message is delivered and another one comes.
        timeline.apply({ ...(all[0] as Message), state: "delivered" }, false, true);
        timeline.apply({ ...fake.put(sessionId, anna.userId, "3") }, true, false);
      }
      return answer;
    }) as typeof fake.call;
    const page = { ...fake.row(sessionId), firstUnread: null };
    (all[0] as Message).state = "queued";
    await timeline.open(page);
    expect(timeline.messages.map((one) => one.message)).toEqual(["0", "1", "2", "3"]);
    expect(timeline.messages[0]?.state).toBe("delivered");
    expect([timeline.below, timeline.dividerId]).toEqual([1, timeline.messages[3]?.id]);
  });

  test("shows what it sent once, however the echo and the answer race", async () => {
    const { timeline, fake, sessionId, texts } = world(3);
    await timeline.open(fake.row(sessionId));
    const sent = await timeline.send("3");
    timeline.apply(sent, false, true);
    timeline.apply({ ...sent, state: "delivered" }, false, true);
    expect(texts()).toEqual([0, 1, 2, 3]);
    expect(timeline.messages.at(-1)?.state).toBe("delivered");
    expect(fake.calls.filter((one) => one.name === "messages"), "because nothing is fetched again").toHaveLength(1);
  });

  test("puts a late message where it belongs", async () => {
    const { timeline, fake, sessionId } = world(3);
    await timeline.open(fake.row(sessionId));
    const late = { ...fake.put(sessionId, anna.userId, "late"), order: `${timeline.messages[0]?.order}5` };
    timeline.apply(late, true, true);
    expect(timeline.messages.map((one) => one.message)).toEqual(["0", "late", "1", "2"]);
  });

  test("leaves out what lies beyond the loaded part, and counts it", async () => {
    const { timeline, fake, sessionId, all, texts } = world(300);
    await timeline.open({ ...fake.row(sessionId), firstUnread: all[50]?.id ?? null });
    const before = texts();
    timeline.apply(fake.put(sessionId, anna.userId, "new"), true, true);
    expect(texts()).toEqual(before);
    expect(timeline.below).toBe(1);
    await timeline.toNewest();
    expect(timeline.messages.at(-1)?.message).toBe("new");
    expect(timeline.below).toBe(0);
  });

  test("what comes while nobody looks gets the divider, and it stays", async () => {
    const { timeline, fake, sessionId } = world(3);
    await timeline.open(fake.row(sessionId));
    timeline.apply(fake.put(sessionId, anna.userId, "seen"), true, true);
    expect(timeline.dividerId).toBeNull();
    const first = fake.put(sessionId, anna.userId, "unseen");
    timeline.apply(first, true, false);
    timeline.apply(fake.put(sessionId, anna.userId, "unseen too"), true, false);
    expect(timeline.dividerId).toBe(first.id);
  });

  test("moves the divider when one looked in between", async () => {
    const { timeline, fake, sessionId } = world(3);
    await timeline.open(fake.row(sessionId));
    timeline.apply(fake.put(sessionId, anna.userId, "unseen"), true, false);
    timeline.looked();
    const second = fake.put(sessionId, anna.userId, "unseen again");
    timeline.apply(second, true, false);
    expect(timeline.dividerId).toBe(second.id);
  });

  test("after missed changes it loads again where one was", async () => {
    const { timeline, fake, sessionId, all, texts } = world(500);
    await timeline.open({ ...fake.row(sessionId), firstUnread: all[100]?.id ?? null });
    timeline.anchor = all[90]?.id ?? null;
    await timeline.reload();
    expect(texts()).toContain(90);
    expect(timeline.target).toEqual({ at: "message", id: all[90]?.id });
    await timeline.toNewest();
    timeline.anchor = null;
    fake.put(sessionId, anna.userId, "500");
    await timeline.reload();
    expect(texts().at(-1)).toBe(500);
  });

  test("says why it could not be loaded, and can be opened again", async () => {
    const { timeline, fake, sessionId, texts } = world(3);
    fake.refusals.set("messages", new BackendError({ code: "internal", message: "The disk is gone." }));
    await timeline.open(fake.row(sessionId));
    expect([timeline.ready, timeline.error?.message]).toEqual([false, "The disk is gone."]);
    await timeline.open(fake.row(sessionId));
    expect([timeline.ready, timeline.error, texts().length]).toEqual([true, null, 3]);
  });

  test("a message that cannot be saved is not shown", async () => {
    const { timeline, fake, sessionId, texts } = world(1);
    await timeline.open(fake.row(sessionId));
    fake.refusals.set("send_message", new BackendError({ code: "storage_full", message: "The disk is full." }));
    await expect(timeline.send("x")).rejects.toThrow("The disk is full.");
    expect(texts()).toEqual([0]);
  });
});
