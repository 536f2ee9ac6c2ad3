import { expect, test } from "vitest";
import type { Page } from "playwright-core";
import { violations } from "./axe";
import { looks, shoot } from "./harness";
import { openSession, start, usePages } from "./pages";

usePages();

interface Screen {
  name: string;
  query: string;
  viewport?: { width: number; height: number };
  go: (page: Page) => Promise<void>;
}

const session = (index: number) => (page: Page) => openSession(page, index);
const settings = (section: string) => async (page: Page) => {
  await page.getByTestId("settings-open").click();
  await page.locator(`[data-testid=settings-tab][data-section=${section}]`).click();
};
/** An invitation of Tove, who does this with it. */
const invitationOf = (page: Page, does: "counts" | "late" | "away" = "counts") =>
  page.evaluate((what) => {
    const id = window.invitationId("t4v7");
    window.fake.invitations.others.set(id, what);
    return `landline://add/${id}?name=Tove%20Ekdahl&addr=10.1.2.3:4281&token=${"a".repeat(26)}`;
  }, does);
const openInvitation = async (page: Page, link: string) => {
  await page.getByTestId("session-item").first().waitFor();
  await page.evaluate((asked) => window.fake.emit({ type: "openInvitation", link: asked }), link);
};
const showCode = async (page: Page) => {
  await page.getByTestId("session-item").first().waitFor();
  await page.getByTestId("nearby-open").click();
  await page.getByTestId("code-open").click();
};
const message = (page: Page, id: string) => page.locator(`[data-id=${id}]`);
const small = { width: 360, height: 480 };
const narrow = { width: 420, height: 760 };

const screens: readonly Screen[] = [
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
    name: "add-refused",
    query: "world=busy",
    go: async (page) => {
      await page.getByTestId("add-open").first().click();
      await page.getByTestId("add-input").fill("192.168.7.7");
      await page.getByTestId("add-submit").click();
      await page.getByRole("alert").waitFor();
    },
  },
  ...(["add-invitation", "small-add-invitation"] as const).map((name): Screen => ({
    name,
    query: "world=busy",
    viewport: name === "add-invitation" ? undefined : small,
    go: async (page) => {
      await page.getByTestId("add-open").first().click();
      await page.getByTestId("add-input").fill(await invitationOf(page));
      await page.getByTestId("invitation").waitFor();
    },
  })),
  ...(["counts", "late", "away"] as const).map((does): Screen => ({
    name: `add-${does}`,
    query: "world=busy",
    go: async (page) => {
      await openInvitation(page, await invitationOf(page, does));
      await page.getByTestId("add-submit").click();
      await page.getByTestId("add-outcome").waitFor();
    },
  })),
  {
    name: "add-from-link",
    query: "world=busy",
    go: async (page) => {
      await openInvitation(page, (await invitationOf(page)).replace(/&token.*/u, ""));
      await page.getByTestId("invitation").waitFor();
    },
  },
  {
    name: "add-broken",
    query: "world=busy",
    go: async (page) => {
      await openInvitation(page, (await invitationOf(page)).slice(0, 60));
      await page.getByRole("alert").waitFor();
    },
  },
  ...(["code", "small-code", "pseudo-code"] as const).map((name): Screen => ({
    name,
    query: `world=busy${name === "pseudo-code" ? "&language=en-XA" : ""}`,
    viewport: name === "small-code" ? small : undefined,
    go: async (page) => {
      await showCode(page);
      await page.getByTestId("code").waitFor();
    },
  })),
  {
    name: "code-used",
    query: "world=busy",
    go: async (page) => {
      await showCode(page);
      await page.getByTestId("code").waitFor();
      await page.evaluate(() => window.fake.trust("landline1kim2", "verified"));
      await page.getByTestId("code-used").waitFor();
    },
  },
  { name: "relays", query: "world=far", viewport: { width: 1180, height: 1200 }, go: settings("relay") },
  { name: "no-relays", query: "world=busy", go: settings("relay") },
  { name: "small-relays", query: "world=far", viewport: small, go: settings("relay") },
  { name: "pseudo-relays", query: "world=far&language=en-XA", viewport: { width: 1180, height: 1200 }, go: settings("relay") },
  {
    name: "relay-refused",
    query: "world=busy",
    go: async (page) => {
      await settings("relay")(page);
      await page.getByTestId("relay-address").fill("https://relay.example.org");
      await page.getByTestId("relay-add").click();
      await page.getByRole("alert").waitFor();
    },
  },
  {
    name: "relay-remove",
    query: "world=far",
    go: async (page) => {
      await settings("relay")(page);
      await page.getByTestId("relay-remove").first().click();
      await page.getByTestId("relay-dialog").waitFor();
    },
  },
  ...(["far", "far-held", "far-seen"] as const).map((name, index): Screen => ({
    name,
    query: "world=far",
    go: async (page) => {
      await page.locator(`[data-session=session-landline1${["anna", "omar", "kim2"][index] ?? ""}]`).click();
      await page.locator(".scroller.placed").waitFor();
      await page.getByTestId("details-open").click();
      await page.getByTestId("details").waitFor();
    },
  })),
  { name: "small-far-held", query: "world=far", viewport: small, go: async (page) => {
    await page.locator("[data-session=session-landline1omar]").click();
    await page.locator(".scroller.placed").waitFor();
  } },
  ...(["far-files", "narrow-far-files", "small-far-files", "pseudo-far-files"] as const).map((name): Screen => ({
    name,
    query: `world=farFiles${name === "pseudo-far-files" ? "&language=en-XA" : ""}`,
    viewport: name === "small-far-files" ? small : { width: name === "narrow-far-files" ? narrow.width : 1180, height: 1400 },
    go: session(0),
  })),
  ...(["far-transfers", "narrow-far-transfers", "pseudo-far-transfers"] as const).map((name): Screen => ({
    name,
    query: `world=farFiles${name === "pseudo-far-transfers" ? "&language=en-XA" : ""}`,
    viewport: name === "narrow-far-transfers" ? narrow : { width: 1180, height: 1000 },
    go: async (page) => {
      await page.getByTestId("transfers-open").click();
      await page.getByTestId("transfer").first().waitFor();
    },
  })),
  {
    name: "small-far-picture",
    query: "world=farFiles",
    viewport: small,
    go: async (page) => {
      await session(0)(page);
      await page.locator("[data-attachment='attachment-boat.jpg']").click();
      await page.getByTestId("picture-dialog").locator("img").waitFor();
    },
  },
  {
    name: "far-media",
    query: "world=farFiles",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("details-open").click();
      await page.getByTestId("media").locator("img").first().waitFor();
    },
  },
  {
    name: "far-why",
    query: "world=far",
    viewport: { width: 1180, height: 1200 },
    go: async (page) => {
      await page.locator("[data-session=session-landline1omar]").click();
      await page.getByTestId("details-open").click();
      await page.getByTestId("details").getByTestId("why-open").click();
      await page.getByTestId("why").waitFor();
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
  { name: "rich", query: "world=rich", go: session(0) },
  {
    name: "rich-top",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("message-list").evaluate((one) => (one.scrollTop = 0));
      await page.locator("[data-id=message-3]").waitFor();
    },
  },
  {
    name: "message-menu",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-7").hover();
      await message(page, "message-7").getByTestId("message-menu").click();
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "quick-reactions",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-9").hover();
      await message(page, "message-9").getByTestId("message-react").click();
      await page.getByTestId("quick-reactions").waitFor();
    },
  },
  {
    name: "reply",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-9").hover();
      await message(page, "message-9").getByTestId("message-reply").click();
      await page.getByTestId("composer-context").waitFor();
      await page.evaluate(() => window.types("session-landline1anna", "landline1anna", true));
      await page.getByTestId("typing").first().waitFor();
    },
  },
  {
    name: "edit",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.press("ArrowUp");
      await page.getByTestId("composer-context").waitFor();
    },
  },
  {
    name: "mention",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.type("Ask @an");
      await page.getByTestId("suggestion").first().waitFor();
    },
  },
  {
    name: "emoji-names",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.type("So :smi");
      await page.getByTestId("suggestion").first().waitFor();
    },
  },
  {
    name: "emoji-picker",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.keyboard.press("Control+Shift+e");
      await page.getByTestId("emoji").first().waitFor();
    },
  },
  {
    name: "emoji-search",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("emoji-open").click();
      await page.getByTestId("emoji-search").fill("cat");
      await page.getByTestId("emoji").first().waitFor();
    },
  },
  {
    name: "selection",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-9").focus();
      await page.keyboard.press("x");
      await message(page, "message-11").click({ modifiers: ["Shift"] });
      await page.getByTestId("selection-bar").waitFor();
    },
  },
  ...(["delete", "forward", "history", "info"] as const).map(
    (what): Screen => ({
      name: `${what}-dialog`,
      query: "world=rich",
      go: async (page) => {
        await session(0)(page);
        await message(page, "message-13").hover();
        await message(page, "message-13").getByTestId("message-menu").click();
        await page.getByTestId(`menu-${what}`).click();
        await page.getByTestId(what === "info" ? "message-info" : `${what}-dialog`).waitFor();
      },
    }),
  ),
  {
    name: "reactions-dialog",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-7").getByTestId("reaction").first().click({ button: "right" });
      await page.getByTestId("reactions-dialog").waitFor();
    },
  },
  {
    name: "link-dialog",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByRole("link", { name: "the plan" }).scrollIntoViewIfNeeded();
      await page.getByRole("link", { name: "the plan" }).click();
      await page.getByTestId("link-dialog").waitFor();
    },
  },
  {
    name: "timer-dialog",
    query: "world=rich",
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("timer-badge").click();
      await page.getByTestId("timer-dialog").waitFor();
    },
  },
  {
    name: "small-selection",
    query: "world=rich",
    viewport: small,
    go: async (page) => {
      await session(0)(page);
      await message(page, "message-13").focus();
      await page.keyboard.press("x");
      await page.getByTestId("selection-bar").waitFor();
    },
  },
  {
    name: "small-emojis",
    query: "world=rich",
    viewport: small,
    go: async (page) => {
      await session(0)(page);
      await page.getByTestId("emoji-open").click();
      await page.getByTestId("emoji").first().waitFor();
    },
  },
  { name: "small-rich", query: "world=rich", viewport: small, go: session(0) },
  { name: "pseudo-rich", query: "world=rich&language=en-XA", go: session(0) },
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
];

/** What a person uses and cannot see whole, because it stands beyond an edge to which nothing scrolls. */
const cutOff = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, input, textarea, select, a, [role=option], [role=menuitem]")]
      .filter((one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && one.closest(".sr-only") === null)
      .map((one) => ({ one, at: one.getBoundingClientRect() }))
      .filter(({ at }) => at.width > 1 && (at.left < -1 || at.right > innerWidth + 1))
      .map(({ one, at }) => `${one.dataset["testid"] ?? one.outerHTML.slice(0, 80)}: ${at.left} to ${at.right} of ${innerWidth}`),
  );

test.each(screens)("$name has nothing that axe objects to, in any look", async ({ name, query, viewport, go }) => {
  const page = await start(query, { viewport });
  await go(page);
  // The pointer leaves no hover behind in the picture.
  await page.mouse.move(1, 1);
  expect(await cutOff(page), "because whatever can be used can be seen").toEqual([]);
  const found: string[] = [];
  for (const look of looks) {
    await page.emulateMedia({ colorScheme: look.colorScheme, contrast: look.contrast });
    await shoot(page, `${look.name}-${name}`);
    found.push(...(await violations(page)).map((one) => `${look.name}: ${one}`));
  }
  await page.emulateMedia({ forcedColors: "active" });
  await shoot(page, `forced-${name}`);
  expect(found).toEqual([]);
});
