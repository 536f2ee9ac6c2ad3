// Messages, and what is done with them.
import { lookAt, message, session, small, type Screen } from "./screens";

lookAt([
  { name: "rich", query: "world=rich", go: session(0) },
  {
    name: "rich-top",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("message-list").evaluate((one) => (one.scrollTop = 0));
      await page.locator("[data-id=message-3]").waitFor();
    },
  },
  {
    name: "message-menu",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-7").hover();
      await message(page, "message-7").getByTestId("message-menu").click();
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "quick-reactions",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-9").hover();
      await message(page, "message-9").getByTestId("message-react").click();
      await page.getByTestId("quick-reactions").waitFor();
    },
  },
  {
    name: "reply",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-9").hover();
      await message(page, "message-9").getByTestId("message-reply").click();
      await page.getByTestId("composer-context").waitFor();
      await page.evaluate(() => window.types("session-landline1anna", "landline1anna", true));
      await page.getByTestId("typing").first().waitFor();
    },
  },
  {
    name: "edit",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.press("ArrowUp");
      await page.getByTestId("composer-context").waitFor();
    },
  },
  {
    name: "mention",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.type("Ask @an");
      await page.getByTestId("suggestion").first().waitFor();
    },
  },
  {
    name: "emoji-names",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.type("So :smi");
      await page.getByTestId("suggestion").first().waitFor();
    },
  },
  {
    name: "emoji-picker",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.press("Control+Shift+e");
      await page.getByTestId("emoji").first().waitFor();
    },
  },
  {
    name: "emoji-search",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("emoji-open").click();
      await page.getByTestId("emoji-search").fill("cat");
      await page.getByTestId("emoji").first().waitFor();
    },
  },
  {
    name: "selection",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-9").focus();
      await page.keyboard.press("x");
      await message(page, "message-11").click({ modifiers: ["Shift"] });
      await page.getByTestId("selection-bar").waitFor();
    },
  },
  ...(["delete", "forward", "history", "info"] as const).map(
    (what): Screen => ({
      name: `${what}-dialog`,
      query: "world=rich",
      go: async (page) => {
        await session(0)(page);
        await message(page, "message-13").hover();
        await message(page, "message-13").getByTestId("message-menu").click();
        await page.getByTestId(`menu-${what}`).click();
        await page.getByTestId(what === "info" ? "message-info" : `${what}-dialog`).waitFor();
      },
    }),
  ),
  {
    name: "reactions-dialog",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-7").getByTestId("reaction").first().click({ button: "right" });
      await page.getByTestId("reactions-dialog").waitFor();
    },
  },
  {
    name: "link-dialog",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByRole("link", { name: "the plan" }).scrollIntoViewIfNeeded();
      await page.getByRole("link", { name: "the plan" }).click();
      await page.getByTestId("link-dialog").waitFor();
    },
  },
  {
    name: "timer-dialog",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("timer-badge").click();
      await page.getByTestId("timer-dialog").waitFor();
    },
  },
  {
    name: "small-selection",
    query: "world=rich",
    viewport: small,
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-13").focus();
      await page.keyboard.press("x");
      await page.getByTestId("selection-bar").waitFor();
    },
  },
  {
    name: "small-emojis",
    query: "world=rich",
    viewport: small,
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("emoji-open").click();
      await page.getByTestId("emoji").first().waitFor();
    },
  },
  { name: "small-rich", query: "world=rich", viewport: small, go: session(0) },
  { name: "pseudo-rich", query: "world=rich&language=en-XA", go: session(0) },
]);
