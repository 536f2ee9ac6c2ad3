import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect, test } from "vitest";

/** Who may import whom: a tier imports itself and what stands before it. */
const tiers = ["shared", "backend", "domain", "views", "main"] as const;
type Tier = (typeof tiers)[number];
const free = ["paraglide", "testids.ts", "app.css"];

const files = readdirSync("src", { withFileTypes: true, recursive: true })
  .filter((one) => one.isFile() && /\.(svelte|ts)$/u.test(one.name))
  .map((one) => relative("src", join(one.parentPath, one.name)))
  .filter((file) => !file.startsWith("paraglide"));

function imports(file: string): string[] {
  const text = readFileSync(join("src", file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/gu)].map(([, target]) => target ?? "");
}

function resolve(file: string, target: string): string | undefined {
  const path = normalize(join(dirname(file), target));
  return [path, `${path}.ts`, `${path}/index.ts`].find((one) => files.includes(one));
}

function tierOf(file: string): Tier | undefined {
  if (file === "main.ts") return "main";
  return tiers.find((tier) => file.startsWith(`${tier}/`));
}

const graph = new Map(files.map((file) => [file, imports(file).flatMap((target) => resolve(file, target) ?? [])]));

test("only the Tauri backend knows Tauri, only the web backend Socket.IO", () => {
  const users = (name: string) => files.filter((file) => imports(file).some((target) => target.startsWith(name)));
  expect(users("@tauri-apps/")).toEqual(["backend/tauri.ts"]);
  expect(users("socket.io-client")).toEqual(["backend/web.ts"]);
});

test("tiers: shared and backend, then domain, then views", () => {
  const wrong: string[] = [];
  for (const [file, targets] of graph) {
    const from = tierOf(file);
    if (from === undefined) {
      if (!free.includes(file)) wrong.push(`${file} is in no tier`);
      continue;
    }
    for (const target of targets) {
      const to = tierOf(target);
      if (to !== undefined && tiers.indexOf(to) > tiers.indexOf(from)) wrong.push(`${file} -> ${target}`);
      // These two stand side by side.
      if (from === "backend" && to === "shared") wrong.push(`${file} -> ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("no circle of imports", () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      return;
    }
    if (done.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});
