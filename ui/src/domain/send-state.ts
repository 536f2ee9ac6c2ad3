import type { Message, Session } from "../backend/gen";

/** How far an own message has come, as it is shown. `held` waits for the other's word, `relay` lies at a relay. */
export type Shown = "sending" | "waiting" | "held" | "relay" | "blocked" | "delivered" | "read" | "failed";

/** What to say of a message: never more than is known. */
export function shownState(message: Message, session: Session | undefined): Shown {
  if (message.state === "read" || message.state === "delivered") return message.state;
  if (message.state === "failed") return "failed";
  if (session?.peer?.trust === "blocked") return "blocked";
  if (message.heldBy !== null) return "relay";
  if (session?.held === true) return "held";
  return session?.peer?.status === "offline" ? "waiting" : "sending";
}
