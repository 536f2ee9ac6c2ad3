// The built page over real headless nodes, on loopback: what `cargo xtask run` gives on a machine without a display.
// Needs `npm run build` and `cargo build -p landline-cli`; LANDLINE_BIN names another program.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Browser, Page } from "playwright-core";
import { violations } from "./axe";
import { launch, shoot } from "./harness";

const target = process.env["CARGO_TARGET_DIR"] ?? fileURLToPath(new URL("../../target", import.meta.url));
const program = process.env["LANDLINE_BIN"] ?? join(target, "debug", "landline");

interface Running {
  process: ChildProcess;
  dir: string;
  api: string;
  listen: string;
}

const dirs: string[] = [];
const running = new Set<ChildProcess>();
let browser: Browser;

beforeAll(async () => {
  if (!existsSync(program)) throw new Error(`${program} is missing: cargo build -p landline-cli`);
  browser = await launch();
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  for (const one of running) await end(one);
});
afterAll(async () => {
  await browser?.close();
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

function end(child: ChildProcess): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((done) => {
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}

function fresh(): string {
  const dir = mkdtempSync(join(tmpdir(), "landline-ui-"));
  dirs.push(dir);
  return dir;
}

/** Starts a node that talks over loopback only. */
async function node(dir: string, name: string, more: string[] = [], api = "127.0.0.1:0"): Promise<Running> {
  const child = spawn(
    program,
    ["node", "--json", "--data-dir", dir, "--name", name, "--no-mdns", "--no-beacon", "--key-store", "file", "--api", api, ...more],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  running.add(child);
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const ready = JSON.parse(line) as { ready: boolean; api: string; listen: string };
    if (ready.ready) return { process: child, dir, api: ready.api, listen: ready.listen };
  }
  throw new Error("the node ended before it was ready");
}

/** A one-time link, as `landline open` makes it. */
async function link(of: Running): Promise<string> {
  const { token } = JSON.parse(readFileSync(join(of.dir, "api.json"), "utf8")) as { token: string };
  const reply = await fetch(`${of.api}/api/v1/login-links`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  return ((await reply.json()) as { url: string }).url;
}

async function openPage(url: string): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, locale: "en-GB", reducedMotion: "reduce" });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // A node that is away is an error to the browser, and what these tests are about.
    if (message.type() === "error" && !/ERR_CONNECTION|WebSocket|Failed to load resource/u.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  return { page, errors };
}

const welcome = async (page: Page, name: string) => {
  await page.getByTestId("welcome-name").fill(name);
  await page.getByTestId("welcome-start").click();
  await page.getByTestId("nearby").waitFor();
};
const write = async (page: Page, text: string) => {
  await page.getByTestId("composer").fill(text);
  await page.keyboard.press("Enter");
};
const isAccessible = async (page: Page, screen: string) => {
  await shoot(page, `node-${screen}`);
  expect(await violations(page), `because axe objects to nothing on the screen ${screen}`).toEqual([]);
};
const bubble = (page: Page, text: string) => page.getByTestId("message").filter({ hasText: text });

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
  await a.page.locator("[data-testid=message][data-own=true][data-state=delivered]").waitFor();
  await b.page.locator("[data-testid=message][data-own=true][data-state=delivered]").waitFor();
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
