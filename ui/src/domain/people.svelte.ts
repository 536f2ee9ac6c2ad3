import { SvelteMap } from "svelte/reactivity";
import type { User } from "../backend/gen";

/** How long "searching" is said before "no one here yet" is. */
export const SEARCH_MS = 3_000;

/** The other machines: those known, and those on this network now. */
export class People {
  /** False while the first seconds of the search run. */
  searched = $state(false);
  readonly #byId = new SvelteMap<string, User>();

  /** On this network, by name; without those that are blocked, and those that have asked and stand among the requests. */
  readonly nearby: readonly User[] = $derived(
    [...this.#byId.values()]
      .filter((user) => user.nearby && user.trust !== "blocked" && user.trust !== "requested")
      .sort(byName),
  );

  /** Known but not blocked, by name. */
  readonly known: readonly User[] = $derived(
    [...this.#byId.values()].filter((user) => user.trust !== "blocked").sort(byName),
  );

  /** Blocked ones, by name. */
  readonly blocked: readonly User[] = $derived(
    [...this.#byId.values()].filter((user) => user.trust === "blocked").sort(byName),
  );

  get(userId: string): User | undefined {
    return this.#byId.get(userId);
  }

  reset(users: readonly User[]): void {
    const there = new Set(users.map((one) => one.userId));
    for (const id of this.#byId.keys()) if (!there.has(id)) this.#byId.delete(id);
    for (const one of users) this.#byId.set(one.userId, one);
  }

  apply(user: User): void {
    this.#byId.set(user.userId, user);
  }
}

function byName(a: User, b: User): number {
  return a.name.localeCompare(b.name) || a.userId.localeCompare(b.userId);
}
