import { describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { shoot } from "./harness";
import { errors, focusedId, openSession, start, usePages } from "./pages";

usePages();

const list = (page: Page) => page.getByTestId("message-list");

/** Where the list stands, from its end. */
const fromEnd = (page: Page) => list(page).evaluate((one) => one.scrollHeight - one.clientHeight - one.scrollTop);

/** What was seen while the list was scrolled by steps, looked at as it was drawn. */
interface Seen {
  /** Pixels by which the message at the middle moved after its step. */
  drift: number;
  /** Pixels of the view, at most, that no row covered. */
  blank: number;
  /** Messages that were passed. */
  rows: number;
  /** Most messages that were loaded. */
  loaded: number;
}

/** Scrolls by steps; after each, the rows must cover the view, and the message at the middle stay where the step left it. */
function scrolled(page: Page, step: number): Promise<Seen> {
  return page.evaluate(async (by) => {
    const box = document.querySelector<HTMLElement>(".scroller.placed");
    if (box === null) throw new Error("no list");
    const view = box.getBoundingClientRect();
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const passed = new Set<string>();
    const seen = { drift: 0, blank: 0, rows: 0, loaded: 0 };
    /** Looks at what was drawn last; gives the row at the middle. */
    const look = () => {
      const rows = [...box.querySelectorAll<HTMLElement>(".slot")]
        .map((slot) => ({ slot, at: slot.getBoundingClientRect() }))
        .filter(({ slot, at }) => at.bottom > view.top && at.top < view.bottom && getComputedStyle(slot).visibility === "visible")
        .sort((a, b) => a.at.top - b.at.top);
      let covered = view.top;
      for (const { at } of rows) {
        seen.blank = Math.max(seen.blank, at.top - covered);
        covered = Math.max(covered, at.bottom);
      }
      seen.blank = Math.max(seen.blank, view.bottom - covered);
      seen.loaded = Math.max(seen.loaded, Number(box.dataset["loaded"]));
      const middle = rows.find(({ at }) => at.bottom > view.top + view.height / 2)?.slot;
      passed.add(middle?.querySelector<HTMLElement>("[data-id]")?.dataset["id"] ?? "");
      return middle;
    };
    for (let count = 0; count < 200; count++) {
      box.scrollTop += by;
      await frame();
      await frame();
      const middle = look();
      const from = middle?.getBoundingClientRect().top ?? 0;
      for (let wait = 0; wait < 4; wait++) {
        await frame();
        look();
      }
      if (middle?.isConnected === true) seen.drift = Math.max(seen.drift, Math.abs(middle.getBoundingClientRect().top - from));
      else seen.drift = 9_999;
    }
    seen.rows = passed.size;
    return seen;
  }, step);
}

describe("by keyboard alone", () => {
  test("from the first start to a sent message", async () => {
    const page = await start("world=fresh");
    await page.getByTestId("welcome-name").waitFor();
    expect(await focusedId(page), "because the name is the first thing to set").toBe("welcome-name");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("Bea");
    await page.keyboard.press("Enter");
    await page.getByTestId("nearby").waitFor();
    await page.evaluate(() => window.fake.user(window.person("anna", "Anna", { trust: "unknown" })));
    await page.getByTestId("nearby-item").waitFor();
    for (let n = 0; n < 12 && (await focusedId(page)) !== "nearby-item"; n++) await page.keyboard.press("Tab");
    expect(await focusedId(page)).toBe("nearby-item");
    await page.keyboard.press("Enter");
    await page.getByTestId("composer").waitFor();
    expect(await focusedId(page), "because writing is what one came for").toBe("composer");
    await page.keyboard.type("Hello");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("Anna");
    await page.keyboard.press("Enter");
    const message = page.getByTestId("message");
    await message.waitFor();
    expect(await message.getAttribute("data-state")).toBe("queued");
    expect((await message.getByTestId("message-text").innerText()).trim()).toBe("Hello\nAnna");
    expect(await page.getByTestId("composer").inputValue()).toBe("");
    expect(await focusedId(page)).toBe("composer");
  });

  test("the list of sessions has one tab stop and is walked by arrows", async () => {
    const page = await start("world=busy");
    await page.getByTestId("session-item").first().waitFor();
    expect(await page.locator("[data-testid=session-item][tabindex='0']").count()).toBe(1);
    await page.locator("[data-testid=session-item][tabindex='0']").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    const third = await page.getByTestId("session-item").nth(2).getAttribute("data-session");
    expect(await page.evaluate(() => (document.activeElement as HTMLElement).dataset["session"])).toBe(third);
    await page.keyboard.press("Enter");
    await page.locator(`[data-testid=conversation][data-session='${third}']`).waitFor();
    expect(await focusedId(page)).toBe("composer");
  });

  test("messages are walked by arrows, copied by C, and have a menu on Enter that gives the focus back", async () => {
    const page = await start("world=long&count=300");
    await openSession(page);
    await page.keyboard.press("Shift+Tab");
    for (let n = 0; n < 6 && (await focusedId(page)) !== "message"; n++) await page.keyboard.press("Shift+Tab");
    const id = () => page.evaluate(() => (document.activeElement as HTMLElement).dataset["id"]);
    expect(await id()).toBe("message-300");
    for (let n = 0; n < 40; n++) {
      await page.keyboard.press("ArrowUp");
      await page.waitForFunction((want) => (document.activeElement as HTMLElement).dataset["id"] === want, `message-${299 - n}`);
    }
    const visible = await page.evaluate(() => {
      const [one, box] = [document.activeElement?.getBoundingClientRect(), document.querySelector(".scroller")?.getBoundingClientRect()];
      return one !== undefined && box !== undefined && one.bottom > box.top && one.top < box.bottom;
    });
    expect(visible, "because what has the focus is on screen").toBe(true);
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem").first().waitFor();
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => (document.activeElement as HTMLElement).dataset["id"] === "message-260");
    await page.keyboard.press("Escape");
    expect(await focusedId(page)).toBe("composer");
  });

  test("shortcuts from anywhere", async () => {
    const page = await start("world=busy");
    await page.getByTestId("session-item").first().waitFor();
    await page.keyboard.press("Control+2");
    await page.getByTestId("request-banner").waitFor();
    await page.keyboard.press("Control+k");
    await page.getByTestId("switcher-input").fill("omar");
    await page.keyboard.press("Enter");
    await page.locator("[data-testid=conversation][data-session='session-landline1omar']").waitFor();
    expect(await focusedId(page), "because the dialog gives way to what it opened").toBe("composer");
    await page.keyboard.press("Alt+Shift+ArrowDown");
    await page.waitForFunction(() => !document.querySelector("[data-session='session-landline1omar'][data-testid=conversation]"));
    await page.keyboard.press("Control+,");
    await page.getByTestId("settings").waitFor();
    await page.keyboard.press("Escape");
    await page.getByTestId("nearby").waitFor();
    await page.keyboard.press("Control+/");
    await page.getByTestId("shortcuts").waitFor();
    await page.keyboard.press("Escape");
    await page.getByTestId("shortcuts").waitFor({ state: "detached" });
    await page.keyboard.press("Control+=");
    await page.waitForFunction(() => document.documentElement.style.fontSize === "110%");
    await page.keyboard.press("Control+0");
    await page.waitForFunction(() => document.documentElement.style.fontSize === "100%");
  });

  test("F6 walks the regions", async () => {
    const page = await start("world=busy");
    await openSession(page);
    const seen: (string | undefined)[] = [];
    for (let n = 0; n < 3; n++) {
      await page.keyboard.press("F6");
      seen.push(await focusedId(page));
    }
    expect(seen[0]).toBe("session-item");
    expect(seen[2]).toBe("composer");
  });
});

describe("a conversation", () => {
  test("opens at the first unread message and keeps the divider; read is told up to what was seen", async () => {
    const page = await start("world=long&count=2000&unread=150");
    await openSession(page);
    const divider = page.getByTestId("unread-divider");
    await divider.waitFor();
    const top = await page.evaluate(() => {
      const [one, box] = ["[data-testid=unread-divider]", ".scroller"].map((css) => document.querySelector(css)?.getBoundingClientRect().top);
      return (one ?? 0) - (box ?? 0);
    });
    expect(top).toBeGreaterThanOrEqual(0);
    expect(top).toBeLessThan(160);
    await page.getByTestId("new-pill").click();
    await page.locator("[data-id=message-2000]").waitFor();
    await page.waitForFunction(() => window.fake.calls.some((one) => one.name === "mark_session_read" && (one.args as { messageId: string }).messageId === "message-2000"));
    expect(await fromEnd(page)).toBeLessThanOrEqual(1);
  });

  test("opens at its end where it turns out to be longer than the window", async () => {
    const page = await start("world=farFiles", { viewport: { width: 1180, height: 1300 } });
    await openSession(page);
    await page.waitForFunction(() => {
      const one = document.querySelector(".scroller");
      return one !== null && one.scrollHeight > one.clientHeight && one.scrollHeight - one.clientHeight - one.scrollTop <= 1;
    });
  });

  test("follows what arrives at its end, and offers a pill where one reads further up", async () => {
    const page = await start("world=long&count=500");
    await openSession(page);
    const say = (text: string) => page.evaluate((words) => window.fake.say("session-landline1anna", "landline1anna", words), text);
    await say("one more");
    await page.locator("[data-id=message-501]").waitFor();
    await page.waitForFunction(() => {
      const one = document.querySelector(".scroller");
      return one !== null && one.scrollHeight - one.clientHeight - one.scrollTop <= 1;
    });
    await list(page).hover();
    await page.mouse.wheel(0, -900);
    await page.getByTestId("new-pill").waitFor();
    const before = await list(page).evaluate((one) => one.scrollTop);
    for (const text of ["a", "b", "c"]) await say(text);
    await page.getByText("3 new messages").first().waitFor();
    expect(await list(page).evaluate((one) => one.scrollTop), "because nothing moves under a reader").toBe(before);
    await shoot(page, "light-pill");
    await page.keyboard.press("Control+j");
    await page.locator("[data-id=message-504]").waitFor();
    await page.getByTestId("new-pill").waitFor({ state: "detached" });
  });

  test.each([
    { name: "up from its end, while older pages come in above", at: undefined, step: -240 },
    { name: "down from its middle, while newer pages come in below", at: "message-50000", step: 240 },
    { name: "up from its middle, faster than a screen for each look", at: "message-50000", step: -900 },
  ])("a hundred thousand messages scroll without drift or blank places: $name", async ({ at, step }) => {
    const page = await start("world=long&count=100000");
    await openSession(page);
    if (at !== undefined) {
      // A quote leads there.
      await page.evaluate((id) => {
        const { message, messageType, senderUserId } = window.fake.find(id);
        const quote = { id, senderUserId, message, messageType, deleted: false, attachment: null };
        window.fake.say("session-landline1anna", "landline1anna", "as I said", { replyTo: id, quote });
      }, at);
      await page.getByTestId("quote").click();
      await page.locator(".slot.landed").filter({ has: page.locator(`[data-id=${at}]`) }).waitFor();
      await page.locator(".slot.landed").waitFor({ state: "detached" });
    }
    await list(page).hover();
    const seen = await scrolled(page, step);
    expect(seen.drift, "because nothing may move while one reads").toBeLessThanOrEqual(1);
    expect(seen.blank, "because rows stand one below the other, with nothing between them, wherever one looks").toBeLessThanOrEqual(1);
    expect(seen.rows, "because it went through several pages").toBeGreaterThan(150);
    expect(seen.loaded, "because what is far away is let go").toBeLessThanOrEqual(step < 0 ? 600 : 1_200);
    await page.locator(".scroller").evaluate((box) => new Promise((done) => {
      const look = () => (Number((box as HTMLElement).dataset["loaded"]) <= 600 ? done(undefined) : requestAnimationFrame(look));
      look();
    }));
  });

  test("stays at its end while the composer grows and shrinks", async () => {
    const page = await start("world=long&count=200");
    await openSession(page);
    for (const keys of [["Shift+Enter", "Shift+Enter", "Shift+Enter", "Shift+Enter"], ["Backspace", "Backspace"]]) {
      for (const key of keys) {
        await page.keyboard.press(key);
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        expect(await fromEnd(page), key).toBeLessThanOrEqual(1);
      }
    }
    expect(await page.getByTestId("new-pill").count()).toBe(0);
  });

  test("keeps a draft for each session", async () => {
    const page = await start("world=busy");
    await openSession(page, 0);
    await page.getByTestId("composer").fill("half a thought");
    await openSession(page, 3);
    expect(await page.getByTestId("composer").inputValue()).toBe("");
    await page.waitForFunction(() => window.fake.calls.some((one) => one.name === "update_session" && (one.args as { draft?: string }).draft === "half a thought"));
    await openSession(page, 0);
    expect(await page.getByTestId("composer").inputValue()).toBe("half a thought");
  });

  test("says what is too long, and gives back what could not be saved", async () => {
    const page = await start("world=busy");
    await openSession(page, 0);
    const composer = page.getByTestId("composer");
    await composer.fill("x".repeat(65_537));
    await page.getByText("Too long by 1 byte:").waitFor();
    expect(await page.getByTestId("send").isDisabled()).toBe(true);
    await shoot(page, "light-too-long");
    const height = (await composer.boundingBox())?.height ?? 0;
    expect(height, "because ten lines are the most").toBeLessThanOrEqual(10 * 22 + 24);
    await composer.fill("precious");
    await page.evaluate(() => window.refuse("send_message", "The disk is full."));
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "The disk is full." }).waitFor();
    expect(await composer.inputValue()).toBe("precious");
  });

  test("a failed message is sent again by Retry", async () => {
    const page = await start("world=busy");
    await openSession(page, 3);
    const failed = page.locator("[data-testid=message][data-state=failed]");
    await failed.getByTestId("message-retry").click();
    await failed.waitFor({ state: "detached" });
  });

  test("a request is accepted, then written to", async () => {
    const page = await start("world=busy");
    await openSession(page, 1);
    expect(await page.getByTestId("composer").count()).toBe(0);
    await page.getByTestId("request-accept").click();
    await page.getByTestId("composer").waitFor();
    expect(await focusedId(page)).toBe("composer");
  });

  test("links open outside, and only by the backend", async () => {
    const page = await start("world=busy");
    await openSession(page, 0);
    await page.getByRole("link", { name: "https://example.org/plan?day=3" }).click();
    expect(await page.evaluate(() => window.fake.opened)).toEqual(["https://example.org/plan?day=3"]);
    expect(new URL(page.url()).pathname, "because the window itself goes nowhere").toBe("/e2e/page/index.html");
  });

  test("hostile text stays within its bubble and runs nothing", async () => {
    const page = await start("world=hostile");
    page.on("dialog", () => errors.push("a dialog opened"));
    await openSession(page);
    await list(page).evaluate((one) => (one.scrollTop = 0));
    const escaped = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>(".bubble")].filter((one) => {
        const style = getComputedStyle(one);
        const box = document.querySelector(".scroller")?.getBoundingClientRect();
        const at = one.getBoundingClientRect();
        return style.overflow !== "clip" || box === undefined || at.right > box.right + 1 || at.left < box.left - 1;
      }).length,
    );
    expect(escaped).toBe(0);
    expect(await page.locator(".bubble img, .bubble script").count()).toBe(0);
    const links = await page.locator(".bubble a").evaluateAll((all) => all.map((one) => (one as HTMLAnchorElement).protocol));
    expect(links.filter((one) => !["http:", "https:", "mailto:"].includes(one))).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await shoot(page, "light-hostile-top");
  });

  test("hostile text keeps within a bounded height and draws over no neighbour", async () => {
    const page = await start("world=hostile", { viewport: { width: 900, height: 2400 } });
    await openSession(page);
    await page.getByText("An answer to one of them").waitFor();
    const tall = await page.locator(".bubble").evaluateAll((all) => all.map((one) => ({ height: one.getBoundingClientRect().height, text: one.textContent.slice(0, 40) })).filter(({ height }) => height > 2_000));
    expect(tall, "because what is folded is short, also in the widest letters").toEqual([]);
    // What stands between them looks the same with them and without.
    for (const text of ["A calm line between them", "An answer to one of them"]) {
      const calm = page.getByTestId("message").filter({ hasText: text });
      const picture = () => calm.screenshot({ animations: "disabled" });
      const [among, alone] = [await picture(), await page.evaluate((mine) => {
        for (const one of document.querySelectorAll<HTMLElement>("[data-testid=message]")) if (!one.innerText.includes(mine)) one.style.visibility = "hidden";
      }, text).then(picture)];
      expect(among.equals(alone), `because nothing is drawn over "${text}"`).toBe(true);
      await page.evaluate(() => document.querySelectorAll<HTMLElement>("[data-testid=message]").forEach((one) => (one.style.visibility = "")));
    }
    await shoot(page, "light-hostile-neighbours");
  });
});

describe("a narrow window", () => {
  test("shows one pane at a time, with a way back", async () => {
    const page = await start("world=busy", { viewport: { width: 360, height: 480 } });
    await page.getByTestId("session-list").waitFor();
    expect(await page.locator("main").isVisible()).toBe(false);
    await openSession(page, 0);
    expect(await page.getByTestId("session-list").isVisible()).toBe(false);
    await page.getByTestId("back").click();
    await page.getByTestId("session-list").waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide, "because nothing scrolls sideways").toBeLessThanOrEqual(360);
  });
});

test("a click on a notification opens its session with the composer focused, over any dialog", async () => {
  const page = await start("world=busy");
  await page.getByTestId("session-item").first().waitFor();
  await page.keyboard.press("Control+/");
  await page.getByTestId("shortcuts").waitFor();
  await page.evaluate(() => window.fake.emit({ type: "openSession", sessionId: "session-landline1mei7" }));
  await page.getByTestId("unread-divider").waitFor();
  await page.waitForFunction(() => (document.activeElement as HTMLElement).dataset["testid"] === "composer");
});
