/** A piece of a line of a hit: what was looked for, or what stands around it. */
export interface Piece {
  text: string;
  hit: boolean;
}

/** How much stands before the first match, and how much there is altogether. */
const BEFORE = 40;
const LENGTH = 220;

/**
 * One line of a message around its first match. `ranges` are places of matches in UTF-16 units, ascending; a wrong one
 * is left out.
 */
export function excerpt(message: string, ranges: readonly (readonly [number, number])[]): Piece[] {
  const from = start(message, ranges[0]?.[0] ?? 0);
  const to = Math.min(message.length, from + LENGTH);
  const pieces: Piece[] = [];
  const add = (text: string, hit: boolean) => {
    const line = text.replace(/\s+/gu, " ");
    if (line !== "") pieces.push({ text: line, hit });
  };
  if (from > 0) add("… ", false);
  let at = from;
  for (const [begin, end] of ranges) {
    if (begin < at || end <= begin || begin >= to) continue;
    add(message.slice(at, begin), false);
    at = Math.min(end, to);
    add(message.slice(begin, at), true);
  }
  add(message.slice(at, to), false);
  if (to < message.length) add(" …", false);
  return pieces;
}

/** Where the line begins: some words before the match, at a beginning of a word, never between halves of a character. */
function start(message: string, match: number): number {
  if (match <= BEFORE) return 0;
  const from = match - BEFORE;
  const space = message.slice(from, match).search(/\s\S/u);
  if (space >= 0) return from + space + 1;
  return /[\uDC00-\uDFFF]/u.test(message.charAt(from)) ? from + 1 : from;
}
