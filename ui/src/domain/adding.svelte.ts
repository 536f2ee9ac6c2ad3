import { BackendError, type Backend } from "../backend/backend";
import type { Trust, User } from "../backend/gen";
import { readInvitation, type Invitation } from "../shared/invitation";
import type { People } from "./people.svelte";

/**
 * What came of following an invitation. `verified`: it counted, and both know the other's key. `late`: its token did not
 * count. `contact`: it had none. `waiting`: nobody answered; the machine is kept and tried again.
 */
export type Added = "verified" | "late" | "contact" | "waiting";

interface Followed {
  invitation: Invitation;
  /** How far the machine was trusted before. */
  before: Trust | undefined;
  /** Why it was not reached. */
  error: BackendError | null;
}

/** Adding somebody by an invitation or by an address. */
export class Adding {
  /** What was typed or pasted. */
  text = $state("");
  busy = $state(false);
  #people: People;
  #backend: Backend;
  #followed = $state.raw<Followed | null>(null);
  #problem = $state.raw<BackendError | null>(null);

  /** The invitation in the text, if there is one. */
  readonly read = $derived(readInvitation(this.text));

  constructor(backend: Backend, people: People, text: string) {
    this.#backend = backend;
    this.#people = people;
    this.text = text;
  }

  /** The machine that the invitation names, as far as it is known here. */
  get user(): User | undefined {
    return this.#followed === null ? undefined : this.#people.get(this.#followed.invitation.machineId);
  }

  /** What came of it, as of now: a machine that is reached later may be verified then. Nothing, as long as the node kept nobody. */
  get outcome(): Added | null {
    const followed = this.#followed;
    const trust = this.user?.trust;
    if (followed === null || (trust !== "accepted" && trust !== "verified")) return null;
    const { error, before, invitation } = followed;
    if (error !== null) {
      if (refused(error)) return null;
      return trust === "verified" && before !== "verified" ? "verified" : "waiting";
    }
    if (trust === "verified") return "verified";
    return invitation.proof ? "late" : "contact";
  }

  /** What the node said against it, in its words. */
  get problem(): BackendError | null {
    return this.#followed?.error ?? this.#problem;
  }

  /** Something else was typed: what was said of the text before no longer holds. */
  changed(): void {
    this.#followed = null;
    this.#problem = null;
  }

  /** Follows the invitation, or dials the address. Resolves with the machine at the address; of an invitation `outcome` tells. */
  async add(): Promise<User | undefined> {
    const { read } = this;
    if (this.busy || read === "broken" || this.text.trim() === "") return undefined;
    this.busy = true;
    this.changed();
    const before = read === null ? undefined : this.#people.get(read.machineId)?.trust;
    try {
      const user = await this.#backend.call("add_contact", read === null ? { address: this.text.trim() } : { link: read.link });
      this.#people.apply(user);
      if (read === null) return user;
      this.#followed = { invitation: read, before, error: null };
    } catch (cause) {
      const error = BackendError.from(cause);
      if (read === null) this.#problem = error;
      else this.#followed = { invitation: read, before, error };
    } finally {
      this.busy = false;
    }
    return undefined;
  }
}

/** Whether nothing was kept: the node found fault with the invitation, or did not hear of it. */
function refused(error: BackendError): boolean {
  return error.field !== undefined || error.code === "unreachable";
}
