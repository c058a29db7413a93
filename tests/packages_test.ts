/**
 * npm packages that know only the built-in dgram, doing their job on the loopback interface with register.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { test, testBoth, type Tools } from "./support/harness.ts";
import { linesOf } from "./support/process.ts";
import { ended, entry, preloading, startFixture } from "./support/runtime.ts";

const FLAGS = preloading(entry("register"));

/** Starts a package's fixture. */
function start(t: Tools, name: string, args: readonly string[]) {
  const child = startFixture(name, args, {}, FLAGS);
  t.cleanup(() => child.kill("SIGKILL"));
  return child;
}

/** Runs a package's fixture to its end and returns the lines it printed. */
async function run(t: Tools, name: string, args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await ended(start(t, name, args), 20_000);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trim().split("\n");
}

test("multicast-dns: a query by multicast is answered by another process", async (t) => {
  // Holds a port that is nobody else's; both processes share it.
  const holder = await t.bound({ type: "udp4", reuseAddr: true }, "0.0.0.0");
  const port = String(holder.address().port);
  const responder = start(t, "package_multicast_dns", ["responder", port]);
  const end = ended(responder, 20_000);
  const nextLine = linesOf(responder);
  assertEquals(await nextLine(), "ready");
  assertEquals(await run(t, "package_multicast_dns", ["querier", port]), [
    'answer.dgram-ffi.local SRV {"priority":0,"weight":0,"port":4711,"target":"here.local"}',
    "only sockets of ours",
  ]);
  assertEquals(await nextLine(), "only sockets of ours");
  assertEquals((await end).code, 0);
});

testBoth("coap: requests, large responses and observations get through", async (t, { loopback }) => {
  assertEquals(await run(t, "package_coap", [loopback]), [
    "2.05 POST /hello payload",
    "5005",
    "2.05 GET /again ",
    "one two three",
    "only sockets of ours",
  ]);
});

testBoth("dns2: a server that extends Socket answers queries that are sent at once", async (t, { type }) => {
  assertEquals(await run(t, "package_dns2", [type]), [
    "a.example 192.0.2.9",
    "longer.example 192.0.2.14",
    "the-longest.example 192.0.2.19",
    "only sockets of ours",
  ]);
});
