import type { Network, Relay, User, Visibility } from "../backend/gen";
import { relayName } from "./relays.svelte";

/** One thing that was looked at to find out why somebody is not found. */
export type Check =
  | { kind: "interface"; ok: boolean; count: number }
  | { kind: "mdns"; ok: boolean; reason: string }
  | { kind: "beacon"; ok: boolean; reason: string }
  | { kind: "port"; ok: true; listen: string }
  | { kind: "visible"; ok: boolean }
  | { kind: "heard"; ok: boolean; count: number }
  | { kind: "relay"; ok: boolean; state: "none" | "connected" | "connecting" | "failed"; relay: string; reason: string }
  | { kind: "person"; ok: boolean; found: "linked" | "atRelay" | "noRelay" | "notThere"; name: string; relay: string };

/** What is looked at. */
export interface Seen {
  network: Network;
  visibility: Visibility;
  relays: readonly Relay[];
  /** Whom one cannot find, when it is somebody. */
  person?: User | undefined;
}

/** What this machine knows of its own side of the search. Only what was seen; nothing is guessed. */
export function checks({ network, visibility, relays, person }: Seen): Check[] {
  return [
    ...(person === undefined ? [] : [ofPerson(person)]),
    { kind: "interface", ok: network.interfaces.length > 0, count: network.interfaces.length },
    { kind: "mdns", ok: network.mdns.ok, reason: network.mdns.reason ?? "" },
    { kind: "beacon", ok: network.beacon.ok, reason: network.beacon.reason ?? "" },
    { kind: "port", ok: true, listen: network.listen },
    { kind: "visible", ok: visibility === "everyone" },
    { kind: "heard", ok: network.discovered > 0, count: network.discovered },
    ofRelays(relays),
  ];
}

/** One that works is enough; without any there is nothing wrong, as long as everybody is on one network. */
function ofRelays(relays: readonly Relay[]): Check {
  const [one] = (["connected", "failed", "connecting"] as const).flatMap((state) => relays.filter((relay) => relay.state === state));
  if (one === undefined) return { kind: "relay", ok: true, state: "none", relay: "", reason: "" };
  return { kind: "relay", ok: one.state === "connected", state: one.state, relay: relayName(one.origin), reason: one.error?.message ?? "" };
}

function ofPerson({ name, path, relayed, relays }: User): Check {
  const found = path !== "none" ? "linked" : relayed ? "atRelay" : relays.length === 0 ? "noRelay" : "notThere";
  return { kind: "person", ok: found === "linked" || found === "atRelay", found, name, relay: relays.map(relayName).join(", ") };
}
