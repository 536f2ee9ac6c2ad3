import { describe, expect, test } from "vitest";
import { BackendError } from "../src/backend/backend";
import { App } from "../src/domain/app.svelte";
import { FakeBackend, ME, person } from "./fake/backend";
import { busyWorld } from "./fake/world";

const anna = person("anna", "Anna");

async function started(fake = new FakeBackend()) {
  const app = new App(fake);
  await app.start();
  return { app, fake };
}
const settled = () => new Promise((resolve) => setTimeout(resolve));

describe("the window's state", () => {
  test("is loaded once and then lives on the stream", async () => {
    const fake = busyWorld();
    const { app } = await started(fake);
    expect([app.phase, app.sessions.sorted.length]).toEqual(["ready", fake.sessions.size]);
    const loads = fake.calls.length;
    fake.say("session-landline1anna", "landline1anna", "hello");
    fake.user({ ...anna, name: "Anna B.", status: "offline" });
    fake.emit({ type: "change", change: { type: "networkChanged", network: { ...fake.network, links: 7 } } });
    fake.emit({ type: "change", change: { type: "meChanged", me: { ...fake.me, name: "B" } } });
    expect(app.sessions.get("session-landline1anna")).toMatchObject({ title: "Anna B.", unreadCount: 1 });
    expect([app.network?.links, app.me?.name]).toEqual([7, "B"]);
    expect(fake.calls.length, "because nothing is fetched again").toBe(loads);
  });

  test("changes during the first load are not lost under older rows", async () => {
    const fake = new FakeBackend();
    fake.user(anna);
    const app = new App(fake);
    const starting = app.start();
    await Promise.resolve();
    await Promise.resolve();
    // The rows were read; a change comes before they are applied.
    fake.emit({ type: "change", change: { type: "userChanged", user: { ...anna, status: "offline" } } });
    await starting;
    expect(app.people.get(anna.userId)?.status).toBe("offline");
  });

  test("a reader that fell behind loads again", async () => {
    const { app, fake } = await started();
    fake.session(anna);
    fake.emit({ type: "lagged" });
    await settled();
    expect(app.sessions.sorted.map((one) => one.title)).toEqual(["Anna"]);
  });

  test("a click on a notification opens that session, also one the list does not have yet", async () => {
    const { app, fake } = await started();
    const { sessionId } = fake.session(anna);
    fake.put(sessionId, anna.userId, "hello");
    app.dialog = { kind: "switcher" };
    const calls = app.composerCalls;
    fake.emit({ type: "openSession", sessionId });
    await settled();
    expect(app.route).toEqual({ page: "session", sessionId });
    expect([app.dialog, app.timeline?.messages.length, app.composerCalls > calls]).toEqual([null, 1, true]);
  });

  test("the node is told what is on screen, once for each change", async () => {
    const fake = new FakeBackend();
    const { sessionId } = fake.session(anna);
    const { app } = await started(fake);
    app.setFocused(true);
    app.openSession(sessionId);
    app.openSession(sessionId);
    app.setFocused(false);
    const told = fake.calls.filter((one) => one.name === "focus").map((one) => one.args);
    expect(told).toMatchObject([{ focused: false }, { focused: true }, { sessionId, focused: true }, { sessionId, focused: false }]);
    expect(new Set(told.map((one) => (one as { viewer: string }).viewer)).size, "because it is one window").toBe(1);
  });

  test("writing to somebody new makes the session, and to somebody known finds it", async () => {
    const { app, fake } = await started();
    fake.user(anna);
    await app.openUser(anna.userId);
    await app.openUser(anna.userId);
    expect(fake.calls.filter((one) => one.name === "create_session")).toHaveLength(1);
    expect(app.session?.title).toBe("Anna");
  });

  test("what fails is said in the node's words", async () => {
    const { app, fake } = await started();
    fake.refusals.set("accept_user", new BackendError({ code: "internal", message: "The disk is full." }));
    await app.accept(anna.userId);
    expect(app.toasts.items.map((one) => [one.kind, one.text])).toEqual([["error", "The disk is full."]]);
  });

  test("blocking leaves the conversation", async () => {
    const { app, fake } = await started();
    const { sessionId } = fake.session(anna);
    fake.emit({ type: "lagged" });
    await settled();
    app.openSession(sessionId);
    await app.block(anna);
    expect([app.route.page, app.sessions.shown.length]).toEqual(["nearby", 0]);
  });

  test("steps through sessions and round the end", async () => {
    const { app } = await started(busyWorld());
    const ids = app.sessions.shown.map((one) => one.sessionId);
    app.stepSession(1);
    expect(app.sessions.selected).toBe(ids[0]);
    app.stepSession(-1);
    expect(app.sessions.selected).toBe(ids.at(-1));
    app.stepSession(1, true);
    expect(app.session?.unreadCount).toBeGreaterThan(0);
  });

  test("zoom stays within its limits", async () => {
    const { app } = await started();
    for (let n = 0; n < 12; n++) await app.zoom(1);
    expect(app.settings.zoom).toBe(160);
    for (let n = 0; n < 12; n++) await app.zoom(-1);
    expect(app.settings.zoom).toBe(80);
    await app.zoom(0);
    expect(app.settings.zoom).toBe(100);
  });

  test("a page without a token asks for a new link", async () => {
    const fake = new FakeBackend();
    fake.subscribe = async () => {
      throw new BackendError({ code: "signed_out", message: "This page has no token." });
    };
    const { app } = await started(fake);
    expect(app.phase).toBe("signedOut");
  });

  test("read is marked up to a message, and only where something is unread", async () => {
    const fake = busyWorld();
    const { app } = await started(fake);
    app.openSession("session-landline1mei7");
    const newest = fake.row("session-landline1mei7").lastMessage?.id ?? "";
    await app.markRead(newest);
    await app.markRead(newest);
    expect(fake.calls.filter((one) => one.name === "mark_session_read")).toHaveLength(1);
    expect(app.sessions.get("session-landline1mei7")?.unreadCount).toBe(0);
    expect(ME).not.toBe("");
  });
});
