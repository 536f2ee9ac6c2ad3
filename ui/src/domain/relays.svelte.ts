import type { Relay } from "../backend/gen";

/** The relays that this machine uses, as it stands with them now. */
export class Relays {
  items = $state.raw<readonly Relay[]>([]);

  /** Those that work now. */
  readonly connected: readonly Relay[] = $derived(this.items.filter((one) => one.state === "connected"));

  /** Those that do not, and are tried again. */
  readonly failed: readonly Relay[] = $derived(this.items.filter((one) => one.state === "failed"));

  reset(relays: readonly Relay[]): void {
    this.items = relays;
  }
}

/** The port of a relay whose address names none (docs/protocol.md, 17). */
const USUAL_PORT = ":4282";

/** What people call a relay: the host of its origin, with its port where that is another than usual. */
export function relayName(origin: string): string {
  const place = origin.replace(/^wss?:\/\//u, "");
  return place.endsWith(USUAL_PORT) ? place.slice(0, -USUAL_PORT.length) : place;
}
