import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { PreviewServer } from "vite";
import { launch, looks, open, serve } from "./harness";

let browser: Browser;
let server: PreviewServer;
let url: string;
const opened: BrowserContext[] = [];
let errors: string[] = [];

beforeAll(async () => {
  ({ server, url } = await serve());
  browser = await launch();
});
afterEach(async () => {
  for (const context of opened.splice(0)) await context.close();
  expect(errors, "because a page without errors is part of every test").toEqual([]);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens a world and the first session in it. */
async function start(query: string): Promise<Page> {
  const made = await open(browser, url, query, looks[0]);
  opened.push(made.context);
  errors = made.errors;
  await made.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await openSession(made.page, 0);
  return made.page;
}

async function openSession(page: Page, index: number): Promise<void> {
  await page.getByTestId("session-item").nth(index).click();
  await page.locator(".scroller.placed").waitFor();
}

const row = (page: Page, id: string) => page.locator(`[data-testid=message][data-id=${id}]`);
const composer = (page: Page) => page.getByTestId("composer");
const focusedId = (page: Page) => page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset["testid"]);
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());
/** What the window asked of the node, by the name of the command. */
const asked = (page: Page, name: string) =>
  page.evaluate((wanted) => window.fake.calls.filter((one) => one.name === wanted).map((one) => one.args), name);
const anna = "session-landline1anna";

describe("writing", () => {
  test("shows who types, in the head and above the composer, and moves nothing", async () => {
    const page = await start("world=rich");
    const top = () => composer(page).evaluate((one) => one.getBoundingClientRect().top);
    const before = await top();
    await page.evaluate((id) => window.fake.emit({ type: "change", change: { type: "typing", sessionId: id, userId: "landline1anna", typing: true } }), anna);
    await page.getByTestId("typing").first().waitFor();
    expect(await page.getByTestId("typing").count()).toBe(2);
    expect(await top()).toBe(before);
    await page.evaluate((id) => window.fake.emit({ type: "change", change: { type: "typing", sessionId: id, userId: "landline1anna", typing: false } }), anna);
    await page.getByTestId("typing").first().waitFor({ state: "detached" });
  });

  test("an emoji by its name, with Tab or a second colon; undo gives the name back", async () => {
    const page = await start("world=rich");
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

  test("somebody's name after an @", async () => {
    const page = await start("world=rich");
    await page.keyboard.type("Ask @sj");
    await page.getByTestId("suggestion").first().waitFor();
    await page.keyboard.press("Enter");
    expect(await composer(page).inputValue()).toBe("Ask @Anna Sjöberg ");
    await page.keyboard.type("please");
    await page.keyboard.press("Enter");
    await page.locator("[data-testid=message][data-id=message-16]").waitFor();
    expect(await asked(page, "send_message")).toMatchObject([{ message: "Ask @Anna Sjöberg please" }]);
  });

  test("the picker puts an emoji where the caret was, and is walked by arrows", async () => {
    const page = await start("world=rich");
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
    const page = await start("world=rich");
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
    const page = await start("world=rich");
    await row(page, "message-8").getByTestId("copy-code").click();
    await row(page, "message-8").getByText("Copied").waitFor();
    expect(await clipboard(page)).toMatch(/^fn main\(\) \{\n {4}let people/u);
  });

  test("each paragraph has its own direction", async () => {
    const page = await start("world=rich");
    const directions = await row(page, "message-13").locator(".line[dir=auto]").evaluateAll((all) => all.map((one) => getComputedStyle(one).direction));
    expect(directions).toEqual(["rtl", "ltr"]);
  });
});

test("a person is blocked from the dialog", async () => {
  const page = await start("world=rich");
  await page.getByTestId("conversation-menu").click();
  await page.getByRole("menuitem", { name: "Block" }).click();
  await page.getByTestId("block-confirm").click();
  await page.getByText("Anna Sjöberg is blocked.").waitFor();
  expect(await asked(page, "block_user")).toEqual([{ userId: "landline1anna" }]);
});
