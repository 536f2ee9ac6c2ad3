import { BackendError, type Backend } from "../backend/backend";
import type { MessageType, SearchHit } from "../backend/gen";
import { addDays, startOf, type Day } from "../shared/days";

/** Hits that are fetched at a time. */
export const HITS = 30;
/** A search begins so long after the last key. */
export const SEARCH_WAIT_MS = 150;
/** The node counts to here and no further: "1,000 and more". */
export const MOST_COUNTED = 1_000;

/** What narrows a search. `null` leaves it open. */
export interface Filters {
  /** Machine ID of who wrote it. */
  from: string | null;
  /** The session. */
  in: string | null;
  type: MessageType | null;
  /** First and last local day. */
  since: Day | null;
  until: Day | null;
}

export const noFilters: Filters = { from: null, in: null, type: null, since: null, until: null };

/** A search in all that was written, newest first. It answers to the last word that was typed, never to an older one. */
export class Search {
  query = $state("");
  filters = $state.raw<Filters>(noFilters);
  hits = $state.raw<readonly SearchHit[]>([]);
  /** How many there are, counted up to `MOST_COUNTED`. */
  total = $state(0);
  /** Whether older messages are still being made searchable. */
  indexing = $state(false);
  /** `idle`: nothing is looked for. */
  phase = $state<"idle" | "searching" | "found">("idle");
  loadingMore = $state(false);
  error = $state<BackendError | null>(null);
  #next = $state<string | null>(null);
  #backend: Backend;
  #generation = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Whether older hits remain. */
  get more(): boolean {
    return this.#next !== null;
  }

  /** Whether there is anything to look for: words, or a filter alone. */
  get #asks(): boolean {
    return this.query.trim() !== "" || Object.values(this.filters).some((one) => one !== null);
  }

  /** Takes what is looked for, and searches when the typing pauses. */
  look(query: string, filters: Filters = this.filters): void {
    this.query = query;
    this.filters = filters;
    clearTimeout(this.#timer);
    if (!this.#asks) {
      this.#generation += 1;
      this.phase = "idle";
      this.hits = [];
      this.total = 0;
      this.#next = null;
      this.error = null;
      return;
    }
    this.phase = "searching";
    this.#timer = setTimeout(() => void this.#run(), SEARCH_WAIT_MS);
  }

  /** Searches at once: Enter was pressed, or what was found may have changed. */
  async now(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#asks) await this.#run();
  }

  /** Fetches the next older hits. */
  async loadMore(): Promise<void> {
    const before = this.#next;
    if (before === null || this.loadingMore || this.phase !== "found") return;
    const generation = this.#generation;
    this.loadingMore = true;
    try {
      const page = await this.#ask(before);
      if (generation !== this.#generation) return;
      const known = new Set(this.hits.map((one) => one.message.id));
      this.hits = [...this.hits, ...page.items.filter((one) => !known.has(one.message.id))];
      this.#next = page.nextBefore;
    } catch (cause) {
      if (generation === this.#generation) this.error = BackendError.from(cause);
    } finally {
      this.loadingMore = false;
    }
  }

  /** A message is gone: what it said must not stay on screen. */
  drop(messageId: string): void {
    const left = this.hits.filter((one) => one.message.id !== messageId);
    if (left.length === this.hits.length) return;
    this.hits = left;
    this.total = Math.max(left.length, this.total - 1);
  }

  async #run(): Promise<void> {
    const generation = ++this.#generation;
    this.phase = "searching";
    try {
      const page = await this.#ask();
      if (generation !== this.#generation) return;
      this.hits = page.items;
      this.total = page.total;
      this.indexing = page.indexing;
      this.#next = page.nextBefore;
      this.error = null;
    } catch (cause) {
      if (generation !== this.#generation) return;
      this.hits = [];
      this.total = 0;
      this.#next = null;
      this.error = BackendError.from(cause);
    }
    this.phase = "found";
  }

  #ask(before?: string) {
    const { from, in: session, type, since, until } = this.filters;
    return this.#backend.call("search", {
      ...(this.query.trim() !== "" && { q: this.query.trim() }),
      limit: HITS,
      ...(from !== null && { from }),
      ...(session !== null && { in: session }),
      ...(type !== null && { type }),
      ...(since !== null && { since: startOf(since).toISOString() }),
      // To the end of that day.
      ...(until !== null && { until: new Date(startOf(addDays(until, 1)).getTime() - 1).toISOString() }),
      ...(before !== undefined && { before }),
    });
  }
}
