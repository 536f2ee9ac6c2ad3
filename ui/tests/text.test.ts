import { describe, expect, test } from "vitest";
import { isOpenable } from "../src/backend/backend";
import { avatarColour, avatarColours } from "../src/shared/avatar";
import { folded } from "../src/shared/links";
import { fold, initials, utf8Bytes } from "../src/shared/text";
import { dayAndTime, dayKey, dayLabel, listTime } from "../src/shared/time";

test("only what may be opened is opened", () => {
  expect(isOpenable("https://example.org")).toBe(true);
  for (const url of ["javascript:alert(1)", "file:///x", "tauri://x", "", "example.org"]) expect(isOpenable(url), url).toBe(false);
});

describe("long messages are folded", () => {
  test("by length and by lines", () => {
    expect(folded("short")).toBeUndefined();
    expect(folded("word ".repeat(2_000))?.length).toBeLessThanOrEqual(2_400);
    expect(folded("a\n".repeat(100))?.split("\n").length).toBeLessThanOrEqual(30);
    expect(folded("w".repeat(2_500)), "because a little more is not worth a button").toBeUndefined();
  });

  test("never within a character", () => {
    const cut = folded("x" + "😀".repeat(3_000)) ?? "";
    expect(cut.isWellFormed()).toBe(true);
  });
});

describe("names", () => {
  test("initials", () => {
    expect(initials("Bea Lindqvist")).toBe("BL");
    expect(initials("  anna maria  sjöberg ")).toBe("AS");
    expect(initials("kim")).toBe("K");
    expect(initials("美玲")).toBe("美");
    expect(initials("🙂 Bob")).toBe("B");
    expect(initials("")).toBe("?");
    expect(initials(`a${"\u0301".repeat(1_000)} b`)).toBe("AB");
  });

  test("colours of newer versions still show", () => {
    expect(avatarColours).toHaveLength(12);
    expect(avatarColour(3)).toBe("#4C6600");
    for (const index of [12, 255, -1]) expect(avatarColours).toContain(avatarColour(index));
  });

  test("found without case and accents", () => {
    expect(fold("Sjöberg")).toBe("sjoberg");
  });

  test("limits count bytes", () => {
    expect(utf8Bytes("aé€😀")).toBe(10);
  });
});

describe("days", () => {
  const now = new Date(2026, 10, 20, 9, 30);
  const at = (...parts: [number, number, number, number?]) => new Date(...parts).toISOString();

  test("are named as a person would", () => {
    expect(dayLabel(at(2026, 10, 20, 0), now, "en-GB")).toBe("Today");
    expect(dayLabel(at(2026, 10, 19, 23), now, "en-GB")).toBe("Yesterday");
    expect(dayLabel(at(2026, 10, 16, 12), now, "en-GB")).toBe("Monday");
    expect(dayLabel(at(2026, 1, 3, 12), now, "en-GB")).toBe("Tue 3 February");
    expect(dayLabel(at(2024, 1, 3, 12), now, "en-GB")).toBe("3 February 2024");
    expect(dayLabel(at(2026, 10, 21, 12), now, "en-GB"), "because another clock may be ahead").toBe("Sat 21 November");
    expect(dayLabel(at(2026, 10, 19, 12), now, "de")).toBe("Gestern");
  });

  test("beside a session in short", () => {
    expect(listTime(at(2026, 10, 20, 8), now, "en-GB")).toBe("08:00");
    expect(listTime(at(2026, 10, 20, 15), now, "en-US")).toMatch(/^3:00\sPM$/u);
    expect(listTime(at(2026, 10, 19, 8), now, "en-GB")).toBe("Yesterday");
    expect(listTime(at(2026, 10, 16, 8), now, "en-GB")).toBe("Mon");
    expect(listTime(at(2026, 9, 1, 8), now, "en-GB")).toBe("01/10/26");
  });

  test("are one day from midnight to midnight", () => {
    expect(dayKey(at(2026, 10, 20, 0))).toBe(dayKey(at(2026, 10, 20, 23)));
    expect(dayKey(at(2026, 10, 20, 23))).not.toBe(dayKey(at(2026, 10, 21, 0)));
    expect(dayAndTime(at(2026, 10, 19, 8), now, "en-GB")).toEqual({ day: "yesterday", time: "08:00", today: false });
  });
});
