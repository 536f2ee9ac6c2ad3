import { BackendError } from "../../src/backend/backend";
import type { Args, Invitation, User } from "../../src/backend/gen";
import { readInvitation } from "../../src/shared/invitation";
import type { FakeBackend } from "./backend";

/** How long an invitation counts. */
const LIFE_MS = 600_000;

/** What a machine does with an invitation of it that is followed: it counts, it is too old, or nobody is there. */
export type Invited = "counts" | "late" | "away";

/** The invitations of a node: those it makes, and those of others that it follows. */
export class FakeInvitations {
  /** What other machines do with theirs, by machine ID; those that are not here are away. */
  readonly others = new Map<string, Invited>();
  #fake: FakeBackend;
  #count = 0;

  constructor(fake: FakeBackend) {
    this.#fake = fake;
  }

  make(): Invitation {
    const token = String.fromCharCode(97 + (this.#count++ % 26)).repeat(26);
    const link = `landline://add/${invitationId("bea")}?name=Bea%20Lindqvist&addr=192.168.1.20:4281&addr=%5Bfd00::20%5D:4281&token=${token}`;
    return { link, expiresAt: new Date(Date.now() + LIFE_MS).toISOString() };
  }

  add({ link, address }: Args["add_contact"]): User {
    if (link !== undefined) return this.#follow(link);
    const user = [...this.#fake.users.values()].find((one) => one.device === address);
    if (user === undefined) {
      const message = "Nothing answers there: the connection was refused. Is Landline open on that machine?";
      throw new BackendError({ code: "refused", field: "address", message });
    }
    return user;
  }

  #follow(link: string): User {
    const read = readInvitation(link);
    if (read === null || read === "broken") throw new BackendError({ code: "invalid_invitation", field: "link", message: "link: it cannot be read" });
    const { machineId: userId, proof, tag } = read;
    const name = this.#fake.users.get(userId)?.name ?? read.name ?? tag;
    const known = this.#fake.users.get(userId) ?? stranger(userId, name, tag);
    const does = this.others.get(userId) ?? "away";
    if (does === "away") {
      this.#fake.user({ ...known, trust: known.trust === "verified" ? "verified" : "accepted" });
      const message = `${name} was not reached: the connection was refused. They are kept as a contact and linked as soon as both of you are there; see that Landline is open there, on the same network`;
      throw new BackendError({ code: "connection_refused", message });
    }
    return this.#fake.user({ ...known, trust: does === "counts" && proof ? "verified" : "accepted", status: "online", path: "direct" });
  }
}

/** A machine ID of the right form, of which the first letters are chosen. */
export function invitationId(tag: string): string {
  const letters = tag.replace(/[^02-9ac-hj-np-z]/gu, "q");
  return `landline1${letters.padEnd(58, "q")}`;
}

function stranger(userId: string, name: string, keyTag: string): User {
  return {
    userId,
    machineId: userId,
    name,
    device: "",
    statusText: "",
    colour: 3,
    keyTag,
    status: "offline",
    lastSeen: null,
    trust: "unknown",
    path: "none",
    nearby: false,
    nameClash: false,
    clockSkewSeconds: null,
    via: null,
    relayed: false,
    relays: [],
  };
}
