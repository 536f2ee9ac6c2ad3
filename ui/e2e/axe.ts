import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  id: string;
  nodes: { target: unknown; failureSummary?: string }[];
}

const everything = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
const colours = { type: "rule", values: ["color-contrast", "link-in-text-block"] };

/** What axe objects to on a page as it is now, by WCAG 2.2 AA and its own best practice; or only in its colours. */
export async function violations(page: Page, what: "everything" | "colours" = "everything"): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const found = await page.evaluate(async (only) => {
    const run = (window as unknown as { axe: { run: (o: object) => Promise<{ violations: Violation[] }> } }).axe.run;
    return (await run({ runOnly: only })).violations;
  }, what === "everything" ? everything : colours);
  return found.flatMap((one) => one.nodes.map((node) => `${one.id} ${String(node.target)}\n${node.failureSummary ?? ""}`));
}
