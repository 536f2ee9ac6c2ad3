import { createContext } from "svelte";
import type { App } from "../domain/app.svelte";

/** The one `App` of this window, for every component below its root. */
export const [useApp, provideApp] = createContext<App>();
