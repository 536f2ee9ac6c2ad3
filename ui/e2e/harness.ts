import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { build as buildPage, preview, type PreviewServer } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const shots = fileURLToPath(new URL("../../target/ui-shots/", import.meta.url));

/** One look of the window: what the axe runs and the pictures go through. */
export interface Look {
  name: string;
  colorScheme: "light" | "dark";
  contrast: "more" | "no-preference";
}

export const looks: readonly Look[] = [
  { name: "light", colorScheme: "light", contrast: "no-preference" },
  { name: "dark", colorScheme: "dark", contrast: "no-preference" },
  { name: "contrast-light", colorScheme: "light", contrast: "more" },
  { name: "contrast-dark", colorScheme: "dark", contrast: "more" },
];

/** Starts Chromium as it is installed here; `CHROMIUM` names another one. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** As strict as the desktop shell: no inline scripts, no inline styles, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'";

/** Builds the interface over the node of the tests, with the same settings as the real build, and serves it. */
export async function serve(): Promise<{ server: PreviewServer; url: string }> {
  const build = { outDir: fileURLToPath(new URL("../../target/ui-e2e/", import.meta.url)), emptyOutDir: true };
  await buildPage({
    root,
    logLevel: "error",
    build: { ...build, rolldownOptions: { input: fileURLToPath(new URL("page/index.html", import.meta.url)) } },
  });
  const server = await preview({ root, logLevel: "error", build, preview: { port: 0, host: "127.0.0.1", headers: { "content-security-policy": POLICY } } });
  const url = server.resolvedUrls?.local[0];
  if (url === undefined) throw new Error("the server has no address");
  return { server, url };
}

/** A page of a world; every error of it goes into `errors`. */
export async function open(
  browser: Browser,
  url: string,
  query: string,
  errors: string[],
  look: Look = looks[0] as Look,
  viewport = { width: 1180, height: 780 },
): Promise<{ page: Page; context: BrowserContext }> {
  const context = await browser.newContext({
    viewport,
    colorScheme: look.colorScheme,
    contrast: look.contrast,
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
  });
  const page = await context.newPage();
  // As the desktop shell does.
  await page.addInitScript(() => Object.freeze(Object.prototype));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  await page.goto(`${url}e2e/page/index.html?${query}`);
  return { page, context };
}

/** Keeps a picture for people to look at. */
export async function shoot(page: Page, name: string): Promise<void> {
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: `${shots}${name}.png` });
}
