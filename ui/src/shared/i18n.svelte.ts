import { m } from "../paraglide/messages.js";
import { baseLocale, isLocale, locales, overwriteGetLocale, type Locale } from "../paraglide/runtime.js";

export { m };

let current = $state<Locale>(baseLocale);
// Every message reads the language through this, so a change draws all texts anew.
overwriteGetLocale(() => current);

/** The languages there are, for the settings. */
export const languages: readonly Locale[] = locales;

/** The language of texts, and the tag that dates and numbers follow. */
export const language = {
  get tag(): Locale {
    return current;
  },
  /** Dates keep the system's region (24-hour clock, order of day and month) where its language is the one shown. */
  get region(): string {
    const system = navigator.language;
    return system.split("-")[0] === current.split("-")[0] ? system : current;
  },
};

/** Switches to a language; an empty tag follows the system. */
export function useLanguage(tag: string): void {
  const wanted = tag === "" ? navigator.languages : [tag];
  current = wanted.flatMap((one) => [one, one.split("-")[0] ?? one]).find((one) => isLocale(one)) ?? baseLocale;
  document.documentElement.lang = current;
}
