import type { Backend } from "../backend/backend";
import type { SearchHit } from "../backend/gen";
import { noFilters, Search } from "./search.svelte";

/** Finding in one conversation: the hits of a search, one after the other, from the newest back. */
export class Find {
  readonly search: Search;
  /** The hit that is shown; `-1` before the first. */
  at = $state(-1);
  #filters;
  #show: (hit: SearchHit) => void;
  #jumped = "";

  constructor(backend: Backend, sessionId: string, show: (hit: SearchHit) => void) {
    this.search = new Search(backend);
    this.#filters = { ...noFilters, in: sessionId };
    this.#show = show;
  }

  get current(): SearchHit | undefined {
    return this.search.hits[this.at];
  }

  /** Takes what is looked for; the newest hit is shown once it is found. */
  look(query: string): void {
    this.at = -1;
    this.#jumped = "";
    // Without words it would find every message.
    this.search.look(query, query.trim() === "" ? noFilters : this.#filters);
  }

  /** Shows the newest hit of a search that has just ended. */
  settle(): void {
    const first = this.search.hits[0];
    if (this.search.phase !== "found" || first === undefined || this.#jumped === this.search.query) return;
    this.#jumped = this.search.query;
    this.at = 0;
    this.#show(first);
  }

  /** Goes to the next older (`1`) or newer (`-1`) hit; round at both ends, once all are loaded. */
  async step(by: 1 | -1): Promise<void> {
    if (this.search.phase !== "found" || this.search.hits.length === 0) return;
    if (by > 0 && this.at === this.search.hits.length - 1 && this.search.more) await this.search.loadMore();
    const count = this.search.hits.length;
    let next = this.at + by;
    if (next >= count) next = this.search.more ? this.at : 0;
    // The oldest hit is only known when all are here.
    if (next < 0) next = this.search.more ? 0 : count - 1;
    this.at = next;
    const hit = this.search.hits[next];
    if (hit !== undefined) this.#show(hit);
  }
}
