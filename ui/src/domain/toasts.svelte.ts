import { BackendError } from "../backend/backend";

/** A short notice at the foot of the window. */
export interface Toast {
  id: number;
  text: string;
  kind: "info" | "error";
}

/** How long one stays; errors are read slower. */
const TOAST_MS = { info: 4_000, error: 8_000 };
/** More than these would cover what one reads. */
const MOST = 3;

/** Runs something a person asked for and says so when it fails; tells whether it went well. */
export type Attempt = (job: () => Promise<void>) => Promise<boolean>;

/** The short notices that are there now, the oldest first. */
export class Toasts {
  items = $state.raw<readonly Toast[]>([]);
  #count = 0;

  show(text: string, kind: Toast["kind"] = "info"): void {
    const id = ++this.#count;
    this.items = [...this.items.slice(1 - MOST), { id, text, kind }];
    setTimeout(() => this.dismiss(id), TOAST_MS[kind]);
  }

  dismiss(id: number): void {
    this.items = this.items.filter((one) => one.id !== id);
  }

  readonly attempt: Attempt = async (job) => {
    try {
      await job();
      return true;
    } catch (cause) {
      this.show(BackendError.from(cause).message, "error");
      return false;
    }
  };
}
