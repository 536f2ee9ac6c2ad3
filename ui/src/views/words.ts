import type { MessageState, Presence, Trust, User } from "../backend/gen";
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
export function stateWords(shown: Shown, name: string, failure: string | null): string {
  const who = isolate(name);
  switch (shown) {
    case "sending":
      return m.state_sending();
    case "waiting":
      return m.state_waiting({ name: who });
    case "held":
      return m.state_held({ name: who });
    case "blocked":
      return m.state_blocked({ name: who });
    case "delivered":
      return m.state_delivered();
    case "failed":
      return failure === null ? m.state_failed() : m.state_failed_because({ reason: failure });
  }
}

/** The bare state, for details. */
export function stateName(state: MessageState): string {
  if (state === "delivered") return m.state_delivered();
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
