/**
 * Sockets that are sent to child processes (`child.send(message, socket)`), with `register` in force.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { test } from "./support/harness.ts";
import { runFixture, runtime } from "./support/runtime.ts";

const NOT_SENT = runtime === "bun" ? "Bun sends only what its own dgram has opened" : undefined;

test("a socket that is sent to a child is in both processes, until each closes it", async () => {
  const { code, stdout, stderr } = await runFixture("handed_over");
  assertEquals([code, stderr], [0, ""]);
  // Datagrams that are sent in bursts arrive singly in either process.
  assertEquals(JSON.parse(stdout), { here: ["both"], there: ["both", "last"], closed: true, code: 0 });
}, { skip: NOT_SENT });
