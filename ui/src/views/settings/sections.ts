import Bell from "@lucide/svelte/icons/bell";
import Folder from "@lucide/svelte/icons/folder";
import Keyboard from "@lucide/svelte/icons/keyboard";
import Lock from "@lucide/svelte/icons/lock";
import Network from "@lucide/svelte/icons/network";
import RadioTower from "@lucide/svelte/icons/radio-tower";
import Palette from "@lucide/svelte/icons/palette";
import UserRound from "@lucide/svelte/icons/user-round";
import type { SettingsSection } from "../../domain/places";
import { m } from "../../shared/i18n.svelte";
import { fold } from "../../shared/text";

/** The parts of the settings, in the order they are offered; `holds` is what the search knows of each. */
export const sections = [
  { id: "profile", title: m.settings_profile, icon: UserRound, holds: [m.profile_name, m.profile_device, m.profile_status, m.machine_id_own, m.code_title] },
  {
    id: "notifications",
    title: m.settings_notifications,
    icon: Bell,
    holds: [m.notify_on, m.notify_preview, m.notify_sound, m.quiet_on, m.notifications_keep],
  },
  {
    id: "privacy",
    title: m.settings_privacy,
    icon: Lock,
    holds: [m.visibility_label, m.receipts_on, m.typing_on, m.presence_on, m.away_after, m.blocked_title],
  },
  { id: "files", title: m.settings_files, icon: Folder, holds: [m.files_accept, m.files_folder] },
  { id: "network", title: m.settings_network, icon: Network, holds: [m.network_mdns, m.network_beacon, m.add_title, m.why_title] },
  { id: "relay", title: m.settings_relay, icon: RadioTower, holds: [m.relay_address, m.relay_membership, m.relay_in_use] },
  {
    id: "appearance",
    title: m.settings_appearance,
    icon: Palette,
    holds: [m.theme_label, m.zoom_label, m.language_label, m.enter_sends, m.autostart, m.close_keeps],
  },
  { id: "shortcuts", title: m.shortcuts_title, icon: Keyboard, holds: [] },
] as const satisfies readonly { id: SettingsSection; title: () => string; icon: unknown; holds: readonly (() => string)[] }[];

/** A setting that a search found, and where it is. */
export interface Found {
  section: SettingsSection;
  title: string;
  setting: string;
}

/** The settings whose names hold every word; a part whose own name does is found too. */
export function findSettings(query: string): Found[] {
  const words = fold(query).split(/\s+/u).filter((word) => word !== "");
  if (words.length === 0) return [];
  return sections.flatMap(({ id, title, holds }) =>
    [title, ...holds]
      .map((name) => name())
      .filter((name) => words.every((word) => fold(name).includes(word)))
      .map((setting) => ({ section: id, title: title(), setting })),
  );
}
