/**
 * The example examples/cores.ts: one port, several Workers.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { test } from "./support/harness.ts";
import { commandFor, ended, entry } from "./support/runtime.ts";

test("Workers on one port share its clients, and all are answered", async () => {
  const [command, ...args] = commandFor(entry("examples/cores"));
  const { code, stdout, stderr } = await ended(spawn(command, args), 30_000);
  assertEquals(code, 0, stdout + stderr);
  assertMatch(stdout, /^64 clients had 6400 answers from port \d+\n/);
  const shares = [...stdout.matchAll(/Worker \d+: (\d+)/g)].map(([, count]) => Number(count));
  assert(shares.length >= 2);
  assertEquals(shares.reduce((sum, count) => sum + count), 6400);
  // Each client stays with one Worker; that all 64 choose the same has a chance of 1 in 2^63.
  assert(shares.every((count) => count < 6400), stdout);
});
