import type { Attachment, Transfer } from "../../backend/gen";
import { language, m } from "../../shared/i18n.svelte";
import { fileSize } from "../../shared/sizes";

type Way = Pick<Attachment, "state" | "size" | "bytesDone" | "failure"> & Partial<Pick<Transfer, "bytesPerSecond" | "secondsLeft">>;

/** Percent that have come, whole; 100 only when all is there. */
export function percentDone({ size, bytesDone, state }: Way): number {
  if (state === "complete") return 100;
  return size === 0 ? 0 : Math.min(99, Math.floor((bytesDone / size) * 100));
}

/** What is said of a file: "42 % · 18 MB/s · about 12 s left". */
export function transferLine(way: Way, own: boolean): string {
  const size = fileSize(way.size, language.region);
  const percent = (percentDone(way) / 100).toLocaleString(language.region, { style: "percent" });
  switch (way.state) {
    case "complete":
      return size;
    case "offered":
      return own ? m.file_offered_own({ size }) : m.file_offered({ size });
    case "queued":
      return way.bytesDone > 0 ? m.file_queued_part({ percent, size }) : m.file_queued({ size });
    case "paused":
      return m.file_paused({ percent, size });
    case "failed":
      return way.failure === null ? m.file_failed() : m.file_failed_because({ reason: way.failure });
    case "cancelled":
      return m.file_cancelled({ size });
    case "gone":
      return way.failure ?? m.file_gone();
    case "transferring": {
      if (way.bytesPerSecond == null) return m.file_running({ percent, size });
      const rate = fileSize(way.bytesPerSecond, language.region);
      if (way.secondsLeft == null) return m.file_running_rate({ percent, rate });
      return m.file_running_left({ percent, rate, time: timeLeft(way.secondsLeft) });
    }
  }
}

/** A rough time, in the unit that fits: "12 sec", "4 min", "2 hr". */
function timeLeft(seconds: number): string {
  const [value, unit] =
    seconds < 90 ? [seconds, "second"] : seconds < 5_400 ? [seconds / 60, "minute"] : [seconds / 3_600, "hour"];
  return new Intl.NumberFormat(language.region, { style: "unit", unit: String(unit), unitDisplay: "short" }).format(Math.ceil(Number(value)));
}
