// The window, its files, notifications, search and settings.
import { lookAt, narrow, session, settings, small, type Screen } from "./screens";

lookAt([
  { name: "welcome", query: "world=fresh", go: (page) => page.getByTestId("welcome").waitFor() },
  {
    name: "alone",
    query: "world=fresh",
    go: async (page) => {
      await page.getByTestId("welcome-start").click();
      await page.locator("[data-testid=nearby-state][data-state=alone]").waitFor({ state: "attached" });
    },
  },
  {
    name: "searching",
    query: "world=fresh",
    go: async (page) => {
      await page.getByTestId("welcome-start").click();
      await page.getByTestId("nearby").waitFor();
    },
  },
  { name: "nearby", query: "world=busy", go: (page) => page.getByTestId("session-item").first().waitFor() },
  {
    name: "why",
    query: "world=fresh",
    go: async (page) => {
      await page.getByTestId("welcome-start").click();
      await page.getByTestId("why-open").click();
      await page.getByTestId("why").waitFor();
    },
  },
  { name: "conversation", query: "world=busy", go: session(0) },
  { name: "request", query: "world=busy", go: session(1) },
  { name: "unread", query: "world=busy", go: session(2) },
  { name: "states", query: "world=busy", go: session(3) },
  { name: "draft", query: "world=busy", go: session(4) },
  {
    name: "details",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("details-open").click();
      await page.getByTestId("details").waitFor();
    },
  },
  {
    name: "menu",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("conversation-menu").click();
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "switcher",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("session-item").first().waitFor();
      await page.keyboard.press("Control+k");
      await page.getByTestId("switcher-input").fill("an");
    },
  },
  {
    name: "session-menu",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("session-item").nth(2).click({ button: "right" });
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "small-session-menu",
    query: "world=busy",
    viewport: small,
    go: async (page) => {
      await page.getByTestId("session-item").nth(1).click({ button: "right" });
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "files",
    query: "world=files",
    viewport: { width: 1180, height: 1500 },
    go: async (page) => {
      await session(0)(page);
      await page.locator("[data-testid=picture] img").nth(4).waitFor();
    },
  },
  {
    name: "small-files",
    query: "world=files",
    viewport: small,
    go: session(0),
  },
  {
    name: "picture",
    query: "world=files",
    viewport: { width: 1180, height: 1500 },
    go: async (page) => {
      await session(0)(page);
      await page.locator("[data-attachment='attachment-pier.jpg']").click();
      await page.getByTestId("picture-dialog").locator("img").waitFor();
    },
  },
  {
    name: "transfers",
    query: "world=files",
    go: async (page) => {
      await page.getByTestId("transfers-open").click();
      await page.getByTestId("transfer").first().waitFor();
    },
  },
  {
    name: "no-transfers",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("session-item").first().waitFor();
      await page.keyboard.press("Control+k");
      await page.getByTestId("switcher-input").fill("transfers");
      await page.keyboard.press("Enter");
      await page.getByTestId("transfers").waitFor();
    },
  },
  {
    name: "tray",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.evaluate(() => window.fake.emit({ type: "filesDropped", paths: ["/srv/bea/slides.pdf", "/srv/bea/Holiday", "/srv/bea/missing.txt", "/srv/bea/harbour.png"] }));
      await page.getByTestId("tray-item").nth(3).waitFor();
      await page.getByText("There is no file").waitFor();
    },
  },
  {
    name: "tray-gone",
    query: "world=busy",
    viewport: small,
    go: async (page) => {
      await page.evaluate(() => {
        const { fake } = window;
        const [photo, text] = [fake.files.add("harbour.png", 1_200, "image/png"), fake.files.add("a name that is longer than its place.txt", 12, "text/plain")];
        fake.tell("session-landline1anna", { draftAttachments: [photo, { ...text, state: "gone" }], draft: "" });
      });
      await session(0)(page);
      await page.getByTestId("tray").locator("img").waitFor();
    },
  },
  ...["Four from Sunday", "The plans, and all"].map((text, index): Screen => ({
    name: index === 0 ? "forward-files" : "forward-not-here",
    query: "world=files",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("message").filter({ hasText: text }).focus();
      await page.keyboard.press("Enter");
      await page.getByTestId("menu-forward").click();
      await page.getByTestId("forward-files").waitFor();
    },
  })),
  {
    name: "drop",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.evaluate(() => window.fake.emit({ type: "filesDragged", over: true }));
      await page.getByTestId("drop").waitFor();
    },
  },
  {
    name: "media",
    query: "world=files",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("details-open").click();
      await page.getByTestId("media").locator("img").first().waitFor();
    },
  },
  {
    name: "list-previews",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("session-item").first().waitFor();
      await page.evaluate(() => {
        const { fake } = window;
        const attachment = { ...window.attachment("beach.jpg", "image/jpeg"), width: 1600, height: 900 };
        fake.say("session-landline1omar", "landline1omar", "", { messageType: "image", attachments: [attachment] });
        fake.say("session-landline1anna", "landline1me", "The slides", { messageType: "file", attachments: [window.attachment("slides.pdf", "application/pdf")], state: "delivered" });
        fake.say("session-landline1dana", "landline1dana", "", { deletedAt: new Date().toISOString() });
        fake.tell("session-landline1mei7", { typing: ["landline1mei7"] });
        fake.tell("session-landline1zzk4", { unreadCount: 0, firstUnread: null, markedUnread: true });
      });
      await page.getByText("beach.jpg").waitFor();
    },
  },
  {
    name: "switcher-commands",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.press("Control+k");
      await page.getByTestId("switcher-input").fill("th");
    },
  },
  {
    name: "notifications",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("notifications-open").click();
      await page.getByTestId("notification").first().waitFor();
    },
  },
  {
    name: "notification-stats",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("notifications-open").click();
      await page.getByTestId("notification-stats-open").click();
      await page.getByTestId("notification-stats").waitFor();
    },
  },
  {
    name: "narrow-notifications",
    query: "world=busy",
    viewport: narrow,
    go: async (page) => {
      await page.getByTestId("notifications-open").click();
      await page.getByTestId("notification").first().waitFor();
    },
  },
  {
    name: "no-notifications",
    query: "world=busy",
    go: async (page) => {
      await page.evaluate(() => window.fake.notifications.all.splice(0));
      await page.getByTestId("notifications-open").click();
      await page.locator("[data-testid=notifications][data-ready=true]").waitFor();
    },
  },
  {
    name: "search",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("search-open").click();
      await page.getByTestId("search-input").fill("the");
      await page.getByTestId("search-hit").first().waitFor();
      await page.getByTestId("search-in").selectOption({ label: "Omar" });
      await page.locator("[data-testid=search][data-phase=found]").waitFor();
    },
  },
  {
    name: "search-day",
    query: "world=busy",
    viewport: small,
    go: async (page) => {
      await page.getByTestId("search-open").click();
      await page.getByTestId("search-input").fill("no such words");
      await page.getByRole("button", { name: "Since" }).click();
      await page.getByRole("grid").waitFor();
    },
  },
  {
    name: "search-empty",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("search-open").click();
      await page.getByTestId("search-input").waitFor();
    },
  },
  {
    name: "find",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.press("Control+f");
      await page.getByTestId("find-input").fill("the");
      await page.locator("[data-testid=find][data-phase=found]").waitFor();
    },
  },
  {
    name: "date",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.press("Control+f");
      await page.getByTestId("go-to-day").click();
      await page.getByTestId("date-dialog").waitFor();
    },
  },
  {
    name: "shortcuts-sheet",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("session-item").first().waitFor();
      await page.keyboard.press("Control+/");
      await page.getByTestId("shortcuts").waitFor();
    },
  },
  {
    name: "block",
    query: "world=busy",
    go: async (page) => {
      await session(1)(page);
      await page.getByTestId("request-block").click();
      await page.getByTestId("block-dialog").waitFor();
    },
  },
  {
    name: "close",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("session-item").first().waitFor();
      await page.evaluate(() => window.fake.emit({ type: "closeRequested" }));
      await page.getByTestId("close-choice").waitFor();
    },
  },
  {
    name: "failure",
    query: "world=busy",
    go: async (page) => {
      await session(3)(page);
      await page.getByTestId("message-details").click();
      await page.getByTestId("message-info").waitFor();
    },
  },
  {
    name: "gone",
    query: "world=busy",
    go: async (page) => {
      await session(0)(page);
      await page.evaluate(() => window.fake.emit({ type: "connection", state: "gone" }));
      await page.getByTestId("connection").waitFor();
    },
  },
  ...["profile", "notifications", "privacy", "files", "network", "appearance", "shortcuts"].map(
    (section): Screen => ({ name: `settings-${section}`, query: "world=busy", go: settings(section) }),
  ),
  {
    name: "settings-quiet",
    query: "world=busy",
    go: async (page) => {
      await settings("notifications")(page);
      await page.getByRole("switch", { name: "Quiet hours" }).check();
      await page.getByTestId("quiet-from").waitFor();
    },
  },
  {
    name: "settings-search",
    query: "world=busy",
    go: async (page) => {
      await settings("profile")(page);
      await page.getByTestId("settings-search").fill("no");
      await page.getByTestId("settings-found").waitFor();
    },
  },
  { name: "hostile", query: "world=hostile", go: session(0) },
  { name: "small-list", query: "world=busy", viewport: small, go: (page) => page.getByTestId("session-item").first().waitFor() },
  { name: "small-conversation", query: "world=busy", viewport: small, go: session(3) },
  { name: "small-welcome", query: "world=fresh", viewport: small, go: (page) => page.getByTestId("welcome").waitFor() },
  { name: "narrow-settings", query: "world=busy", viewport: narrow, go: settings("profile") },
  { name: "narrow-request", query: "world=busy", viewport: narrow, go: session(1) },
  { name: "pseudo", query: "world=busy&language=en-XA", go: session(3) },
]);
