// Writes messages/en-XA.json: English in accents and brackets, a third longer. On screen, text without brackets has
// not been translated, and text that is cut off has no room to grow.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const accents = new Map(
  Object.entries({
    a: "á", b: "ƀ", c: "ç", d: "ð", e: "é", f: "ƒ", g: "ĝ", h: "ĥ", i: "î", j: "ĵ", k: "ķ", l: "ļ", m: "ɱ", n: "ñ",
    o: "ö", p: "þ", r: "ŕ", s: "š", t: "ţ", u: "û", v: "ṽ", w: "ŵ", x: "ẋ", y: "ý", z: "ž",
    A: "Å", B: "Ɓ", C: "Ç", D: "Ð", E: "É", F: "Ƒ", G: "Ĝ", H: "Ĥ", I: "Î", J: "Ĵ", K: "Ķ", L: "Ļ", M: "Ṁ", N: "Ñ",
    O: "Ö", P: "Þ", R: "Ŕ", S: "Š", T: "Ţ", U: "Û", V: "Ṽ", W: "Ŵ", X: "Ẋ", Y: "Ý", Z: "Ž",
  }),
);

/** Accents what a reader sees and leaves placeholders in braces alone. */
export function pseudoText(text) {
  const accented = text
    .split(/(\{[^}]*\})/u)
    .map((part) => (part.startsWith("{") ? part : Array.from(part, (c) => accents.get(c) ?? c).join("")))
    .join("");
  const room = "·".repeat(Math.ceil(text.replace(/\{[^}]*\}/gu, "").length / 3));
  return `[${accented}${room}]`;
}

/** The whole file: a message is a text or a list with one `match` of texts. */
export function pseudo(messages) {
  const out = {};
  for (const [key, value] of Object.entries(messages)) {
    if (key === "$schema") out[key] = value;
    else if (typeof value === "string") out[key] = pseudoText(value);
    else
      out[key] = value.map((variant) => ({
        ...variant,
        match: Object.fromEntries(Object.entries(variant.match).map(([when, text]) => [when, pseudoText(text)])),
      }));
  }
  return out;
}

/** The text of messages/en-XA.json that belongs to the text of messages/en.json. */
export function pseudoFile(english) {
  return `${JSON.stringify(pseudo(JSON.parse(english)), null, 2)}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const at = (name) => fileURLToPath(new URL(`../messages/${name}`, import.meta.url));
  const wanted = pseudoFile(readFileSync(at("en.json"), "utf8"));
  let found = "";
  try {
    found = readFileSync(at("en-XA.json"), "utf8");
  } catch {
    // Not there yet.
  }
  if (found !== wanted) writeFileSync(at("en-XA.json"), wanted);
}
