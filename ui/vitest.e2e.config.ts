import { defineConfig } from "vitest/config";

// Drives the built interface in Chromium, one file after another: a page without a graphics card keeps two cores busy, and two at a
// time took longer than one after the other.
export default defineConfig({
  test: {
    include: ["e2e/**/*.e2e.ts"],
    globalSetup: "e2e/setup.ts",
    environment: "node",
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
