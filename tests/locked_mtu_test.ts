/**
 * Routes with a locked MTU, whose datagrams have no don't-fragment bit in the default mode: messages leave one by one there, and as
 * segments elsewhere. The packets are compared in wire_matrix_test.ts.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import type { EncodedControls } from "../ffi/wire/control.ts";
import { routeOf } from "../ffi/wire/route.ts";
import { encodeSentControls, type SentControls } from "../ffi/wire/sent_controls.ts";
import type { SendOptions } from "../mod.ts";
import { LockedMTUs, type RoutedSocket } from "../src/endpoint/locked_mtus.ts";
import { type Path, pathTo } from "../src/sending/path.ts";
import type { RemoteSocket } from "./support/agent.ts";
import { FaultyLibc } from "./support/faulty_libc.ts";
import { FAMILIES, test } from "./support/harness.ts";
import { addressOf, type Host, noNamespaces, twoHosts } from "./support/namespaces.ts";
import { randomIntegers } from "./support/random.ts";
import { routedNetwork } from "./support/routed.ts";
import { linuxOnly } from "./support/runtime.ts";

const [IPV4] = FAMILIES;
const NOTHING: SentControls = {
  source: undefined,
  interfaceIndex: 0,
  ttl: undefined,
  tos: undefined,
  dontFragment: undefined,
  txTime: undefined,
};
const [NEAR, OTHER, GROUP] = [addressOf(IPV4, 2), "10.77.0.11", "239.77.1.1"];

/** How many of the 20 messages of a turn left as segments. */
async function segmentsOf(socket: RemoteSocket, address: string, options: SendOptions = {}): Promise<number> {
  const count = async (): Promise<number> =>
    (await socket.call("getStatistics") as { sent: { segments: number } }).sent.segments;
  const before = await count();
  await socket.call("sendMany", Array(20).fill({ message: "x".repeat(100), port: 9, address, ...options }));
  return await count() - before;
}

/** Two links; what the rules select goes by a route with a locked MTU. */
function policies(host: Host): void {
  host.ip(
    `addr add ${OTHER}/24 dev veth0`,
    `route add ${NEAR} dev veth0 mtu lock 1000 table 77`,
    `route add ${NEAR} dev veth1 mtu lock 1000 table 78`,
    `route add 239.0.0.0/8 dev veth1 mtu lock 1000 table 78`,
    "route add 239.0.0.0/8 dev veth0",
    `rule add from ${OTHER} lookup 77`,
    "rule add fwmark 0x80000007 lookup 77",
    "rule add tos 0x10 lookup 77",
    "rule add oif veth1 lookup 78",
  );
}

test("whatever chooses a route with a locked MTU, messages leave one by one by it, and only by it", async (t) => {
  const { a, hosts } = await twoHosts(t, 2);
  policies(hosts.a);
  const socket = await a.bound("udp4", "0.0.0.0");
  const expect = async (segments: number, what: string, address = NEAR, options: SendOptions = {}): Promise<void> =>
    assertEquals(await segmentsOf(socket, address, options), segments, what);
  await expect(20, "none of it");
  await expect(0, "a message's source", NEAR, { localAddress: OTHER });
  await expect(0, "a message's interface", NEAR, { interface: "veth1" });
  await expect(0, "a message's type of service", NEAR, { tos: 0x10 });
  await expect(20, "a message's TTL", NEAR, { ttl: 9 });
  await expect(20, "none of it again");
  const changes: readonly (readonly [method: string, value: unknown, before: unknown])[] = [
    ["setMark", 0x80000007, 0],
    ["setTOS", 0x10, 0],
    ["bindToDevice", "veth1", ""],
  ];
  for (const [method, value, before] of changes) {
    await socket.call(method, value);
    await expect(0, method);
    await socket.call(method, before);
    await expect(20, `${method} back`);
  }
  await expect(20, "a group", GROUP);
  for (const [iface, segments] of [["veth1", 0], ["veth0", 20], [addressOf(IPV4, 1, 1), 0]] as const) {
    await socket.call("setMulticastInterface", iface);
    await expect(segments, `a group by ${iface}`, GROUP);
  }
  const bound = await a.bound("udp4", OTHER);
  assertEquals(await segmentsOf(bound, NEAR), 0, "the socket's address");
}, { skip: noNamespaces ?? linuxOnly("UDP_SEGMENT") });

test("a route that is locked or unlocked while a socket sends there is noticed", async (t) => {
  const { a, hosts } = await twoHosts(t);
  const socket = await a.bound("udp4", "0.0.0.0");
  for (const [route, segments] of [["", 20], ["mtu lock 1000", 0], ["mtu 1000", 20]] as const) {
    hosts.a.ip(`route replace ${NEAR} dev veth0 ${route}`);
    await untilSegments(socket, NEAR, segments);
  }
}, { skip: noNamespaces ?? linuxOnly("UDP_SEGMENT") });

/** Sends turns until that many messages of one leave as segments. */
async function untilSegments(socket: RemoteSocket, address: string, segments: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (await segmentsOf(socket, address) !== segments) {
    assert(performance.now() < deadline, `not ${segments} segments`);
    await delay(100);
  }
}

test("the kernel locks the MTU of a path with a router that passes on less than 552 bytes", async (t) => {
  const hosts = routedNetwork(t);
  hosts.router.ip("link set veth1 mtu 500");
  const socket = await (await hosts.a.agent()).bound("udp4", "0.0.0.0");
  const far = addressOf(IPV4, 2, 1);
  assertEquals(await segmentsOf(socket, far), 20);
  await socket.send("x".repeat(501), 9, far);
  await untilSegments(socket, far, 0);
}, { skip: noNamespaces ?? linuxOnly("UDP_SEGMENT") });

const LOOPBACK = { destination: Uint8Array.of(127, 0, 0, 1), source: undefined, interfaceIndex: 0, tos: 0, mark: 0 };

/** What a socket says of itself when it is asked for routes. */
const PLAIN: RoutedSocket = {
  peekOption: () => 0,
  localAddress: () => ({ address: "0.0.0.0", family: "IPv4", port: 1 }),
  typeOfServiceOf: () => 0,
  multicastInterface: undefined,
};

/** The kernel in whose place a test answers: counts the questions. */
function withAnswers(answer: (libc: FaultyLibc) => void): [LockedMTUs, questions: () => number] {
  const faults = new FaultyLibc(currentRuntime().libc);
  answer(faults);
  return [new LockedMTUs(faults.libc, PLAIN), () => faults.callsOf("socket").length];
}

test("if the kernel does not say how a route is, messages leave one by one by it", () => {
  const path = pathTo(4, LOOPBACK.destination);
  for (const call of ["socket", "write", "read"] as const) {
    const [locks, questions] = withAnswers((faults) => faults.fail(call, "EAFNOSUPPORT", Infinity));
    assertEquals([locks.isLocked(path, undefined), questions()], [true, 1], call);
  }
}, { skip: linuxOnly("netlink") });

test("the kernel is asked once for a path and what a message says of it, and again when the socket has changed", () => {
  const { abi } = currentRuntime().libc;
  const [locks, questions] = withAnswers(() => {});
  const [path, other] = [pathTo(4, LOOPBACK.destination), pathTo(4, Uint8Array.of(127, 0, 0, 2))];
  const ttl = (value: number) => encodeSentControls(abi, 4, { ...NOTHING, ttl: value });
  const steps: readonly (readonly [asked: number, path: Path, controls: EncodedControls | undefined])[] = [
    [1, path, undefined],
    [1, path, undefined],
    [2, other, undefined],
    [3, path, ttl(1)],
    [3, path, ttl(2)],
    [4, path, encodeSentControls(abi, 4, { ...NOTHING, tos: 0x10 })],
    [5, path, encodeSentControls(abi, 4, { ...NOTHING, interfaceIndex: 1 })],
    [6, path, encodeSentControls(abi, 4, { ...NOTHING, source: Uint8Array.of(127, 0, 0, 9) })],
  ];
  for (const [asked, to, controls] of steps) {
    assertEquals([locks.isLocked(to, controls), questions()], [false, asked]);
  }
  locks.routesChanged();
  assertEquals([locks.isLocked(path, undefined), questions()], [false, 7]);
}, { skip: linuxOnly("netlink") });

test("a reply may have any bytes: nothing outside of it is read, and no descriptor stays open", () => {
  const { libc } = currentRuntime();
  const { RTM_NEWROUTE, nlmsghdr } = libc.abi.linux!;
  const random = randomIntegers(7);
  const faults = new FaultyLibc(libc);
  let length = 0;
  faults.answer("read", (_, _fd, { memory }) => {
    for (let i = 0; i < length; i++) memory.bytes[i] = random(256);
    // Small numbers where lengths may be.
    for (let at = 16; at < length; at += 2) if (random(2) > 0) memory.view.setUint16(at, random(24), true);
    memory.view.setUint16(nlmsghdr.nlmsg_type, RTM_NEWROUTE, true);
    return length;
  });
  for (length = 0; length < 2000; length++) routeOf(faults.libc, LOOPBACK);
  assertEquals(faults.callsOf("close").length, 2000);
  length = 10;
  assertEquals(routeOf(faults.libc, LOOPBACK), -libc.abi.errno.EPROTO);
}, { skip: linuxOnly("netlink") });
