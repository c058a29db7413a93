/**
 * Has Deno check the documentation of each entry, and prints what is wrong with it. Plain JavaScript for Node 20.
 *
 * Deno looks for the types of Node's modules among packages, and warns of each that it does not find. They are found otherwise, so what
 * it warns of is left out.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const deno = join(root, "node_modules", ".bin", "deno");
const entries = Object.values(JSON.parse(readFileSync(join(root, "deno.json"), "utf8")).exports);
const env = { ...process.env, NO_COLOR: "1" };

/** A warning, and where it was found. */
const WARNING = /^Warning Failed resolving types\. .*@types\/node\/.*\n( +at .*\n)?/gm;
/** What Deno says if nothing is wrong. */
const SUCCESS = /^Checked \d+ files?\n/gm;

for (const entry of entries) {
  const { status, stdout, stderr, error } = spawnSync(deno, ["doc", "--lint", entry], {
    cwd: root,
    encoding: "utf8",
    env,
  });
  if (error) throw error;
  const faults = stderr.replace(WARNING, "").replace(SUCCESS, "");
  process.stderr.write(faults);
  if (status !== 0) {
    process.stdout.write(stdout);
    process.exitCode = status ?? 1;
  }
}
