/** What a key can ask for. */
export type CommandId =
  | "switch" | "new" | "regions" | "regionsBack" | "nextSession" | "previousSession" | "nextUnread" | "previousUnread"
  | "session1" | "session2" | "session3" | "session4" | "session5" | "session6" | "session7" | "session8" | "session9"
  | "find" | "search" | "attach" | "newest" | "mute" | "settings" | "zoomIn" | "zoomOut" | "zoomReset" | "shortcuts";

/** Which part of the sheet a binding stands in. */
export type KeyGroup = "general" | "sessions" | "look";

export interface Binding {
  id: CommandId;
  group: KeyGroup;
  /** `Mod` is Ctrl, and ⌘ on a Mac. Several spellings of one key may be given; the first is shown. */
  keys: readonly string[];
}

const numbered = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(
  (n): Binding => ({ id: `session${n}` as CommandId, group: "sessions", keys: [`Mod+${n}`] }),
);

/** The keyboard map: everything that works from anywhere in the window. */
export const bindings: readonly Binding[] = [
  { id: "switch", group: "general", keys: ["Mod+K"] },
  { id: "new", group: "general", keys: ["Mod+N"] },
  { id: "find", group: "general", keys: ["Mod+F"] },
  { id: "search", group: "general", keys: ["Mod+Shift+F"] },
  { id: "settings", group: "general", keys: ["Mod+,"] },
  { id: "shortcuts", group: "general", keys: ["Mod+/", "Mod+Shift+/", "Mod+Shift+?", "Mod+?"] },
  { id: "regions", group: "general", keys: ["F6"] },
  { id: "regionsBack", group: "general", keys: ["Shift+F6"] },
  { id: "nextSession", group: "sessions", keys: ["Ctrl+Tab"] },
  { id: "previousSession", group: "sessions", keys: ["Ctrl+Shift+Tab"] },
  { id: "nextUnread", group: "sessions", keys: ["Alt+Shift+ArrowDown"] },
  { id: "previousUnread", group: "sessions", keys: ["Alt+Shift+ArrowUp"] },
  ...numbered,
  { id: "newest", group: "sessions", keys: ["Mod+J"] },
  { id: "attach", group: "sessions", keys: ["Mod+U"] },
  { id: "mute", group: "sessions", keys: ["Mod+Shift+M"] },
  { id: "zoomIn", group: "look", keys: ["Mod++", "Mod+=", "Mod+Shift++", "Mod+Shift+="] },
  { id: "zoomOut", group: "look", keys: ["Mod+-", "Mod+Shift+-", "Mod+Shift+_"] },
  { id: "zoomReset", group: "look", keys: ["Mod+0"] },
];

/** The parts of a key event that matter here. */
export interface KeyLike {
  key: string;
  code?: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  isComposing?: boolean;
  keyCode?: number;
}

/** Whether an input method is at work: none of its keys are ours. */
export function composing(event: KeyLike): boolean {
  return event.isComposing === true || event.keyCode === 229;
}

interface Chord {
  key: string;
  ctrl: boolean;
  meta: boolean;
  alt: boolean;
  shift: boolean;
}

function chord(spec: string, mac: boolean): Chord {
  // "Mod++" ends in the plus key itself.
  const parts = spec.endsWith("++") ? [...spec.slice(0, -2).split("+"), "+"] : spec.split("+");
  const key = parts[parts.length - 1] ?? "";
  const held = new Set(parts.slice(0, -1));
  return {
    key: key.toLowerCase(),
    ctrl: held.has("Ctrl") || (held.has("Mod") && !mac),
    meta: held.has("Mod") && mac,
    alt: held.has("Alt"),
    shift: held.has("Shift"),
  };
}

/** Finds what a key asks for; `undefined` when it is none of ours. */
export function commandFor(event: KeyLike, mac: boolean): CommandId | undefined {
  if (composing(event)) return undefined;
  const digit = /^Digit([0-9])$/u.exec(event.code ?? "")?.[1];
  for (const binding of bindings) {
    for (const spec of binding.keys) {
      const wanted = chord(spec, mac);
      const held =
        event.ctrlKey === wanted.ctrl &&
        event.metaKey === wanted.meta &&
        event.altKey === wanted.alt &&
        event.shiftKey === wanted.shift;
      // On some layouts (French) digits need Shift; the key's place counts then.
      if (held && (event.key.toLowerCase() === wanted.key || (digit !== undefined && digit === wanted.key))) {
        return binding.id;
      }
    }
  }
  return undefined;
}

/** A chord as it is written on this system: "Ctrl+K", "⌘K". */
export function written(spec: string, mac: boolean): string[] {
  const names: Record<string, string> = mac
    ? { Mod: "⌘", Ctrl: "⌃", Alt: "⌥", Shift: "⇧", ArrowUp: "↑", ArrowDown: "↓" }
    : { Mod: "Ctrl", ArrowUp: "↑", ArrowDown: "↓" };
  const parts = spec.endsWith("++") ? [...spec.slice(0, -2).split("+"), "+"] : spec.split("+");
  return parts.map((part) => names[part] ?? part);
}

/** What Enter does in the composer: sends, breaks the line, or nothing of ours. */
export function enterDoes(event: KeyLike, enterSends: boolean, mac: boolean): "send" | "break" | undefined {
  if (event.key !== "Enter" || composing(event)) return undefined;
  const mod = mac ? event.metaKey : event.ctrlKey;
  if (event.altKey) return undefined;
  if (mod) return "send";
  if (event.shiftKey) return "break";
  return enterSends ? "send" : "break";
}

/** What a key does in the composer beside writing. */
export type ComposerKey = "send" | "break" | "editLast" | "answerOlder" | "answerNewer" | "emoji" | "cancel";

/** What a key asks for in the composer; `undefined` when it is the text's. */
export function composerKey(
  event: KeyLike,
  at: { enterSends: boolean; mac: boolean; empty: boolean; atStart: boolean },
): ComposerKey | undefined {
  if (composing(event)) return undefined;
  const mod = at.mac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  const bare = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
  if (event.key === "Escape" && bare) return "cancel";
  if (event.key === "ArrowUp" && bare && at.empty) return "editLast";
  if (mod && !event.altKey && !event.shiftKey) {
    // Within a text these keys go to its ends, as everywhere.
    if (event.key === "ArrowUp" && at.atStart) return "answerOlder";
    if (event.key === "ArrowDown" && (at.empty || at.atStart)) return "answerNewer";
  }
  if (mod && event.shiftKey && !event.altKey && event.key.toLowerCase() === "e") return "emoji";
  return enterDoes(event, at.enterSends, at.mac);
}

/** What a key does on a message that has the focus. */
export type MessageKey = "menu" | "reply" | "edit" | "react" | "copy" | "select" | "info" | "delete";

const messageKeys: Record<string, MessageKey> = {
  enter: "menu", r: "reply", e: "edit", "+": "react", c: "copy", x: "select", i: "info", delete: "delete",
};

/** What a key asks for on a message; `undefined` when it is none of ours. */
export function messageKey(event: KeyLike): MessageKey | undefined {
  if (composing(event) || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  return messageKeys[event.key.toLowerCase()];
}
