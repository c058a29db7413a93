/**
 * npm packages that know only the built-in dgram, doing their job on the loopback interface with register.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { nextMessage, test, testBoth, type Tools } from "./support/harness.ts";
import { linesOf } from "./support/process.ts";
import { commandFor, ended, entry, preloading, runtime, startFixture } from "./support/runtime.ts";

const FLAGS = preloading(entry("register"));

/** Starts a workload of the benchmark: its packages, with this module in the built-in's place. */
function startWorkload(t: Tools, name: string, options: object): () => Promise<string> {
  const given = JSON.stringify({ warm: 1, window: 1, wave: 4, sizes: [1000], sockets: 8, ...options });
  const [command, ...args] = commandFor(entry("bench/contender"), ["registered", `packages/${name}`, given], FLAGS);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.cleanup(() => child.kill("SIGKILL"));
  return linesOf(child);
}

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

/** What the clients send first. */
const CLIENTS: readonly (readonly [name: string, sent: RegExp])[] = [
  ["hot_shots", /^service\.requests:1\|c\|#route:\/users,status:200$/],
  ["syslog_client", /^<134>.* GET \/users\/4711 200 12 ms\n$/],
];

for (const [name, sent] of CLIENTS) {
  test(`${name}: what it sends arrives, and its callbacks are called`, async (t) => {
    const sink = await t.bound("udp4");
    const first = nextMessage(sink);
    const nextLine = startWorkload(t, name, { port: sink.address().port });
    assertMatch((await first).text, sent);
    // There are figures once something was counted.
    assert("rate" in JSON.parse(await nextLine()));
  });
}

test("dns2: a server answers a question of bytes", async (t) => {
  const nextLine = startWorkload(t, "dns2_server", {});
  const { port } = JSON.parse(await nextLine());
  const client = await t.bound("udp4");
  const answer = nextMessage(client);
  client.send(Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1]), port, "127.0.0.1");
  const { message } = await answer;
  assertEquals([message[1], [...message.subarray(-4)]], [7, [192, 0, 2, 1]]);
});

for (const name of ["dns2_lookup", "coap", "net_snmp", "bittorrent_dht", "utp", "werift"]) {
  // Each answer is checked where it arrives; one that is wrong ends the process.
  const skip = name === "werift" && runtime === "koffi" ? "it needs Node 22" : undefined;
  test(`${name}: client and server of the package do their job`, async (t) => {
    assert("rate" in JSON.parse(await startWorkload(t, name, {})()));
  }, { skip });
}
