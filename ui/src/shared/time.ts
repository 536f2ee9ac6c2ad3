const DAY_MS = 86_400_000;

/** Midnight of the local day that holds this instant. */
function dayStart(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}

/** Names the local day of an instant: equal for instants of one day. */
export function dayKey(timestamp: string): string {
  const at = new Date(timestamp);
  return `${at.getFullYear()}-${at.getMonth() + 1}-${at.getDate()}`;
}

/** Whole local days from `at` to `now`: 0 today, 1 yesterday; negative in the future. */
export function daysAgo(at: Date, now: Date): number {
  // Days with a change of clocks have 23 or 25 hours.
  return Math.round((dayStart(now) - dayStart(at)) / DAY_MS);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  let made = formats.get(key);
  if (made === undefined) {
    made = new Intl.DateTimeFormat(locale, options);
    formats.set(key, made);
  }
  return made;
}

/** The system's own way to write times, unless the interface speaks another language. */
export function clockTime(timestamp: string, locale: string): string {
  return format(locale, { timeStyle: "short" }).format(new Date(timestamp));
}

/** Day and time in figures, where several days stand side by side. */
export function shortTime(timestamp: string, locale: string): string {
  return format(locale, { dateStyle: "short", timeStyle: "short" }).format(new Date(timestamp));
}

/** Day and time in full, for titles and details. */
export function fullTime(timestamp: string, locale: string): string {
  return format(locale, { dateStyle: "full", timeStyle: "short" }).format(new Date(timestamp));
}

/** The heading of a day: today, yesterday, a weekday within a week, else the date, with its year when it is another. */
export function dayLabel(timestamp: string, now: Date, locale: string): string {
  const at = new Date(timestamp);
  const ago = daysAgo(at, now);
  if (ago === 0 || ago === 1) return relativeDay(-ago, locale);
  if (ago > 1 && ago < 7) return format(locale, { weekday: "long" }).format(at);
  if (at.getFullYear() === now.getFullYear()) {
    return format(locale, { weekday: "short", day: "numeric", month: "long" }).format(at);
  }
  return format(locale, { day: "numeric", month: "long", year: "numeric" }).format(at);
}

/** The short time beside a session: the time today, then yesterday, a weekday, a date. */
export function listTime(timestamp: string, now: Date, locale: string): string {
  const at = new Date(timestamp);
  const ago = daysAgo(at, now);
  if (ago <= 0) return clockTime(timestamp, locale);
  if (ago === 1) return relativeDay(-1, locale);
  if (ago < 7) return format(locale, { weekday: "short" }).format(at);
  return format(locale, { day: "numeric", month: "numeric", year: "2-digit" }).format(at);
}

/** Day and time within a sentence: "today at 18:40" is made of these two. */
export function dayAndTime(timestamp: string, now: Date, locale: string): { day: string; time: string; today: boolean } {
  const ago = daysAgo(new Date(timestamp), now);
  const label = dayLabel(timestamp, now, locale);
  return {
    day: ago === 0 || ago === 1 ? label.toLocaleLowerCase(locale) : label,
    time: clockTime(timestamp, locale),
    today: ago === 0,
  };
}

function relativeDay(days: number, locale: string): string {
  const text = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(days, "day");
  return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
}

/** A time that runs out, in minutes and seconds as a clock shows them: "9:41". */
export function minutesLeft(ms: number, locale: string): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const two = new Intl.NumberFormat(locale, { minimumIntegerDigits: 2 }).format(seconds % 60);
  return `${new Intl.NumberFormat(locale).format(Math.floor(seconds / 60))}:${two}`;
}
