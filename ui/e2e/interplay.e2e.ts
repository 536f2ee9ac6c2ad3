// What is done with messages, from window to window over real nodes.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { isAccessible, pair, useNodes, write } from "./nodes";

useNodes();

/** The message that says this; one that only quotes it is another. */
const row = (page: Page, text: string) =>
  page.getByTestId("message").filter({ has: page.getByTestId("message-text").filter({ hasText: text }) });

test("answers, reactions, changes, pins and deletions go from window to window, and stay", async () => {
  const { a, b, errors } = await pair();
  await write(a, "The **room** is free");
  await row(b, "The room is free").waitFor();
  await row(b, "The room is free").hover();
  await row(b, "The room is free").getByTestId("message-reply").click();
  await write(b, "From when?");
  await row(a, "From when?").getByTestId("quote").filter({ hasText: "The room is free" }).waitFor();

  await row(b, "The room is free").focus();
  await b.keyboard.press("+");
  await b.getByTestId("quick-reactions").waitFor();
  await b.keyboard.press("Enter");
  const chip = row(a, "The room is free").getByTestId("reaction");
  await chip.waitFor();
  expect(await chip.getAttribute("aria-pressed"), "because it is the other's").toBe("false");
  await chip.click();
  await row(b, "The room is free").getByTestId("reaction").filter({ hasText: "2" }).waitFor();

  await a.getByTestId("composer").focus();
  await a.keyboard.press("ArrowUp");
  await a.locator("[data-testid=composer-context][data-kind=edit]").waitFor();
  await write(a, "The room is free **from nine**");
  await row(b, "The room is free from nine").getByTestId("edited").waitFor();
  await row(b, "From when?").getByTestId("quote").filter({ hasText: "from nine" }).waitFor();

  await row(b, "From when?").focus();
  await b.keyboard.press("Enter");
  await b.getByTestId("menu-pin").click();
  await a.getByTestId("pin-bar").filter({ hasText: "From when?" }).waitFor();
  await isAccessible(a, "interplay");

  await a.getByTestId("composer").focus();
  await row(a, "The room is free").focus();
  await a.keyboard.press("Delete");
  await a.getByTestId("delete-everywhere").click();
  await b.getByTestId("tombstone").waitFor();
  await row(b, "From when?").getByTestId("quote").filter({ hasText: "This message was deleted." }).waitFor();
  expect(await b.getByTestId("reaction").count(), "because reactions go with the message").toBe(0);

  for (const page of [a, b]) {
    await page.reload();
    await page.getByTestId("session-item").click();
    await page.getByTestId("tombstone").waitFor();
    await page.getByTestId("pin-bar").filter({ hasText: "From when?" }).waitFor();
    expect(await page.getByText("from nine").count(), "because nothing of it is left").toBe(0);
  }
  expect(errors()).toEqual([]);
}, 120_000);

test("who types, what has been read and when messages disappear is seen on the other side", async () => {
  const { a, b, errors } = await pair();
  await write(a, "Have you seen this?");
  await row(b, "Have you seen this?").waitFor();
  await a.locator("[data-testid=message][data-own=true][data-state=read]").filter({ hasText: "Have you seen this?" }).waitFor();
  await row(a, "Have you seen this?").getByText(/^Read today at/u).waitFor();

  await b.getByTestId("composer").pressSequentially("Ye");
  await a.getByTestId("typing").first().waitFor();
  // Nobody says that it ended: it does so by itself.
  await a.getByTestId("typing").first().waitFor({ state: "detached" });

  await b.getByTestId("conversation-menu").click();
  await b.getByTestId("timer-open").click();
  await b.getByTestId("timer-dialog").getByLabel("30 seconds").check();
  await b.getByTestId("timer-save").click();
  await a.getByTestId("system-line").filter({ hasText: "lets new messages disappear after 30 seconds." }).waitFor();
  await a.getByTestId("timer-badge").waitFor();
  await b.getByTestId("system-line").filter({ hasText: "You let new messages disappear after 30 seconds." }).waitFor();
  expect(errors()).toEqual([]);
}, 120_000);
