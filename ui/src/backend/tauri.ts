import { Channel, invoke } from "@tauri-apps/api/core";
import { BackendError, isOpenable, type Backend, type BackendMessage, type ShellInfo } from "./backend";
import type { Args, CommandName, Result } from "./gen";

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
    async openExternal(url) {
      if (isOpenable(url)) await ask("open_external", { url });
    },
    shell: {
      info: () => ask<ShellInfo>("shell_info"),
      notificationTest: async () => {
        await ask("notification_test");
      },
      setCloseChoice: async (keepRunning) => {
        await ask("set_close_choice", { keepRunning });
      },
    },
  };
}
