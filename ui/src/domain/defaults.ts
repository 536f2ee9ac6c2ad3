import type { Settings } from "../backend/gen";

/** What holds until the node has told its settings: the same as on a first start. */
export const defaults: Settings = {
  notifications: true,
  preview: "full",
  theme: "system",
  language: "",
  zoom: 100,
  visibility: "everyone",
  enterSends: true,
  closeKeepsRunning: null,
  autostart: false,
  readReceipts: true,
  sendTyping: true,
  sharePresence: true,
  awayAfterMinutes: 5,
  quietEnabled: false,
  quietFrom: "22:00",
  quietTo: "07:00",
  sound: "default",
  notificationDays: 30,
  autoAcceptBytes: 10_485_760,
  downloadFolder: "",
};
