// Screens that are gone through one by one: whether axe objects to them, in any look, and a picture of each.
import { expect, test } from "vitest";
import type { Page } from "playwright-core";
import { violations } from "./axe";
import { looks, shoot } from "./harness";
import { openSession, start, usePages } from "./pages";

/** What is looked at: a world, and how to come to it. */
export interface Screen {
  name: string;
  query: string;
  viewport?: { width: number; height: number };
  go: (page: Page) => Promise<void>;
}

export const session = (index: number) => (page: Page) => openSession(page, index);
export const settings = (section: string) => async (page: Page) => {
  await page.getByTestId("settings-open").click();
  await page.locator(`[data-testid=settings-tab][data-section=${section}]`).click();
};
export const message = (page: Page, id: string) => page.locator(`[data-id=${id}]`);
export const small = { width: 360, height: 480 };
export const narrow = { width: 420, height: 760 };

/** What a person uses and cannot see whole, because it stands beyond an edge to which nothing scrolls. */
const cutOff = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, input, textarea, select, a, [role=option], [role=menuitem]")]
      .filter((one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && one.closest(".sr-only") === null)
      .map((one) => ({ one, at: one.getBoundingClientRect() }))
      .filter(({ at }) => at.width > 1 && (at.left < -1 || at.right > innerWidth + 1))
      .map(({ one, at }) => `${one.dataset["testid"] ?? one.outerHTML.slice(0, 80)}: ${at.left} to ${at.right} of ${innerWidth}`),
  );

/** Called by a file of screens. */
export function lookAt(screens: readonly Screen[]): void {
  usePages();
  test.each(screens)("$name has nothing that axe objects to, in any look", async ({ name, query, viewport, go }) => {
    const page = await start(query, { viewport });
    await go(page);
    // The pointer leaves no hover behind in the picture.
    await page.mouse.move(1, 1);
    expect(await cutOff(page), "because whatever can be used can be seen").toEqual([]);
    const found: string[] = [];
    for (const look of looks) {
      await page.emulateMedia({ colorScheme: look.colorScheme, contrast: look.contrast });
      await shoot(page, `${look.name}-${name}`);
      found.push(...(await violations(page)).map((one) => `${look.name}: ${one}`));
    }
    await page.emulateMedia({ forcedColors: "active" });
    await shoot(page, `forced-${name}`);
    expect(found).toEqual([]);
  });
}
