// Relays: added and removed, and what is said of machines and messages that go through them.
import { expect, test } from "vitest";
import type { Page } from "playwright-core";
import { focusedId, start, usePages } from "./pages";

usePages();

const address = "wss://relay.example.org/#aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";
const row = (page: Page) => page.getByTestId("relay");
const asked = (page: Page, name: string) =>
  page.evaluate((wanted) => window.fake.calls.filter((one) => one.name === wanted).map((one) => one.args), name);
const open = (page: Page, who: string) => page.locator(`[data-testid=session-item][data-session=session-landline1${who}]`).click();
const toRelays = async (page: Page) => {
  await page.getByTestId("settings-open").click();
  await page.getByTestId("settings-search").fill("relay");
  await page.getByTestId("settings-found").getByRole("button").first().click();
};

test("a relay is added by its address, is seen to connect and to fail, and is removed after a question", async () => {
  const page = await start("world=busy");
  await toRelays(page);
  await page.getByText("No relay is set up").waitFor();
  await page.getByText("The relay sees your address, sizes and times. Not contents.").waitFor();
  await page.getByTestId("relay-address").fill(address);
  await page.getByTestId("relay-membership").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "membership" }).waitFor();
  expect(await page.getByTestId("relay-membership").getAttribute("aria-invalid")).toBe("true");
  await page.getByTestId("relay-membership").fill("lrm_abc");
  await page.keyboard.press("Enter");
  await row(page).getByText("Connecting").waitFor();
  expect((await asked(page, "add_relay")).at(-1)).toEqual({ address, membership: "lrm_abc" });
  expect(await page.getByTestId("relay-address").inputValue()).toBe("");
  await page.evaluate((which) => window.fake.relays.set(which, { state: "connected" }), address);
  await row(page).getByText("Connected", { exact: true }).waitFor();
  await page.evaluate(
    (which) => window.fake.relays.set(which, { state: "failed", error: { code: "not_member", message: "It refuses this machine. Ask whoever runs it for a membership token." } }),
    address,
  );
  await row(page).getByText("It refuses this machine. Ask whoever runs it").waitFor();
  await row(page).getByRole("button", { name: "Enter a membership token" }).click();
  expect(await focusedId(page)).toBe("relay-membership");
  expect(await page.getByTestId("relay-address").inputValue()).toBe(address);
  await page.getByTestId("nearby-open").click();
  await page.getByTestId("relay-failed").filter({ hasText: "relay.example.org" }).click();
  await page.getByTestId("relay-remove").click();
  await page.keyboard.press("Escape");
  expect(await asked(page, "remove_relay")).toEqual([]);
  await page.getByTestId("relay-remove").click();
  await page.getByTestId("relay-confirm").click();
  await page.getByText("No relay is set up").waitFor();
  await page.getByTestId("relay-failed").waitFor({ state: "detached" });
});

test("what a relay allows is said in plain words, also while it is away", async () => {
  const page = await start("world=far");
  await toRelays(page);
  const first = row(page).first();
  const limits = first.getByTestId("relay-limits");
  await limits.getByText("Keeps messages for 30 days, and files up to 524 MB for 3 weeks. It has room for 67.1 MB of messages and 2.1 GB of files.").waitFor();
  const which = await first.locator("code").innerText();
  await page.evaluate((one) => window.fake.relays.set(one, { state: "failed", error: { code: "silent", message: "It fell silent. It is tried again by itself." } }), which);
  await first.getByText("Not connected: It fell silent.").waitFor();
  expect(await limits.count(), "because it was known before").toBe(1);
  const none = { items: 1_000, bytes: 64_000_000, keptSeconds: 86_400, files: null };
  await page.evaluate(([one, allowed]) => window.fake.relays.set(one, { state: "connected", error: null, limits: allowed }), [which, none] as const);
  await limits.getByText("Keeps messages for 1 day, and takes no files. It has room for 64 MB of messages.").waitFor();
  await page.evaluate((one) => window.fake.relays.set(one, { limits: null }), which);
  await limits.waitFor({ state: "detached" });
});

test("the way to a machine is said beside its presence, as it changes", async () => {
  const page = await start("world=far");
  await open(page, "anna");
  const path = page.getByTestId("path");
  await path.filter({ hasText: /through relay .?relay\.example\.org/u }).waitFor();
  await page.evaluate(() => {
    const { fake } = window;
    const anna = fake.users.get("landline1anna");
    if (anna !== undefined) fake.user({ ...anna, path: "direct", via: null });
  });
  await path.filter({ hasText: "direct" }).waitFor();
  await open(page, "kim2");
  await path.filter({ hasText: "seen at a relay" }).waitFor();
  await open(page, "omar");
  await path.waitFor({ state: "detached" });
});

test("a message at a relay says so, and not that it is delivered", async () => {
  const page = await start("world=far");
  await page.locator("[data-testid=session-filter][data-filter=waiting]").click();
  await open(page, "omar");
  const held = page.getByTestId("message").filter({ hasText: "The offer must go out" });
  expect(await held.getAttribute("data-shown")).toBe("relay");
  await held.getByTestId("message-state").filter({ hasText: /Held by relay .?relay\.example\.org/u }).waitFor();
  await held.locator("[title*='is not on']").first().waitFor();
  expect(await page.getByTestId("message").filter({ hasText: "And call me" }).getAttribute("data-shown")).toBe("waiting");
  await page.getByTestId("composer-hint").filter({ hasText: "relay" }).waitFor();
  await held.focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("menu-info").click();
  await page.getByTestId("message-info").getByText(/is not on .?Omar.?'s disk yet/u).waitFor();
  await page.keyboard.press("Escape");
  await page.evaluate(() => {
    const { fake } = window;
    const message = fake.messages.get("session-landline1omar")?.find((one) => one.heldBy !== null);
    if (message !== undefined) fake.change({ ...message, heldBy: null, state: "delivered" });
  });
  await page.waitForFunction(() => document.querySelectorAll("[data-testid=message][data-shown=relay]").length === 0);
});

test("a file says how it stands with its copy at a relay, to ears as well", async () => {
  const page = await start("world=farFiles");
  await open(page, "omar");
  const file = (name: string) => page.locator(`[data-testid=file][data-attachment="attachment-${name}"]`);
  await file("plans.pdf").getByText(/held by relay .?relay\.example\.org.? until \w+/u).waitFor();
  await file("talk.mov").getByText(/not at relay .?relay\.example\.org.?: it takes files of at most 100 MiB\. It is tried again/u).waitFor();
  const lease = file("lease.pdf");
  await lease.getByText(/^The file is no longer where it was · 2\.4 MB · held by relay .?relay\.example\.org.? until \w+/u).waitFor();
  const folder = file("Last year");
  await folder.getByText(/1,204 files · Going to relay .?relay\.example\.org.? · 34% · 1\.8 MB\/s/u).waitFor();
  expect(await folder.getByRole("progressbar", { name: "Progress of Last year" }).getAttribute("value")).toBe("34");
  const boat = page.getByRole("button", { name: "Show image boat.jpg. Not at relay" });
  expect(await boat.getAttribute("title"), "because a title is read as the description").toMatch(/not at relay .*: it cannot be reached: connection refused\. It is tried again/u);
  await boat.click();
  await page.getByTestId("picture-dialog").getByText(/not at relay/u).waitFor();
  await page.keyboard.press("Escape");
  const move = (more: object) => page.evaluate((patch) => void window.fake.files.move("attachment-Last year", patch), more);
  const relayCopy = { relay: "wss://relay.example.org:4282", state: "sending", until: null, failure: null };
  await move({ relayCopy, bytesDone: 24_000_000 });
  await folder.getByText("50%").waitFor();
  await move({ relayCopy: { ...relayCopy, state: "held" }, bytesDone: 0 });
  await folder.getByText("48 MB · held by relay").waitFor();
  expect(await folder.getByRole("progressbar").count(), "because nothing moves any more").toBe(0);
  await move({ relayCopy: null, state: "complete", bytesDone: 48_000_000 });
  await page.locator(`[data-attachment="attachment-Last year"][data-state=complete]`).waitFor();
  expect(await folder.getByText("relay").count()).toBe(0);
});

test("why somebody is not found is looked at for them", async () => {
  const page = await start("world=far");
  await open(page, "omar");
  await page.getByTestId("details-open").click();
  await page.getByTestId("details").getByTestId("why-open").click();
  await page.getByRole("heading", { name: /find .?Omar/u }).waitFor();
  await page.getByText(/is not seen at .?relay\.example\.org/u).waitFor();
  await page.getByText(/Connected to the relay .?relay\.example\.org/u).waitFor();
});
