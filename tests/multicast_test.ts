/**
 * Multicast: who is a member, what members hear, and what the kernel's own lists say.
 *
 * What needs a second host, or IPv6 routes for multicast, runs in namespaces; the rest on the loopback interface.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Agent, type RemoteSocket } from "./support/agent.ts";
import { bytesOf, Capture, noCapture } from "./support/capture.ts";
import { FAMILIES, type Family, nextMessage, sent, test, testBoth } from "./support/harness.ts";
import { addressOf, linkOf, namesOf, Network, noNamespaces, twoHosts } from "./support/namespaces.ts";
import { until } from "./support/process.ts";
import { commandFor, fixture, isDarwin, linuxOnly } from "./support/runtime.ts";

const skip = { skip: noNamespaces };
const skipCapture = { skip: noNamespaces ?? noCapture };

/** A group of site scope. */
function groupOf(family: Family): string {
  return family.version === 4 ? "239.77.0.1" : "ff15::77:1";
}

/** A group that no other test run on this host has. */
function uniqueGroup(family: Family): string {
  const [high, low] = [process.pid >> 8 & 0xff, process.pid & 0xff];
  return family.version === 4 ? `239.78.${high}.${low}` : `ff15::78:${(process.pid & 0xffff || 1).toString(16)}`;
}

/** The loopback interface, as multicast names it. */
function loopbackOf(family: Family): string {
  return family.version === 4 ? "127.0.0.1" : "::%lo";
}

/** The name of the interface of one end of a link that every family takes. */
const veth = (link: number): string => `veth${link}`;

/** The devices on which the kernel lists a group, in the namespace of a process. */
function listedOn(group: string, pid: number | "self" = "self"): string[] {
  const bytes = bytesOf(group);
  const hex = (bytes.length === 4 ? bytes.toReversed() : bytes).reduce(
    (text, byte) => text + byte.toString(16).padStart(2, "0"),
    "",
  ).toUpperCase();
  const read = (file: string): string[] => readFileSync(`/proc/${pid}/net/${file}`, "utf8").split("\n");
  if (bytes.length === 16) {
    return read("igmp6").map((line) => line.trim().split(/\s+/)).filter((words) => words[2]?.toUpperCase() === hex)
      .map((words) => words[1]);
  }
  const devices: string[] = [];
  let device = "";
  for (const line of read("igmp")) {
    device = /^\d+\s+(\S+)/.exec(line)?.[1] ?? device;
    if (line.trim().startsWith(hex)) devices.push(device);
  }
  return devices;
}

/** The lines of the kernel's list of source filters. */
function sourceFilters(agent: Agent, family: Family): string[] {
  const file = family.version === 4 ? "mcfilter" : "mcfilter6";
  return readFileSync(`/proc/${agent.pid}/net/${file}`, "utf8").trim().split("\n").slice(1);
}

/** A socket on all addresses that has joined the group on the first link. */
async function member(agent: Agent, family: Family, port = 0, reuseAddr = false): Promise<RemoteSocket> {
  const socket = await agent.bound({ type: family.type, reuseAddr }, family.any, port);
  await socket.call("addMembership", groupOf(family), veth(0));
  return socket;
}

/** A socket that multicasts on the first link. */
async function speaker(agent: Agent, family: Family, address = family.any): Promise<RemoteSocket> {
  const socket = await agent.bound(family.type, address);
  await socket.call("setMulticastInterface", veth(0));
  return socket;
}

for (const family of FAMILIES) {
  for (const [way, name] of namesOf(family, 1, 2)) {
    test(`a membership holds on the interface given by ${way} until it is dropped (${family.name})`, async (t) => {
      const { a, b, hosts } = await twoHosts(t, 2);
      const receiver = await b.bound(family.type, family.any);
      assertEquals(await receiver.call("addMembership", groupOf(family), name(hosts.b)), true);
      assertEquals(listedOn(groupOf(family), b.pid), ["veth1"]);
      const sender = await a.bound(family.type, family.any);
      for (const link of [0, 1]) {
        await sender.call("setMulticastInterface", veth(link));
        await sender.send(`link ${link}`, receiver.port, groupOf(family));
      }
      const { text, remote } = await receiver.next();
      assertEquals([text, linkOf(remote.address), remote.port], ["link 1", 1, sender.port]);

      assertEquals(await receiver.call("dropMembership", groupOf(family), name(hosts.b)), true);
      assertEquals(listedOn(groupOf(family), b.pid), []);
      await sender.send("to nobody", receiver.port, groupOf(family));
      await sender.send("to you", receiver.port, addressOf(family, 2, 1));
      assertEquals((await receiver.next()).text, "to you");
    }, skip);
  }
}

testBoth("a membership without an interface is on the one that the routes say", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  if (family.version === 4) hosts.b.ip("route add 224.0.0.0/4 dev veth0");
  const receiver = await b.bound(family.type, family.any);
  await receiver.call("addMembership", groupOf(family));
  assertEquals(listedOn(groupOf(family), b.pid), ["veth0"]);
  await (await speaker(a, family)).send("hello", receiver.port, groupOf(family));
  assertEquals((await receiver.next()).text, "hello");
  await receiver.call("dropMembership", groupOf(family));
  assertEquals(listedOn(groupOf(family), b.pid), []);
}, skip);

test("an IPv6 group's own zone names the interface", async (t) => {
  const { a, b } = await twoHosts(t, 2);
  const receiver = await b.bound("udp6", "::");
  await receiver.call("addMembership", "ff12::77:1%veth1");
  assertEquals(listedOn("ff12::77:1", b.pid), ["veth1"]);
  const sender = await a.bound("udp6", "::");
  await sender.send("link-local", receiver.port, "ff12::77:1%veth1");
  assertEquals((await receiver.next()).remote.address, "fe80::1%veth1");
}, skip);

testBoth("one socket hears several groups", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const receiver = await b.bound(family.type, family.any);
  const groups = family.version === 4
    ? ["239.77.1.1", "239.77.1.2", "224.0.1.77"]
    : ["ff15::1:1", "ff18::1", "ff12::9"];
  for (const group of groups) await receiver.call("addMembership", group, veth(0));
  const sender = await speaker(a, family);
  for (const group of groups) {
    await sender.send(group, receiver.port, group);
    assertEquals((await receiver.next()).text, group);
  }
}, skip);

testBoth("two sockets with reuseAddr in one group both hear each datagram", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const first = await member(b, family, 0, true);
  const second = await member(b, family, first.port, true);
  const sender = await speaker(a, family);
  for (const text of ["one", "two"]) await sender.send(text, first.port, groupOf(family));
  for (const socket of [first, second]) {
    assertEquals([(await socket.next()).text, (await socket.next()).text], ["one", "two"]);
  }
}, skip);

testBoth("closing a socket ends its memberships", async (t, family) => {
  const group = uniqueGroup(family);
  const socket = await t.bound(family.type);
  socket.addMembership(group, loopbackOf(family));
  assertEquals(listedOn(group), ["lo"]);
  await socket[Symbol.asyncDispose]();
  assertEquals(listedOn(group), []);
});

testBoth("the kernel lists a group until the last of its members has left", async (t, family) => {
  const group = uniqueGroup(family);
  const [first, second] = [await t.bound(family.type), await t.bound(family.type)];
  for (const socket of [first, second]) assertEquals(socket.addMembership(group, loopbackOf(family)), true);
  first.dropMembership(group, loopbackOf(family));
  assertEquals(listedOn(group), ["lo"]);
  assertEquals(second.dropMembership(group, loopbackOf(family)), true);
  assertEquals(listedOn(group), []);
});

testBoth("setMulticastLoopback() says whether this host hears what it sends itself", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const far = await member(b, family);
  const near = await member(a, family, far.port);
  const sender = await speaker(a, family);
  for (const flag of [false, true]) {
    assertEquals(await sender.call("setMulticastLoopback", flag), flag);
    await sender.send(`loopback ${flag}`, far.port, groupOf(family));
  }
  assertEquals([(await far.next()).text, (await far.next()).text], ["loopback false", "loopback true"]);
  assertEquals((await near.next()).text, "loopback true");
}, skip);

testBoth("setMulticastTTL(0) keeps multicast on this host", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const far = await member(b, family);
  const near = await member(a, family, far.port);
  const sender = await speaker(a, family);
  for (const ttl of [0, 1]) {
    assertEquals(await sender.call("setMulticastTTL", ttl), ttl);
    await sender.send(`ttl ${ttl}`, far.port, groupOf(family));
  }
  assertEquals([(await near.next()).text, (await near.next()).text], ["ttl 0", "ttl 1"]);
  assertEquals((await far.next()).text, "ttl 1");
}, skip);

testBoth("setMulticastTTL() sets the hop limit of multicast on the wire, and of nothing else", async (t, family) => {
  const { a, hosts } = await twoHosts(t);
  const capture = await Capture.start(t, hosts.b, "veth0");
  const sender = await speaker(a, family);
  for (const ttl of [undefined, 5, 255]) {
    if (ttl !== undefined) await sender.call("setMulticastTTL", ttl);
    await sender.send("many", 9, groupOf(family));
    const { hops, destination } = await capture.next();
    assertEquals([hops, destination], [ttl ?? 1, bytesOf(groupOf(family))]);
  }
  await sender.send("one", 9, addressOf(family, 2));
  assertEquals((await capture.next()).hops, 64);
}, skipCapture);

/** A second address of the first host on the first link. */
const otherSource = (family: Family): string => family.version === 4 ? "10.77.0.3" : "fd77:70::3";

for (const family of FAMILIES) {
  for (const [way, name] of namesOf(family, 0, 2)) {
    test(`a source-specific member hears the chosen source only, by ${way} (${family.name})`, async (t) => {
      const { a, b, hosts } = await twoHosts(t);
      hosts.a.ip(`addr add ${otherSource(family)}/${family.version === 4 ? "24" : "64"} dev veth0 nodad`);
      const receiver = await b.bound(family.type, family.any);
      const channel = [addressOf(family, 1), groupOf(family), name(hosts.b)];
      const [chosen, other] = [
        await speaker(a, family, addressOf(family, 1)),
        await speaker(a, family, otherSource(family)),
      ];
      assertEquals(await receiver.call("addSourceSpecificMembership", ...channel), true);
      assertEquals(sourceFilters(b, family).length, 1);
      await other.send("other", receiver.port, groupOf(family));
      await chosen.send("chosen", receiver.port, groupOf(family));
      assertEquals((await receiver.next()).text, "chosen");

      assertEquals(await receiver.call("dropSourceSpecificMembership", ...channel), true);
      assertEquals([sourceFilters(b, family), listedOn(groupOf(family), b.pid)], [[], []]);
      await chosen.send("to nobody", receiver.port, groupOf(family));
      await chosen.send("to you", receiver.port, addressOf(family, 2));
      assertEquals((await receiver.next()).text, "to you");
    }, skip);
  }
}

testBoth("a source-specific member can choose several sources and drop one of them", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  hosts.a.ip(`addr add ${otherSource(family)}/${family.version === 4 ? "24" : "64"} dev veth0 nodad`);
  const receiver = await b.bound(family.type, family.any);
  const sources = [addressOf(family, 1), otherSource(family)];
  for (const source of sources) {
    await receiver.call("addSourceSpecificMembership", source, groupOf(family), veth(0));
  }
  const senders = await Promise.all(sources.map((source) => speaker(a, family, source)));
  const sendFromBoth = async () => {
    for (const [i, sender] of senders.entries()) await sender.send(`source ${i}`, receiver.port, groupOf(family));
  };
  await sendFromBoth();
  assertEquals([(await receiver.next()).text, (await receiver.next()).text], ["source 0", "source 1"]);
  await receiver.call("dropSourceSpecificMembership", sources[0], groupOf(family), veth(0));
  await sendFromBoth();
  assertEquals((await receiver.next()).text, "source 1");
}, skip);

test("the kernel's list of filters names source and group (IPv4)", async (t) => {
  const { b } = await twoHosts(t);
  const receiver = await b.bound("udp4", "0.0.0.0");
  await receiver.call("addSourceSpecificMembership", "10.77.0.1", "232.7.0.1", "10.77.0.2");
  assertEquals(listedOn("232.7.0.1", b.pid), ["veth0"]);
  // Index, device, group, source, includes, excludes.
  assertStringIncludes(sourceFilters(b, FAMILIES[0])[0].replaceAll(/\s+/g, " "), "veth0 0xe8070001 0x0a4d0001 1 0");
}, skip);

testBoth("joining a group twice is EADDRINUSE", async (t, family) => {
  const socket = await t.bound(family.type);
  const again = () => socket.addMembership(uniqueGroup(family), loopbackOf(family));
  again();
  assertThrows(again, Error, "addMembership EADDRINUSE");
});

testBoth("leaving a group that was not joined is EADDRNOTAVAIL", async (t, family) => {
  const socket = await t.bound(family.type);
  const [group, device] = [uniqueGroup(family), loopbackOf(family)];
  const leave = () => socket.dropMembership(group, device);
  assertThrows(leave, Error, "dropMembership EADDRNOTAVAIL");
  socket.addMembership(group, device);
  leave();
  assertThrows(leave, Error, "dropMembership EADDRNOTAVAIL");
});

testBoth("leaving a channel of another source is EADDRNOTAVAIL, of another group EINVAL", async (t, family) => {
  const socket = await t.bound(family.type);
  const other = family.version === 4 ? "127.0.0.2" : "::2";
  const leave = (source: string) => () =>
    socket.dropSourceSpecificMembership(source, uniqueGroup(family), loopbackOf(family));
  assertThrows(leave(family.loopback), Error, "dropSourceSpecificMembership EINVAL");
  socket.addSourceSpecificMembership(family.loopback, uniqueGroup(family), loopbackOf(family));
  assertThrows(leave(other), Error, "dropSourceSpecificMembership EADDRNOTAVAIL");
  assertEquals(leave(family.loopback)(), true);
});

for (const method of ["addMembership", "dropMembership"] as const) {
  testBoth(`${method}() of what is no group is EINVAL`, async (t, family) => {
    const socket = await t.bound(family.type);
    for (const group of ["nonsense", "256.256.256.256", "ff15:::1"]) {
      assertThrows(() => socket[method](group), Error, `${method} EINVAL`);
    }
  });

  testBoth(`${method}() with what is no interface is EINVAL`, async (t, family) => {
    const socket = await t.bound(family.type);
    for (const name of ["nosuchdevice", "256.0.0.1", family.version === 4 ? "::1" : "127.0.0.1"]) {
      assertThrows(() => socket[method](uniqueGroup(family), name), Error, `${method} EINVAL`);
    }
  });

  testBoth(`${method}() without a group throws ERR_MISSING_ARGS`, (t, family) => {
    const call = t.socket(family.type)[method] as () => unknown;
    const error = assertThrows(() => call.call(t.socket(family.type)), TypeError, "multicastAddress");
    assertEquals((error as Error & { code: string }).code, "ERR_MISSING_ARGS");
  });
}

testBoth("joining what is an address but no group is EINVAL", async (t, family) => {
  const socket = await t.bound(family.type);
  assertThrows(() => socket.addMembership(family.loopback, loopbackOf(family)), Error, "addMembership EINVAL");
});

test("joining on an address that no interface has is ENODEV, on macOS EADDRNOTAVAIL (IPv4)", async (t) => {
  const socket = await t.bound("udp4");
  assertThrows(
    () => socket.addMembership("239.77.0.1", "192.0.2.1"),
    Error,
    `addMembership ${isDarwin ? "EADDRNOTAVAIL" : "ENODEV"}`,
  );
});

testBoth("a channel of two families, or of what is no address, is EINVAL", async (t, family) => {
  const socket = await t.bound(family.type);
  const other = FAMILIES.find(({ version }) => version !== family.version)!;
  const bad = [[other.loopback, groupOf(family)], [family.loopback, groupOf(other)], ["nonsense", groupOf(family)]];
  for (const [source, group] of bad) {
    assertThrows(() => socket.addSourceSpecificMembership(source, group), Error, "addSourceSpecificMembership EINVAL");
  }
});

for (const method of ["addSourceSpecificMembership", "dropSourceSpecificMembership"] as const) {
  testBoth(`${method}() takes strings only`, (t, family) => {
    const socket = t.socket(family.type);
    const call = (...args: unknown[]) => () =>
      (socket[method] as (...args: unknown[]) => unknown).call(socket, ...args);
    assertThrows(call(1, groupOf(family)), TypeError, '"sourceAddress" argument must be of type string');
    assertThrows(call(family.loopback, 1), TypeError, '"groupAddress" argument must be of type string');
  });
}

test("an IPv6 socket that hears IPv4, too, can be a member of an IPv4 group and send to it", async (t) => {
  const [group, device] = [uniqueGroup(FAMILIES[0]), loopbackOf(FAMILIES[0])];
  const socket = await t.bound("udp6", "::");
  assertEquals(socket.setMulticastInterface(device), true);
  assertEquals(socket.addMembership(group, device), true);
  assertEquals(listedOn(group), ["lo"]);
  const arriving = nextMessage(socket);
  const { port } = socket.address();
  await sent(socket, "to myself", port, `::ffff:${group}`);
  const { text, remote } = await arriving;
  assertEquals([text, remote], ["to myself", { address: "::ffff:127.0.0.1", family: "IPv6", port, size: 9 }]);
  assertEquals(socket.dropMembership(group, device), true);
  assertEquals(listedOn(group), []);
}, { skip: linuxOnly("IPv4 options on IPv6 sockets") });

test("an IPv6 socket that hears IPv4, too, hears the chosen source of an IPv4 channel only", async (t) => {
  const [group, device] = [uniqueGroup(FAMILIES[0]), loopbackOf(FAMILIES[0])];
  const socket = await t.bound("udp6", "::");
  assertEquals(socket.addSourceSpecificMembership("127.0.0.2", group, device), true);
  const { port } = socket.address();
  const arriving = nextMessage(socket);
  for (const source of ["127.0.0.1", "127.0.0.2"]) {
    const speaking = await t.bound("udp4", source);
    speaking.setMulticastInterface(source);
    await sent(speaking, source, port, group);
  }
  assertEquals((await arriving).text, "127.0.0.2");
}, { skip: linuxOnly("IPv4 options on IPv6 sockets") });

test("an IPv4 socket that joins an IPv6 group gets ENOPROTOOPT, as the kernel says", async (t) => {
  const socket = await t.bound("udp4");
  assertThrows(() => socket.addMembership("ff15::77:1"), Error, "addMembership ENOPROTOOPT");
  assertThrows(() => socket.dropMembership("ff15::77:1"), Error, "dropMembership ENOPROTOOPT");
});

testBoth("joining binds an unbound socket to a port of the system's choice", (t, family) => {
  const socket = t.socket(family.type);
  socket.addMembership(uniqueGroup(family), loopbackOf(family));
  const { address, port } = socket.address();
  assertEquals([address, port > 0], [family.any, true]);
});

testBoth("joining a channel binds an unbound socket to a port of the system's choice", (t, family) => {
  const socket = t.socket(family.type);
  socket.addSourceSpecificMembership(family.loopback, uniqueGroup(family), loopbackOf(family));
  assertEquals(socket.address().port > 0, true);
});

testBoth("a failed membership leaves an unbound socket unbound", (t, family) => {
  const socket = t.socket(family.type);
  assertThrows(() => socket.addMembership("nonsense"), Error, "addMembership EINVAL");
  assertThrows(() => socket.address(), Error, "getsockname EBADF");
});

test("leaving an IPv6 group without an interface leaves any one, an IPv4 group only the system's choice", async (t) => {
  const [ipv4, ipv6] = FAMILIES;
  const six = await t.bound(ipv6.type, ipv6.any);
  const group = uniqueGroup(ipv6);
  six.addMembership(group, loopbackOf(ipv6));
  assertEquals(six.dropMembership(group), true);
  const four = await t.bound(ipv4.type, ipv4.any);
  const group4 = uniqueGroup(ipv4);
  four.addMembership(group4, loopbackOf(ipv4));
  assertThrows(() => four.dropMembership(group4), Error, "dropMembership E");
  assertEquals(four.dropMembership(group4, loopbackOf(ipv4)), true);
});

testBoth("a group is joined on all interfaces, also on those that come and come again", async (t, family) => {
  const network = new Network(t);
  const [a, b] = [network.host("a"), network.host("b")];
  network.link(a, b);
  const [talker, listener] = [await Agent.start(t, a), await Agent.start(t, b)];
  const receiver = await listener.bound(family.type, family.any);
  const group = groupOf(family);
  const joinedOn = (): string => listedOn(group, listener.pid).sort().join(" ");
  assertEquals(await receiver.call("addMembershipOnAllInterfaces", group), true);
  assertEquals(joinedOn(), "lo veth0");
  network.link(a, b);
  await until(() => joinedOn() === "lo veth0 veth1", "the new interface");
  const sender = await talker.bound(family.type, family.any);
  for (const link of [0, 1]) {
    await sender.call("setMulticastInterface", veth(link));
    await sender.send(`link ${link}`, receiver.port, group);
    const { text, remote } = await receiver.next();
    assertEquals([text, linkOf(remote.address)], [`link ${link}`, link]);
  }
  const index = b.index("veth1");
  b.ip("link delete veth1");
  await until(() => joinedOn() === "lo veth0", "the interface to be forgotten");
  // The same name, another index.
  b.ip(`link add veth1 type veth peer name peer1 netns ${a.namespace}`, "link set veth1 up");
  a.ip("link set peer1 up");
  const address = family.version === 4 ? "10.77.9.1/24" : "fd77:79::1/64";
  b.ip(`addr add ${address} dev veth1`);
  assertEquals(b.index("veth1") === index, false);
  await until(() => joinedOn() === "lo veth0 veth1", "the interface that came again");
  await receiver.call("dropMembershipOnAllInterfaces", group);
  assertEquals(joinedOn(), "");
  const again = await receiver.call("dropMembershipOnAllInterfaces", group).catch((error) => error.code);
  assertEquals(again, "EADDRNOTAVAIL");
}, skip);

testBoth("an interface that the program has joined itself stays joined", async (t, family) => {
  const { b } = await twoHosts(t);
  const receiver = await b.bound(family.type, family.any);
  const group = groupOf(family);
  await receiver.call("addMembership", group, veth(0));
  await receiver.call("addMembershipOnAllInterfaces", group);
  await receiver.call("addMembershipOnAllInterfaces", group);
  assertEquals(listedOn(group, b.pid).sort(), ["lo", "veth0"]);
  await receiver.call("dropMembershipOnAllInterfaces", group);
  assertEquals(listedOn(group, b.pid), ["veth0"]);
}, skip);

test("what is no group joins none, and a socket that was closed looks no more", async (t) => {
  const socket = await t.bound("udp4");
  assertThrows(() => socket.addMembershipOnAllInterfaces("127.0.0.1"), Error, "addMembershipOnAllInterfaces EINVAL");
  assertThrows(() => socket.addMembershipOnAllInterfaces("no group"), Error, "EINVAL");
  assertThrows(() => socket.addMembershipOnAllInterfaces(undefined as never), TypeError, "multicastAddress");
  assertThrows(() => socket.dropMembershipOnAllInterfaces("239.77.0.9"), Error, "EADDRNOTAVAIL");
});

test("looking for interfaces does not keep the process alive", (t) => {
  const host = new Network(t).host("a");
  assertEquals(host.run(...commandFor(fixture("all_interfaces"))).trim(), "joined");
}, skip);
