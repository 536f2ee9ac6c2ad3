/** A local day, as `YYYY-MM-DD`: what a calendar is made of. Compares as text. */
export type Day = string;

/** The local day of a date. */
export function dayOf(at: Date): Day {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** Midnight, where a local day begins; days with a change of clocks begin when the system says so. */
export function startOf(day: Day): Date {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  const at = new Date(2000, 0, 1);
  // The constructor takes years below 100 for the last century.
  at.setFullYear(year, month - 1, date);
  at.setHours(0, 0, 0, 0);
  return at;
}

/** So many days later, or earlier. */
export function addDays(day: Day, days: number): Day {
  const at = startOf(day);
  at.setDate(at.getDate() + days);
  return dayOf(at);
}

/** The same date in another month; the last one where that month is shorter. */
export function addMonths(day: Day, months: number): Day {
  const at = startOf(day);
  const date = at.getDate();
  at.setDate(1);
  at.setMonth(at.getMonth() + months);
  at.setDate(Math.min(date, new Date(at.getFullYear(), at.getMonth() + 1, 0).getDate()));
  return dayOf(at);
}

/** The weeks that show the month of a day, whole, beginning with a weekday (0 is Sunday). */
export function weeksOf(day: Day, firstWeekday: number): Day[][] {
  const month = day.slice(0, 7);
  const first = `${month}-01`;
  let at = addDays(first, -((startOf(first).getDay() - firstWeekday + 7) % 7));
  const weeks: Day[][] = [];
  while (weeks.length === 0 || at.slice(0, 7) === month) {
    weeks.push([0, 1, 2, 3, 4, 5, 6].map((step) => addDays(at, step)));
    at = addDays(at, 7);
  }
  return weeks;
}

/** The weekday a week begins with where this language is spoken: Sunday is 0. */
export function firstWeekday(locale: string): number {
  const asked = new Intl.Locale(locale) as Intl.Locale & { getWeekInfo?: () => { firstDay: number } };
  // Monday, as ISO 8601 has it, where the engine does not say.
  return (asked.getWeekInfo?.().firstDay ?? 1) % 7;
}
