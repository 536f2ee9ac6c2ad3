import { SvelteMap } from "svelte/reactivity";
import type { Backend } from "../backend/backend";
import type { Attachment, RelayCopy, Transfer } from "../backend/gen";
import type { Attempt } from "./toasts.svelte";

/** Whether something is still to come of it. */
export function isOpen(transfer: Pick<Transfer, "state">): boolean {
  return ["offered", "queued", "transferring", "paused"].includes(transfer.state);
}

/** Whether the content is on this machine: what was sent lies here as long as nobody takes it away. */
export function isHere(attachment: Pick<Attachment, "state">, own: boolean): boolean {
  return own ? attachment.state !== "gone" : attachment.state === "complete";
}

/** The copy at a relay, while there is something to say of it: a file that goes straight, or has arrived, says that alone. One that
 * did not arrive can still be had where a copy is held. */
export function copyOf({ state, relayCopy }: Pick<Transfer, "state" | "relayCopy">): RelayCopy | null {
  if (["failed", "gone"].includes(state)) return relayCopy?.state === "held" ? relayCopy : null;
  return ["offered", "queued", "paused"].includes(state) ? relayCopy : null;
}

/** Whether bytes of it go to where they are to go, or go on as soon as they can. */
function isRunning(transfer: Transfer): boolean {
  return transfer.state === "transferring" || copyOf(transfer)?.state === "sending";
}

/** Files on their way, and those that came or went of late. What changes comes by the stream. */
export class Transfers {
  /** The list has been loaded. */
  ready = $state(false);
  #byId = new SvelteMap<string, Transfer>();
  #backend: Backend;
  #attempt: Attempt;

  /** Those under way first, then the newest. */
  readonly items: readonly Transfer[] = $derived([...this.#byId.values()].sort((a, b) => Number(isOpen(b)) - Number(isOpen(a))));
  readonly running: readonly Transfer[] = $derived([...this.#byId.values()].filter(isRunning));
  readonly open: readonly Transfer[] = $derived([...this.#byId.values()].filter(isOpen));

  constructor(backend: Backend, attempt: Attempt) {
    this.#backend = backend;
    this.#attempt = attempt;
  }

  async load(): Promise<void> {
    const page = await this.#backend.call("transfers", {});
    this.#byId.clear();
    for (const one of page.items) this.#byId.set(one.transferId, one);
    this.ready = true;
  }

  get(transferId: string): Transfer | undefined {
    return this.#byId.get(transferId);
  }

  apply(transfer: Transfer): void {
    this.#byId.set(transfer.transferId, transfer);
  }

  /** Fetches a file that is offered. */
  async accept(attachmentId: string): Promise<void> {
    await this.#attempt(async () => void (await this.#backend.call("accept_attachment", { attachmentId })));
  }

  /** Pauses, goes on with, or gives up what is on its way. */
  async move(command: "pause_transfer" | "resume_transfer" | "cancel_transfer", transferId: string): Promise<void> {
    await this.#attempt(async () => this.apply(await this.#backend.call(command, { transferId })));
  }

  /** How far an attachment is now: the transfer knows of progress earlier than the message does. */
  of(attachment: Attachment): Transfer | undefined {
    if (attachment.state === "complete" || attachment.state === "gone") return undefined;
    for (const one of this.#byId.values()) if (one.attachmentId === attachment.attachmentId) return one;
    return undefined;
  }
}
