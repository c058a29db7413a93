/**
 * Sockets in the workers of `node:cluster`.
 *
 * @module
 */
import { assertEquals, assertNotEquals } from "@std/assert";
import { test } from "./support/harness.ts";
import { runFixture, runtime } from "./support/runtime.ts";

interface Outcome {
  readonly ports: number[];
  readonly announced: number[];
  readonly received: string[];
  readonly codes: number[];
}

const ALL = [..."abcdefghijklmnop"];
const NO_SHARING = runtime === "deno" ? "Deno's cluster shares no UDP sockets (ENOTSUP)" : undefined;

async function runCluster(...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await runFixture("cluster", args);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

test("workers that bind the same port share it, get each datagram once, and end when they are disconnected", async () => {
  const { ports, received, codes } = await runCluster("free");
  assertEquals(ports[0], ports[1]);
  assertEquals(received, ALL);
  assertEquals(codes, [0, 0]);
});

test("workers that bind port 0 share one, and the primary hears of it", async () => {
  const { ports, announced, received, codes } = await runCluster("0");
  assertEquals(ports[0], ports[1]);
  assertEquals(announced, ports);
  assertEquals(received, ALL);
  assertEquals(codes, [0, 0]);
}, { skip: NO_SHARING });

test("workers that bind exclusively have ports of their own, of which the primary does not hear", async () => {
  const { ports, announced, received } = await runCluster("0", "exclusive");
  assertNotEquals(ports[0], ports[1]);
  assertEquals(announced, []);
  assertEquals(received, ALL);
});
