// The interface over a node that lives in the page: a browser for a file of tests, a page for each test.
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launch, looks, open, type Look } from "./harness";

let browser: Browser;
const opened: BrowserContext[] = [];
/** What went wrong in the pages of this test; a test may add what must not happen. */
export const errors: string[] = [];

/** Called by a file of tests. Pages end with their test, and an error of a page fails it. */
export function usePages(): void {
  beforeAll(async () => {
    browser = await launch();
  });
  afterEach(async () => {
    for (const context of opened.splice(0)) await context.close();
    expect(errors.splice(0), "because a page without errors is part of every test").toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
  });
}

/** How a page is looked at. */
interface Sight {
  look?: Look;
  viewport?: { width: number; height: number } | undefined;
}

/** Opens a world. */
export async function start(query: string, { look = looks[0], viewport }: Sight = {}): Promise<Page> {
  const { page, context } = await open(browser, inject("url"), query, errors, look, viewport);
  opened.push(context);
  return page;
}

/** The test ID of what has the focus; a name of an element where that has none. */
export const focusedId = (page: Page) =>
  page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset["testid"] ?? document.activeElement?.tagName);

/** Opens a session and waits until its list stands. */
export async function openSession(page: Page, index = 0): Promise<void> {
  await page.getByTestId("session-item").nth(index).click();
  await page.locator(".scroller.placed").waitFor();
}
