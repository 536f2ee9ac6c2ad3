import type { Message, MessageState, Presence, Trust, User } from "../backend/gen";
import { relayName } from "../domain/relays.svelte";
import type { Shown } from "../domain/send-state";
import { language, m } from "../shared/i18n.svelte";
import { isolate } from "../shared/platform";
import { dayAndTime } from "../shared/time";

/** Presence in a word. */
export function presenceWord(status: Presence): string {
  if (status === "online") return m.presence_online();
  return status === "away" ? m.presence_away() : m.presence_offline();
}

/** Presence in a line: offline ones say when they were last seen. */
export function presenceLine(user: User, now: Date): string {
  if (user.status !== "offline") return presenceWord(user.status);
  if (user.lastSeen == null) return m.presence_never();
  const { day, time, today } = dayAndTime(user.lastSeen, now, language.region);
  return today ? m.last_seen_today({ time }) : m.last_seen_day({ day, time });
}

/** What is known of an own message, in words. */
export function stateWords(shown: Shown, name: string, { failure, heldBy, readAt }: Pick<Message, "failure" | "heldBy" | "readAt">, now: Date): string {
  const who = isolate(name);
  switch (shown) {
    case "sending":
      return m.state_sending();
    case "waiting":
      return m.state_waiting({ name: who });
    case "held":
      return m.state_held({ name: who });
    case "relay":
      return m.state_relay({ relay: isolate(relayName(heldBy ?? "")) });
    case "blocked":
      return m.state_blocked({ name: who });
    case "delivered":
      return m.state_delivered();
    case "read": {
      if (readAt === null) return m.state_read();
      const { day, time, today } = dayAndTime(readAt, now, language.region);
      return today ? m.state_read_today({ time }) : m.state_read_day({ day, time });
    }
    case "failed":
      return failure === null ? m.state_failed() : m.state_failed_because({ reason: failure });
  }
}

/** What a state means, where its words leave that open; empty elsewhere. */
export function stateMeaning(shown: Shown, name: string, heldBy: string | null): string {
  if (shown === "delivered") return m.details_delivered_means();
  return shown === "relay" ? m.state_relay_means({ relay: isolate(relayName(heldBy ?? "")), name: isolate(name) }) : "";
}

/** The way to a machine, in short: beside its presence. Nothing while it is away, which says the same. */
export function pathWord({ path, via, relayed }: User): string {
  if (path === "direct") return m.path_direct_short();
  if (path === "none") return relayed ? m.path_relayed_short() : "";
  return via === null ? m.path_relay_short() : m.path_relay_named_short({ relay: isolate(relayName(via)) });
}

/** The way to a machine, for details. */
export function pathLine({ path, via, relayed, relays }: User): string {
  if (path === "direct") return m.path_direct();
  if (path === "relay") return via === null ? m.path_relay() : m.path_relay_named({ relay: isolate(relayName(via)) });
  if (relayed) return m.path_relayed();
  const names = relays.map((one) => isolate(relayName(one))).join(", ");
  return names === "" ? m.path_none() : m.path_none_relays({ relay: names });
}

/** The bare state, for details. */
export function stateName(state: MessageState): string {
  if (state === "delivered") return m.state_delivered();
  if (state === "read") return m.state_read();
  return state === "failed" ? m.state_failed() : m.state_queued();
}

/** How far a machine is trusted. */
export function trustWord(trust: Trust): string {
  switch (trust) {
    case "unknown":
      return m.trust_unknown();
    case "requested":
      return m.trust_requested();
    case "accepted":
      return m.trust_accepted();
    case "verified":
      return m.trust_verified();
    case "blocked":
      return m.trust_blocked();
  }
}

/** What a line of the session itself says. */
export function systemLine(message: Message, me: string, name: string): string {
  const seconds = message.system?.seconds ?? 0;
  const own = message.senderUserId === me;
  const who = isolate(name);
  if (seconds === 0) return own ? m.timer_off_by_you() : m.timer_off_by({ name: who });
  const time = duration(seconds);
  return own ? m.timer_set_by_you({ time }) : m.timer_set_by({ name: who, time });
}

const units = [
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** A time span in the largest unit that fits it without a rest: "8 hours", "90 seconds"; short: "8 hr". */
export function duration(seconds: number, unitDisplay: "long" | "narrow" = "long"): string {
  const [unit, length] = units.find(([, size]) => seconds % size === 0 && seconds >= size) ?? ["second", 1];
  return new Intl.NumberFormat(language.region, { style: "unit", unit, unitDisplay }).format(seconds / length);
}

/** When a message disappears. */
export function expiryLine(expiresAt: string, now: Date): string {
  const { day, time, today } = dayAndTime(expiresAt, now, language.region);
  return today ? m.expires_today({ time }) : m.expires_day({ day, time });
}
