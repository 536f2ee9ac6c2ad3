import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { avatarColours } from "../src/shared/avatar";

const css = readFileSync("src/tokens.css", "utf8");

/** The colours of one look: the first block, and the one for high contrast over it. */
function look(contrast: boolean, dark: boolean): Map<string, string> {
  const found = new Map<string, string>();
  const more = css.slice(css.indexOf("prefers-contrast"));
  for (const text of contrast ? [css.slice(0, css.indexOf("prefers-contrast")), more] : [css.slice(0, css.indexOf("prefers-contrast"))]) {
    for (const [, name, light, night] of text.matchAll(/--([a-z-]+): light-dark\((#[0-9A-F]{6}), (#[0-9A-F]{6})\)/gu)) {
      found.set(name ?? "", (dark ? night : light) ?? "");
    }
  }
  return found;
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

const surfaces = ["bg", "side", "hover", "selected", "bubble-in", "bubble-out"];
const looks = [
  ["light", false, false],
  ["dark", false, true],
  ["high contrast light", true, false],
  ["high contrast dark", true, true],
] as const;

describe.each(looks)("%s", (_name, more, dark) => {
  const colours = look(more, dark);
  const get = (name: string) => {
    const value = colours.get(name);
    if (value === undefined) throw new Error(`no token ${name}`);
    return value;
  };
  const ratios = (names: readonly string[], on: readonly string[]) =>
    names.flatMap((name) => on.map((surface) => [`${name} on ${surface}`, contrast(get(name), get(surface))] as const));

  test("has all tokens", () => {
    expect(colours.size).toBe(17);
  });

  test("text can be read: 4.5 to 1", () => {
    const pairs = [
      ...ratios(["text", "muted"], surfaces),
      ...ratios(["link"], ["bg", "side", "hover", "bubble-in", "bubble-out"]),
      ...ratios(["danger", "warning", "ok"], ["bg", "side"]),
      ...ratios(["danger"], ["hover", "selected", "bubble-out"]),
      ...ratios(["on-accent"], ["accent"]),
    ];
    expect(pairs.filter(([, ratio]) => ratio < 4.5)).toEqual([]);
  });

  test("outlines, dots and the focus can be seen: 3 to 1", () => {
    const pairs = [...ratios(["outline", "focus"], ["bg", "side"]), ...ratios(["presence", "outline"], ["bg", "side", "selected"])];
    expect(pairs.filter(([, ratio]) => ratio < 3)).toEqual([]);
  });
});

test("white letters can be read on every avatar", () => {
  expect(avatarColours.filter((colour) => contrast("#FFFFFF", colour) < 4.5)).toEqual([]);
});
