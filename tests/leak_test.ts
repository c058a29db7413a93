/**
 * Many sockets, in turn and at once, and one that does nothing.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/harness.ts";
import { runFixture } from "./support/runtime.ts";

async function run(scenario: string, number: number): Promise<unknown> {
  const { code, stdout, stderr } = await runFixture("leak", [scenario, String(number)], { timeout: 55_000 });
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

const MIB = 2 ** 20;

test("10,000 rounds of create, bind, send, receive, close leave no descriptor, no thread and no memory", async () => {
  type Left = { descriptors: number; memories: { rss: number; heap: number }[] };
  const { descriptors, memories } = await run("rounds", 10_000) as Left;
  assertEquals(descriptors, 0);
  const [first, , last] = memories;
  // 6000 rounds lie between: a leak of a socket's objects (some KiB) shows, and so does one of a buffer.
  const [heap, rss] = [last.heap - first.heap, last.rss - first.rss];
  assert(heap < 3 * MIB, `the heap grew by ${heap} bytes`);
  assert(rss < 40 * MIB, `the process grew by ${rss} bytes`);
});

/** The limit on descriptors (Linux). */
const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);

test("10,000 sockets open at once each receive their datagram", async () => {
  assertEquals(await run("at-once", 10_000), 10_000);
}, { skip: limit > 10_100 ? undefined : `only ${limit} descriptors are allowed` });

test("an idle socket costs next to no processor time", async () => {
  // The collector and the compiler of the runtime only add, and not each time: the middle one of three counts.
  const costs: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { open, closed } = await run("idle", 3) as { open: number; closed: number };
    costs.push(open - closed);
  }
  const cost = costs.sort((one, other) => one - other)[1];
  assert(cost < 1, `${cost} ms a second more with a socket than without`);
});
