import { BackendError } from "../../src/backend/backend";
import type { Args, Relay } from "../../src/backend/gen";
import type { FakeBackend } from "./backend";

/** The relays of a node. They stay as the test says. */
export class FakeRelays {
  items: Relay[] = [];
  #fake: FakeBackend;

  constructor(fake: FakeBackend) {
    this.#fake = fake;
  }

  /** A relay that is connected, or never was. */
  of(address: string, more: Partial<Relay> = {}): Relay {
    const [place = "", key] = address.split("/#");
    const files = { fileBytes: 500 << 20, count: 1_000, bytes: 2 ** 31, keptSeconds: 21 * 86_400 };
    const limits = { items: 1_000, bytes: 64 << 20, keptSeconds: 30 * 86_400, files };
    return {
      address,
      origin: /:\d+$/u.test(place) ? place : `${place}:4282`,
      state: "connected",
      error: null,
      member: false,
      keyPinned: key !== undefined,
      limits: (more.state ?? "connected") === "connected" ? limits : null,
      ...more,
    };
  }

  add({ address, membership }: Args["add_relay"]): Relay {
    if (!/^wss?:\/\/[^/]+(\/#[a-z2-7]+)?$/u.test(address)) {
      throw new BackendError({ code: "invalid_relay", field: "address", message: "address: does not begin with wss:// or ws://" });
    }
    if (membership !== undefined && !membership.startsWith("lrm_")) {
      throw new BackendError({ code: "invalid_membership", field: "membership", message: "membership: is no token of a relay" });
    }
    const relay = this.of(address, { state: "connecting", member: membership !== undefined });
    this.#tell([...this.items.filter((one) => one.address !== address), relay]);
    return relay;
  }

  remove({ address }: Args["remove_relay"]): { ok: true } {
    this.#tell(this.items.filter((one) => one.address !== address));
    return { ok: true };
  }

  /** Changes how it stands with a relay. */
  set(address: string, patch: Partial<Relay>): void {
    this.#tell(this.items.map((one) => (one.address === address ? { ...one, ...patch } : one)));
  }

  #tell(items: Relay[]): void {
    this.items = items;
    this.#fake.emit({ type: "change", change: { type: "relaysChanged", relays: items } });
  }
}
