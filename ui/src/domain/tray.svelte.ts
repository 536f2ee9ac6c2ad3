import { BackendError, type Backend } from "../backend/backend";
import type { Upload } from "../backend/gen";
import { m } from "../shared/i18n.svelte";

/** Most files and folders of one message. */
export const MOST_ATTACHMENTS = 32;
/** A larger image is not drawn in the tray. */
const PREVIEW_BYTES = 30_000_000;

/** A file that is to go with the next message. */
export interface TrayItem {
  key: number;
  name: string;
  /** Bytes, once they are known. */
  size: number | null;
  /** Bytes that the node has; `null` while it reads by itself. */
  done: number | null;
  upload: Upload | null;
  problem: string | null;
  /** A `blob:` address of an image. */
  preview: string | null;
}

/** What stands above the composer of one session: files that go with the text. */
export class Tray {
  items = $state.raw<readonly TrayItem[]>([]);
  /** Files that were too many. */
  refused = $state(0);
  #backend: Backend;
  #told: (uploadIds: readonly string[]) => void;
  #count = 0;
  #ends = new Map<number, AbortController>();

  /** `kept`: what the node has of an earlier time. `told` hears what stands in the tray that the node can keep. */
  constructor(backend: Backend, kept: readonly Upload[] = [], told: (uploadIds: readonly string[]) => void = () => undefined) {
    this.#backend = backend;
    this.#told = told;
    this.items = kept.map((one) => this.#item(one));
  }

  /** There are some, and all of them can be sent. */
  get ready(): boolean {
    return this.items.length > 0 && this.items.every((one) => one.upload !== null && one.problem === null);
  }

  /** Adds files whose bytes the page has: dropped, pasted or chosen in a browser. */
  async addFiles(files: readonly File[]): Promise<void> {
    await Promise.all(
      this.#fit(files).map((file) => {
        const preview = file.type.startsWith("image/") && file.size <= PREVIEW_BYTES ? URL.createObjectURL(file) : null;
        return this.#add({ name: file.name, size: file.size, done: 0, preview }, (key, signal) =>
          this.#backend.upload(file, (done) => this.#change(key, { done }), signal),
        );
      }),
    );
  }

  /** Adds files and folders of this computer. They are sent from where they are. */
  async addPaths(paths: readonly string[]): Promise<void> {
    await Promise.all(
      this.#fit(paths).map((path) => {
        const name = path.split(/[\\/]/u).findLast((part) => part !== "") ?? path;
        return this.#add({ name, size: null, done: null, preview: null }, () => this.#backend.call("add_file", { path }));
      }),
    );
  }

  /** Takes what the node has already. */
  addUploads(uploads: readonly Upload[]): void {
    this.#set([...this.items, ...this.#fit(uploads).map((one) => this.#item(one))]);
  }

  remove(key: number): void {
    this.#ends.get(key)?.abort();
    this.#ends.delete(key);
    const gone = this.items.find((one) => one.key === key);
    if (gone?.preview != null) URL.revokeObjectURL(gone.preview);
    this.#set(this.items.filter((one) => one.key !== key));
    this.refused = 0;
  }

  /** Takes all out, to be sent. */
  take(): TrayItem[] {
    const taken = [...this.items];
    this.#set([]);
    this.refused = 0;
    return taken;
  }

  /** They could not be sent: they come back. */
  putBack(items: readonly TrayItem[]): void {
    this.#set([...items, ...this.items]);
  }

  /** They were sent: nothing of them is needed any more. */
  sent(items: readonly TrayItem[]): void {
    for (const one of items) if (one.preview !== null) URL.revokeObjectURL(one.preview);
  }

  #fit<T>(wanted: readonly T[]): readonly T[] {
    const room = Math.max(0, MOST_ATTACHMENTS - this.items.length);
    this.refused = Math.max(0, wanted.length - room);
    return wanted.slice(0, room);
  }

  async #add(
    start: Pick<TrayItem, "name" | "size" | "done" | "preview">,
    job: (key: number, signal: AbortSignal) => Promise<Upload>,
  ): Promise<void> {
    const key = ++this.#count;
    const end = new AbortController();
    this.#ends.set(key, end);
    this.items = [...this.items, { key, upload: null, problem: null, ...start }];
    try {
      const upload = await job(key, end.signal);
      this.#change(key, { upload, name: upload.name, size: upload.size });
    } catch (cause) {
      this.#change(key, { problem: BackendError.from(cause).message });
    } finally {
      this.#ends.delete(key);
    }
  }

  #change(key: number, patch: Partial<TrayItem>): void {
    this.#set(this.items.map((one) => (one.key === key ? { ...one, ...patch } : one)));
  }

  #item(upload: Upload): TrayItem {
    const { name, size, state } = upload;
    const problem = state === "ready" ? null : state === "gone" ? m.tray_gone() : m.tray_changed();
    return { key: ++this.#count, name, size, done: null, upload, problem, preview: null };
  }

  #set(items: readonly TrayItem[]): void {
    this.items = items;
    this.#told(items.flatMap((one) => one.upload?.uploadId ?? []));
  }
}
