/**
 * Messages that leave together do not share a fate: a router refuses those that are too large, and no others; and what is learnt of one
 * destination does not hold for others.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type Family, testBoth, type Tools } from "./support/harness.ts";
import { addressOf, type Host, noFirewall, noNamespaces } from "./support/namespaces.ts";
import { routedNetwork } from "./support/routed.ts";
import { linuxOnly } from "./support/runtime.ts";

const skip = { skip: noNamespaces };

/** Sets the MTU of the second link. Its router hands payloads on as they come. */
function narrow(hosts: { a: Host; b: Host; router: Host }, mtu: number): void {
  for (const host of [hosts.router, hosts.b]) host.ip(`link set veth1 mtu ${mtu}`);
}

/** The texts that arrive up to the last one, which is sent alone. @param hears Whether the sender hears of the router's refusals. */
async function arriving(
  t: Tools,
  family: Family,
  mtu: number,
  sizes: readonly number[],
  options = {},
  hears = true,
): Promise<string[]> {
  const hosts = routedNetwork(t);
  if (!hears) {
    hosts.a.drop("input", family.version === 4 ? "icmp type destination-unreachable" : "icmpv6 type packet-too-big");
  }
  narrow(hosts, mtu);
  const [a, b] = await Promise.all([hosts.a.agent(), hosts.b.agent()]);
  const receiver = await b.bound({ type: family.type, recvBufferSize: 1 << 20 }, family.any);
  const sender = await a.bound({ type: family.type, ...options }, family.any);
  const address = addressOf(family, 2, 1);
  await sender.send("who are you?", receiver.port, address);
  await receiver.next();
  await sender.sendAll(sizes.map((size, i) => `${i} `.padEnd(size, ".")), receiver.port, address);
  await sender.send("the last", receiver.port, address);
  const texts: string[] = [];
  for (let text = ""; text !== "the last";) {
    text = (await receiver.next()).text;
    texts.push(text.split(" ")[0]);
  }
  return texts.slice(0, -1);
}

testBoth("a message that a router passes on arrives, whatever leaves in the same turn", async (t, family) => {
  const mtu = family.version === 4 ? 1000 : 1280;
  const small = family.version === 4 ? 900 : 1200;
  for (const gso of [true, false]) {
    const arrived = await arriving(t, family, mtu, [1400, small], { gso });
    assertEquals(arrived, ["1"], `gso ${gso}`);
  }
}, skip);

testBoth("a shorter message arrives though the longer ones before it do not, and nobody says so", async (t, family) => {
  const mtu = family.version === 4 ? 1000 : 1280;
  const small = family.version === 4 ? 900 : 1200;
  for (const gso of [true, false]) {
    const arrived = await arriving(t, family, mtu, [1400, 1400, 1400, small], { gso }, false);
    assertEquals(arrived, ["3"], `gso ${gso}`);
  }
}, { skip: noFirewall });

testBoth("of the first burst to a smaller MTU no more is lost than of single messages", async (t, family) => {
  const sizes = Array(128).fill(1400);
  const [together, singly] = [
    await arriving(t, family, 1280, sizes, { gso: true }),
    await arriving(t, family, 1280, sizes, { gso: false }),
  ];
  assertEquals(together, singly);
  assert(singly.length >= 126, `${singly.length}`);
}, skip);

testBoth("the path MTU is discovered by a burst as by single messages", async (t, family) => {
  const hosts = routedNetwork(t);
  const [a, b] = await Promise.all([hosts.a.agent(), hosts.b.agent()]);
  const receiver = await b.bound(family.type, family.any);
  const sender = await a.bound(family.type, family.any);
  await sender.call("connect", receiver.port, addressOf(family, 2, 1));
  assertEquals(await sender.call("getPathMTU"), 1500);
  // The router's refusal is the error of the next message, as in Node.
  const texts = Array.from({ length: 10 }, (_, i) => `${i}`.padEnd(1440, "."));
  await sender.call("sendAll", texts).catch(({ code }) => assertEquals(code, "EMSGSIZE"));
  assertEquals(await sender.call("getPathMTU"), 1400);
  assertEquals(await sender.call("getMTUDiscover"), "WANT");
}, { skip: skip.skip ?? linuxOnly("IP_MTU") });

testBoth("what one destination refuses does not slow down another", async (t, family) => {
  const hosts = routedNetwork(t);
  const [a, b] = await Promise.all([hosts.a.agent(), hosts.b.agent()]);
  const receiver = await b.bound({ type: family.type, recvBufferSize: 1 << 20 }, family.any);
  const sender = await a.bound(family.type, family.any);
  const far = addressOf(family, 2, 1);
  const near = addressOf(family, 2, 0);
  // Nobody routes there.
  const nowhere = family.version === 4 ? "198.51.100.1" : "2001:db8::9";
  hosts.a.ip(`route add blackhole ${nowhere}`);
  const texts = Array.from({ length: 20 }, (_, i) => `${i} `.padEnd(1390, "."));
  await sender.sendAll(texts, receiver.port, far).catch(() => {});
  const refused = await sender.sendAll(texts, 9, nowhere).catch((error) => error);
  assert(
    ["EINVAL", "EHOSTUNREACH", "ENETUNREACH", "EACCES"].includes((refused as { code: string }).code),
    `${refused}`,
  );
  // The router's device takes payloads as they are: what is cut there is one packet for the counter, and one in all if it is not.
  const before = packetsInto(hosts.router);
  await sender.sendAll(texts, 9, near);
  assert(packetsInto(hosts.router) - before < texts.length, "segments go to the near host still");
}, { skip: skip.skip ?? linuxOnly("UDP_SEGMENT") });

/** Packets that came to the router by the first link. */
function packetsInto(router: Host): number {
  return Number(router.run("cat", "/sys/class/net/veth0/statistics/rx_packets"));
}
