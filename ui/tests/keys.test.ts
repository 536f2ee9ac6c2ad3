import { describe, expect, test } from "vitest";
import { bindings, commandFor, enterDoes, written, type KeyLike } from "../src/domain/keymap";

function key(name: string, held: Partial<KeyLike> = {}): KeyLike {
  return { key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held };
}

describe("the keyboard map", () => {
  test("Mod is Ctrl, and ⌘ on a Mac", () => {
    expect(commandFor(key("k", { ctrlKey: true }), false)).toBe("switch");
    expect(commandFor(key("k", { metaKey: true }), false)).toBeUndefined();
    expect(commandFor(key("k", { metaKey: true }), true)).toBe("switch");
    expect(commandFor(key("K", { ctrlKey: true }), false), "because of Caps Lock").toBe("switch");
  });

  test("everything that it lists", () => {
    const mod = { ctrlKey: true };
    const cases: [KeyLike, string][] = [
      [key("n", mod), "new"],
      [key(",", mod), "settings"],
      [key("/", mod), "shortcuts"],
      [key("?", { ...mod, shiftKey: true }), "shortcuts"],
      [key("F6"), "regions"],
      [key("F6", { shiftKey: true }), "regionsBack"],
      [key("Tab", mod), "nextSession"],
      [key("Tab", { ...mod, shiftKey: true }), "previousSession"],
      [key("ArrowDown", { altKey: true, shiftKey: true }), "nextUnread"],
      [key("ArrowUp", { altKey: true, shiftKey: true }), "previousUnread"],
      [key("3", mod), "session3"],
      [key("j", mod), "newest"],
      [key("M", { ...mod, shiftKey: true }), "mute"],
      [key("+", mod), "zoomIn"],
      [key("=", mod), "zoomIn"],
      [key("+", { ...mod, shiftKey: true }), "zoomIn"],
      [key("-", mod), "zoomOut"],
      [key("0", mod), "zoomReset"],
    ];
    for (const [event, wanted] of cases) expect(commandFor(event, false), event.key).toBe(wanted);
  });

  test("digits by their place where a layout needs Shift for them", () => {
    expect(commandFor(key("à", { ctrlKey: true, code: "Digit0" }), false)).toBe("zoomReset");
    expect(commandFor(key("é", { ctrlKey: true, code: "Digit2" }), false)).toBe("session2");
  });

  test("nothing while an input method is at work, nothing without its modifier", () => {
    expect(commandFor(key("k", { ctrlKey: true, isComposing: true }), false)).toBeUndefined();
    expect(commandFor(key("k", { ctrlKey: true, keyCode: 229 }), false)).toBeUndefined();
    expect(commandFor(key("k"), false)).toBeUndefined();
    expect(commandFor(key("k", { ctrlKey: true, altKey: true }), false), "because AltGr writes letters").toBeUndefined();
  });

  test("no chord asks for two things", () => {
    const seen = new Map<string, string>();
    for (const binding of bindings) {
      for (const spec of binding.keys) {
        expect(seen.get(spec), spec).toBeUndefined();
        seen.set(spec, binding.id);
      }
    }
  });

  test("written as the system writes it", () => {
    expect(written("Mod+Shift+M", false)).toEqual(["Ctrl", "Shift", "M"]);
    expect(written("Mod++", true)).toEqual(["⌘", "+"]);
  });
});

describe("Enter in the composer", () => {
  test("sends, and breaks with Shift", () => {
    expect(enterDoes(key("Enter"), true, false)).toBe("send");
    expect(enterDoes(key("Enter", { shiftKey: true }), true, false)).toBe("break");
    expect(enterDoes(key("Enter", { ctrlKey: true }), true, false)).toBe("send");
  });

  test("breaks where a person chose so; Mod+Enter sends", () => {
    expect(enterDoes(key("Enter"), false, false)).toBe("break");
    expect(enterDoes(key("Enter", { metaKey: true }), false, true)).toBe("send");
  });

  test("belongs to the input method while that is open", () => {
    expect(enterDoes(key("Enter", { isComposing: true }), true, false)).toBeUndefined();
    expect(enterDoes(key("Enter", { keyCode: 229 }), true, false)).toBeUndefined();
    expect(enterDoes(key("a"), true, false)).toBeUndefined();
  });
});
