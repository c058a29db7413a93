/**
 * What goes with datagrams, on networks of our own: addresses and interfaces, hops, ECN bits, fragments.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { RemoteInfo, SendOptions } from "../mod.ts";
import type { Agent, AgentError, Heard, RemoteSocket } from "./support/agent.ts";
import { bytesOf, Capture, noCapture } from "./support/capture.ts";
import { FAMILIES, type Family, test, testBoth, type Tools } from "./support/harness.ts";
import { addressOf, type Host, Network, noNamespaces, subnetOf, twoHosts } from "./support/namespaces.ts";
import { commandFor, fixture, linuxOnly } from "./support/runtime.ts";

const skip = { skip: noNamespaces };
const [IPV4, IPV6]: readonly Family[] = FAMILIES;
const TOLD = { recvLocalAddress: true, recvTTL: true, recvTOS: true, recvTimestamp: true };

const sendWith = (socket: RemoteSocket, text: string, options: SendOptions): Promise<unknown> =>
  socket.call("send", text, options);

/** One socket in each of two agents, bound to all addresses and told everything. */
async function pair(a: Agent, b: Agent, family: Family): Promise<[RemoteSocket, RemoteSocket]> {
  const options = { type: family.type, ...TOLD };
  return await Promise.all([a.bound(options, family.any), b.bound(options, family.any)]) as [
    RemoteSocket,
    RemoteSocket,
  ];
}

testBoth("a datagram is told where it was sent to, and the answer leaves with that address", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  const second = family.version === 4 ? "10.77.0.22" : "fd77:70::22";
  hosts.b.ip(`addr add ${second}/${family.version === 4 ? 24 : "64"} dev veth0${family.version === 6 ? " nodad" : ""}`);
  const [client, server] = await pair(a, b, family);
  const asked = [second, addressOf(family, 2), ...(family.version === 6 ? ["fe80::2%veth0"] : [])];
  for (const address of asked) {
    await client.send("?", server.port, address);
    const { remote } = await server.next();
    assertEquals([remote.localAddress, remote.interfaceName], [address, "veth0"]);
    assertEquals(remote.interfaceIndex, hosts.b.index("veth0"));
    const { port, address: asker, localAddress } = remote;
    await sendWith(server, "!", { port, address: asker, localAddress });
    assertEquals((await client.next()).remote.address, address);
  }
}, skip);

testBoth("a group's datagram is told the group, and leaves by the interface that was named", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t, 2);
  const [sender, receiver] = await pair(a, b, family);
  const group = family.version === 4 ? "239.77.1.1" : "ff02::77";
  for (const link of [0, 1]) {
    const place = family.version === 4 ? addressOf(family, 2, link) : `::%veth${link}`;
    await receiver.call("addMembership", group, place);
  }
  const names = ["veth1", "veth0", hosts.a.index("veth1")];
  const came: [string | undefined, string | undefined][] = [];
  for (const name of names) {
    await sendWith(sender, "all", { port: receiver.port, address: group, interface: name });
    const { remote } = await receiver.next();
    came.push([remote.localAddress, remote.interfaceName]);
  }
  assertEquals(came, [[group, "veth1"], [group, "veth0"], [group, "veth1"]]);
  if (family.version === 4) return;
  // It is the zone of a link-local address, and the other way round.
  for (const name of ["veth1", "veth0"]) {
    for (const options of [{ interface: name }, { localAddress: `fe80::1%${name}` }]) {
      await sendWith(sender, "x", { port: receiver.port, address: "fe80::2", ...options });
      assertEquals((await receiver.next()).remote.interfaceName, name);
    }
  }
}, skip);

/** Hosts in a row, `routers` of them between the first and the last. */
function row(t: Tools, family: Family, routers: number): [Host, Host] {
  const network = new Network(t);
  const hosts = Array.from({ length: routers + 2 }, (_, i) => network.host(`row${i}`));
  for (let i = 0; i <= routers; i++) network.link(hosts[i], hosts[i + 1]);
  const forwarding = family.version === 4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
  hosts.forEach((host, i) => {
    if (i > 0 && i <= routers) host.run("sysctl", "-q", "-w", `${forwarding}=1`);
    for (let link = 0; link <= routers; link++) {
      if (link > i) host.ip(`route add ${subnetOf(family, link)} via ${addressOf(family, 2, i)}`);
      if (link < i - 1) host.ip(`route add ${subnetOf(family, link)} via ${addressOf(family, 1, i - 1)}`);
    }
  });
  return [hosts[0], hosts[routers + 1]];
}

testBoth("the TTL decreases by the hops", async (t, family) => {
  const ROUTERS = 2;
  const [first, last] = row(t, family, ROUTERS);
  const [a, b] = await Promise.all([first.agent(), last.agent()]);
  const [sender, receiver] = await pair(a, b, family);
  const to = { port: receiver.port, address: addressOf(family, 2, ROUTERS) };
  const ttls = [];
  for (const options of [to, { ...to, ttl: 9 }, { ...to, ttl: 255 }]) {
    await sendWith(sender, "x", options);
    ttls.push((await receiver.next()).remote.ttl);
  }
  assertEquals(ttls, [64 - ROUTERS, 9 - ROUTERS, 255 - ROUTERS]);
}, { skip: skip.skip ?? linuxOnly("IP_TTL of single datagrams") });

testBoth("ECN and DSCP bits are on the wire as they were sent, and told as they came", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  const [sender, receiver] = await pair(a, b, family);
  const capture = await Capture.start(t, hosts.b, "veth0");
  const to = { port: receiver.port, address: addressOf(family, 2) };
  const cases: SendOptions[] = [to, { ...to, ecn: 1 }, { ...to, ecn: 2 }, { ...to, ecn: 3, dscp: 46 }, {
    ...to,
    tos: 0x20,
  }];
  const told: RemoteInfo[] = [];
  const seen: number[] = [];
  for (const options of cases) {
    await sendWith(sender, "x", options);
    told.push((await receiver.next()).remote);
    const { tos, source, text } = await capture.next();
    assertEquals([text, source], ["x", bytesOf(addressOf(family, 1))]);
    seen.push(tos);
  }
  assertEquals(seen, [0, 1, 2, 187, 32]);
  assertEquals(told.map(({ tos }) => tos), seen);
  assertEquals(told.map(({ ecn, dscp }) => [ecn, dscp]), [[0, 0], [1, 0], [2, 0], [3, 46], [0, 8]]);
  // Those that agree go as one payload.
  const ecns = [...Array(20).fill(1), ...Array(20).fill(2), 0, 1, 0];
  await sender.call("sendMany", ecns.map((ecn, i) => ({ message: `message ${i}`, ...to, ecn })));
  const heard: Heard[] = [];
  for (let i = 0; i < ecns.length; i++) heard.push(await receiver.next());
  assertEquals(heard.map(({ text }) => text), ecns.map((_, i) => `message ${i}`));
  assertEquals(heard.map(({ remote }) => remote.ecn), ecns);
}, { skip: noNamespaces ?? noCapture ?? linuxOnly("IP_TOS of single datagrams") });

test("don't-fragment decides for a single datagram of IPv6", async (t) => {
  const { a, b } = await twoHosts(t);
  const [sender, receiver] = await pair(a, b, IPV6);
  const to = { port: receiver.port, address: addressOf(IPV6, 2) };
  const large = "x".repeat(2000);
  const refused = await assertRejects(() => sendWith(sender, large, { ...to, dontFragment: true })) as AgentError;
  assertEquals([refused.code, refused.syscall], ["EMSGSIZE", "send"]);
  for (const options of [to, { ...to, dontFragment: false }]) {
    await sendWith(sender, large, options);
    assertEquals((await receiver.next()).text.length, 2000);
  }
  await sendWith(sender, "small", { ...to, dontFragment: true });
  assertEquals((await receiver.next()).text, "small");
}, skip);

testBoth("the kernel puts no datagrams together that differ in what is told of them", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  // A veth pair does it where the sender's end leaves the cutting of segments to itself.
  hosts.a.run(...commandFor(fixture("ethtool"), ["veth0", "tso", "off"]));
  hosts.b.run(...commandFor(fixture("ethtool"), ["veth0", "gro", "on"]));
  // It waits for more, so that there is something to put together.
  hosts.b.run("sh", "-c", "echo 20000000 > /sys/class/net/veth0/gro_flush_timeout");
  const sender = await a.bound({ type: family.type, gso: false }, family.any);
  const receiver = await b.bound({ type: family.type, ...TOLD }, family.any);
  const to = { port: receiver.port, address: addressOf(family, 2) };
  const kinds = [...Array(10).fill({ ecn: 1 }), ...Array(10).fill({ ecn: 2 }), ...Array(10).fill({ ecn: 2, ttl: 9 })];
  await sender.call("sendMany", kinds.map((kind, i) => ({ message: `message ${10 + i}`, ...to, ...kind })));
  const heard: Heard[] = [];
  for (let i = 0; i < kinds.length; i++) heard.push(await receiver.next());
  assertEquals(heard.map(({ text }) => text), kinds.map((_, i) => `message ${10 + i}`));
  assertEquals(heard.map(({ remote }) => [remote.ecn, remote.ttl]), kinds.map(({ ecn, ttl = 64 }) => [ecn, ttl]));
  const payloads = new Set(heard.map(({ remote }) => `${remote.timestamp}`)).size;
  assert(payloads < kinds.length, "nothing was put together");
}, { skip: skip.skip ?? linuxOnly("UDP_GRO") });

/** Names that the kernel takes for interfaces, though they do not begin with a letter. */
const ODD_NAMES = ["6in4-he", "_net", "77"];

testBoth("an interface of any name can be chosen for sending, for multicast and for groups", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  const group = family.version === 4 ? "239.77.1.9" : "ff12::77:9";
  const [sender, receiver] = await pair(a, b, family);
  for (const [i, name] of ODD_NAMES.entries()) {
    const before = i === 0 ? "veth0" : ODD_NAMES[i - 1];
    for (const host of [hosts.a, hosts.b]) {
      host.ip(`link set ${before} down`, `link set ${before} name ${name}`, `link set ${name} up`);
      if (family.version === 6) host.ip(`addr replace fe80::${host === hosts.a ? 1 : 2}/64 dev ${name} nodad`);
      else host.ip(`route replace 239.0.0.0/8 dev ${name}`);
    }
    assertEquals(await receiver.call("addMembership", group, name), true);
    assertEquals(await sender.call("setMulticastInterface", name), true);
    await sender.send("to all", receiver.port, group);
    const { text, remote } = await receiver.next();
    assertEquals([text, remote.interfaceName], ["to all", name]);
    await sendWith(sender, "by name", { port: receiver.port, address: group, interface: name });
    assertEquals((await receiver.next()).text, "by name");
    assertEquals(await sender.call("bindToDevice", name), true);
    assertEquals(await sender.call("bindToDevice", ""), true);
    assertEquals(await receiver.call("dropMembership", group, name), true);
    const source = family.version === 4 ? "10.77.0.1" : "fe80::1";
    assertEquals(await receiver.call("addSourceSpecificMembership", source, group, name), true);
    assertEquals(await receiver.call("dropSourceSpecificMembership", source, group, name), true);
  }
}, skip);

// Of IPv4, as IPv6 takes its time until it uses an interface that has come up.
test("an interface's name means what it means when the message is sent", async (t) => {
  const family = IPV4;
  const { a, b, hosts } = await twoHosts(t, 2);
  const [sender, receiver] = await pair(a, b, family);
  const group = "239.77.1.8";
  for (const link of [0, 1]) await receiver.call("addMembership", group, addressOf(family, 2, link));
  const by = async (name: string): Promise<string | undefined> => {
    await sendWith(sender, "x", { port: receiver.port, address: group, interface: name });
    return (await receiver.next()).remote.interfaceName;
  };
  assertEquals(await by("veth0"), "veth0");
  hosts.a.ip("link set veth0 down", "link set veth1 down", "link set veth0 name other", "link set veth1 name veth0");
  hosts.a.ip("link set other name veth1", "link set veth0 up", "link set veth1 up");
  assertEquals(await by("veth0"), "veth1");
  assertEquals(await by("veth1"), "veth0");
  hosts.a.ip("link delete veth1");
  assertEquals((await assertRejects(() => by("veth1")) as AgentError).code, "ENODEV");
  hosts.a.ip("link set veth0 down", "link set veth0 name veth1", "link set veth1 up");
  assertEquals(await by("veth1"), "veth1");
}, skip);
