// Real headless nodes on loopback, each with the built page: what `cargo xtask run` gives on a machine without a display.
// Needs `npm run build` and `cargo build -p landline-cli`; LANDLINE_BIN names another program.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { Browser, Page } from "playwright-core";
import { violations } from "./axe";
import { launch, shoot } from "./harness";

const target = process.env["CARGO_TARGET_DIR"] ?? fileURLToPath(new URL("../../target", import.meta.url));
const program = process.env["LANDLINE_BIN"] ?? join(target, "debug", "landline");

/** A node that is ready. */
export interface Running {
  process: ChildProcess;
  dir: string;
  api: string;
  listen: string;
}

const dirs: string[] = [];
const running = new Set<ChildProcess>();
let browser: Browser;

/** Called by a file of tests: a browser for all of them; pages and nodes end with their test. */
export function useNodes(): void {
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
}

/** Ends a node as the system would. */
export function end(child: ChildProcess): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((done) => {
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}

/** An empty data directory. */
export function fresh(): string {
  const dir = mkdtempSync(join(tmpdir(), "landline-ui-"));
  dirs.push(dir);
  return dir;
}

/** Starts a node that talks over loopback only. */
export async function node(dir: string, name: string, more: string[] = [], api = "127.0.0.1:0"): Promise<Running> {
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

/** Starts a relay on loopback; gives the address that it prints. */
export async function relay(): Promise<{ process: ChildProcess; address: string }> {
  const child = spawn(program, ["relay", "--json", "--data-dir", fresh(), "--listen", "127.0.0.1:0", "--host", "127.0.0.1"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  running.add(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line) as { ready: boolean; address: string };
    if (ready.ready) return { process: child, address: ready.address };
  }
  throw new Error("the relay ended before it was ready");
}

/** A one-time link, as `landline open` makes it. */
export async function link(of: Pick<Running, "api" | "dir">): Promise<string> {
  const { token } = JSON.parse(readFileSync(join(of.dir, "api.json"), "utf8")) as { token: string };
  const reply = await fetch(`${of.api}/api/v1/login-links`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  return ((await reply.json()) as { url: string }).url;
}

/** Opens a page in a browser of its own, with every error of it kept. */
export async function openPage(url: string): Promise<{ page: Page; errors: string[] }> {
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

/** Goes through the first-run screen. */
export const welcome = async (page: Page, name: string) => {
  await page.getByTestId("welcome-name").fill(name);
  await page.getByTestId("welcome-start").click();
  await page.getByTestId("nearby").waitFor();
};
/** Sends a text in the open conversation. */
export const write = async (page: Page, text: string) => {
  await page.getByTestId("composer").fill(text);
  await page.keyboard.press("Enter");
};
/** Takes a picture of a screen, and expects axe to have no objection. */
export const isAccessible = async (page: Page, screen: string) => {
  await shoot(page, `node-${screen}`);
  expect(await violations(page), `because axe objects to nothing on the screen ${screen}`).toEqual([]);
};
/** The message with a text. */
export const bubble = (page: Page, text: string) => page.getByTestId("message").filter({ hasText: text });

/** Two people who have met: Anna has written "Hello Bea", Bea has accepted, and both have the conversation open. */
export async function pair(): Promise<{ a: Page; b: Page; anna: Running; bea: Running; errors: () => string[] }> {
  const bea = await node(fresh(), "Bea", ["--listen", "127.0.0.1:0"]);
  const anna = await node(fresh(), "Anna", ["--listen", "127.0.0.1:0", "--peer", bea.listen]);
  const [a, b] = [await openPage(await link(anna)), await openPage(await link(bea))];
  await welcome(a.page, "Anna Sjöberg");
  await welcome(b.page, "Bea");
  await a.page.getByTestId("nearby-item").click();
  await write(a.page, "Hello Bea");
  await b.page.getByTestId("session-item").click();
  await b.page.getByTestId("request-accept").click();
  await b.page.getByTestId("composer").waitFor();
  return { a: a.page, b: b.page, anna, bea, errors: () => [...a.errors, ...b.errors] };
}
