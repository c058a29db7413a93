/**
 * One measurement in a process of its own: `contender <module> <workload> <options as JSON>`.
 *
 * `module` is `ours`, `builtin`, `registered` (ours in the built-in's place, loaded before this) or `none`. Prints JSON, one object a line; the last is the result.
 *
 * @module
 */
import process from "node:process";
import type { Dgram, Figures, Options } from "./support.ts";

const [, , moduleName, workload, options] = process.argv;

/** The npm package, seen from where this lies compiled. */
const PACKAGE = "../../../npm/package/mod.mjs";

// Loaded here and not above: only what is measured, and loading is measured, too.
const before = performance.now();
const dgram = await load(moduleName);
const importTime = performance.now() - before;

const { default: run } = await import(`./workloads/${workload}${extension()}`) as {
  default(dgram: Dgram, options: Options): Promise<Figures>;
};
const figures = await run(dgram, JSON.parse(options));
console.log(JSON.stringify({ ...figures, importTime }));
// It goes on serving, as its clients' window may end later: the runner ends it.

async function load(name: string): Promise<Dgram> {
  if (name === "ours") return await import(extension() === ".ts" ? "../mod.ts" : PACKAGE) as Dgram;
  const builtin = await import("node:dgram");
  const isRegistered = "sendMany" in builtin.Socket.prototype;
  if (isRegistered !== (name === "registered")) throw new Error("another module than is to be measured");
  return builtin as unknown as Dgram;
}

/** `.ts`, or `.js` where this runs compiled. */
function extension(): string {
  return import.meta.url.slice(import.meta.url.lastIndexOf("."));
}
