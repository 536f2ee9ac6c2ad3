import { describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { focusedId, openSession, start, usePages } from "./pages";

usePages();

/** Opens a world and the first session in it. */
async function enter(query: string): Promise<Page> {
  const page = await start(query);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await openSession(page);
  return page;
}

const row = (page: Page, id: string) => page.locator(`[data-testid=message][data-id=${id}]`);
const composer = (page: Page) => page.getByTestId("composer");
const focusedRow = (page: Page, id: string) => page.waitForFunction((want) => (document.activeElement as HTMLElement).dataset["id"] === want, id);
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());
/** What the window asked of the node, by the name of the command. */
const asked = (page: Page, name: string) =>
  page.evaluate((wanted) => window.fake.calls.filter((one) => one.name === wanted).map((one) => one.args), name);
const anna = "session-landline1anna";

describe("answering", () => {
  test("by pointer; the quote leads to the message, also far back", async () => {
    const page = await enter("world=long&count=2000");
    await page.evaluate((id) => {
      const old = window.fake.find("message-40");
      const quote = { id: old.id, senderUserId: old.senderUserId, message: old.message, messageType: old.messageType, deleted: false, attachment: null };
      window.fake.say(id, "landline1anna", "as I said then", { replyTo: old.id, quote });
    }, anna);
    await row(page, "message-2001").hover();
    await row(page, "message-2001").getByTestId("message-reply").click();
    await page.locator("[data-testid=composer-context][data-kind=reply][data-id=message-2001]").waitFor();
    expect(await focusedId(page), "because one goes on writing").toBe("composer");
    await page.keyboard.type("You did");
    await page.keyboard.press("Enter");
    const answer = row(page, "message-2002");
    await answer.waitFor();
    expect(await answer.getByTestId("quote").getAttribute("data-quoted")).toBe("message-2001");
    expect(await page.getByTestId("composer-context").count()).toBe(0);
    await row(page, "message-2001").getByTestId("quote").click();
    await row(page, "message-40").waitFor();
    await page.waitForFunction(() => {
      const [one, box] = ["[data-id=message-40]", ".scroller"].map((css) => document.querySelector(css)?.getBoundingClientRect());
      return one !== undefined && box !== undefined && one.top > box.top && one.bottom < box.bottom;
    });
  });

  test("by keys: R on a message, Mod and an arrow in the composer, Escape to give it up", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").focus();
    await page.keyboard.press("r");
    await page.locator("[data-testid=composer-context][data-id=message-12]").waitFor();
    expect(await focusedId(page)).toBe("composer");
    await page.keyboard.press("Control+ArrowUp");
    await page.locator("[data-testid=composer-context][data-id=message-11]").waitFor();
    await page.keyboard.press("Control+ArrowDown");
    await page.locator("[data-testid=composer-context][data-id=message-12]").waitFor();
    await page.keyboard.press("Escape");
    await page.getByTestId("composer-context").waitFor({ state: "detached" });
  });

  test("a draft knows what it answers", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").hover();
    await row(page, "message-12").getByTestId("message-reply").click();
    await page.keyboard.type("half an answer");
    await openSession(page, 1);
    expect(await page.getByTestId("composer-context").count()).toBe(0);
    await openSession(page, 0);
    await page.locator("[data-testid=composer-context][data-id=message-12]").waitFor();
    expect(await composer(page).inputValue()).toBe("half an answer");
    expect(await asked(page, "update_session")).toContainEqual({ sessionId: anna, draft: "half an answer", draftReplyTo: "message-12" });
  });

  test("what could not be sent comes back with what it answers", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").focus();
    await page.keyboard.press("r");
    await page.keyboard.type("precious");
    await page.evaluate(() => window.refuse("send_message", "The disk is full."));
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "The disk is full." }).waitFor();
    expect(await composer(page).inputValue()).toBe("precious");
    await page.locator("[data-testid=composer-context][data-id=message-12]").waitFor();
  });
});

describe("reacting", () => {
  test("by the plus key, with a quick emoji; a click takes it away again", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").focus();
    await page.keyboard.press("+");
    await page.getByTestId("quick-reactions").waitFor();
    await page.keyboard.press("Enter");
    const chip = row(page, "message-12").getByTestId("reaction");
    await chip.waitFor();
    expect([await chip.getAttribute("data-emoji"), await chip.getAttribute("aria-pressed")]).toEqual(["👍", "true"]);
    await focusedRow(page, "message-12");
    await chip.click();
    await chip.waitFor({ state: "detached" });
    expect(await asked(page, "react")).toEqual([
      { messageId: "message-12", emoji: "👍", on: true },
      { messageId: "message-12", emoji: "👍", on: false },
    ]);
  });

  test("with any emoji, found by its name; Escape gives the focus back", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").hover();
    await row(page, "message-12").getByTestId("message-react").click();
    await page.getByTestId("more-emojis").click();
    await page.getByTestId("emoji-search").fill("octopus");
    await page.locator("[data-testid=emoji][data-emoji='🐙']").waitFor();
    await page.keyboard.press("Enter");
    await row(page, "message-12").locator("[data-testid=reaction][data-emoji='🐙']").waitFor();
    await page.getByTestId("emoji-picker").waitFor({ state: "detached" });
    await row(page, "message-12").focus();
    await page.keyboard.press("+");
    await page.locator("[data-testid=quick-reactions] [data-emoji='🐙']").waitFor();
    await page.keyboard.press("Escape");
    await focusedRow(page, "message-12");
  });
});

describe("editing", () => {
  test("ArrowUp takes up the last message, the draft waits, the history is kept", async () => {
    const page = await enter("world=rich");
    await page.keyboard.press("ArrowUp");
    await page.locator("[data-testid=composer-context][data-kind=edit][data-id=message-15]").waitFor();
    await page.waitForFunction(() => (document.activeElement as HTMLTextAreaElement).value === "See you at nine.");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("See you at ten.");
    await page.keyboard.press("Enter");
    const text = row(page, "message-15").getByTestId("message-text");
    await text.filter({ hasText: "See you at ten." }).waitFor();
    await row(page, "message-15").getByTestId("edited").waitFor();
    expect(await composer(page).inputValue()).toBe("");
    await row(page, "message-15").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("menu-history").click();
    await page.getByTestId("history-dialog").getByText("See you at nine.").waitFor();
  });

  test("E on an own message; Escape gives back what was being written", async () => {
    const page = await enter("world=rich");
    await page.keyboard.type("a thought of my own");
    await row(page, "message-15").focus();
    await page.keyboard.press("e");
    await page.waitForFunction(() => (document.activeElement as HTMLTextAreaElement).value === "See you at nine.");
    await page.keyboard.press("Escape");
    await page.getByTestId("composer-context").waitFor({ state: "detached" });
    expect(await composer(page).inputValue()).toBe("a thought of my own");
    await row(page, "message-12").focus();
    await page.keyboard.press("e");
    expect(await page.getByTestId("composer-context").count(), "because one changes only what one wrote").toBe(0);
    expect(await asked(page, "edit_message")).toEqual([]);
  });

  test("ends when the message is deleted meanwhile", async () => {
    const page = await enter("world=rich");
    await page.keyboard.press("ArrowUp");
    await page.getByTestId("composer-context").waitFor();
    await page.evaluate(() => window.fake.call("delete_message", { messageId: "message-15", for: "all" }));
    await page.getByTestId("composer-context").waitFor({ state: "detached" });
    expect(await composer(page).inputValue()).toBe("");
  });
});

describe("the info of a message", () => {
  test("says how far it has come, goes along with it, and leads to its history", async () => {
    const page = await enter("world=rich");
    await row(page, "message-15").focus();
    await page.keyboard.press("i");
    const info = page.getByTestId("message-info");
    await info.getByText("Delivered to", { exact: false }).waitFor();
    await info.getByText("Not yet, as far as", { exact: false }).waitFor();
    await page.evaluate(() => {
      const message = window.fake.find("message-15");
      window.fake.change({ ...message, state: "read", readAt: new Date(window.fake.now).toISOString() });
    });
    await info.getByText("Not yet, as far as", { exact: false }).waitFor({ state: "detached" });
    expect(await info.locator("dt").allInnerTexts(), "because these are all that is known of it").toHaveLength(5);
    await page.keyboard.press("Escape");
    await focusedRow(page, "message-15");
    await row(page, "message-13").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("menu-info").click();
    await page.getByTestId("info-history").click();
    await page.getByTestId("history-dialog").getByText("that is how they write it there", { exact: false }).waitFor();
    await page.keyboard.press("Escape");
    await focusedRow(page, "message-13");
  });

  test("says of another's message what is known of it, and closes when that is deleted", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").focus();
    await page.keyboard.press("i");
    const info = page.getByTestId("message-info");
    await info.getByText("passed it on from another conversation", { exact: false }).waitFor();
    expect(await info.getByText("Delivered", { exact: false }).count(), "because that is for who wrote it").toBe(0);
    await page.evaluate(() => window.fake.call("delete_message", { messageId: "message-12", for: "all" }));
    await info.waitFor({ state: "detached" });
  });

  test("does not guess at reading while read receipts are off", async () => {
    const page = await enter("world=rich");
    await page.evaluate(() => {
      const settings = { ...window.fake.settings, readReceipts: false };
      window.fake.emit({ type: "change", change: { type: "settingsChanged", settings } });
    });
    await row(page, "message-15").focus();
    await page.keyboard.press("i");
    await page.getByTestId("message-info").getByText("Not known: read receipts are off in your settings").waitFor();
  });
});

describe("deleting", () => {
  test("for everyone leaves a tombstone, and nothing jumps", async () => {
    const page = await enter("world=rich");
    await row(page, "message-13").focus();
    await page.keyboard.press("Delete");
    await page.getByTestId("delete-everywhere").click();
    await row(page, "message-13").getByTestId("tombstone").waitFor();
    expect(await row(page, "message-13").getByTestId("message-text").count()).toBe(0);
    await row(page, "message-13").focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menu").waitFor();
    expect(await page.getByRole("menuitem").count(), "because there is nothing left to answer or copy").toBe(1);
  });

  test("for me takes the row away; what others wrote is only deleted here", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").focus();
    await page.keyboard.press("Delete");
    await page.getByTestId("delete-dialog").waitFor();
    expect(await page.getByTestId("delete-everywhere").count()).toBe(0);
    await page.getByTestId("delete-here").click();
    await row(page, "message-12").waitFor({ state: "detached" });
    expect(await asked(page, "delete_message")).toEqual([{ messageId: "message-12", for: "me" }]);
  });
});

describe("several at once", () => {
  test("are chosen by X, Space and Shift, and copied as a transcript", async () => {
    const page = await enter("world=rich");
    await row(page, "message-9").focus();
    await page.keyboard.press("x");
    await page.getByTestId("selection-bar").waitFor();
    await row(page, "message-12").click({ modifiers: ["Shift"] });
    await page.getByText("4 selected").waitFor();
    await row(page, "message-10").click();
    await page.getByText("3 selected").waitFor();
    await page.getByTestId("selection-copy").click();
    await page.getByTestId("selection-bar").waitFor({ state: "detached" });
    const lines = (await clipboard(page)).split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^\[\d\d:\d\d\] Anna Sjöberg: It does!$/u);
    expect(await focusedId(page)).toBe("composer");
  });

  test("Escape ends choosing before it does anything else", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").focus();
    await page.keyboard.press("x");
    await page.getByTestId("selection-bar").waitFor();
    await page.keyboard.press("ArrowUp");
    await focusedRow(page, "message-11");
    await page.keyboard.press("Space");
    await page.getByText("2 selected").waitFor();
    await page.keyboard.press("Escape");
    await page.getByTestId("selection-bar").waitFor({ state: "detached" });
    await composer(page).waitFor();
  });

  test("are forwarded to another conversation, which then opens", async () => {
    const page = await enter("world=rich");
    await row(page, "message-12").focus();
    await page.keyboard.press("x");
    await page.getByTestId("selection-forward").click();
    await page.locator("[data-testid=forward-target][data-session=session-landline1omar]").check();
    await page.getByTestId("forward-send").click();
    await page.locator("[data-testid=conversation][data-session=session-landline1omar]").waitFor();
    await page.getByTestId("message").getByText("This one was on the list of the other department").waitFor();
    expect(await asked(page, "forward_message")).toEqual([{ messageIds: ["message-12"], sessionIds: ["session-landline1omar"] }]);
  });
});

describe("pins", () => {
  test("the bar goes from one to the next, and follows what is pinned", async () => {
    const page = await enter("world=rich");
    await page.getByTestId("pin-bar").getByText("Pinned message 2 of 2").waitFor();
    await page.getByTestId("pin-bar").getByRole("button").first().click();
    await page.getByTestId("pin-bar").getByText("Pinned message 1 of 2").waitFor();
    await page.getByTestId("pin-bar").getByRole("button").first().click();
    await row(page, "message-3").waitFor();
    await row(page, "message-3").hover();
    await row(page, "message-3").getByTestId("message-menu").click();
    await page.getByTestId("menu-pin").click();
    await page.getByTestId("pin-bar").getByText("Pinned message", { exact: true }).waitFor();
    await page.getByTestId("pin-remove").click();
    await page.getByTestId("pin-bar").waitFor({ state: "detached" });
  });
});

describe("writing", () => {
  test("tells that one types, unless the person does not want that", async () => {
    const page = await enter("world=rich");
    await page.keyboard.type("hello there");
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Delete");
    expect(await asked(page, "typing")).toEqual([{ sessionId: anna, typing: true }, { sessionId: anna, typing: false }]);
    await page.evaluate(() => window.fake.emit({ type: "change", change: { type: "settingsChanged", settings: { ...window.fake.settings, sendTyping: false } } }));
    await page.keyboard.type("quietly");
    expect(await asked(page, "typing")).toHaveLength(2);
  });

  test("shows who types, in the head and above the composer, and moves nothing", async () => {
    const page = await enter("world=rich");
    const top = () => composer(page).evaluate((one) => one.getBoundingClientRect().top);
    const before = await top();
    await page.evaluate((id) => window.types(id, "landline1anna", true), anna);
    await page.getByTestId("typing").first().waitFor();
    expect(await page.getByTestId("typing").count()).toBe(2);
    expect(await top()).toBe(before);
    await page.evaluate((id) => window.types(id, "landline1anna", false), anna);
    await page.getByTestId("typing").first().waitFor({ state: "detached" });
  });

  test("an emoji by its name, with Tab or a second colon; undo gives the name back", async () => {
    const page = await enter("world=rich");
    await page.keyboard.type("so :octo");
    await page.getByTestId("suggestion").first().waitFor();
    await page.keyboard.press("Tab");
    expect(await composer(page).inputValue()).toBe("so 🐙");
    await page.keyboard.press("Control+z");
    expect(await composer(page).inputValue()).toBe("so :octo");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("yes :tada:");
    await page.waitForFunction(() => (document.activeElement as HTMLTextAreaElement).value === "yes 🎉");
    await page.keyboard.type(" and :octo");
    await page.getByTestId("suggestion").first().waitFor();
    await page.keyboard.press("Escape");
    await page.getByTestId("suggestions").waitFor({ state: "detached" });
    expect(await composer(page).inputValue(), "because Escape only closes the list").toBe("yes 🎉 and :octo");
  });

  test("a mention, which is sent as one", async () => {
    const page = await enter("world=rich");
    await page.keyboard.type("Ask @sj");
    await page.getByTestId("suggestion").first().waitFor();
    await page.keyboard.press("Enter");
    expect(await composer(page).inputValue()).toBe("Ask @Anna Sjöberg ");
    await page.keyboard.type("please");
    await page.keyboard.press("Enter");
    await page.locator("[data-testid=message][data-id=message-16] .mention").waitFor();
    expect(await asked(page, "send_message")).toMatchObject([{ message: "Ask @Anna Sjöberg please", mentions: ["landline1anna"] }]);
  });

  test("the picker puts an emoji where the caret was, and is walked by arrows", async () => {
    const page = await enter("world=rich");
    await page.keyboard.type("before after");
    for (let n = 0; n < "after".length; n++) await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Control+Shift+e");
    await page.getByTestId("emoji").first().waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowRight");
    const picked = await page.evaluate(() => (document.activeElement as HTMLElement).dataset["emoji"]);
    expect(picked).toBeDefined();
    await page.keyboard.press("Enter");
    await page.getByTestId("emoji-picker").waitFor({ state: "detached" });
    expect(await composer(page).inputValue()).toBe(`before ${picked}after`);
    expect(await focusedId(page)).toBe("composer");
  });
});

describe("text", () => {
  test("a link that says something else is asked about, one that says where it leads is not", async () => {
    const page = await enter("world=rich");
    const links = row(page, "message-7").getByRole("link");
    await links.nth(0).scrollIntoViewIfNeeded();
    await links.nth(0).click();
    await page.getByTestId("link-dialog").getByText("https://plan.example/3").waitFor();
    expect(await page.evaluate(() => window.fake.opened)).toEqual([]);
    await page.getByTestId("link-open").click();
    await links.nth(1).click();
    expect(await page.evaluate(() => window.fake.opened)).toEqual(["https://plan.example/3", "https://plan.example/3"]);
  });

  test("code is copied without what is around it", async () => {
    const page = await enter("world=rich");
    await row(page, "message-8").getByTestId("copy-code").click();
    await row(page, "message-8").getByText("Copied").waitFor();
    expect(await clipboard(page)).toMatch(/^fn main\(\) \{\n {4}let people/u);
  });

  test("each paragraph has its own direction", async () => {
    const page = await enter("world=rich");
    const directions = await row(page, "message-13").locator(".line[dir=auto]").evaluateAll((all) => all.map((one) => getComputedStyle(one).direction));
    expect(directions).toEqual(["rtl", "ltr"]);
  });
});

test("a person is blocked from the dialog", async () => {
  const page = await enter("world=rich");
  await page.getByTestId("conversation-menu").click();
  await page.getByRole("menuitem", { name: "Block" }).click();
  await page.getByTestId("block-confirm").click();
  await page.getByText("Anna Sjöberg is blocked.").waitFor();
  expect(await asked(page, "block_user")).toEqual([{ userId: "landline1anna" }]);
});

test("disappearing messages are agreed in a dialog, and a line says so", async () => {
  const page = await enter("world=rich");
  await page.getByTestId("conversation-menu").click();
  await page.getByTestId("timer-open").click();
  await page.getByTestId("timer-dialog").getByLabel("1 day", { exact: true }).check();
  await page.getByTestId("timer-save").click();
  await page.locator("[data-testid=system-line]").last().getByText("You let new messages disappear after 1 day.").waitFor();
  await page.getByTestId("timer-badge").getByText("1d").waitFor();
  expect(await asked(page, "set_timer")).toEqual([{ sessionId: anna, seconds: 86_400 }]);
});
