const encoder = new TextEncoder();

/** How many bytes a text takes in UTF-8, the unit of every limit. */
export function utf8Bytes(text: string): number {
  // Most texts are far from any limit; do not encode them to find out.
  return encoder.encode(text).length;
}

/** One or two letters for a round avatar: of the first and the last word, whole graphemes, never a combining heap. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const chosen = words.length > 1 ? [words[0], words[words.length - 1]] : words.slice(0, 1);
  const letters = chosen.map((word) => firstLetter(word ?? "")).join("");
  return letters === "" ? "?" : letters.toLocaleUpperCase();
}

function firstLetter(word: string): string {
  const letter = /[\p{L}\p{N}]/u.exec(word)?.[0] ?? "";
  return letter.normalize("NFC");
}

/** Folds a text for searching by eye: case and accents do not matter. */
export function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}
