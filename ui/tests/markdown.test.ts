import { describe, expect, test } from "vitest";
import { isWebOrMail, surprising } from "../src/shared/links";
import { parse, plain, type Block, type Inline } from "../src/shared/markdown";

const anna = { userId: "landline1anna", name: "Anna" };
const annaMaria = { userId: "landline1annam", name: "Anna Maria" };

/** A tree in short: what a reader sees, with its kind around it. */
function short(nodes: readonly Inline[]): string {
  return nodes
    .map((node) => {
      if ("children" in node) return `<${node.kind} ${short(node.children)}>`;
      if (node.kind === "link") return `<link ${node.text} ${node.href}>`;
      return node.kind === "text" ? node.text : `<${node.kind} ${node.text}>`;
    })
    .join("");
}

function shortBlock(block: Block): string {
  if (block.kind === "line") return short(block.children);
  if (block.kind === "code") return `<code ${block.language}|${block.text}>`;
  if (block.kind === "quote") return `<quote ${block.blocks.map(shortBlock).join("/")}>`;
  return `<list ${block.items.map((item) => `${"+".repeat(item.depth)}${item.marker} ${short(item.children)}`).join("/")}>`;
}

const read = (text: string, names = [anna, annaMaria]) => parse(text, names).map(shortBlock).join("\n");

describe("marks", () => {
  test.each([
    ["**bold** and *it* or _it_ and ~~gone~~", "<bold bold> and <italic it> or <italic it> and <strike gone>"],
    ["***both***", "<bold <italic both>>"],
    ["**a *b* c**", "<bold a <italic b> c>"],
    ["*a **b***", "<italic a <bold b>>"],
    ["**a *b** c*", "<bold a *b> c*"],
    ["中文**粗体**中文", "中文<bold 粗体>中文"],
    ["中文*斜体*中文", "中文<italic 斜体>中文"],
    ["(*it*), \"**b**\"", "(<italic it>), \"<bold b>\""],
    ["`a*b*` and ``c ` d``", "<code a*b*> and <code c ` d>"],
    ["**bold with `code`**", "<bold bold with <code code>>"],
  ])("%s", (text, wanted) => expect(read(text)).toBe(wanted));

  test.each([
    "2*3*4", "2 * 3 * 4", "*.txt and *.rs", "snake_case_name", "__init__", "a ** b", "**", "****", "~", "~/work", "~~~~", "* ", "5**",
    "\\\\server\\share\\*.txt", "`", "``", "a ` b", ":-* and *", ">:( and >_<", "->", "#heading", "| a | b |", "==x==",
  ])("%s is only text", (text) => expect(read(text)).toBe(text));
});

describe("blocks", () => {
  test.each([
    ["```rust\nlet a = *b*;\n\n  c\n```\nafter", "<code rust|let a = *b*;\n\n  c>\nafter"],
    ["```\nnever closed", "<code |never closed>"],
    ["```\n```", "```\n```"],
    ["> quoted **b**\n> more\nanswer", "<quote quoted <bold b>/more>\nanswer"],
    ["> > deep\n> out", "<quote <quote deep>/out>"],
    ["- one\n- *two*\n  - three\n1. first\n2) second", "<list - one/- <italic two>/+- three>\n<list 1. first/2) second>"],
    ["* one\n* two", "<list * one/* two>"],
    ["a\n\n\nb", "a\n\n\nb"],
    ["-5 degrees\n3.14\n-", "-5 degrees\n3.14\n-"],
    ["one\r\ntwo\u2029three\u2028four\rfive", "one\ntwo\nthree\nfour\nfive"],
  ])("%s", (text, wanted) => expect(read(text)).toBe(wanted));

  test("previews are without markup", () => {
    expect(plain(parse("**Hi** `a`\n> q\n- x\n3. y\n```\ncode\n```"))).toBe("Hi a\nq\n• x\n3. y\ncode");
  });
});

describe("links", () => {
  test.each([
    ["https://a.example/x_y_z*w*", "<link https://a.example/x_y_z*w* https://a.example/x_y_z*w*>"],
    ["[the plan](https://a.example/p)", "<link the plan https://a.example/p>"],
    ["**[x](mailto:a@b.example)**", "<bold <link x mailto:a@b.example>>"],
    ["`https://a.example`", "<code https://a.example>"],
    ["[a](https://a.example) [b](https://b.example)", "<link a https://a.example> <link b https://b.example>"],
  ])("%s", (text, wanted) => expect(read(text)).toBe(wanted));

  test.each(["[x](javascript:alert(1))", "[x](data:text/html,x)", "[x](file:///etc/passwd)", "[x]()", "[x](//)", "[](landline://x)", "[x](vbscript:x)", "[x](https://)"])(
    "%s leads nowhere",
    (text) => expect(read(text)).not.toContain("<link"),
  );

  test("http, https and mail, nothing else", () => {
    const links = (text: string) => [...read(text).matchAll(/<link \S+ (\S+)>/gu)].map(([, href]) => href);
    expect(links("see https://example.org/a?b=c#d and http://10.0.0.1:8080 or mail a@example.org")).toEqual([
      "https://example.org/a?b=c#d", "http://10.0.0.1:8080", "mailto:a@example.org",
    ]);
    for (const text of [
      "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://example.org", "vbscript:x",
      "landline://session/1", "<img src=x onerror=alert(1)>", "//example.org/x",
    ]) {
      expect(links(text).every((href) => /^(https?|mailto):/u.test(href ?? "")), text).toBe(true);
      expect(links(text).filter((href) => !href?.includes("example.org")), text).toEqual([]);
    }
  });

  test("one that leads elsewhere than it says is asked about", () => {
    for (const [text, href] of [
      ["https://example.org/a", "https://example.org/a"], ["example.org", "http://example.org"], ["EXAMPLE.org/x", "https://example.org/y"],
      ["http://example.org:80/", "http://example.org/"], ["a@b.example", "mailto:a@b.example"], ["http://10.0.0.1:8080", "http://10.0.0.1:8080"],
    ] as const) expect(surprising(text, href), text).toBe(false);
    for (const [text, href] of [
      ["the plan", "https://example.org"], ["https://bank.example", "https://evil.example"], ["bank.example", "https://bank.example.evil.example"],
      ["https://bank.example@evil.example/", "https://bank.example@evil.example/"], ["https://\u0430pple.example", "https://\u0430pple.example"],
      ["https://bank.example:443", "https://bank.example:4443"], ["a@b.example", "mailto:c@d.example"],
    ] as const) expect(surprising(text, href), text).toBe(true);
  });
});

describe("mentions", () => {
  test.each([
    ["@Anna, look", "<mention @Anna>, look"],
    ["@Anna Maria and **@Anna**", "<mention @Anna Maria> and <bold <mention @Anna>>"],
    ["mail@Anna and @Annabel", "mail@Anna and @Annabel"],
    ["`@Anna`", "<code @Anna>"],
    ["@Omar", "@Omar"],
  ])("%s", (text, wanted) => expect(read(text)).toBe(wanted));
});

/** The leaves in the order they are read, with where they came from. */
function leaves(blocks: readonly Block[]): { text: string; at: number }[] {
  const within = (nodes: readonly Inline[]): { text: string; at: number }[] =>
    nodes.flatMap((node) => ("children" in node ? within(node.children) : [node]));
  return blocks.flatMap((block) => {
    if (block.kind === "line") return within(block.children);
    // The lines of code are taken one by one: the breaks between them may be of another kind.
    if (block.kind === "code") return [];
    if (block.kind === "quote") return leaves(block.blocks);
    return block.items.flatMap((item) => within(item.children));
  });
}

function depth(blocks: readonly Block[]): number {
  const within = (nodes: readonly Inline[]): number => Math.max(0, ...nodes.map((node) => ("children" in node ? 1 + within(node.children) : 0)));
  return Math.max(0, ...blocks.map((block) => {
    if (block.kind === "quote") return 1 + depth(block.blocks);
    if (block.kind === "line") return within(block.children);
    return block.kind === "list" ? Math.max(...block.items.map((item) => within(item.children))) : 0;
  }));
}

const hrefs = (blocks: readonly Block[]) => [...JSON.stringify(blocks).matchAll(/"href":("(?:[^"\\]|\\.)*")/gu)].map(([, one]) => JSON.parse(one ?? '""') as string);

/** Numbers that look random and are the same in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const crumbs = [
  "*", "**", "***", "_", "~~", "~", "`", "``", "```", "\n", "\r\n", "\u2028", "> ", ">", "- ", "* ", "1. ", "  ", " ", "[", "](", ")", "[a](https://b.example)",
  "https://c.example/_x_*y*", "javascript:alert(1)", "@Anna", "@", "a", "B", "文", "😀", "\uD83D", "\uDE00", "\u202E", "\u2066", "e\u0301\u0489", "\u0000", "<b>", "&lt;",
  "{@html}", "\u200B", "a@b.example", "mailto:", "```js\n", "\\", "|", "\t",
];

test("fuzz: shows pieces of what was written, in its order, leaves out nothing but markup, and opens nothing else", () => {
  for (let seed = 1; seed <= 4_000; seed++) {
    const next = random(seed);
    const text = Array.from({ length: 1 + Math.floor(next() * 40) }, () => crumbs[Math.floor(next() * crumbs.length)] ?? "").join("");
    const parsed = parse(text, [anna]);
    const shown = leaves(parsed);
    let end = 0;
    for (const leaf of shown) {
      expect(text.slice(leaf.at, leaf.at + leaf.text.length), `seed ${seed}`).toBe(leaf.text);
      expect(leaf.at, `because nothing is shown twice; seed ${seed}`).toBeGreaterThanOrEqual(end);
      end = leaf.at + leaf.text.length;
    }
    for (const href of hrefs(parsed)) expect(isWebOrMail(href), `seed ${seed}: ${href}`).toBe(true);
    expect(depth(parsed), `seed ${seed}`).toBeLessThanOrEqual(12);
    const letters = (from: string) => from.replace(/[^aB文😀<>&;{}@|\t\0\u202E\u2066]/gu, "").replace(/[<>]/gu, "");
    // What a link opens and the name of a language are not shown; without those, every letter is.
    if (!text.includes("](") && !text.includes("```")) expect(letters(plain(parsed)), `seed ${seed}`).toBe(letters(text));
  }
});

test("the most hostile texts of full size are read in a moment", () => {
  const size = 65_536;
  const full = (part: string) => part.repeat(Math.ceil(size / part.length)).slice(0, size);
  for (const part of [
    "*", "**a ", "*a ", "_a ", "***a***", "`", "`a``b", "[", "[a](", "[](", "](", "> ", "> > > > ", "- ", "```\n", "~~a", "@Anna ", "@", "https://", "a@", "[a](https://b.example)",
    "*a\n", "\n", "\u202E", "a\u0301", "(", "((((a))))", "1. *a*\n", "www.a.", "\uD83D",
  ]) {
    const from = performance.now();
    parse(full(part), [anna]);
    const lines = full(part.repeat(200) + "\n");
    parse(lines, [anna]);
    expect(performance.now() - from, JSON.stringify(part)).toBeLessThan(1_500);
  }
});
