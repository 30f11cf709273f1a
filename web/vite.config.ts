import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// `npm run dev` talks to a server that runs on its usual port beside it.
const server = "http://127.0.0.1:8080";
// What a desk loads before it shows anything, compressed, in bytes.
const FIRST_LOAD = 300_000;

/** Fails the build when the page has become too heavy: what is not needed at once loads later. */
function firstLoad(): Plugin {
  return {
    name: "first-load",
    generateBundle(_, bundle) {
      const first = new Set<string>();
      const take = (name: string) => {
        const chunk = bundle[name];
        if (chunk?.type !== "chunk" || first.has(name)) return;
        first.add(name);
        chunk.imports.forEach(take);
      };
      for (const [name, chunk] of Object.entries(bundle)) {
        if (chunk.type === "chunk" && chunk.isEntry) take(name);
        if (chunk.type === "asset" && name.endsWith(".css")) first.add(name);
      }
      const weight = [...first].reduce((sum, name) => {
        const file = bundle[name];
        const content = file?.type === "chunk" ? file.code : (file?.source ?? "");
        return sum + gzipSync(content).length;
      }, 0);
      const said = `first load: ${Math.round(weight / 1000)} kB of ${FIRST_LOAD / 1000} kB, compressed`;
      if (weight > FIRST_LOAD) this.error(said);
      this.info(said);
    },
  };
}

/** Puts a compressed copy beside each text: the server gives it to browsers that take it. */
function compressed(): Plugin {
  return {
    name: "compressed",
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle).filter((one) => /\.(js|css|svg)$/.test(one))) {
        const file = join(dir ?? "dist", name);
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), firstLoad(), compressed()],
  build: {
    outDir: "dist",
    target: "es2023",
    assetsInlineLimit: 0, // the content security policy wants files
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: { "/api": { target: server, ws: true } },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
