/**
 * Runs the tools that the build is made of.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { root } from "./package.ts";

/** Runs a command to its end, and returns what it printed to its standard output. Its errors are shown if it fails. */
export function run(command: string, args: readonly string[], cwd: string = root): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with code ${status}\n${stdout}${stderr}`);
  return stdout;
}
