import type { Attachment, Message, Relay, User } from "../backend/gen";

/** What the main part of the window shows. */
export type Route =
  | { page: "nearby" }
  | { page: "session"; sessionId: string }
  | { page: "search" }
  | { page: "notifications" }
  | { page: "transfers" }
  | { page: "settings"; section: SettingsSection }
  /** Why nobody is found, or somebody is not. */
  | { page: "why"; userId?: string };

export type SettingsSection = "profile" | "notifications" | "privacy" | "files" | "network" | "relay" | "appearance" | "shortcuts";

/** A dialog over the window. */
export type Dialog =
  | { kind: "switcher" }
  | { kind: "shortcuts" }
  /** Adding somebody; with what a link asks for, or what was pasted elsewhere. */
  | { kind: "add"; text?: string }
  | { kind: "code" }
  | { kind: "removeRelay"; relay: Relay }
  | { kind: "close" }
  | { kind: "date" }
  | { kind: "pictures"; message: Message; pictures: readonly Attachment[]; at: number }
  | { kind: "block"; user: User }
  | { kind: "info"; message: Message }
  | { kind: "link"; href: string }
  | { kind: "delete"; messages: readonly Message[] }
  | { kind: "forward"; messages: readonly Message[] }
  | { kind: "history"; message: Message }
  | { kind: "reactions"; messageId: string }
  | { kind: "timer"; sessionId: string };
