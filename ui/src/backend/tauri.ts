import { Channel, invoke } from "@tauri-apps/api/core";
import { BackendError, isOpenable, type Backend, type BackendMessage, type Pasted, type ShellInfo } from "./backend";
import type { Args, CommandName, Result, Upload } from "./gen";

/** Bytes of a file that cross to the program at once. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** The node that lives in the same program as this window. */
export function tauriBackend(): Backend {
  const ask = async <T = unknown>(command: string, args: Record<string, unknown> = {}): Promise<T> => {
    try {
      return await invoke<T>(command, args);
    } catch (cause) {
      throw BackendError.from(cause);
    }
  };
  return {
    kind: "tauri",
    call<K extends CommandName>(name: K, args: Args[K]) {
      return ask<Result[K]>("rpc", { command: name, args });
    },
    async subscribe(listener) {
      let live = true;
      const channel = new Channel<BackendMessage>((message) => {
        if (live) listener(message);
      });
      await ask("subscribe", { channel });
      return () => {
        live = false;
      };
    },
    async upload(file, ondone, signal) {
      const id = await ask<number>("begin_upload", { name: file.name, mime: file.type === "" ? null : file.type });
      try {
        for (let from = 0; from < file.size; from += PIECE_BYTES) {
          const piece = await file.slice(from, from + PIECE_BYTES).arrayBuffer();
          signal.throwIfAborted();
          await invoke("write_upload", piece, { headers: { "landline-upload": String(id) } });
          ondone(Math.min(file.size, from + PIECE_BYTES));
        }
        return await ask<Upload>("finish_upload", { id });
      } catch (cause) {
        await ask("drop_upload", { id }).catch(() => undefined);
        throw BackendError.from(cause);
      }
    },
    async content(attachmentId, part) {
      return new Blob([await ask<ArrayBuffer>(part === "thumbnail" ? "attachment_thumbnail" : "attachment_content", { attachmentId })]);
    },
    async openExternal(url) {
      if (isOpenable(url)) await ask("open_external", { url });
    },
    shell: {
      info: () => ask<ShellInfo>("shell_info"),
      notificationTest: async () => {
        await ask("notification_test");
      },
      chooseFiles: (title) => ask<string[]>("choose_files", { title }),
      pasteFiles: () => ask<Pasted>("paste_files"),
      async readPicture(path) {
        const bytes = await ask<ArrayBuffer>("read_picture", { path: path ?? null });
        return bytes.byteLength === 0 ? null : new Blob([bytes]);
      },
      openAttachment: async (attachmentId) => {
        await ask("open_attachment", { attachmentId });
      },
      showAttachment: async (attachmentId) => {
        await ask("show_attachment", { attachmentId });
      },
      chooseFolder: (title) => ask<string | null>("choose_folder", { title }),
      setCloseChoice: async (keepRunning) => {
        await ask("set_close_choice", { keepRunning });
      },
    },
  };
}
