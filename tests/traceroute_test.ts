/**
 * The example examples/traceroute.ts, across a router whose second link has a smaller MTU.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { assertEquals } from "@std/assert";
import { testBoth } from "./support/harness.ts";
import { addressOf, noNamespaces } from "./support/namespaces.ts";
import { routedNetwork, SMALLER_MTU } from "./support/routed.ts";
import { commandFor, ended, entry } from "./support/runtime.ts";

testBoth("traceroute names each hop and finds the path's MTU", async (t, family) => {
  const { a } = routedNetwork(t);
  const [router, far] = [addressOf(family, 2, 0), addressOf(family, 2, 1)];
  const [command, ...args] = a.command(...commandFor(entry("examples/traceroute"), [far]));
  const { code, stdout, stderr } = await ended(spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] }), 20_000);
  assertEquals([stderr, code], ["", 0]);
  const lines = stdout.trim().split("\n").map((line) => line.trim().replace(/ {2}[\d.]+ ms$/, ""));
  assertEquals(lines, [
    "MTU 1500, says this host",
    `1  ${router}`,
    `MTU ${SMALLER_MTU}, says ${router}`,
    `2  ${far}`,
    `${far} is hop 2, the path's MTU is ${SMALLER_MTU}`,
  ]);
}, { skip: noNamespaces });
