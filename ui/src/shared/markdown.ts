import { isWebOrMail, linksIn } from "./links";

/**
 * A piece of a line. `at` is where its text begins in the message, in UTF-16 code units, so that a search can mark
 * what it found: what is shown is always a piece of what was written, never something made up.
 */
export type Inline =
  | { kind: "text"; text: string; at: number }
  | { kind: "code"; text: string; at: number }
  | { kind: "mention"; text: string; at: number; userId: string }
  | { kind: "link"; text: string; at: number; href: string }
  | { kind: "bold" | "italic" | "strike"; children: Inline[] };

/** One entry of a list, with its marker as it was written. */
export interface Item {
  marker: string;
  /** How far it is set in: 0–3. */
  depth: number;
  children: Inline[];
}

/** A part of a message that stands on lines of its own. A line is a paragraph: each has its own direction. */
export type Block =
  | { kind: "line"; children: Inline[] }
  | { kind: "code"; language: string; text: string; at: number }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; ordered: boolean; items: Item[] };

/** Somebody who may be mentioned: `@` and the name. */
export interface Mentionable {
  userId: string;
  name: string;
}

/** A longer line is shown as it is: looking for markup in it must not stop the window. */
const LONGEST_LINE = 20_000;
/** Quotes within quotes, and marks within marks, that are understood; deeper ones are text. */
const DEEPEST = { quote: 3, mark: 8 };

const BREAK = /\r\n|[\n\r\u2028\u2029]/gu;
const FENCE = /^ {0,3}```([\w+#.-]{0,32})[ \t]*$/u;
const QUOTE = /^ {0,3}>(?: |$)/u;
const ITEM = /^( {0,8})([-*]|\d{1,9}[.)]) +(?=\S)/u;
const NAMED_LINK = /\[([^[\]]{1,500})\]\(([^\s()<>]{1,2000})\)/gu;

interface Line {
  text: string;
  at: number;
}

/**
 * Reads a message: **bold**, *italic* or _italic_, ~~strike~~, `code`, fenced code, > quotes, lists, [links](https://…)
 * and bare links, mentions. There are no escapes, because people send paths with backslashes; what is to be shown as
 * typed goes between backticks.
 */
export function parse(message: string, mentionable: readonly Mentionable[] = []): Block[] {
  return blocks(linesOf(message), mentionable, 0);
}

/** The text of a message without its markup, for previews. */
export function plain(parsed: readonly Block[]): string {
  return parsed.map(plainBlock).join("\n");
}

/** Who is mentioned in a message, each once. */
export function mentionedIn(parsed: readonly Block[]): string[] {
  const ids = new Set<string>();
  const look = (nodes: readonly Inline[]) => {
    for (const node of nodes) {
      if ("children" in node) look(node.children);
      else if (node.kind === "mention") ids.add(node.userId);
    }
  };
  const walk = (blocks: readonly Block[]) => {
    for (const block of blocks) {
      if (block.kind === "line") look(block.children);
      else if (block.kind === "quote") walk(block.blocks);
      else if (block.kind === "list") for (const item of block.items) look(item.children);
    }
  };
  walk(parsed);
  return [...ids];
}

function plainBlock(block: Block): string {
  if (block.kind === "line") return plainInline(block.children);
  if (block.kind === "code") return block.text;
  if (block.kind === "quote") return plain(block.blocks);
  return block.items.map((item) => `${block.ordered ? item.marker : "•"} ${plainInline(item.children)}`).join("\n");
}

function plainInline(nodes: readonly Inline[]): string {
  return nodes.map((node) => ("children" in node ? plainInline(node.children) : node.text)).join("");
}

function linesOf(message: string): Line[] {
  const lines: Line[] = [];
  let from = 0;
  for (const { index, 0: sign } of message.matchAll(BREAK)) {
    lines.push({ text: message.slice(from, index), at: from });
    from = index + sign.length;
  }
  lines.push({ text: message.slice(from), at: from });
  return lines;
}

function blocks(lines: readonly Line[], mentionable: readonly Mentionable[], depth: number): Block[] {
  const out: Block[] = [];
  for (let n = 0; n < lines.length; n++) {
    const line = lines[n];
    if (line === undefined) break;
    const fence = FENCE.exec(line.text);
    if (fence !== null) {
      const first = n + 1;
      // A fence that is never closed runs to the end: a long message may be cut within it.
      n = first;
      while (n < lines.length && lines[n]?.text.trim() !== "```") n++;
      const inside = lines.slice(first, n);
      if (inside.length > 0) {
        const text = inside.map((one) => one.text).join("\n");
        out.push({ kind: "code", language: fence[1] ?? "", text, at: inside[0]?.at ?? 0 });
        continue;
      }
      n = first - 1;
    } else if (depth < DEEPEST.quote && QUOTE.test(line.text)) {
      const quoted: Line[] = [];
      for (; n < lines.length; n++) {
        const one = lines[n];
        const sign = one === undefined ? undefined : QUOTE.exec(one.text)?.[0];
        if (one === undefined || sign === undefined) break;
        quoted.push({ text: one.text.slice(sign.length), at: one.at + sign.length });
      }
      n -= 1;
      out.push({ kind: "quote", blocks: blocks(quoted, mentionable, depth + 1) });
      continue;
    } else {
      const item = itemOf(line, mentionable);
      if (item !== undefined) {
        const ordered = /\d/u.test(item.marker);
        const last = out.at(-1);
        if (last?.kind === "list" && last.ordered === ordered) last.items.push(item);
        else out.push({ kind: "list", ordered, items: [item] });
        continue;
      }
    }
    out.push({ kind: "line", children: inline(line, mentionable) });
  }
  return out;
}

function itemOf(line: Line, mentionable: readonly Mentionable[]): Item | undefined {
  const found = ITEM.exec(line.text);
  if (found === null) return undefined;
  const from = found[0].length;
  return {
    marker: found[2] ?? "",
    depth: Math.min(3, Math.floor((found[1]?.length ?? 0) / 2)),
    children: inline({ text: line.text.slice(from), at: line.at + from }, mentionable),
  };
}

type Leaf = Exclude<Inline, { children: Inline[] }>;
type Sign = "*" | "**" | "_" | "~~";
const kinds = { "*": "italic", _: "italic", "**": "bold", "~~": "strike" } as const;

/** A mark that has been opened and not closed yet; the lowest one is the line itself. */
interface Frame {
  sign: Sign | "";
  at: number;
  children: Inline[];
}

function inline(line: Line, mentionable: readonly Mentionable[]): Inline[] {
  const { text, at } = line;
  if (text.length > LONGEST_LINE) return [{ kind: "text", text, at }];
  const atoms = atomsOf(line, mentionable);
  const frames: Frame[] = [{ sign: "", at, children: [] }];
  let plainFrom = 0;
  const say = (to: number) => {
    if (to > plainFrom) addText(top(frames), text.slice(plainFrom, to), at + plainFrom);
  };
  for (let i = 0; i < text.length; ) {
    const atom = atoms.get(i);
    if (atom !== undefined) {
      say(i);
      top(frames).children.push(atom.leaf);
      plainFrom = i = atom.to;
      continue;
    }
    const sign = text.charAt(i);
    if (sign !== "*" && sign !== "_" && sign !== "~") {
      i += 1;
      continue;
    }
    let to = i;
    while (text.charAt(to) === sign) to += 1;
    say(i);
    marks(frames, text, at, i, to);
    plainFrom = i = to;
  }
  say(text.length);
  while (frames.length > 1) flatten(frames);
  return top(frames).children;
}

/** Takes a run of one sign: closes what it closes, opens what it opens; the rest of it is text. */
function marks(frames: Frame[], text: string, at: number, from: number, to: number): void {
  const sign = text.charAt(from);
  const length = to - from;
  const before = charBefore(text, from);
  const after = charAfter(text, to);
  let i = from;
  if (sign === "*" ? length <= 3 : length === (sign === "_" ? 1 : 2)) {
    const wide = length > 1;
    if (before !== "" && !/\s/u.test(before) && (wide || !joins(after))) {
      for (let closed = close(frames, sign, to - i); closed > 0; closed = close(frames, sign, to - i)) i += closed;
    }
    if (i < to && after !== "" && !/\s/u.test(after) && (wide || !joins(before))) {
      const parts: Sign[] = sign === "*" ? starSigns(to - i) : sign === "_" ? ["_"] : ["~~"];
      for (const part of parts) {
        if (frames.length > DEEPEST.mark) break;
        frames.push({ sign: part, at: at + i, children: [] });
        i += part.length;
      }
    }
  }
  if (i < to) addText(top(frames), text.slice(i, to), at + i);
}

function starSigns(length: number): Sign[] {
  return length === 3 ? ["**", "*"] : length === 2 ? ["**"] : ["*"];
}

/** Closes the nearest open mark that `left` signs close, of three either; tells how long it was, 0 when there is none. */
function close(frames: Frame[], sign: string, left: number): number {
  for (let n = frames.length - 1; n > 0; n--) {
    const frame = frames[n];
    if (frame === undefined || frame.sign === "" || frame.sign.charAt(0) !== sign) continue;
    if (left < 3 && frame.sign.length !== left) continue;
    // Nothing between the two: these are signs, not marks.
    if (n === frames.length - 1 && frame.children.length === 0) return 0;
    while (frames.length - 1 > n) flatten(frames);
    frames.pop();
    top(frames).children.push({ kind: kinds[frame.sign], children: frame.children });
    return frame.sign.length;
  }
  return 0;
}

/** The innermost mark was none: its sign is text, and what follows belongs to the mark around it. */
function flatten(frames: Frame[]): void {
  const frame = frames.pop();
  if (frame === undefined) return;
  const into = top(frames);
  addText(into, frame.sign, frame.at);
  for (const child of frame.children) {
    if (child.kind === "text") addText(into, child.text, child.at);
    else into.children.push(child);
  }
}

function top(frames: readonly Frame[]): Frame {
  const last = frames[frames.length - 1];
  if (last === undefined) throw new Error("the line itself is never closed");
  return last;
}

function addText(frame: Frame, text: string, at: number): void {
  const last = frame.children.at(-1);
  if (last?.kind === "text" && last.at + last.text.length === at) last.text += text;
  else frame.children.push({ kind: "text", text, at });
}

/** Whether a letter makes one word with a sign beside it, as in 2*3*4. Scripts without spaces between words do not. */
function joins(letter: string): boolean {
  return (
    /[\p{L}\p{N}]/u.test(letter) &&
    !/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u.test(letter)
  );
}

function charBefore(text: string, at: number): string {
  const unit = text.charAt(at - 1);
  return /[\uDC00-\uDFFF]/u.test(unit) ? text.slice(Math.max(0, at - 2), at) : unit;
}

function charAfter(text: string, at: number): string {
  const point = text.codePointAt(at);
  return point === undefined ? "" : String.fromCodePoint(point);
}

/** What is one thing and holds no marks: code, links, mentions; by where it begins. Code wins over all, then links. */
function atomsOf({ text, at }: Line, mentionable: readonly Mentionable[]): Map<number, { to: number; leaf: Leaf }> {
  const atoms = new Map<number, { to: number; leaf: Leaf }>();
  const taken = new Uint8Array(text.length);
  const take = (from: number, to: number, leaf: Leaf) => {
    if (taken.subarray(from, to).includes(1)) return;
    taken.fill(1, from, to);
    atoms.set(from, { to, leaf });
  };
  for (const { from, to, signs } of codeSpans(text)) {
    take(from, to, { kind: "code", text: text.slice(from + signs, to - signs), at: at + from + signs });
  }
  for (const { index, 0: whole, 1: label = "", 2: href = "" } of text.matchAll(NAMED_LINK)) {
    if (isWebOrMail(href) && label.trim() !== "") {
      take(index, index + whole.length, { kind: "link", text: label, at: at + index + 1, href });
    }
  }
  for (const { from, to, href } of linksIn(text)) take(from, to, { kind: "link", text: text.slice(from, to), at: at + from, href });
  // The longest name first: "@Anna Maria" is not "@Anna".
  for (const { userId, name } of [...mentionable].sort((a, b) => b.name.length - a.name.length)) {
    if (name === "") continue;
    const wanted = `@${name}`;
    for (let from = text.indexOf(wanted); from >= 0; from = text.indexOf(wanted, from + 1)) {
      const to = from + wanted.length;
      if (joins(charBefore(text, from)) || joins(charAfter(text, to))) continue;
      take(from, to, { kind: "mention", text: wanted, at: at + from, userId });
    }
  }
  return atoms;
}

/** Runs of backticks of one length with something between them. */
function codeSpans(text: string): { from: number; to: number; signs: number }[] {
  const runs = [...text.matchAll(/`+/gu)].map(({ index, 0: run }) => ({ index, length: run.length }));
  // For each run, the next of its length: found from the end, so that a line of nothing but backticks is read once.
  const next = new Map<number, number>();
  const partner = runs.map(() => -1);
  for (let n = runs.length - 1; n >= 0; n--) {
    const { length } = runs[n] ?? { length: 0 };
    partner[n] = next.get(length) ?? -1;
    next.set(length, n);
  }
  const spans: { from: number; to: number; signs: number }[] = [];
  for (let n = 0; n < runs.length; n++) {
    const [open, other] = [runs[n], partner[n] ?? -1];
    const end = runs[other];
    if (open === undefined || end === undefined) continue;
    spans.push({ from: open.index, to: end.index + end.length, signs: open.length });
    n = other;
  }
  return spans;
}
