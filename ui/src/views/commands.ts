import type { App } from "../domain/app.svelte";
import type { CommandId } from "../domain/keymap";

/** The regions that F6 walks through, in order. Each names the element that takes the focus. */
const REGIONS = ["sessions", "main", "composer", "details"] as const;

/** Carries out what a key asked for. */
export function runCommand(app: App, command: CommandId): void {
  switch (command) {
    case "switch":
      app.dialog = app.dialog?.kind === "switcher" ? null : { kind: "switcher" };
      return;
    case "new":
      app.go({ page: "nearby" });
      return;
    case "find":
      app.openFind();
      return;
    case "search":
      app.openSearch();
      return;
    case "attach":
      app.attachCalls += 1;
      return;
    case "settings":
      app.go({ page: "settings", section: "profile" });
      return;
    case "shortcuts":
      app.dialog = app.dialog?.kind === "shortcuts" ? null : { kind: "shortcuts" };
      return;
    case "regions":
      focusRegion(1);
      return;
    case "regionsBack":
      focusRegion(-1);
      return;
    case "nextSession":
      app.stepSession(1);
      return;
    case "previousSession":
      app.stepSession(-1);
      return;
    case "nextUnread":
      app.stepSession(1, true);
      return;
    case "previousUnread":
      app.stepSession(-1, true);
      return;
    case "newest":
      app.newestCalls += 1;
      return;
    case "mute":
      void app.toggleMute();
      return;
    case "zoomIn":
      void app.zoom(1);
      return;
    case "zoomOut":
      void app.zoom(-1);
      return;
    case "zoomReset":
      void app.zoom(0);
      return;
    default: {
      const session = app.sessions.shown[Number(command.slice("session".length)) - 1];
      if (session !== undefined) app.openSession(session.sessionId);
    }
  }
}

function focusRegion(step: 1 | -1): void {
  const found = REGIONS.flatMap((name) => {
    const element = document.querySelector<HTMLElement>(`[data-region="${name}"]`);
    return element !== null && element.offsetParent !== null ? [element] : [];
  });
  if (found.length === 0) return;
  const active = document.activeElement;
  // The composer lies within the main part: the innermost region counts.
  let at = -1;
  found.forEach((element, index) => {
    if (active !== null && element.contains(active)) at = index;
  });
  const next = found[(at + step + found.length) % found.length];
  const target = next?.querySelector<HTMLElement>("[data-region-focus], [tabindex='0']") ?? next;
  (target ?? next)?.focus();
}
