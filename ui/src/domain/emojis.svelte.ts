import { loadEmojis, type Emoji } from "../shared/emoji";

/** How many of those used last are kept. */
const RECENT = 24;
/** What stands ready for a reaction before anything has been used. */
const FIRST = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const KEY = "landline.emojis";

/** What of the emojis is remembered on this machine: those used last, and the skin tone (0: none, 1–5). */
interface Kept {
  recent: string[];
  tone: number;
}

/** The emojis, loaded when they are first needed. */
export class Emojis {
  all = $state.raw<readonly Emoji[]>([]);
  recent = $state.raw<readonly string[]>([]);
  tone = $state(0);
  #loading: Promise<void> | undefined;

  constructor() {
    const kept = read();
    this.recent = kept.recent;
    this.tone = kept.tone;
  }

  /** Six for a quick reaction: those used last, and the usual ones. */
  readonly quick: readonly string[] = $derived([...new Set([...this.recent, ...FIRST])].slice(0, FIRST.length));

  async load(): Promise<void> {
    this.#loading ??= loadEmojis().then((all) => void (this.all = all));
    await this.#loading;
  }

  /** An emoji in the skin tone that was chosen. */
  toned(emoji: Emoji): string {
    return emoji.tones[this.tone - 1] ?? emoji.text;
  }

  used(text: string): void {
    this.recent = [text, ...this.recent.filter((one) => one !== text)].slice(0, RECENT);
    this.#keep();
  }

  setTone(tone: number): void {
    this.tone = tone;
    this.#keep();
  }

  #keep(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify({ recent: [...this.recent], tone: this.tone } satisfies Kept));
    } catch {
      // A page without storage forgets them, which harms nobody.
    }
  }
}

function read(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Kept>;
    const recent = Array.isArray(kept.recent) ? kept.recent.filter((one) => typeof one === "string" && one.length <= 40) : [];
    return { recent: recent.slice(0, RECENT), tone: Number.isInteger(kept.tone) ? Math.min(5, Math.max(0, kept.tone ?? 0)) : 0 };
  } catch {
    return { recent: [], tone: 0 };
  }
}
