/**
 * Options of a socket beyond Node's: what they do, what the kernel has after them, and how a refusal reads.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { currentRuntime } from "../ffi/load.ts";
import { optionOf } from "../ffi/wire/sockopt.ts";
import { createSocket, type PathMtuDiscovery, type Socket } from "../mod.ts";
import { missingOption, optionError } from "../src/options/errors.ts";
import { Agent } from "./support/agent.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import {
  type Family,
  nextMessage,
  nextMessages,
  openDescriptors,
  sent,
  test,
  testBoth,
  type Tools,
} from "./support/harness.ts";
import { kernelOption, openDescriptor } from "./support/kernel.ts";
import { addressOf, Network, noNamespaces, twoHosts } from "./support/namespaces.ts";

const skip = { skip: noNamespaces };

/** Why the kernel does not behave as that version; undefined: it is that or newer. */
function linuxFrom(major: number, minor: number): string | undefined {
  const [ownMajor, ownMinor] = release().split(".").map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
    ? undefined
    : `older than Linux ${major}.${minor}`;
}

/** An agent that is root but for some privileges, as setpriv(1) has them: `-net_admin,-net_raw`. */
function without(t: Tools, privileges: string): Promise<Agent> {
  const flags = [`--bounding-set=${privileges}`, `--inh-caps=${privileges}`];
  return Agent.start(t, { command: (...words) => ["setpriv", ...flags, ...words] });
}

const noSetpriv = noNamespaces ??
  (spawnSync("setpriv", ["true"]).status === 0 ? undefined : "setpriv (util-linux) is not installed");

/** A turn of the event loop. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** What the kernel has, asked through another object than the socket's. */
function inKernel(socket: Socket, name: Parameters<typeof kernelOption>[1]): number {
  return kernelOption(socket.address().port, name);
}

const either = (family: Family, name4: string, name6: string): Parameters<typeof kernelOption>[1] =>
  (family.version === 4 ? name4 : name6) as Parameters<typeof kernelOption>[1];

testBoth("TOS, DSCP and ECN are on what is sent, and each leaves the others alone", async (t, family) => {
  const receiver = await t.bound({ type: family.type, recvTOS: true });
  const sender = await t.bound(family.type);
  const arrived = async (): Promise<unknown> => {
    const message = nextMessage(receiver);
    await sent(sender, "x", receiver.address().port, family.loopback);
    const { tos, dscp, ecn } = (await message).remote as unknown as Record<string, number>;
    return [tos, dscp, ecn];
  };
  assertEquals(await arrived(), [0, 0, 0]);
  assertEquals(sender.setTOS(0xb9), true);
  assertEquals(await arrived(), [0xb9, 46, 1]);
  sender.setECN(2);
  assertEquals(await arrived(), [0xba, 46, 2]);
  sender.setDSCP(10);
  assertEquals(await arrived(), [42, 10, 2]);
  assertEquals([sender.getTOS(), sender.getDSCP(), sender.getECN()], [42, 10, 2]);
  assertEquals(inKernel(sender, either(family, "IP_TOS", "IPV6_TCLASS")), 42);
});

test("an IPv6 socket has its traffic class on what it sends over IPv4, too", async (t) => {
  const receiver = await t.bound({ type: "udp4", recvTOS: true });
  const sender = await t.bound("udp6", "::");
  sender.setTOS(0x48);
  const message = nextMessage(receiver);
  await sent(sender, "x", receiver.address().port, "::ffff:127.0.0.1");
  assertEquals(((await message).remote as unknown as { tos: number }).tos, 0x48);
});

testBoth(
  "what changes the way of messages does not change those sent before it in the same turn",
  async (t, family) => {
    const receiver = await t.bound({ type: family.type, recvTOS: true });
    const sender = await t.bound(family.type);
    const messages = nextMessages(receiver, 3);
    for (const tos of [4, 8, 12]) {
      sender.setTOS(tos);
      sender.send(`${tos}`, receiver.address().port, family.loopback);
    }
    const seen = (await messages).map(({ text, remote }) => [Number(text), (remote as unknown as { tos: number }).tos]);
    assertEquals(seen, [[4, 4], [8, 8], [12, 12]]);
  },
);

testBoth("path MTU discovery has the kernel's modes by their names", async (t, family) => {
  const socket = await t.bound(family.type);
  const modes: PathMtuDiscovery[] = ["DONT", "WANT", "DO", "PROBE", "INTERFACE", "OMIT"];
  modes.forEach((mode, number) => {
    assertEquals(socket.setMTUDiscover(mode), true);
    assertEquals(socket.getMTUDiscover(), mode);
    assertEquals(inKernel(socket, either(family, "IP_MTU_DISCOVER", "IPV6_MTU_DISCOVER")), number);
    assertEquals(socket.getDontFragment(), mode === "DO" || mode === "PROBE");
  });
  socket.setDontFragment(true);
  assertEquals(socket.getMTUDiscover(), "DO");
  socket.setDontFragment(false);
  assertEquals(socket.getMTUDiscover(), "WANT");
  assertThrows(() => socket.setMTUDiscover("do" as "DO"), TypeError, "must be one of DONT, WANT, DO");
});

testBoth("a path has an MTU where there is a peer, and else the error says so", async (t, family) => {
  const peer = await t.bound(family.type);
  const socket = await t.bound(family.type);
  const option = either(family, "IP_MTU", "IPV6_PATHMTU");
  assertThrows(() => socket.getPathMTU(), Error, `getsockopt ${option} ENOTCONN: it takes a socket with a peer`);
  socket.connectSync(peer.address().port, family.loopback);
  // The loopback interface's, of which IPv4 can use all but one byte.
  assertEquals(socket.getPathMTU(), family.version === 4 ? 65_535 : 65_536);
});

testBoth("the drop counter is what was sent less what was received", async (t, family) => {
  const receiver = t.socket({ type: family.type, gro: false });
  const { port } = receiver.bindSync({ address: family.loopback });
  receiver.setRecvBufferSize(4096);
  const sender = await t.bound({ type: family.type, gso: false });
  let received = 0;
  receiver.on("message", () => received++);
  assertEquals(receiver.getDropCount(), 0);
  const total = 300;
  // One turn: nothing is received meanwhile.
  const sends = Array.from({ length: total }, () => sent(sender, new Uint8Array(100), port, family.loopback));
  assertEquals(receiver.getNextDatagramSize(), 100, "what waits first");
  const { receiveAllocated, receiveBuffer, drops } = receiver.getMemoryInfo();
  assert(receiveAllocated > 0 && receiveBuffer >= 4096 && drops > 0, `${receiveAllocated} ${receiveBuffer} ${drops}`);
  await Promise.all(sends);
  while (receiver.getMemoryInfo().receiveAllocated > 0) await turn();
  await turn();
  assertEquals(receiver.getDropCount(), total - received);
  assertEquals(receiver.getNextDatagramSize(), 0);
});

test("what the device has not sent is counted in the output queue", async (t) => {
  const host = new Network(t).host("a");
  host.ip("link add veth0 type veth peer name veth1", "link set veth0 up", "link set veth1 up");
  host.ip("addr add 10.77.0.1/24 dev veth0");
  const socket = await (await host.agent()).bound("udp4", "0.0.0.0");
  assertEquals(await socket.call("getOutputQueueSize"), 0);
  // Nobody has this address, so the packet waits until the neighbour's hardware address is known.
  await socket.send("x".repeat(1000), 9, "10.77.0.77");
  assert(await socket.call("getOutputQueueSize") as number >= 1000);
}, skip);

testBoth("a mark is seen by the routing rules", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  const far = family.version === 4 ? "10.99.0.1" : "fd99::1";
  const [bits, version] = family.version === 4 ? [32, "-4"] : [128, "-6"];
  hosts.b.ip(`addr add ${far}/${bits} dev lo`);
  hosts.a.run("ip", version, "rule", "add", "fwmark", "7", "table", "100");
  hosts.a.run("ip", version, "route", "add", `${far}/${bits}`, "via", addressOf(family, 2), "table", "100");
  const receiver = await b.bound(family.type, family.any);
  const sender = await a.bound(family.type, family.any);
  const refused = await sender.send("without", receiver.port, far).catch((error) => error);
  assertEquals((refused as { code: string }).code, "ENETUNREACH");
  await sender.call("setMark", 7);
  assertEquals(await sender.call("getMark"), 7);
  await sender.send("with", receiver.port, far);
  assertEquals((await receiver.next()).text, "with");
  const marked = await a.bound({ type: family.type, mark: 7 }, family.any);
  await marked.send("from the start", receiver.port, far);
  assertEquals((await receiver.next()).text, "from the start");
}, skip);

testBoth(
  "freebind and transparent let a socket be bound to an address that this host does not have",
  (t, family) => {
    const nowhere = family.version === 4 ? "192.0.2.1" : "2001:db8::1";
    const refused = assertThrows(() => t.socket(family.type).bindSync({ address: nowhere })) as Error & {
      code: string;
    };
    assertEquals(refused.code, "EADDRNOTAVAIL");
    assertEquals(t.socket({ type: family.type, freebind: true }).bindSync({ address: nowhere }).address, nowhere);
    const set = t.socket(family.type);
    assertEquals([set.getFreebind(), set.setFreebind(true), set.getFreebind()], [false, true, true]);
    assertEquals(set.bindSync({ address: nowhere }).address, nowhere);
  },
);

testBoth("a transparent socket can be bound to any address, too", (t, family) => {
  const nowhere = family.version === 4 ? "192.0.2.1" : "2001:db8::1";
  const socket = t.socket({ type: family.type, transparent: true });
  assertEquals(socket.getTransparent(), true);
  assertEquals(socket.bindSync({ address: nowhere }).address, nowhere);
  assertEquals([socket.setTransparent(false), socket.getTransparent()], [true, false]);
}, skip);

testBoth("priority and busy polling are set in the kernel", async (t, family) => {
  const socket = await t.bound(family.type);
  assertEquals([socket.setPriority(5), socket.getPriority(), inKernel(socket, "SO_PRIORITY")], [true, 5, 5]);
  assertEquals([socket.setBusyPoll(0), socket.getBusyPoll(), inKernel(socket, "SO_BUSY_POLL")], [true, 0, 0]);
  for (const value of [-1, 1.5, 2 ** 31, NaN]) {
    assertThrows(() => socket.setPriority(value), RangeError);
    assertThrows(() => socket.setBusyPoll(value), RangeError);
  }
});

test(
  "busy polling requires no privilege on new kernels; on older ones a longer time requires CAP_NET_ADMIN",
  async (t) => {
    const socket = await (await without(t, "-net_admin,-net_raw")).bound("udp4", "127.0.0.1");
    const outcomes: unknown[] = [];
    for (const time of [50, 10, 60, 0]) {
      outcomes.push(await socket.call("setBusyPoll", time).catch(({ code, message }) => `${code} ${message}`));
    }
    const refused = outcomes[0] !== true;
    const refusal = "EPERM setsockopt SO_BUSY_POLL EPERM: a longer time than the socket has takes CAP_NET_ADMIN";
    assertEquals(outcomes, refused ? [refusal, refusal, refusal, true] : [true, true, true, true]);
    if (linuxFrom(6, 18) === undefined) assert(!refused, "a privilege is required");
  },
  { skip: noSetpriv },
);

test("which options require a privilege, and which of the two", async (t) => {
  const calls: readonly (readonly [method: string, ...args: unknown[]])[] = [
    ["setPriority", 6],
    ["setPriority", 7],
    ["setMark", 1],
    ["setTransparent", true],
    ["setTxTimeClock", "monotonic"],
    ["setTxTimeClock", "tai"],
    ["bindToDevice", "lo"],
    ["bindToDevice", ""],
  ];
  const outcomes: Record<string, string[]> = {
    "-net_admin,-net_raw": ["ok", "EPERM", "EPERM", "EPERM", "ok", "EPERM", "ok", "EPERM"],
    "-net_admin": ["ok", "ok", "ok", "ok", "ok", "EPERM", "ok", "ok"],
    "-net_raw": ["ok", "ok", "ok", "ok", "ok", "ok", "ok", "EPERM"],
  };
  for (const [privileges, expected] of Object.entries(outcomes)) {
    const socket = await (await without(t, privileges)).bound("udp4", "127.0.0.1");
    const found: string[] = [];
    for (const call of calls) found.push(await socket.call(...call).then(() => "ok", ({ code }) => code));
    assertEquals(found, expected, privileges);
  }
}, { skip: noSetpriv ?? linuxFrom(5, 17) });

test("a mark of 32 bits is got as it was set", async (t) => {
  const socket = await t.bound("udp4");
  socket.setMark(0xfedcba98);
  assertEquals(socket.getMark(), 0xfedcba98);
  assertThrows(() => socket.setMark(2 ** 32), RangeError);
}, skip);

/** Two sockets on one port of all addresses, of which one joins a group. */
async function members(
  t: Tools,
  family: Family,
): Promise<{ joined: Socket; other: Socket; group: string; sender: Socket }> {
  const group = family.version === 4 ? "239.77.3.9" : "ff15::77:39";
  const joined = await t.bound({ type: family.type, reuseAddr: true }, family.any);
  const other = t.socket({ type: family.type, reuseAddr: true });
  other.bindSync({ port: joined.address().port });
  const loopback = family.version === 4 ? "127.0.0.1" : "::%lo";
  joined.addMembership(group, loopback);
  const sender = await t.bound(family.type);
  sender.setMulticastInterface(loopback);
  return { joined, other, group, sender };
}

test("without IP_MULTICAST_ALL a socket gets only what it has joined itself", async (t) => {
  const { joined, other, group, sender } = await members(t, { type: "udp4", version: 4, any: "0.0.0.0" } as Family);
  const { port } = joined.address();
  assertEquals(other.getMulticastAll(), true);
  const [first, second] = [nextMessage(joined), nextMessage(other)];
  await sent(sender, "to all", port, group);
  assertEquals([(await first).text, (await second).text], ["to all", "to all"]);
  assertEquals(other.setMulticastAll(false), true);
  const [third, fourth] = [nextMessage(joined), nextMessage(other)];
  await sent(sender, "to members", port, group);
  assertEquals((await third).text, "to members");
  await sent(sender, "to one", port, "127.0.0.1");
  await sent(sender, "to one", port, "127.0.0.1");
  // Unicast to a shared port reaches the last that was bound.
  assertEquals((await fourth).text, "to one");
});

test("IPV6_MULTICAST_ALL is set in the kernel", async (t) => {
  const socket = await t.bound("udp6");
  assertEquals([socket.getMulticastAll(), socket.setMulticastAll(false), socket.getMulticastAll()], [
    true,
    true,
    false,
  ]);
  assertEquals(inKernel(socket, "IPV6_MULTICAST_ALL"), 0);
});

testBoth("a blocked source of a group is not heard until it is let in again", async (t, family) => {
  const { a, b } = await twoHosts(t);
  const group = family.version === 4 ? "239.77.3.9" : "ff15::77:39";
  const receiver = await b.bound(family.type, family.any);
  await receiver.call("addMembership", group, "veth0");
  const sender = await a.bound(family.type, family.any);
  await sender.call("setMulticastInterface", "veth0");
  const source = addressOf(family, 1);
  await sender.send("before", receiver.port, group);
  const heard = await receiver.next();
  assertEquals([heard.text, heard.remote.address], ["before", source]);
  assertEquals(await receiver.call("blockSource", source, group, "veth0"), true);
  await sender.send("blocked", receiver.port, group);
  await sender.send("alone", receiver.port, addressOf(family, 2));
  assertEquals((await receiver.next()).text, "alone");
  assertEquals(await receiver.call("unblockSource", source, group, "veth0"), true);
  await sender.send("after", receiver.port, group);
  assertEquals((await receiver.next()).text, "after");
  const failure = await receiver.call("unblockSource", source, group, "veth0").catch((error) => error);
  assertEquals((failure as { syscall: string }).syscall, "unblockSource");
}, skip);

testBoth(
  "options can be set before bind(), and a descriptor that is taken over later has those of createSocket()",
  async (t, family) => {
    const socket = t.socket({ type: family.type, recvNetworkErrors: true });
    socket.setTOS(16);
    await new Promise<void>((resolve) => socket.bind(0, family.loopback, resolve));
    assertEquals(inKernel(socket, either(family, "IP_TOS", "IPV6_TCLASS")), 16);
    const { fd } = openDescriptor(family);
    const adopting = t.socket({ type: family.type, recvNetworkErrors: true });
    await new Promise<void>((resolve) => adopting.bind({ fd }, resolve));
    assertEquals(inKernel(adopting, either(family, "IP_RECVERR", "IPV6_RECVERR")), 1);
    const adopted = openDescriptor(family);
    const atOnce = t.socket({ type: family.type, fd: adopted.fd, recvNetworkErrors: true });
    assertEquals(kernelOption(adopted.port, either(family, "IP_RECVERR", "IPV6_RECVERR")), 1);
    assertEquals(atOnce.address().port, adopted.port);
  },
);

testBoth("any option can be set and read by its header name or number", async (t, family) => {
  const socket = await t.bound(family.type);
  assertEquals(socket.setsockopt("SOL_SOCKET", "SO_RCVLOWAT", 7), true);
  const value = socket.getsockopt("SOL_SOCKET", "SO_RCVLOWAT");
  assertInstanceOf(value, Uint8Array);
  assertEquals([value.length, value.readInt32LE()], [4, 7]);
  assertEquals(inKernel(socket, "SO_RCVLOWAT"), 7);
  // struct linger { int l_onoff; int l_linger; };
  socket.setsockopt("SOL_SOCKET", "SO_LINGER", new Uint32Array([1, 9]));
  assertEquals([...new Uint32Array(new Uint8Array(socket.getsockopt("SOL_SOCKET", "SO_LINGER", 8)).buffer)], [1, 9]);
  socket.setsockopt("SOL_SOCKET", "SO_DONTROUTE", true);
  const { SO_DONTROUTE } = currentRuntime().libc.abi.options;
  assertEquals(socket.getsockopt(1, SO_DONTROUTE)[0], 1);
  const level = family.version === 4 ? "IPPROTO_IP" : "SOL_IPV6";
  socket.setsockopt(level, family.version === 4 ? "IP_TTL" : "IPV6_UNICAST_HOPS", 33);
  assertEquals(inKernel(socket, either(family, "IP_TTL", "IPV6_UNICAST_HOPS")), 33);
  socket.setsockopt("SOL_UDP", "UDP_CORK", 1);
  assertEquals(socket.getsockopt("IPPROTO_UDP", "UDP_CORK").readInt32LE(), 1);
  assertEquals(socket.getsockopt("SOL_SOCKET", "SO_TYPE", 2).length, 2, "no more than was asked for");
  assertEquals(socket.getsockopt("SOL_SOCKET", "SO_TYPE", 65_536).length, 4, "no more than there is");
});

test("a Unix socket has the options of its level", (t) => {
  const socket = createSocket("unix_dgram");
  t.cleanup(() => socket[Symbol.asyncDispose]());
  const { SOCK_DGRAM } = currentRuntime().libc.abi.constants;
  assertEquals(socket.getsockopt("SOL_SOCKET", "SO_TYPE").readInt32LE(), SOCK_DGRAM);
  assertEquals(socket.setsockopt("SOL_SOCKET", "SO_PASSCRED", true), true);
  assertEquals(socket.getsockopt("SOL_SOCKET", "SO_PASSCRED")[0], 1);
  assertThrows(() => socket.getsockopt("IPPROTO_IP", "IP_TTL"), Error, "getsockopt IP_TTL ");
});

test("what is no option, no level or no value is refused before it goes down", (t) => {
  const faults = injectFaults(t);
  const socket = t.socket("udp4");
  const refusals: [() => unknown, string, string][] = [
    [() => socket.getsockopt("SOL_TCP", "SO_TYPE"), "ERR_INVALID_ARG_VALUE", "must be one of SOL_SOCKET"],
    [() => socket.getsockopt("SOL_SOCKET", "RCVLOWAT"), "ERR_INVALID_ARG_VALUE", "header name of a socket option"],
    [() => socket.getsockopt("SOL_SOCKET", "toString"), "ERR_INVALID_ARG_VALUE", "header name of a socket option"],
    [() => socket.getsockopt("constructor", "SO_TYPE"), "ERR_INVALID_ARG_VALUE", "must be one of SOL_SOCKET"],
    [() => socket.getsockopt("SOL_SOCKET", "IP_TTL"), "ERR_INVALID_ARG_VALUE", "this one is of IPPROTO_IP"],
    [() => socket.getsockopt("SOL_SOCKET", "SO_NOSUCH"), "ERR_INVALID_ARG_VALUE", "header name of a socket option"],
    [
      () => socket.getsockopt("SOL_SOCKET", "SO_NOSIGPIPE"),
      "ENOPROTOOPT",
      "SO_NOSIGPIPE ENOPROTOOPT: Linux has no such option",
    ],
    [() => socket.getsockopt("SOL_SOCKET", "SO_TYPE", 65_537), "ERR_OUT_OF_RANGE", "length"],
    [() => socket.getsockopt("SOL_SOCKET", "SO_TYPE", -1), "ERR_OUT_OF_RANGE", "length"],
    [() => socket.getsockopt("SOL_SOCKET", {} as "x"), "ERR_INVALID_ARG_TYPE", "name"],
    [() => socket.getsockopt(-1, 3), "ERR_OUT_OF_RANGE", "level"],
    [() => socket.getsockopt(1, 1.5), "ERR_OUT_OF_RANGE", "name"],
    [() => socket.getsockopt("SOL_SOCKET", "SO_GET_FILTER", 64), "ERR_INVALID_ARG_VALUE", "attachFilter"],
    [() => socket.setsockopt("SOL_SOCKET", 26, new Uint8Array(16)), "ERR_INVALID_ARG_VALUE", "attachFilter"],
    [
      () => socket.setsockopt(1, "SO_ATTACH_REUSEPORT_CBPF", new Uint8Array(16)),
      "ERR_INVALID_ARG_VALUE",
      "attachFilter",
    ],
    [() => socket.setsockopt("IPPROTO_IP", 64, new Uint8Array(128)), "ERR_INVALID_ARG_VALUE", "holds an address"],
    [() => socket.getsockopt("IPPROTO_IP", 128, 128), "ERR_INVALID_ARG_VALUE", "holds an address"],
    [() => socket.setsockopt("IPPROTO_IPV6", 64, new Uint8Array(128)), "ERR_INVALID_ARG_VALUE", "holds an address"],
    [() => socket.setsockopt("SOL_SOCKET", "SO_MARK", 2 ** 32), "ERR_OUT_OF_RANGE", "value"],
    [() => socket.setsockopt("SOL_SOCKET", "SO_MARK", 1.5), "ERR_OUT_OF_RANGE", "value"],
    [() => socket.setsockopt("SOL_SOCKET", "SO_MARK", "1" as never), "ERR_INVALID_ARG_TYPE", "value"],
    [() => socket.setsockopt("SOL_SOCKET", "SO_MARK", new Uint8Array(65_537)), "ERR_OUT_OF_RANGE", "value.byteLength"],
  ];
  for (const [call, code, text] of refusals) {
    const error = assertThrows(call, Error, text) as Error & { code: string };
    assertEquals(error.code, code, text);
  }
  assertEquals([...faults.callsOf("getsockopt"), ...faults.callsOf("setsockopt")].length, 0);
  socket.close();
  for (const call of [() => socket.getTOS(), () => socket.setMark(1), () => socket.getsockopt(1, 3)]) {
    assertEquals((assertThrows(call) as Error & { code: string }).code, "ERR_SOCKET_DGRAM_NOT_RUNNING");
  }
});

test("a value longer than the shared scratch memory is set from memory of its own", async (t) => {
  const faults = injectFaults(t);
  const socket = await t.bound("udp4");
  let seen: number[] = [];
  faults.answer("setsockopt", (_, _fd, _level, _name, at, length) => {
    seen = [length, at.room, at.memory.bytes[length - 1]];
    return 0;
  }, 1);
  socket.setsockopt("SOL_SOCKET", 9999, new Uint8Array(65_536).fill(7));
  assertEquals(seen, [65_536, 65_536, 7]);
});

test("a refusal names the option, the privilege that it takes and the least kernel", (t) => {
  const faults = injectFaults(t);
  const socket = t.socket("udp4");
  const refused = (errno: string, call: () => unknown): [string, string, string, string] => {
    faults.fail("setsockopt", errno);
    const { message, code, syscall, option } = assertThrows(call) as
      & Error
      & Record<"code" | "syscall" | "option", string>;
    return [message, code, syscall, option];
  };
  assertEquals(refused("EPERM", () => socket.setMark(1)), [
    "setsockopt SO_MARK EPERM: it takes CAP_NET_ADMIN, or CAP_NET_RAW since Linux 5.17",
    "EPERM",
    "setsockopt",
    "SO_MARK",
  ]);
  assertEquals(
    refused("EPERM", () => socket.setTransparent(true))[0],
    "setsockopt IP_TRANSPARENT EPERM: it takes CAP_NET_ADMIN or CAP_NET_RAW",
  );
  assertEquals(
    refused("ENOPROTOOPT", () => socket.setMulticastAll(true))[0],
    "setsockopt IP_MULTICAST_ALL ENOPROTOOPT: the kernel does not know it for this socket; Linux has it since 2.6.31",
  );
  assertEquals(
    refused("ENOPROTOOPT", () => socket.setsockopt("SOL_SOCKET", 4242, 1))[0],
    "setsockopt 4242 ENOPROTOOPT: the kernel does not know it for this socket",
  );
  assertEquals(
    refused("EINVAL", () => socket.setsockopt("SOL_SOCKET", "SO_RCVLOWAT", 1))[0],
    "setsockopt SO_RCVLOWAT EINVAL: the kernel does not take this value or length",
  );
  assertEquals(
    refused("EPERM", () => socket.bindToDevice("lo"))[0],
    "bindToDevice SO_BINDTODEVICE EPERM: changing an interface that is set takes CAP_NET_RAW",
  );
  assertEquals(refused("ENOMEM", () => socket.setPriority(1))[0], "setsockopt SO_PRIORITY ENOMEM");
  const { abi } = currentRuntime().libc;
  assertEquals(
    missingOption(DARWIN, "setsockopt", "SO_MARK").message,
    "setsockopt SO_MARK ENOPROTOOPT: macOS has no such option",
  );
  assertEquals(optionError(abi, abi.errno.EPERM, "setsockopt", "IP_TOS").message, "setsockopt IP_TOS EPERM");
});

test("an option of createSocket() that the kernel refuses is its error, and no descriptor is left", (t) => {
  const faults = injectFaults(t);
  for (const options of [{ mark: 1 }, { freebind: true }, { transparent: true }, { recvNetworkErrors: true }]) {
    faults.fail("setsockopt", "EPERM");
    const error = assertThrows(() => t.socket({ type: "udp4", ...options })) as Error & { code: string };
    assertEquals(error.code, "EPERM");
  }
  for (
    const options of [{ mark: "1" }, { mark: -1 }, { freebind: 1 }, { transparent: "" }, { recvNetworkErrors: null }]
  ) {
    const error = assertThrows(() => t.socket({ type: "udp4", ...options } as never)) as Error & { code: string };
    assert(/^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/.test(error.code), error.code);
  }
});

test("macOS has of these what its headers have", () => {
  const names = ["IP_TOS", "IPV6_TCLASS", "IP_DONTFRAG", "IPV6_DONTFRAG", "IPV6_PATHMTU", "IP_BLOCK_SOURCE"] as const;
  for (const name of names) assert(optionOf(DARWIN, name), name);
  for (const name of ["SO_MARK", "IP_MTU", "IP_RECVERR", "SO_ATTACH_FILTER"] as const) {
    assertEquals(optionOf(DARWIN, name), undefined, name);
  }
});

testBoth("a socket that was bound to a device and then given a descriptor leaves none behind", async (t, family) => {
  const sockets = (): number => openDescriptors().filter((link) => link.startsWith("socket:")).length;
  const { fd, port } = openDescriptor(family);
  const before = sockets();
  const socket = t.socket(family.type);
  socket.bindToDevice("lo");
  socket.setPriority(3);
  assertEquals(sockets(), before + 1);
  await new Promise<void>((resolve) => socket.bind({ fd }, resolve));
  assertEquals([socket.address().port, sockets()], [port, before]);
});
