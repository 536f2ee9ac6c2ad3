// What people do, over real nodes.
import { expect, test } from "vitest";
import { bubble, end, fresh, isAccessible, link, node, openPage, pair, relay, useNodes, welcome, write } from "./nodes";

useNodes();

test("two people meet, one asks, the other accepts, both write; a node goes and comes back", async () => {
  const bea = await node(fresh(), "Bea", ["--listen", "127.0.0.1:0"]);
  const anna = await node(fresh(), "Anna", ["--listen", "127.0.0.1:0", "--peer", bea.listen]);
  const [a, b] = [await openPage(await link(anna)), await openPage(await link(bea))];
  expect(a.page.url(), "because the code must not stay in the address bar").not.toContain("login");

  await a.page.getByTestId("welcome").waitFor();
  await isAccessible(a.page, "welcome");
  await welcome(a.page, "Anna Sjöberg");
  await welcome(b.page, "Bea");
  await a.page.getByTestId("nearby-item").waitFor();
  await isAccessible(a.page, "nearby");
  await a.page.getByTestId("nearby-item").click();
  await write(a.page, "Hello Bea, this is https://example.org");
  await bubble(a.page, "Hello Bea").waitFor();

  await b.page.getByTestId("session-item").click();
  await b.page.getByTestId("request-banner").waitFor();
  await isAccessible(b.page, "request");
  await b.page.getByTestId("request-accept").click();
  await write(b.page, "Hello Anna");
  await bubble(a.page, "Hello Anna").waitFor();
  // Both look at the conversation.
  await a.page.locator("[data-testid=message][data-own=true][data-state=read]").waitFor();
  await b.page.locator("[data-testid=message][data-own=true][data-state=read]").waitFor();
  await isAccessible(a.page, "conversation");

  // Bea's node ends; Anna's window says so of Bea, Bea's page of its node.
  const api = new URL(bea.api).host;
  await end(bea.process);
  await b.page.getByTestId("connection").waitFor();
  await a.page.getByTestId("composer-hint").filter({ hasText: "offline" }).waitFor();
  await write(a.page, "Are you there?");
  const waiting = bubble(a.page, "Are you there?");
  await waiting.filter({ hasText: "Waiting for" }).waitFor();
  await isAccessible(a.page, "waiting");
  await isAccessible(b.page, "node-gone");
  expect(await waiting.getAttribute("data-state")).toBe("queued");

  // It comes back at the same address: the page finds it, and the message arrives by itself.
  await node(bea.dir, "Bea", ["--listen", bea.listen], api);
  await bubble(b.page, "Are you there?").waitFor();
  await b.page.getByTestId("connection").waitFor({ state: "detached" });
  await a.page.locator("[data-testid=message][data-state=queued]").waitFor({ state: "detached" });
  expect(await b.page.getByTestId("message").count()).toBe(3);
  await a.page.getByTestId("settings-open").click();
  await a.page.getByTestId("settings").waitFor();
  await isAccessible(a.page, "settings");
  expect([...a.errors, ...b.errors]).toEqual([]);
}, 120_000);

test("a page without a link is told how to get one, and a link works once", async () => {
  const one = await node(fresh(), "Bea", ["--listen", "127.0.0.1:0"]);
  const bare = await openPage(one.api);
  await bare.page.getByTestId("sign-in").waitFor();
  await isAccessible(bare.page, "sign-in");
  const url = await link(one);
  const first = await openPage(url);
  await first.page.getByTestId("welcome").waitFor();
  const second = await openPage(url);
  await second.page.getByTestId("sign-in").waitFor();
  // A reload of the tab that signed in stays signed in.
  await first.page.reload();
  await first.page.getByTestId("welcome").waitFor();
});

test("a code shown by one and pasted by the other makes them contacts that know each other's key", async () => {
  const [bea, anna] = [await node(fresh(), "Bea", ["--listen", "127.0.0.1:0"]), await node(fresh(), "Anna", ["--listen", "127.0.0.1:0"])];
  const [a, b] = [await openPage(await link(anna)), await openPage(await link(bea))];
  await welcome(a.page, "Anna Sjöberg");
  await welcome(b.page, "Bea");
  await b.page.getByTestId("code-open").click();
  await b.page.getByTestId("code").waitFor();
  await isAccessible(b.page, "code");
  const invitation = await b.page.getByTestId("code-link").inputValue();
  const follow = async (text: string) => {
    await a.page.getByTestId("add-open").first().click();
    await a.page.getByTestId("add-input").fill(text);
    await a.page.getByTestId("invitation").filter({ hasText: "Bea" }).waitFor();
    await a.page.getByTestId("add-submit").click();
  };
  await follow(invitation);
  await a.page.locator("[data-testid=add-outcome][data-outcome=verified]").waitFor();
  await isAccessible(a.page, "added");
  await b.page.getByTestId("code-used").filter({ hasText: "Anna Sjöberg" }).waitFor();
  await a.page.getByTestId("add-write").click();
  await write(a.page, "Hello Bea");
  await a.page.locator("[data-testid=message][data-state=delivered], [data-testid=message][data-state=read]").waitFor();
  // One that cannot be read is the node's to refuse, in its words.
  await a.page.getByTestId("add-open").first().click();
  await a.page.getByTestId("add-input").fill(invitation.replace(/landline1../u, "landline1qq"));
  await a.page.getByTestId("add-submit").click();
  await a.page.getByRole("alert").filter({ hasText: "machine ID" }).waitFor();
  expect(await a.page.getByTestId("add-outcome").count()).toBe(0);
  expect([...a.errors, ...b.errors]).toEqual([]);
}, 120_000);

test("a relay is added and lost on the page, and keeps what is written to somebody who is away", async () => {
  const { process: server, address } = await relay();
  const { a, b, bea, errors } = await pair();
  await b.getByTestId("settings-open").click();
  await b.locator("[data-testid=settings-tab][data-section=relay]").click();
  await b.getByTestId("relay-address").fill(address);
  await b.keyboard.press("Enter");
  await b.locator("[data-testid=relay][data-state=connected]").waitFor();
  await isAccessible(b, "relay");
  // Anna learns of it while they are linked, and adds none herself.
  await write(a, "Are you going?");
  await b.getByTestId("session-item").click();
  await bubble(b, "Are you going?").waitFor();
  await end(bea.process);
  await a.getByTestId("composer-hint").filter({ hasText: "relay" }).waitFor();
  await write(a, "Take the keys along");
  await bubble(a, "Take the keys along").and(a.locator("[data-shown=relay]")).waitFor();
  await isAccessible(a, "held");
  await node(bea.dir, "Bea", ["--listen", bea.listen], new URL(bea.api).host);
  await bubble(b, "Take the keys along").waitFor();
  await a.locator("[data-testid=message][data-shown=relay]").waitFor({ state: "detached" });
  await end(server);
  await b.getByTestId("relay-failed").click();
  await b.locator("[data-testid=relay][data-state=failed]").waitFor();
  await isAccessible(b, "relay-lost");
  await b.getByTestId("relay-remove").click();
  await b.getByTestId("relay-confirm").click();
  await b.getByText("No relay is set up").waitFor();
  expect(errors()).toEqual([]);
}, 180_000);

test("what was written is found, in all conversations and in one, and the way to a day", async () => {
  const { a, b, errors } = await pair();
  for (const text of ["The Crème brûlée was good", "会议改到十点了", "see you at the meeting"]) await write(a, text);
  await bubble(b, "see you at the meeting").waitFor();
  await write(b, "creme de la creme");
  await bubble(a, "creme de la creme").waitFor();

  await b.keyboard.press("Control+Shift+f");
  await b.getByTestId("search-input").fill("CREME");
  await b.getByText("2 messages found").waitFor();
  expect(await b.getByTestId("search-hit").locator("mark").allInnerTexts()).toEqual(["creme", "creme", "Crème"]);
  await isAccessible(b, "search");
  await b.getByTestId("search-from").selectOption({ label: "Anna Sjöberg" });
  await b.getByText("1 message found").waitFor();
  await b.getByTestId("search-input").fill("改");
  await b.getByTestId("search-hit").filter({ hasText: "会议改到十点了" }).click();
  await bubble(b, "会议改到十点了").waitFor();

  await b.keyboard.press("Control+f");
  await b.getByTestId("find-input").fill("meeting");
  await b.getByTestId("find-count").getByText("1 of 1").waitFor();
  await b.getByTestId("find-input").fill("e");
  await b.getByTestId("find-count").getByText("1 of 4").waitFor();
  await b.keyboard.press("Enter");
  await b.getByTestId("find-count").getByText("2 of 4").waitFor();
  await isAccessible(b, "find");
  await b.getByTestId("go-to-day").click();
  await b.getByTestId("date-dialog").locator("[aria-current=date]").click();
  await bubble(b, "Hello Bea").waitFor();
  expect(errors()).toEqual([]);
}, 120_000);

test("what came while one looked elsewhere stands in the notification centre", async () => {
  const { a, b, errors } = await pair();
  await b.getByTestId("settings-open").click();
  for (const text of ["first", "second"]) await write(a, text);
  await b.getByTestId("notifications-badge").waitFor();
  await b.getByTestId("notifications-open").click();
  const record = b.locator("[data-testid=notification][data-kind=message][data-read=false]");
  await record.getByText("second").waitFor();
  await record.getByText("2 messages").waitFor();
  await isAccessible(b, "notifications");
  await b.getByTestId("notification-stats-open").click();
  await b.getByTestId("notification-stats").waitFor();
  await isAccessible(b, "notification-stats");
  await record.locator(".open").click();
  await bubble(b, "second").waitFor();
  await b.getByTestId("notifications-badge").waitFor({ state: "detached" });
  await b.getByTestId("notifications-open").click();
  await b.locator("[data-testid=notification][data-read=true]").first().waitFor();
  await b.getByTestId("notification-delete").first().click();
  expect(errors()).toEqual([]);
}, 120_000);

test("what is set and put aside stays so over a reload", async () => {
  const { a, b, errors } = await pair();
  await write(a, "still there?");
  await b.getByTestId("settings-open").click();
  await b.getByTestId("settings-search").fill("quiet");
  await b.getByTestId("settings-found").getByRole("button", { name: "Quiet hours" }).click();
  await b.getByRole("switch", { name: "Quiet hours" }).check();
  await b.getByTestId("quiet-from").selectOption("21:30");
  await b.getByRole("radio", { name: "None" }).check();
  await isAccessible(b, "settings-quiet");
  await b.getByTestId("session-item").click({ button: "right" });
  await b.getByRole("menuitem", { name: "Mute for 8 hours" }).click();
  await b.getByText("No more notifications from").waitFor();
  await b.getByTestId("session-item").click({ button: "right" });
  await b.getByRole("menuitem", { name: "Archive" }).click();
  await b.getByTestId("session-item").waitFor({ state: "detached" });
  await b.reload();
  await b.locator("[data-testid=session-filter][data-filter=archived]").click();
  await b.getByTestId("session-item").waitFor();
  await b.getByTestId("settings-open").click();
  await b.locator("[data-testid=settings-tab][data-section=notifications]").click();
  expect(await b.getByTestId("quiet-from").inputValue()).toBe("21:30");
  expect(await b.getByRole("radio", { name: "None" }).isChecked()).toBe(true);
  expect(errors()).toEqual([]);
}, 120_000);

test("files and images go to the other side, are fetched, looked at and found", async () => {
  const { a, b, errors } = await pair();
  // A picture that a page can draw: 24 × 16 pixels of one colour.
  const png = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAABgAAAAQCAIAAACDRijCAAAAGklEQVR42mNQaDhAFcQwatCoQaMGjRpEGQIA2w0QH8NaRLMAAAAASUVORK5CYII=",
    "base64",
  );
  await a.getByTestId("attach-input").setInputFiles([
    { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("three lines\n".repeat(3)) },
    { name: "big.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(12 * 1024 * 1024, 7) },
  ]);
  await a.locator("[data-testid=tray][data-ready=true]").waitFor();
  await write(a, "for you");
  const received = bubble(b, "for you");
  await received.locator("[data-testid=file][data-state=complete]").filter({ hasText: "notes.txt" }).waitFor();
  // More than comes without asking.
  const big = received.getByTestId("file").filter({ hasText: "big.bin" });
  await big.getByText("waits for you to fetch it").waitFor();
  await isAccessible(b, "files");
  await big.getByTestId("file-accept").click();
  await received.locator("[data-testid=file][data-state=complete]").filter({ hasText: "big.bin" }).waitFor();
  await b.keyboard.press("Control+k");
  await b.getByTestId("switcher-input").fill("transfers");
  await b.keyboard.press("Enter");
  await b.locator("[data-testid=transfer][data-state=complete]").nth(1).waitFor();
  await isAccessible(b, "transfers");
  await b.getByTestId("session-item").click();

  await a.getByTestId("attach-input").setInputFiles([{ name: "dot.png", mimeType: "image/png", buffer: png }]);
  await a.locator("[data-testid=tray][data-ready=true]").waitFor();
  await a.getByTestId("composer").press("Enter");
  await b.locator("[data-testid=picture][data-state=complete] img").waitFor();
  await a.locator("[data-testid=picture] img").waitFor();
  await b.getByTestId("picture").click();
  await b.getByTestId("picture-dialog").locator("img").waitFor();
  await isAccessible(b, "picture");
  await b.keyboard.press("Escape");
  await b.getByTestId("details-open").click();
  await b.getByTestId("media").locator("img").waitFor();
  await b.getByTestId("media").getByRole("button", { name: "Files" }).click();
  await b.getByTestId("media").getByText("big.bin").waitFor();
  expect(errors()).toEqual([]);
}, 120_000);
