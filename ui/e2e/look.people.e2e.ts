// People who are added, and those who are far away.
import { expect } from "vitest";
import type { Page } from "playwright-core";
import { lookAt, narrow, session, settings, small, type Screen } from "./screens";

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

lookAt([
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
      const boat = page.locator("[data-attachment='attachment-boat.jpg']");
      // It stands far above what is shown first.
      await page.locator(".scroller").hover();
      await expect.poll(() => page.mouse.wheel(0, -200).then(() => boat.count()), { timeout: 20_000 }).toBe(1);
      await boat.click();
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
]);
