import type { Backend } from "../backend/backend";

/** Tells the node what a person looks at in this window, so that it raises no notification for it. */
export class Viewer {
  #backend: Backend;
  #id = crypto.randomUUID();
  #told = "";

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Which session is on screen, and whether a person can be looking. */
  tell(sessionId: string | undefined, focused: boolean): void {
    const told = `${sessionId ?? ""} ${focused}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#backend.call("focus", { viewer: this.#id, sessionId, focused }).catch(() => this.forget());
  }

  /** The node may not know any more what it was told. */
  forget(): void {
    this.#told = "";
  }
}
