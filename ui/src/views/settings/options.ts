import { language } from "../../shared/i18n.svelte";

/** The values that a list offers, with the one that is set among them even when a program chose another. */
export function withCurrent(offered: readonly number[], current: number): number[] {
  return [...new Set([...offered, current])].sort((a, b) => a - b);
}

/** The times of a day that are offered, and the one that is set: `22:00`. */
export function timesOfDay(current: string): { value: string; label: string }[] {
  const half = Array.from({ length: 48 }, (_, n) => `${String(Math.floor(n / 2)).padStart(2, "0")}:${n % 2 === 0 ? "00" : "30"}`);
  const format = new Intl.DateTimeFormat(language.region, { timeStyle: "short", timeZone: "UTC" });
  return [...new Set([...half, current])].sort().map((value) => ({ value, label: format.format(new Date(`1970-01-01T${value}:00Z`)) }));
}

/** So many days, hours or minutes in words: "30 days". */
export function span(count: number, unit: "day" | "hour" | "minute"): string {
  return new Intl.NumberFormat(language.region, { style: "unit", unit, unitDisplay: "long" }).format(count);
}
