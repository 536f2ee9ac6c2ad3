import { SvelteSet } from "svelte/reactivity";

/** Messages that a person has chosen to do something with all of them. */
export class Selection {
  /** Whether messages are being chosen: a click then chooses. */
  active = $state(false);
  readonly ids = new SvelteSet<string>();
  #last: string | null = null;

  /** Chooses a message, or gives it up. */
  toggle(id: string): void {
    this.active = true;
    if (!this.ids.delete(id)) this.ids.add(id);
    this.#last = id;
    if (this.ids.size === 0) this.clear();
  }

  /** Chooses all from the one chosen last to this one, in the order of the list. */
  extend(id: string, order: readonly string[]): void {
    const [from, to] = [order.indexOf(this.#last ?? id), order.indexOf(id)];
    if (from < 0 || to < 0) {
      this.toggle(id);
      return;
    }
    this.active = true;
    for (const one of order.slice(Math.min(from, to), Math.max(from, to) + 1)) this.ids.add(one);
    this.#last = id;
  }

  /** Nothing is chosen any more. */
  clear(): void {
    this.active = false;
    this.ids.clear();
    this.#last = null;
  }

  /** A message is gone. */
  remove(id: string): void {
    if (this.ids.delete(id) && this.ids.size === 0) this.clear();
  }
}
