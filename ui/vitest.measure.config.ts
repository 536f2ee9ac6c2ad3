import { defineConfig } from "vitest/config";

// What `cargo xtask bench conversation` measures in Chromium.
export default defineConfig({
  test: { include: ["measure/**/*.measure.ts"], environment: "node", fileParallelism: false, testTimeout: 180_000, hookTimeout: 120_000 },
});
