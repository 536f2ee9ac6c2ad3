/** What tests of real windows find things by: `data-testid`. A rename here must be a rename in those tests. */
export const testid = {
  /** First run: the screen, its fields and its button. */
  welcome: "welcome",
  welcomeName: "welcome-name",
  welcomeDevice: "welcome-device",
  welcomeStatus: "welcome-status",
  welcomeStart: "welcome-start",
  /** The sign-in screen of the web page. */
  signIn: "sign-in",
  /** Nearby: the page, its entry beside the sessions, one machine (`data-user`), states of the search. */
  nearby: "nearby",
  nearbyOpen: "nearby-open",
  nearbyItem: "nearby-item",
  nearbyState: "nearby-state",
  whyOpen: "why-open",
  why: "why",
  addAddressOpen: "add-address-open",
  addAddressInput: "add-address-input",
  addAddressSubmit: "add-address-submit",
  /** Sessions: the list, one session (`data-session`), its badge, the filters. */
  sessionList: "session-list",
  sessionItem: "session-item",
  sessionBadge: "session-badge",
  sessionFilter: "session-filter",
  /** The open conversation (`data-session`), its head, banner and list. */
  conversation: "conversation",
  conversationTitle: "conversation-title",
  conversationMenu: "conversation-menu",
  requestBanner: "request-banner",
  requestAccept: "request-accept",
  requestBlock: "request-block",
  unblock: "unblock",
  messageList: "message-list",
  /** A message: `data-id`, `data-state` (queued, delivered, failed), `data-own`. */
  message: "message",
  messageText: "message-text",
  messageState: "message-state",
  messageRetry: "message-retry",
  messageDetails: "message-details",
  /** Parts of a message: what is left of a deleted one, its mark of having been edited, code; a line of the session. */
  edited: "edited",
  tombstone: "tombstone",
  copyCode: "copy-code",
  systemLine: "system-line",
  /** Asked before a link is opened that leads elsewhere than it says. */
  linkDialog: "link-dialog",
  linkOpen: "link-open",
  /** Who types: in the head and above the composer. */
  typing: "typing",
  /** Emojis: its button, the picker, one in it (`data-emoji`). */
  emojiOpen: "emoji-open",
  emojiPicker: "emoji-picker",
  emojiSearch: "emoji-search",
  emoji: "emoji",
  unreadDivider: "unread-divider",
  newPill: "new-pill",
  details: "details",
  detailsOpen: "details-open",
  /** The composer, its button and the line above it. */
  composer: "composer",
  composerHint: "composer-hint",
  /** What the text before the caret can become. */
  suggestions: "suggestions",
  suggestion: "suggestion",
  send: "send",
  /** Search: the page (`data-phase`), its field, count and filters, one hit (`data-id`). */
  searchOpen: "search-open",
  search: "search",
  searchInput: "search-input",
  searchStatus: "search-status",
  searchFrom: "search-from",
  searchIn: "search-in",
  searchHit: "search-hit",
  /** Finding in the open conversation, and going to a day of it. */
  find: "find",
  findInput: "find-input",
  findCount: "find-count",
  goToDay: "go-to-day",
  dateDialog: "date-dialog",
  /** Settings: the page, its sections (`data-section`), single controls. */
  settingsOpen: "settings-open",
  settings: "settings",
  settingsTab: "settings-tab",
  settingsName: "settings-name",
  settingsSave: "settings-save",
  notificationTest: "notification-test",
  notificationReason: "notification-reason",
  /** Shell. */
  back: "back",
  switcher: "switcher",
  switcherInput: "switcher-input",
  switcherItem: "switcher-item",
  shortcuts: "shortcuts",
  closeChoice: "close-choice",
  closeKeep: "close-keep",
  closeQuit: "close-quit",
  connection: "connection",
} as const;
