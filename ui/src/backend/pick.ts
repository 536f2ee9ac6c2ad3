import type { Backend } from "./backend";

/** The backend that fits where this page runs. Only the one that is needed is loaded. */
export async function pickBackend(): Promise<Backend> {
  if ("__TAURI_INTERNALS__" in window) return (await import("./tauri")).tauriBackend();
  return (await import("./web")).webBackend();
}
