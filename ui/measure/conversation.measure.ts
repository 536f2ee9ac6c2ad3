// Opens and scrolls the one conversation of a node, and a plain page of as many rows as are loaded at most, for comparison.
// `cargo xtask bench` starts the node, names it and says where the figures go.
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Page } from "playwright-core";
import { launch } from "../e2e/harness";
import { link } from "../e2e/nodes";

/** How often the conversation is opened. */
const TIMES = 21;
/** Frames that are scrolled through. */
const FRAMES = 600;
/** Pixels of each step: a page and a half in a second. */
const STEP = -24;
/** Rows of the plain page: as many as the conversation holds at most. */
const ROWS = 600;

const need = (name: string) => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is missing: cargo xtask bench conversation`);
  return value;
};

/** Milliseconds from the click on the session until its newest messages are drawn. */
const opened = (page: Page) =>
  page.evaluate(async () => {
    const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
    const began = performance.now();
    document.querySelector<HTMLElement>("[data-testid=session-item]")?.click();
    for (;;) {
      // Drawn with the frame that follows, so the one after it is waited for.
      await frame();
      const rows = document.querySelectorAll<HTMLElement>(".scroller.placed [data-testid=message]");
      const last = rows[rows.length - 1]?.getBoundingClientRect();
      const box = document.querySelector(".scroller.placed")?.getBoundingClientRect();
      if (last !== undefined && box !== undefined && last.top < box.bottom && last.bottom > box.top) {
        await frame();
        return performance.now() - began;
      }
    }
  });

/** Milliseconds between frames while a list is scrolled. */
const scrolled = (page: Page, selector: string) =>
  page.evaluate(
    async ({ selector, frames, step }) => {
      const box = document.querySelector(selector);
      if (box === null) throw new Error("no list");
      const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
      const times: number[] = [];
      let before = await frame();
      while (times.length < frames) {
        box.scrollTop += step;
        const now = await frame();
        times.push(now - before);
        before = now;
      }
      return times;
    },
    { selector, frames: FRAMES, step: STEP },
  );

test("a conversation is opened and scrolled", async () => {
  const browser = await launch();
  try {
    const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, locale: "en-GB", reducedMotion: "reduce" });
    const page = await context.newPage();
    await page.goto(await link({ api: need("LANDLINE_MEASURE_API"), dir: need("LANDLINE_MEASURE_DIR") }));
    const [start, item] = [page.getByTestId("welcome-start"), page.getByTestId("session-item")];
    await start.or(item).waitFor();
    if (await start.isVisible()) await start.click();
    await item.waitFor();
    const openings: number[] = [];
    for (let count = 0; count < TIMES; count++) {
      openings.push(await opened(page));
      await page.getByTestId("nearby-open").click();
      await page.getByTestId("nearby").waitFor();
    }
    await opened(page);
    const conversation = await scrolled(page, ".scroller.placed");

    const plain = await context.newPage();
    const rows = `<p>${"as plain as a row can be, and two lines long, so that there is something to draw ".repeat(2)}</p>`.repeat(ROWS);
    await plain.setContent(`<div id="list" style="height: 640px; overflow-y: auto">${rows}</div>`);
    await plain.evaluate(() => {
      const list = document.querySelector("#list");
      if (list !== null) list.scrollTop = list.scrollHeight;
    });
    const reference = await scrolled(plain, "#list");
    expect(openings).toHaveLength(TIMES);
    writeFileSync(need("LANDLINE_MEASURE_RESULT"), JSON.stringify({ openings, conversation, reference }));
  } finally {
    await browser.close();
  }
});
