/**
 * Sentences of docs/control.md that no other test is about.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { clockTime, type RemoteInfo, type SendOptions } from "../mod.ts";
import type { AgentError, RemoteSocket } from "./support/agent.ts";
import { closed, FAMILIES, nextMessages, sent, test, testBoth } from "./support/harness.ts";
import { addressOf, type Host, noFirewall, noNamespaces, twoHosts } from "./support/namespaces.ts";
import { until } from "./support/process.ts";
import { routedHosts } from "./support/routed.ts";
import { ended, fixture, linuxOnly, runtime } from "./support/runtime.ts";

const skip = { skip: noNamespaces };
const [IPV4] = FAMILIES;

/** Fails unless the kernel refuses a source address. */
async function assertNoSource(socket: RemoteSocket, options: SendOptions): Promise<void> {
  const { code } = await assertRejects(() => socket.call("send", "!", options)) as AgentError;
  assert(code === "EINVAL" || code === "ENETUNREACH", code);
}

test("a broadcast datagram is told the broadcast address, which cannot be the source of an answer", async (t) => {
  const { a, b } = await twoHosts(t);
  const receiver = await b.bound({ type: "udp4", recvLocalAddress: true }, "0.0.0.0");
  const sender = await a.bound("udp4", "0.0.0.0");
  await sender.call("setBroadcast", true);
  await sender.call("bindToDevice", "veth0");
  for (const address of ["10.77.0.255", "255.255.255.255"]) {
    await sender.send("to all", receiver.port, address);
    const { port, address: asker, localAddress, interfaceName } = (await receiver.next()).remote;
    assertEquals([localAddress, interfaceName], [address, "veth0"]);
    await assertNoSource(receiver, { port, address: asker, localAddress });
  }
}, skip);

testBoth("a group's address cannot be the source of an answer", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const [sender, peer] = [await a.bound(family.type, family.any), await b.bound(family.type, family.any)];
  const localAddress = family.version === 4 ? "239.77.1.1" : "ff12::77";
  await assertNoSource(sender, { port: peer.port, address: addressOf(family, 2), localAddress });
}, skip);

testBoth(
  "without gro each datagram has its own timestamp, unless the sender is here and coalesces",
  async (t, family) => {
    // The kernel takes times of what arrives from shortly after a socket has asked for them; before, it takes those of reading.
    await t.bound({ type: family.type, recvTimestamp: true });
    const timesOf = async (gso: boolean, gro: boolean): Promise<number> => {
      const receiver = await t.bound({ type: family.type, recvTimestamp: true, gro });
      const sender = await t.bound({ type: family.type, gso });
      const received = nextMessages(receiver, 20);
      sender.sendMany(Array(20).fill("x".repeat(100)), receiver.address().port, family.loopback);
      return new Set((await received).map(({ remote }) => (remote as RemoteInfo).timestamp)).size;
    };
    // A busy kernel takes that of arrival later.
    for (let tries = 0; await timesOf(false, false) < 20; tries++) assert(tries < 50, "not 20 times");
    for (const gro of [true, false]) {
      for (let tries = 0; await timesOf(true, gro) > 1; tries++) assert(tries < 50, `gro ${gro}: not one time`);
    }
  },
  { skip: linuxOnly("UDP_SEGMENT") },
);

/** A host's counter of the messages to a port that have a priority. */
function priorityCounter(host: Host, port: number, priority: number): () => number {
  host.run("nft", "add table inet counting");
  host.run("nft", "add chain inet counting output { type filter hook output priority 0; }");
  host.run("nft", `add rule inet counting output udp dport ${port} meta priority 0:${priority} counter`);
  return () => Number(/counter packets (\d+)/.exec(host.run("nft", "list table inet counting"))![1]);
}

test(
  "the priority of an IPv4 message follows its type of service, as with setTOS(); over IPv6 it does not",
  async (t) => {
    // TC_PRIO_INTERACTIVE of <linux/pkt_sched.h> for IPTOS_LOWDELAY.
    const [LOW_DELAY, INTERACTIVE] = [0x10, 6];
    const { a, hosts } = await twoHosts(t);
    const socket = await a.bound("udp4", "0.0.0.0");
    const to = { port: 4242, address: addressOf(IPV4, 2) };
    const counted = priorityCounter(hosts.a, to.port, INTERACTIVE);
    await socket.call("send", "x", to);
    assertEquals(counted(), 0);
    await socket.call("send", "x", { ...to, tos: LOW_DELAY });
    assertEquals([counted(), await socket.call("getPriority")], [1, 0]);
    await socket.call("setTOS", LOW_DELAY);
    assertEquals(await socket.call("getPriority"), INTERACTIVE);
    await socket.call("send", "x", to);
    assertEquals(counted(), 2);
    const other = await a.bound("udp6", "::");
    await other.call("send", "x", { ...to, address: addressOf(FAMILIES[1], 2), tos: LOW_DELAY });
    assertEquals(counted(), 2);
  },
  { skip: noFirewall ?? linuxOnly("IP_TOS for single datagrams") },
);

test("a transmit time holds nothing back without fq or etf; with fq it does", async (t) => {
  const { a, b, hosts } = await twoHosts(t);
  const receiver = await b.bound({ type: "udp4", recvTimestamp: true }, "0.0.0.0");
  const sender = await a.bound("udp4", "0.0.0.0");
  await sender.call("setTxTimeClock", "monotonic");
  /** By how many milliseconds a message comes late whose time is half a second ahead. */
  const delayOf = async (): Promise<number> => {
    const start = clockTime("realtime");
    const txTime = clockTime("monotonic") + 500_000_000n;
    const to = { port: receiver.port, address: addressOf(IPV4, 2) };
    await sender.call("sendAt", "x", to, `${txTime}`);
    const { timestamp } = (await receiver.next()).remote;
    return Number(BigInt(timestamp!) - start) / 1e6;
  };
  for (const qdisc of ["pfifo", "tbf rate 1gbit burst 100000 limit 100000"]) {
    hosts.a.run("tc", "qdisc", "replace", "dev", "veth0", "root", ...qdisc.split(" "));
    assert(await delayOf() < 500, qdisc);
  }
  try {
    hosts.a.run("tc", "qdisc", "replace", "dev", "veth0", "root", "fq");
  } catch {
    return console.log("not tried: this kernel has no fq");
  }
  assert(await delayOf() >= 500, "it came before its time");
}, { skip: skip.skip ?? linuxOnly("SO_TXTIME") });

testBoth(
  "transmit timestamps that find the receive buffer full are lost, and an overrun is counted",
  async (t, family) => {
    const [socket, other] = [
      await t.bound({ type: family.type, sendTimestamp: true, recvBufferSize: 16_384 }),
      await t.bound(family.type),
    ];
    const ids: number[] = [];
    let received = 0;
    socket.on("message", () => received++);
    socket.on("sendTimestamp", ({ id }) => ids.push(id));
    await sent(socket, "x", other.address().port, family.loopback);
    await until(() => ids.length === 1, "the first timestamp");
    assertEquals(socket.getErrorQueueOverruns(), 0);
    // All in one turn: nothing is read meanwhile.
    other.sendMany(Array(100).fill("x".repeat(1000)), socket.address().port, family.loopback);
    await sent(socket, "x", other.address().port, family.loopback);
    await until(() => received > 0, "there is room again");
    const later = new Promise<void>((resolve) => socket.on("sendTimestamp", ({ id }) => id >= 2 && resolve()));
    await sent(socket, "x", other.address().port, family.loopback);
    await later;
    assertEquals(ids, [0, 2]);
    assert(socket.getErrorQueueOverruns() > 0, "no overrun");
    assert(socket.getErrorQueueOverruns() > 0, "no overrun");
  },
  { skip: linuxOnly("SO_TIMESTAMPING") },
);

/** How many of 20 messages left as segments. */
async function segmentsOf(socket: RemoteSocket, port: number, address: string): Promise<number> {
  const count = async (): Promise<number> =>
    (await socket.call("getStatistics") as { sent: { segments: number } }).sent.segments;
  const before = await count();
  await socket.sendAll(Array(20).fill("x".repeat(100)), port, address);
  return await count() - before;
}

testBoth("an adopted socket sends segments only if its mode need not be changed for that", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const [original, peer] = [await a.bound(family.type, family.any), await b.bound(family.type, family.any)];
  const socket = await a.adopted(original, { type: family.type });
  const far = (): Promise<number> => segmentsOf(socket, peer.port, addressOf(family, 2));
  assertEquals(await segmentsOf(socket, original.port, family.loopback), 20);
  assertEquals(await far(), family.version === 4 ? 0 : 20);
  assertEquals(await original.call("getMTUDiscover"), "WANT");
  // Whoever has the socket sets it: what the kernel says counts.
  for (const mode of ["DO", "PROBE"]) {
    await original.call("setMTUDiscover", mode);
    const other = await a.adopted(original, { type: family.type });
    assertEquals(await segmentsOf(other, peer.port, addressOf(family, 2)), 20, mode);
  }
}, { skip: skip.skip ?? linuxOnly("UDP_SEGMENT") });

testBoth("to a peer that refuses, messages leave one by one, and as segments two seconds later", async (t, family) => {
  const socket = await t.bound(family.type);
  const before = await t.bound(family.type);
  const { port } = before.address();
  await closed(before);
  await new Promise<void>((resolve) => socket.connect(port, family.loopback, () => resolve()));
  socket.on("error", () => {});
  const segments = async (): Promise<number> => {
    const before = socket.getStatistics().sent.segments;
    await Promise.allSettled(Array.from({ length: 10 }, () => sent(socket, "x")));
    return socket.getStatistics().sent.segments - before;
  };
  await segments();
  const start = performance.now();
  assertEquals(await segments(), 0);
  // Somebody listens there from now on.
  const peer = t.socket(family.type);
  await new Promise<void>((resolve) => peer.bind(port, family.loopback, resolve));
  while (await segments() === 0) {
    assert(performance.now() - start < 10_000, "no segments");
    await delay(100);
  }
  assert(performance.now() - start > 1900, "too soon");
}, { skip: linuxOnly("UDP_SEGMENT") });

test(
  "in Deno DGRAM_FFI_OFFLOAD=off is heeded if --allow-env permits to read it, and no permission is asked for",
  async () => {
    const run = async (...flags: string[]): Promise<unknown> => {
      const base = ["run", "--quiet", "--no-prompt", "--allow-ffi", "--allow-net", "--allow-read", "--allow-sys"];
      const env = { ...process.env, DGRAM_FFI_OFFLOAD: "off" };
      const { stdout, stderr } = await ended(
        spawn(process.execPath, [...base, ...flags, fixture("offload")], { env }),
        20_000,
      );
      assertEquals(stderr, "");
      return JSON.parse(stdout);
    };
    assertEquals(await run("--allow-env=DGRAM_FFI_OFFLOAD"), { gro: 0, payloads: 10 });
    assertEquals(await run(), { gro: 1, payloads: 1 });
  },
  { skip: runtime === "deno" ? undefined : "only Deno has these permissions" },
);

testBoth("behind TPROXY, a transparent proxy is told the destination that the sender used", async (t, family) => {
  const { a, hosts } = await routedHosts(t);
  const [ip, nft] = family.version === 4 ? ["-4", "ip"] : ["-6", "ip6"];
  const proxyHost = await hosts.router.agent();
  const proxy = await proxyHost.bound(
    { type: family.type, transparent: true, recvOriginalAddress: true, recvLocalAddress: true },
    family.any,
  );
  hosts.router.run("ip", ip, "rule", "add", "fwmark", "1", "lookup", "77");
  const everywhere = family.version === 4 ? "0.0.0.0/0" : "::/0";
  hosts.router.run("ip", ip, "route", "add", "local", everywhere, "dev", "lo", "table", "77");
  hosts.router.run("nft", `add table ${nft} proxy`);
  hosts.router.run("nft", `add chain ${nft} proxy divert { type filter hook prerouting priority mangle; }`);
  hosts.router.run("nft", `add rule ${nft} proxy divert udp dport 53 tproxy to :${proxy.port} meta mark set 1 accept`);
  const client = await a.bound(family.type, family.any);
  const far = addressOf(family, 2, 1);
  await client.send("?", 53, far);
  const { text, remote } = await proxy.next();
  assertEquals([text, remote.address, remote.port], ["?", addressOf(family, 1), client.port]);
  assertEquals([remote.originalAddress, remote.originalPort, remote.localAddress], [far, 53, far]);
  // It answers as the server that was asked.
  const server = await proxyHost.socket({ type: family.type, transparent: true });
  await server.bind(far, 53);
  await server.send("!", remote.port, remote.address);
  const answer = await client.next();
  assertEquals([answer.text, answer.remote.address, answer.remote.port], ["!", far, 53]);
}, { skip: noFirewall ?? linuxOnly("IP_TRANSPARENT") });
