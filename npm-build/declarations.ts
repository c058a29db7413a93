/**
 * Leaves out the declarations that nobody who imports the package comes upon. `deno pack` writes no others, dnt those of every
 * module.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CODE, entries } from "./package.ts";

/** A declaration that another one names: `from "./a.js"`, `import "./a.js"`, `import("./a.js")`. */
const NAMED = /\b(?:from|import|import\()\s*["'](\.{1,2}\/[^"']+)\.js["']/g;

/**
 * Removes from a folder of `out` the declarations that the entries' do not lead to.
 *
 * @throws {Error} If one that is named is not there.
 */
export function pruneDeclarations(out: string): void {
  const code = join(out, CODE);
  const reached = reachedFrom(Object.values(entries).map((path) => join(code, path.replace(/\.ts$/, ".d.ts"))));
  for (const path of readdirSync(code, { recursive: true, encoding: "utf8" })) {
    if (path.endsWith(".d.ts") && !reached.has(join(code, path))) rmSync(join(code, path));
  }
}

/** These, and all that they name. */
function reachedFrom(paths: readonly string[]): Set<string> {
  const reached = new Set(paths);
  // A set's iteration comes to what is added meanwhile.
  for (const path of reached) {
    if (!existsSync(path)) throw new Error(`${path} is named, but was not built`);
    for (const [, other] of readFileSync(path, "utf8").matchAll(NAMED)) {
      reached.add(join(dirname(path), `${other}.d.ts`));
    }
  }
  return reached;
}
