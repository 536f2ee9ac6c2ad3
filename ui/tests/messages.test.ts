import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pseudoFile } from "../scripts/pseudo.mjs";

const english = readFileSync("messages/en.json", "utf8");
const keys = Object.keys(JSON.parse(english) as object).filter((key) => key !== "$schema");

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((one) => one.isFile() && /\.(svelte|ts)$/u.test(one.name) && !one.parentPath.includes("paraglide"))
    .map((one) => readFileSync(join(one.parentPath, one.name), "utf8"));
}

test("the pseudo-language is that of the English of today", () => {
  expect(readFileSync("messages/en-XA.json", "utf8")).toBe(pseudoFile(english));
});

test("every text is used, and every text that is used is there", () => {
  const used = new Set(sources("src").flatMap((text) => [...text.matchAll(/\bm\.([a-z0-9_]+)/gu)].map(([, key]) => key ?? "")));
  // What starts so is shown by the shell.
  const shell = (key: string) => ["notice_", "tray_", "start_"].some((prefix) => key.startsWith(prefix));
  expect(keys.filter((key) => !used.has(key) && !shell(key)), "because dead texts would be translated in vain").toEqual([]);
  expect([...used].filter((key) => !keys.includes(key))).toEqual([]);
});

test("no markup is built from text", () => {
  expect(sources("src").filter((text) => text.includes("{@html"))).toEqual([]);
});
