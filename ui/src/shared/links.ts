import { LinkifyIt } from "linkify-it";

/** A link within a line: where it stands, and what it opens. */
export interface FoundLink {
  from: number;
  to: number;
  href: string;
}

const linkify = new LinkifyIt({ fuzzyIP: true });
// Messages may open web pages and mail, nothing else.
linkify.add("ftp:", null).add("//", null);

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

/** Whether an address is one that a message may open. */
export function isWebOrMail(href: string): boolean {
  return /^(https?:|mailto:)/iu.test(href) && URL.canParse(href);
}

/** The links that are written out in a line. */
export function linksIn(line: string): FoundLink[] {
  return (linkify.match(line) ?? []).flatMap(({ index, lastIndex, url }) =>
    isWebOrMail(url) ? [{ from: index, to: lastIndex, href: url }] : [],
  );
}

/** The host that an address leads to, as it goes over the wire; for mail, the address itself. */
export function hostOf(href: string): string {
  const url = new URL(href);
  return url.protocol === "mailto:" ? url.pathname : url.host;
}

/**
 * Whether a link leads elsewhere than its text makes one think: another host, letters of another alphabet that look
 * the same, or a host that is written as if it were a user name.
 */
export function surprising(text: string, href: string): boolean {
  const url = new URL(href);
  if (url.username !== "" || url.password !== "") return true;
  const written = text.trim().toLowerCase();
  if (url.protocol === "mailto:") return written !== url.pathname.toLowerCase() && written !== href.toLowerCase();
  const host = /^(?:https?:\/\/)?([^/?#]+)/u.exec(written)?.[1] ?? "";
  // A port that is the usual one is left out of the address.
  return host !== url.host && host.replace(/:(80|443)$/u, "") !== url.host;
}
