import { LinkifyIt } from "linkify-it";

/** A piece of a line: plain text, or a link with what it opens. */
export type Piece = { kind: "text"; text: string } | { kind: "link"; text: string; href: string };

const linkify = new LinkifyIt({ fuzzyIP: true });
// Messages may open web pages and mail, nothing else.
linkify.add("ftp:", null).add("//", null);

/** A longer text is shown without links: finding them must not stop the window. */
const LONGEST_SEARCHED = 20_000;

/** A longer message is folded until somebody asks for the rest. */
const FOLD = { characters: 2_400, lines: 30 };

/** The beginning of a long message, cut between words where that is possible; `undefined` when it is not long. */
export function folded(message: string): string | undefined {
  let end = Math.min(message.length, FOLD.characters);
  let at = -1;
  for (let line = 0; line < FOLD.lines; line++) {
    at = message.indexOf("\n", at + 1);
    if (at < 0) break;
  }
  if (at >= 0) end = Math.min(end, at);
  // A little more than the fold is not worth a button.
  if (end >= message.length || (at < 0 && message.length < FOLD.characters * 1.2)) return undefined;
  const space = message.lastIndexOf(" ", end);
  const cut = space > end - 80 && end === FOLD.characters ? space : end;
  // Never between the halves of one character.
  return message.slice(0, /[\uD800-\uDBFF]/u.test(message.charAt(cut - 1)) ? cut - 1 : cut).trimEnd();
}

/** Splits a message into lines, each of which gets its own direction, and each line into text and links. */
export function lines(message: string): Piece[][] {
  return message.split(/\r\n|[\n\r\u2028\u2029]/u).map(pieces);
}

function pieces(line: string): Piece[] {
  if (line.length > LONGEST_SEARCHED) return [{ kind: "text", text: line }];
  const out: Piece[] = [];
  let from = 0;
  for (const match of linkify.match(line) ?? []) {
    if (!/^(https?:|mailto:)/iu.test(match.url)) continue;
    if (match.index > from) out.push({ kind: "text", text: line.slice(from, match.index) });
    out.push({ kind: "link", text: match.text, href: match.url });
    from = match.lastIndex;
  }
  if (from < line.length || out.length === 0) out.push({ kind: "text", text: line.slice(from) });
  return out;
}
