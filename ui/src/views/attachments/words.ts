import type { Attachment, RelayCopy, Transfer } from "../../backend/gen";
import { relayName } from "../../domain/relays.svelte";
import { copyOf, isOpen } from "../../domain/transfers.svelte";
import { language, m } from "../../shared/i18n.svelte";
import { isolate } from "../../shared/platform";
import { fileSize } from "../../shared/sizes";
import { sentence } from "../../shared/text";
import { dayAndTime } from "../../shared/time";

type Way = Pick<Attachment, "state" | "size" | "bytesDone" | "failure" | "relayCopy"> & Partial<Pick<Transfer, "bytesPerSecond" | "secondsLeft">>;

/** Percent that have come, whole; 100 only when all is there. */
export function percentDone({ size, bytesDone, state }: Pick<Way, "size" | "bytesDone" | "state">): number {
  if (state === "complete") return 100;
  return size === 0 ? 0 : Math.min(99, Math.floor((bytesDone / size) * 100));
}

/** What is said of a file: "42 % · 18 MB/s · about 12 s left". */
export function transferLine(way: Way, own: boolean, now: Date): string {
  const copy = copyOf(way);
  if (copy !== null && isOpen(way)) return copyLine(copy, way, now);
  const size = fileSize(way.size, language.region);
  const percent = percentWord(way);
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
      return endLine(way.failure === null ? m.file_failed() : m.file_failed_because({ reason: sentence(way.failure) }), way, now);
    case "cancelled":
      return m.file_cancelled({ size });
    case "gone":
      return endLine(way.failure === null ? m.file_gone() : sentence(way.failure), way, now);
    case "transferring":
      return runningLine(way);
  }
}

/** How it ended, and where it can be had all the same: "The file is no longer where it was · 2.4 MB · held by relay …". */
function endLine(ended: string, way: Way, now: Date): string {
  const copy = copyOf(way);
  return copy === null ? ended : `${ended.replace(/\.$/u, "")} · ${copyLine(copy, way, now)}`;
}

/** What is said of an image, in as little as its tile has room for; nothing where nothing goes on. */
export function tileWord(way: Way, own: boolean): string {
  const copy = copyOf(way);
  if (copy?.state === "sending") return m.picture_relay_sending({ percent: percentWord(way) });
  if (copy !== null) return copy.state === "held" ? m.picture_relay_held() : m.picture_relay_refused();
  const moves = way.state === "transferring" || way.state === "queued";
  return moves && (!own || way.bytesDone > 0) ? percentWord(way) : "";
}

/** How it stands with the copy at a relay: "2.4 MB · held by relay relay.example.org until Mon 21 December". */
function copyLine({ relay: origin, state, until, failure }: RelayCopy, way: Way, now: Date): string {
  const relay = isolate(relayName(origin));
  const size = fileSize(way.size, language.region);
  switch (state) {
    case "sending":
      return `${m.file_relay_sending({ relay })} · ${runningLine(way)}`;
    case "held": {
      if (until === null) return m.file_relay_held({ relay, size });
      const { day, time, today } = dayAndTime(until, now, language.region);
      return today ? m.file_relay_held_today({ relay, size, time }) : m.file_relay_held_day({ relay, size, day });
    }
    case "refused":
      // The text ends the sentence, whether the reason is one or not.
      return failure === null ? m.file_relay_refused({ relay, size }) : m.file_relay_refused_because({ relay, size, reason: failure.replace(/\.$/u, "") });
  }
}

function percentWord(way: Way): string {
  return (percentDone(way) / 100).toLocaleString(language.region, { style: "percent" });
}

/** How far, and as soon as that is known, how fast and how long. */
function runningLine(way: Way): string {
  const percent = percentWord(way);
  if (way.bytesPerSecond == null) return m.file_running({ percent, size: fileSize(way.size, language.region) });
  const rate = fileSize(way.bytesPerSecond, language.region);
  if (way.secondsLeft == null) return m.file_running_rate({ percent, rate });
  return m.file_running_left({ percent, rate, time: timeLeft(way.secondsLeft) });
}

/** A rough time, in the unit that fits: "12 sec", "4 min", "2 hr". */
function timeLeft(seconds: number): string {
  const [value, unit] =
    seconds < 90 ? [seconds, "second"] : seconds < 5_400 ? [seconds / 60, "minute"] : [seconds / 3_600, "hour"];
  return new Intl.NumberFormat(language.region, { style: "unit", unit: String(unit), unitDisplay: "short" }).format(Math.ceil(Number(value)));
}
