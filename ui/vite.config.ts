import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  // Relative paths: the same files are served by the desktop shell and by a headless node.
  base: "./",
  clearScreen: false,
  server: { port: 5173, strictPort: true },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // WebKitGTK 2.50 and the browsers of the same year; older ones lack light-dark() and popover.
    target: ["safari18", "chrome123", "firefox125"],
    cssTarget: ["safari18", "chrome123", "firefox125"],
    // A strict policy allows no data: scripts or styles; small files stay files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
