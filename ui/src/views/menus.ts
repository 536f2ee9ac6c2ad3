/** Where open menus are put: inside the main part, so that they belong to a landmark. */
export const MENUS_ID = "menus";
/** Where menus of the list are put: in a narrow window the main part is not there. */
export const LIST_MENUS_ID = "list-menus";

/**
 * What a menu opens waits until the menu is gone and the focus is back where it was opened from: a dialog then gives
 * it back there, and not to an entry that is no more.
 */
export class AfterMenu {
  #next: (() => void) | undefined;

  /** Keeps what was chosen until the menu is gone. */
  run(job: () => void): void {
    this.#next = job;
  }

  /** The menu is gone: gives the focus back, then does what was chosen. */
  closed(event: Event, focus: () => void): void {
    event.preventDefault();
    focus();
    this.#next?.();
    this.#next = undefined;
  }
}
