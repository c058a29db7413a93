/**
 * Puts the modules of the built package together: one file for each entry, and chunks for what entries have in common. Each
 * file takes Node half a millisecond to load, and there are more than a hundred. The declarations stay as they are, and have
 * the comments, which the modules lose.
 *
 * @module
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { CHUNKS, CODE, topModules } from "./package.ts";

/** Replaces the modules in a folder of `out`. */
export function bundle(out: string): void {
  const code = join(out, CODE);
  const entryPoints = topModules.map((path) => join(code, path.replace(/\.ts$/, ".js")));
  run("esbuild", [
    ...entryPoints,
    ...["--bundle", "--splitting", "--format=esm", "--platform=node", "--target=es2022"],
    ...[
      "--minify-whitespace",
      "--line-limit=120",
      `--outdir=${code}`,
      `--chunk-names=${CHUNKS}/[name]-[hash]`,
      "--allow-overwrite",
      "--log-level=warning",
    ],
  ]);
  const isKept = (path: string): boolean => !path.includes("/") || path.startsWith(`${CHUNKS}/`);
  for (const path of readdirSync(code, { recursive: true, encoding: "utf8" })) {
    if (path.endsWith(".js") && !isKept(path)) rmSync(join(code, path));
  }
}
