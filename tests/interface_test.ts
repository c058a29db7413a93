/**
 * Interfaces: what leaves and arrives by which one, broadcast, link-local addresses, routers and what they tell.
 *
 * @module
 */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Agent, AgentError, RemoteSocket } from "./support/agent.ts";
import { bytesOf, Capture, noCapture } from "./support/capture.ts";
import { FAMILIES, type Family, test, testBoth } from "./support/harness.ts";
import {
  addressOf,
  type Host,
  linkOf,
  namesOf,
  Network,
  noNamespaces,
  subnetOf,
  twoHosts,
} from "./support/namespaces.ts";

const skip = { skip: noNamespaces };
const skipCapture = { skip: noNamespaces ?? noCapture };

/** The error code that a call of an agent's ends with. */
function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  return call.then(() => "no error", (error: AgentError) => error.code);
}

/** Has an agent send to a port that nobody hears on: true if the peer's host says so. */
async function isRefused(agent: Agent, family: Family, port: number, address: string): Promise<boolean> {
  const sender = await agent.socket(family.type);
  await sender.call("connect", port, address);
  await sender.send("anyone?");
  return (await sender.nextError()).code === "ECONNREFUSED";
}

async function hears(receiver: RemoteSocket, agent: Agent, family: Family, address: string): Promise<boolean> {
  const sender = await agent.socket(family.type);
  await sender.send(address, receiver.port, address);
  return (await receiver.next()).text === address;
}

for (const order of ["before", "after"]) {
  testBoth(`a socket bound to a device ${order} bind() hears only what arrives there`, async (t, family) => {
    const { a, b } = await twoHosts(t, 2);
    const receiver = await b.socket(family.type);
    if (order === "before") await receiver.call("bindToDevice", "veth1");
    await receiver.bind(family.any);
    if (order === "after") await receiver.call("bindToDevice", "veth1");
    assertEquals(await isRefused(a, family, receiver.port, addressOf(family, 2, 0)), true);
    assertEquals(await hears(receiver, a, family, addressOf(family, 2, 1)), true);
  }, skip);

  testBoth(`the kernel lists the device that a socket is bound to ${order} bind()`, async (t, family) => {
    const { b, hosts } = await twoHosts(t, 2);
    const socket = await b.socket(family.type);
    if (order === "before") await socket.call("bindToDevice", "veth1");
    await socket.bind(family.any);
    if (order === "after") await socket.call("bindToDevice", "veth1");
    assertStringIncludes(hosts.b.run("ss", "-uanH"), `%veth1:${socket.port} `);
  }, skip);
}

for (const nothing of [undefined, null, ""]) {
  testBoth(`bindToDevice(${JSON.stringify(nothing)}) lets a socket use all devices again`, async (t, family) => {
    const { a, b } = await twoHosts(t, 2);
    const receiver = await b.bound(family.type, family.any);
    await receiver.call("bindToDevice", "veth1");
    assertEquals(await receiver.call("bindToDevice", ...nothing === undefined ? [] : [nothing]), true);
    assertEquals(await hears(receiver, a, family, addressOf(family, 2, 0)), true);
    assertEquals(await hears(receiver, a, family, addressOf(family, 2, 1)), true);
  }, skip);
}

testBoth("a socket can change from one device to another", async (t, family) => {
  const { a, b } = await twoHosts(t, 2);
  const receiver = await b.bound(family.type, family.any);
  await receiver.call("bindToDevice", "veth1");
  await receiver.call("bindToDevice", "veth0");
  assertEquals(await isRefused(a, family, receiver.port, addressOf(family, 2, 1)), true);
  assertEquals(await hears(receiver, a, family, addressOf(family, 2, 0)), true);
}, skip);

testBoth("what a socket sends leaves by the device it is bound to", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t, 2);
  const destination = family.version === 4 ? "10.99.0.1" : "fd99::1";
  hosts.b.ip(`addr add ${destination}/${family.version === 4 ? "32" : "128 nodad"} dev lo`);
  // Both ways lead there; the better one is veth0.
  for (const link of [0, 1]) {
    hosts.a.ip(`route add ${destination} via ${addressOf(family, 2, link)} metric ${10 + link}`);
  }
  const receiver = await b.bound(family.type, destination);
  const sender = await a.bound(family.type, family.any);
  await sender.send("free", receiver.port, destination);
  await sender.call("bindToDevice", "veth1");
  await sender.send("bound", receiver.port, destination);
  const [first, second] = [await receiver.next(), await receiver.next()];
  assertEquals([first.text, first.remote.address], ["free", addressOf(family, 1, 0)]);
  assertEquals([second.text, second.remote.address], ["bound", addressOf(family, 1, 1)]);
}, skip);

testBoth("two sockets share an address and port, each on its own device", async (t, family) => {
  const { a, b } = await twoHosts(t, 2);
  const first = await b.socket(family.type);
  await first.call("bindToDevice", "veth0");
  await first.bind(family.any);
  const second = await b.socket(family.type);
  await second.call("bindToDevice", "veth1");
  await second.bind(family.any, first.port);
  assertEquals(await hears(first, a, family, addressOf(family, 2, 0)), true);
  assertEquals(await hears(second, a, family, addressOf(family, 2, 1)), true);
}, skip);

for (const device of ["nosuchdevice", "a-name-too-long-for-any-device", "lo\0", "%"]) {
  testBoth(`bindToDevice(${JSON.stringify(device)}) throws ENODEV`, (t, family) => {
    const socket = t.socket(family.type);
    const error = assertThrows(() => socket.bindToDevice(device), Error, "bindToDevice ENODEV");
    assertEquals((error as Error & { code: string }).code, "ENODEV");
  });
}

for (const family of FAMILIES) {
  for (const [way, name] of namesOf(family, 1, 1)) {
    test(`multicast leaves by the interface set by ${way} (${family.name})`, async (t) => {
      const { a, b, hosts } = await twoHosts(t, 2);
      const receiver = await groupMember(b, hosts.b, family);
      const sender = await a.bound(family.type, family.any);
      assertEquals(await sender.call("setMulticastInterface", name(hosts.a)), true);
      await sender.send("out", receiver.port, groupOf(family));
      assertEquals(linkOf((await receiver.next()).remote.address), 1);
    }, skip);
  }
}

testBoth(
  "the unspecified address gives the choice of the multicast interface back to the system",
  async (t, family) => {
    const { a, b, hosts } = await twoHosts(t, 2);
    // Whatever the kernel would prefer, now it is the first link.
    const route = family.version === 4 ? groupOf(family) : `multicast ${groupOf(family)} table local metric 1`;
    hosts.a.ip(`route add ${route} dev veth0`);
    const receiver = await groupMember(b, hosts.b, family);
    const sender = await a.bound(family.type, family.any);
    await sender.call("setMulticastInterface", family.version === 4 ? addressOf(family, 1, 1) : "::%veth1");
    await sender.send("set", receiver.port, groupOf(family));
    await sender.call("setMulticastInterface", family.any);
    await sender.send("default", receiver.port, groupOf(family));
    const [set, unset] = [await receiver.next(), await receiver.next()];
    assertEquals([set.text, linkOf(set.remote.address)], ["set", 1]);
    assertEquals([unset.text, linkOf(unset.remote.address)], ["default", 0]);
  },
  skip,
);

testBoth("setMulticastInterface() throws EINVAL for what is no interface", async (t, family) => {
  const socket = await t.bound(family.type);
  for (const text of ["", "nosuchdevice", "300.0.0.1", "::g", "%lo"]) {
    assertThrows(() => socket.setMulticastInterface(text), Error, "setMulticastInterface EINVAL");
  }
});

test("setMulticastInterface() of an IPv6 address on an IPv4 socket throws ENOPROTOOPT, as the kernel says", async (t) => {
  const socket = await t.bound("udp4");
  for (const text of ["::", "::%lo"]) {
    assertThrows(() => socket.setMulticastInterface(text), Error, "setMulticastInterface ENOPROTOOPT");
  }
});

testBoth("setMulticastInterface() throws EBADF on an unbound socket", (t, family) => {
  const socket = t.socket(family.type);
  assertThrows(() => socket.setMulticastInterface(family.any), Error, "setMulticastInterface EBADF");
});

test("setMulticastInterface() throws for an address that no interface has (IPv4)", async (t) => {
  const socket = await t.bound("udp4");
  assertThrows(() => socket.setMulticastInterface("192.0.2.1"), Error, "setMulticastInterface EADDRNOTAVAIL");
});

for (const destination of ["10.77.0.255", "255.255.255.255"]) {
  test(`a broadcast to ${destination} needs setBroadcast(true), and arrives`, async (t) => {
    const { a, b } = await twoHosts(t);
    const receiver = await b.bound("udp4", "0.0.0.0");
    const sender = await a.bound("udp4", "10.77.0.1");
    assertEquals(await codeOf(sender.send("denied", receiver.port, destination)), "EACCES");
    assertEquals(await sender.call("setBroadcast", true), true);
    await sender.send("to all", receiver.port, destination);
    const { text, remote } = await receiver.next();
    assertEquals([text, remote.address, remote.port], ["to all", "10.77.0.1", sender.port]);
    await sender.call("setBroadcast", false);
    assertEquals(await codeOf(sender.send("denied", receiver.port, destination)), "EACCES");
  }, skip);
}

test("a link-local peer's address has its zone, and can be answered", async (t) => {
  const { a, b } = await twoHosts(t, 2);
  const receiver = await b.bound("udp6", "fe80::2%veth1");
  const sender = await a.bound("udp6", "fe80::1%veth1");
  await sender.send("ping", receiver.port, "fe80::2%veth1");
  const ping = await receiver.next();
  assertEquals(ping.remote, { address: "fe80::1%veth1", family: "IPv6", port: sender.port, size: 4 });
  await receiver.send("pong", ping.remote.port, ping.remote.address);
  const pong = await sender.next();
  assertEquals(pong.remote, { address: "fe80::2%veth1", family: "IPv6", port: receiver.port, size: 4 });
}, skip);

test("address() and remoteAddress() of link-local addresses have the zone", async (t) => {
  const { a, hosts } = await twoHosts(t, 2);
  const socket = await a.socket("udp6");
  const local = await socket.bind(`fe80::1%${hosts.a.index("veth1")}`);
  assertEquals(local, { address: "fe80::1%veth1", family: "IPv6", port: socket.port });
  const peer = { address: "fe80::2%veth1", family: "IPv6", port: 9 };
  assertEquals(await socket.call("connect", 9, `fe80::2%${hosts.a.index("veth1")}`), peer);
  assertEquals(await socket.call("address"), local);
}, skip);

for (const way of ["name", "number"] as const) {
  test(`of two links with the same link-local addresses the zone's ${way} chooses`, async (t) => {
    const { a, b, hosts } = await twoHosts(t, 2);
    const first = await b.bound("udp6", "fe80::2%veth0");
    const second = await b.bound("udp6", "fe80::2%veth1", first.port);
    const sender = await a.socket("udp6");
    for (const [device, receiver] of [["veth0", first], ["veth1", second]] as const) {
      const zone = way === "name" ? device : hosts.a.index(device);
      await sender.send(device, receiver.port, `fe80::2%${zone}`);
      const { text, remote } = await receiver.next();
      assertEquals([text, remote.address], [device, `fe80::1%${device}`]);
    }
  }, skip);
}

for (const zone of ["", "%nosuchdevice"]) {
  test(`connecting to a link-local address with ${zone || "no zone"} is EINVAL`, async (t) => {
    const { a } = await twoHosts(t);
    const socket = await a.socket("udp6");
    assertEquals(await codeOf(socket.call("connect", 9, `fe80::2${zone}`)), "EINVAL");
  }, skip);
}

test("a socket bound to a device reaches link-local peers without a zone", async (t) => {
  const { a, b } = await twoHosts(t, 2);
  const receiver = await b.bound("udp6", "::");
  const sender = await a.socket("udp6");
  await sender.call("bindToDevice", "veth1");
  await sender.send("no zone", receiver.port, "fe80::2");
  assertEquals((await receiver.next()).remote.address, "fe80::1%veth1");
}, skip);

testBoth("setTTL() sets the hop limit on the wire", async (t, family) => {
  const { a, hosts } = await twoHosts(t);
  const capture = await Capture.start(t, hosts.b, "veth0");
  const sender = await a.bound(family.type, family.any);
  for (const ttl of [undefined, 1, 7, 255]) {
    if (ttl !== undefined) assertEquals(await sender.call("setTTL", ttl), ttl);
    await sender.send(`ttl ${ttl}`, 9, addressOf(family, 2));
    const { hops, text, destination } = await capture.next();
    assertEquals([text, hops], [`ttl ${ttl}`, ttl ?? 64]);
    assertEquals(destination, bytesOf(addressOf(family, 2)));
  }
}, skipCapture);

/** Host a, a router, host b behind it. */
async function routed(t: Parameters<typeof twoHosts>[0], family: Family) {
  const network = new Network(t);
  const [a, router, b] = ["a", "router", "b"].map((name) => network.host(name));
  network.link(a, router);
  network.link(router, b);
  router.run("sh", "-c", "echo 1 | tee /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding");
  // No default routes: name queries of the runtime's own would use up the router's allowance of ICMP errors.
  a.ip(`route add ${subnetOf(family, 1)} via ${addressOf(family, 2, 0)}`);
  b.ip(`route add ${subnetOf(family, 0)} via ${addressOf(family, 1, 1)}`);
  const agents = { a: await a.agent(), b: await b.agent() };
  return { ...agents, hosts: { a, router, b }, destination: addressOf(family, 2, 1) };
}

testBoth("a datagram with TTL 1 does not pass a router, one with TTL 2 does", async (t, family) => {
  const { a, b, destination } = await routed(t, family);
  const receiver = await b.bound(family.type, family.any);
  const sender = await a.bound(family.type, family.any);
  for (const ttl of [1, 2]) {
    await sender.call("setTTL", ttl);
    await sender.send(`ttl ${ttl}`, receiver.port, destination);
  }
  assertEquals((await receiver.next()).text, "ttl 2");
}, skip);

testBoth("a connected socket hears of a closed port on another host", async (t, family) => {
  const { a } = await twoHosts(t);
  const sender = await a.socket(family.type);
  await sender.call("connect", 9, addressOf(family, 2));
  await sender.send("anyone?");
  const { code, syscall, message } = await sender.nextError();
  assertEquals([code, syscall, message], ["ECONNREFUSED", "recvmsg", "recvmsg ECONNREFUSED"]);
}, skip);

testBoth("a connected socket hears of a router that prohibits the way", async (t, family) => {
  const { a, hosts, destination } = await routed(t, family);
  hosts.router.ip(`route add prohibit ${destination}`);
  const sender = await a.socket(family.type);
  await sender.call("connect", 9, destination);
  await sender.send("may I?");
  assertEquals((await sender.nextError()).code, family.version === 4 ? "EHOSTUNREACH" : "EACCES");
}, skip);

testBoth("an unconnected socket goes on after a closed port", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const receiver = await b.bound(family.type, family.any);
  const sender = await a.bound(family.type, family.any);
  await sender.send("lost", 9, addressOf(family, 2));
  await sender.send("heard", receiver.port, addressOf(family, 2));
  assertEquals((await receiver.next()).text, "heard");
}, skip);

testBoth("sending where no route leads is ENETUNREACH", async (t, family) => {
  const { a } = await twoHosts(t);
  const sender = await a.socket(family.type);
  assertEquals(await codeOf(sender.send("x", 9, family.version === 4 ? "192.0.2.1" : "2001:db8::1")), "ENETUNREACH");
}, skip);

testBoth("a datagram larger than the MTU arrives whole", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const receiver = await b.bound(family.type, family.any);
  const sender = await a.socket(family.type);
  const text = Array.from({ length: 9_000 }, (_, i) => i % 10).join("");
  await sender.send(text, receiver.port, addressOf(family, 2));
  assertEquals((await receiver.next()).text, text);
}, skip);

testBoth("a batch still arrives whole after a router has lowered the path's MTU", async (t, family) => {
  const { a, b, hosts, destination } = await routed(t, family);
  hosts.router.ip("link set veth1 mtu 1280");
  const receiver = await b.bound({ type: family.type, recvBufferSize: 1 << 18 }, family.any);
  const sender = await a.bound(family.type, family.any);
  const batch = (name: string) => Array.from({ length: 20 }, (_, i) => `${name} ${i} `.padEnd(1400, "."));
  // The first batch is too big for the way; the router drops it and says so.
  await sender.sendAll(batch("first"), receiver.port, destination);
  await sender.sendAll(batch("second"), receiver.port, destination);
  const heard: string[] = [];
  while (heard.at(-1) !== batch("second").at(-1)) heard.push((await receiver.next()).text);
  assertEquals(heard.filter((text) => text.startsWith("second")), batch("second"));
}, skip);

/** A group of site scope. */
function groupOf(family: Family): string {
  return family.version === 4 ? "239.77.0.1" : "ff15::77:1";
}

/** A socket that is in the group on both links. */
async function groupMember(agent: Agent, host: Host, family: Family): Promise<RemoteSocket> {
  const socket = await agent.bound(family.type, family.any);
  for (const link of [0, 1]) {
    await socket.call("addMembership", groupOf(family), namesOf(family, link, 2)[0][1](host));
  }
  return socket;
}
