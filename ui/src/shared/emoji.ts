import { fold } from "./text";

/** An emoji that can be picked. */
export interface Emoji {
  /** What is sent. */
  text: string;
  /** Its name, for tips and for those who listen. */
  label: string;
  group: EmojiGroup;
  /** What it is called between colons; the first is shown. */
  names: readonly string[];
  /** The same in the five skin tones, light to dark; empty for most. */
  tones: readonly string[];
  /** What a search looks through: label, names and tags, folded. */
  words: readonly string[];
}

/** The groups in the order they are shown. Their numbers are those of the data. */
export const emojiGroups = ["smileys", "people", "animals", "food", "travel", "activities", "objects", "symbols", "flags"] as const;
export type EmojiGroup = (typeof emojiGroups)[number];
const groupNumbers: Record<number, EmojiGroup> = {
  0: "smileys", 1: "people", 3: "animals", 4: "food", 5: "travel", 6: "activities", 7: "objects", 8: "symbols", 9: "flags",
};

/** Loads the emojis that this system can draw. They are a part of the program; nothing is fetched from elsewhere. */
export async function loadEmojis(): Promise<Emoji[]> {
  const [{ default: data }, { default: codes }] = await Promise.all([
    import("emojibase-data/en/compact.json"),
    import("emojibase-data/en/shortcodes/github.json"),
  ]);
  const drawn = drawable();
  const found: { order: number; emoji: Emoji }[] = [];
  for (const { hexcode, unicode, label, group, order, tags = [], skins = [] } of data) {
    const name = group === undefined ? undefined : groupNumbers[group];
    const text = qualified(unicode);
    if (name === undefined || !drawn(text)) continue;
    const code = codes[hexcode];
    const names = code === undefined ? [label.replace(/[^a-z0-9]+/giu, "_").toLowerCase()] : typeof code === "string" ? [code] : code;
    const tones = skins.length === 5 ? skins.map((one) => qualified(one.unicode)) : [];
    const words = [...new Set([label, ...names, ...tags].flatMap((one) => fold(one).split(/[\s_]+/u)))];
    found.push({ order: order ?? 0, emoji: { text, label, group: name, names, tones, words } });
  }
  return found.sort((a, b) => a.order - b.order).map((one) => one.emoji);
}

/** The one spelling of an emoji that is sent: no variation selector where the emoji is the usual look anyway. */
export function qualified(text: string): string {
  return text.replace(/(\p{Emoji_Presentation})\uFE0F/gu, "$1");
}

/** Finds emojis by what is typed: every word must begin a word of theirs; names that begin so come first. */
export function searchEmojis(emojis: readonly Emoji[], query: string, most: number): Emoji[] {
  const wanted = fold(query).split(/[\s_]+/u).filter((word) => word !== "");
  if (wanted.length === 0) return [];
  const whole = fold(query).trim().replace(/\s+/gu, "_");
  const rank = (one: Emoji) => (one.names.includes(whole) ? 0 : one.names.some((name) => name.startsWith(whole)) ? 1 : 2);
  return emojis
    .filter((one) => wanted.every((word) => one.words.some((own) => own.startsWith(word))))
    .map((one, index) => ({ one, index, rank: rank(one) }))
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .slice(0, most)
    .map(({ one }) => one);
}

const isEmoji = /^(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\uFE0F|\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3)/u;

/** How many emojis a text consists of; 0 when there is anything else in it, or more than `most`. */
export function emojiCount(text: string, most: number): number {
  // No emoji is longer than this; a long text is not looked through.
  if (text.length === 0 || text.length > most * 40) return 0;
  let count = 0;
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)) {
    if (segment.trim() === "") continue;
    if (!isEmoji.test(segment) || segment.length > 40) return 0;
    count += 1;
  }
  return count > most ? 0 : count;
}

/**
 * Tells whether a font of this system has an emoji: where it has not, it draws several signs, or a box of another
 * width than emojis have.
 */
function drawable(): (text: string) => boolean {
  const pen = document.createElement("canvas").getContext("2d");
  if (pen === null) return () => true;
  pen.font = `20px ${getComputedStyle(document.documentElement).getPropertyValue("--emoji")}`;
  const usual = pen.measureText("😀").width;
  return (text) => {
    const width = pen.measureText(text).width;
    return width > usual * 0.75 && width < usual * 1.25;
  };
}
