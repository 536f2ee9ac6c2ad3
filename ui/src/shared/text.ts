const encoder = new TextEncoder();

/** How many bytes a text takes in UTF-8, the unit of every limit. */
export function utf8Bytes(text: string): number {
  // Most texts are far from any limit; do not encode them to find out.
  return encoder.encode(text).length;
}

/** Words of the node's that stand alone: begun and ended as a sentence. */
export function sentence(words: string): string {
  const [first = ""] = words;
  return first.toLocaleUpperCase() + words.slice(first.length) + (/[.!?…]$/u.test(words) ? "" : ".");
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

/** The words of a search, folded: parted by spaces, but for what stands between quotation marks. */
export function searchWords(query: string): string[] {
  return [...query.matchAll(/"([^"]*)"?|[^\s"]+/gu)].map((match) => fold(match[1] ?? match[0]).trim()).filter((word) => word !== "");
}

/** Where a folded text stands in another, without overlaps; places in UTF-16 units of the text as it is. */
export function foldedPlaces(text: string, folded: string): [number, number][] {
  if (folded === "") return [];
  let all = "";
  // For each unit of the folded text, where the character that it came from begins and ends.
  const begins: number[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const character of text) {
    const part = fold(character);
    const end = at + character.length;
    for (let unit = 0; unit < part.length; unit++) {
      begins.push(at);
      ends.push(end);
    }
    // A mark belongs to what it stands on.
    if (part === "" && ends.length > 0) ends[ends.length - 1] = end;
    all += part;
    at = end;
  }
  const places: [number, number][] = [];
  for (let from = all.indexOf(folded); from >= 0; from = all.indexOf(folded, from + folded.length)) {
    places.push([begins[from] ?? 0, ends[from + folded.length - 1] ?? text.length]);
  }
  return places;
}

/** Folds a text for searching by eye: case and accents do not matter. */
export function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}
