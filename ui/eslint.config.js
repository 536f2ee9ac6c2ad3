import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

const no = (group, message) => ({ group, message });
const tauri = no(["@tauri-apps/*"], "Only backend/tauri.ts talks to the shell.");
const socket = no(["socket.io-client"], "Only backend/web.ts talks to a headless node.");
const tier = (above) => no(above.map((one) => `**/${one}/**`), "shared and backend, then domain, then views.");
const imports = (...patterns) => ({ "no-restricted-imports": ["error", { patterns }] });

export default ts.config(
  { ignores: ["dist", "src/paraglide", "src/backend/gen", "node_modules"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    rules: {
      "no-console": "error",
      "no-undef": "off",
      eqeqeq: ["error", "always", { null: "ignore" }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "svelte/no-at-html-tags": "error",
      "svelte/button-has-type": "error",
      "svelte/no-target-blank": "error",
      // Sets and maps that live within one function are no state.
      "svelte/prefer-svelte-reactivity": "off",
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
  },
  { files: ["scripts/**", "*.config.*", "e2e/*.ts", "measure/**", "tests/**"], languageOptions: { globals: { ...globals.node } } },
  { files: ["src/shared/**"], rules: imports(tauri, socket, tier(["backend", "domain", "views"])) },
  { files: ["src/backend/**"], rules: imports(tauri, socket, tier(["shared", "domain", "views"])) },
  { files: ["src/backend/tauri.ts"], rules: imports(socket, tier(["shared", "domain", "views"])) },
  { files: ["src/backend/web.ts"], rules: imports(tauri, tier(["shared", "domain", "views"])) },
  { files: ["src/domain/**"], rules: imports(tauri, socket, tier(["views"])) },
  { files: ["src/views/**"], rules: imports(tauri, socket) },
);
