/**
 * Runs a command, and shows what it printed only if it failed. Plain JavaScript for Node 20.
 *
 * node tests/quietly.mjs <command> [argument ...]
 */
import { spawnSync } from "node:child_process";

const [command, ...parameters] = process.argv.slice(2);
const { status, stdout, stderr, error } = spawnSync(command, parameters, { encoding: "utf8", maxBuffer: 2 ** 26 });
if (error) throw error;
if (status !== 0) {
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = status ?? 1;
}
