import type { Network, Visibility } from "../backend/gen";

/** One thing that was looked at to find out why somebody is not found. */
export type Check =
  | { kind: "interface"; ok: boolean; count: number }
  | { kind: "mdns"; ok: boolean; reason: string }
  | { kind: "beacon"; ok: boolean; reason: string }
  | { kind: "port"; ok: true; listen: string }
  | { kind: "visible"; ok: boolean }
  | { kind: "heard"; ok: boolean; count: number };

/** What this machine knows of its own side of the search. Only what was seen; nothing is guessed. */
export function checks(network: Network, visibility: Visibility): Check[] {
  return [
    { kind: "interface", ok: network.interfaces.length > 0, count: network.interfaces.length },
    { kind: "mdns", ok: network.mdns.ok, reason: network.mdns.reason ?? "" },
    { kind: "beacon", ok: network.beacon.ok, reason: network.beacon.reason ?? "" },
    { kind: "port", ok: true, listen: network.listen },
    { kind: "visible", ok: visibility === "everyone" },
    { kind: "heard", ok: network.discovered > 0, count: network.discovered },
  ];
}
