/**
 * The question for a route and its answers (rtnetlink(7)), as bytes: what is asked, and what of an answer is believed. What the kernel
 * answers is in locked_mtu_test.ts.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { EncodedControls } from "../ffi/wire/control.ts";
import { decodeMemoryInfo, MEMORY_INFO_SIZE, type MemoryInfo } from "../ffi/wire/memory_info.ts";
import { type Route, routeIn, type RouteKey, routeOf } from "../ffi/wire/route.ts";
import { test } from "./support/harness.ts";
import { LINUX, ScriptedLibc } from "./support/scripted_libc.ts";

const { errno } = LINUX;
/** <linux/rtnetlink.h>, <linux/netlink.h> */
const [RTM_NEWROUTE, RTM_GETROUTE, NLMSG_ERROR, NLM_F_REQUEST] = [24, 26, 2, 1];
const [RTA_DST, RTA_SRC, RTA_OIF, RTA_METRICS, RTA_MARK, RTAX_LOCK, RTAX_MTU] = [1, 2, 4, 8, 16, 1, 2];
const [AF_INET, AF_NETLINK, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC] = [2, 16, 2, 0o4000, 0o2000000];

const PLAIN: RouteKey = {
  destination: Uint8Array.of(192, 0, 2, 1),
  source: undefined,
  interfaceIndex: 0,
  tos: 0,
  mark: 0,
};

const u16 = (value: number): number[] => [value & 0xff, value >> 8];
const u32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];

/** `struct rtattr` and its data, padded. */
function attribute(type: number, data: readonly number[], length = 4 + data.length): number[] {
  return [...u16(length), ...u16(type), ...data, ...new Array((4 - data.length % 4) % 4).fill(0)];
}

/** `struct nlmsghdr`, `struct rtmsg` and attributes. */
function answer(...attributes: readonly number[][]): number[] {
  const body = [AF_INET, 32, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, ...attributes.flat()];
  return [...u32(16 + body.length), ...u16(RTM_NEWROUTE), ...u16(0), ...u32(0), ...u32(0), ...body];
}

/** What routeOf() makes of an answer, what it asked, and what it did. */
function ask(reply: readonly number[] | number, key: Partial<RouteKey> = {}) {
  const calls: unknown[] = [];
  let question: number[] = [];
  const { libc } = new ScriptedLibc({
    socket: (...args) => (calls.push(["socket", ...args]), 7),
    write: (fd, { memory }, size) => {
      calls.push(["write", fd]);
      question = [...memory.bytes.subarray(0, size)];
      return size;
    },
    read: (fd, { memory }) => {
      calls.push(["read", fd]);
      if (typeof reply === "number") return reply;
      // What was there before must not count.
      memory.bytes.fill(0xff).set(reply);
      return reply.length;
    },
    close: (fd) => (calls.push(["close", fd]), 0),
  });
  const ask = (): Route | number => routeOf(libc, { ...PLAIN, ...key });
  const result = ask();
  return { result, question, calls, ask, questionAgain: () => (ask(), question) };
}

test("a question has all that chooses a route, and nothing that was not given", () => {
  const head = (length: number): number[] => [
    ...[...u32(length), ...u16(RTM_GETROUTE), ...u16(NLM_F_REQUEST), ...u32(0), ...u32(0)],
  ];
  const { question, calls, questionAgain } = ask(answer());
  const destination = attribute(RTA_DST, [192, 0, 2, 1]);
  const plain = [...head(36), AF_INET, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...destination];
  assertEquals(question, plain);
  assertEquals(calls, [
    ["socket", AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0],
    ...[["write", 7], ["read", 7], ["close", 7]],
  ]);
  // The memory is used again; an answer is longer than a question.
  assertEquals(questionAgain(), plain);
  const source = Uint8Array.of(10, 0, 0, 9);
  const whole = ask(answer(), { source, interfaceIndex: 0x12345, tos: 0xff, mark: 0x89abcdef });
  assertEquals(whole.question, [
    ...[...head(60), AF_INET, 32, 32, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0, ...destination],
    ...attribute(RTA_SRC, [...source]),
    ...attribute(RTA_OIF, u32(0x12345)),
    ...attribute(RTA_MARK, u32(0x89abcdef)),
  ]);
});

test("of an answer the interface and the lock of the MTU are read, wherever they are", () => {
  const locked = attribute(RTAX_LOCK, u32(1 << RTAX_MTU));
  const mtu = attribute(RTAX_MTU, u32(1000));
  const oif = attribute(RTA_OIF, u32(3));
  for (
    const [attributes, isMTULocked, interfaceIndex] of [
      [[], false, 0],
      [[oif], false, 3],
      [[oif, attribute(RTA_METRICS, mtu)], false, 3],
      [[attribute(RTA_METRICS, locked), oif], true, 3],
      [[oif, attribute(RTA_METRICS, [...mtu, ...locked])], true, 3],
      [[attribute(RTA_METRICS, attribute(RTAX_LOCK, u32(~(1 << RTAX_MTU))))], false, 0],
      // Lengths that are no multiple of four are padded.
      [[attribute(99, [1]), attribute(98, [1, 2, 3, 4, 5]), oif], false, 3],
      // The first of a type counts.
      [[oif, attribute(RTA_OIF, u32(4))], false, 3],
    ] as const
  ) assertEquals(ask(answer(...attributes)).result, { isMTULocked, interfaceIndex });
});

test("an answer whose lengths lie is read as far as it holds together", () => {
  const oif = attribute(RTA_OIF, u32(3));
  const nothing = { isMTULocked: false, interfaceIndex: 0 };
  for (
    const attributes of [
      [attribute(99, u32(1), 3), oif],
      [attribute(99, u32(1), 0), oif],
      [attribute(RTA_OIF, u32(3), 9)],
      [attribute(RTA_OIF, [3, 0, 0])],
      [[8, 0, RTA_OIF]],
      [attribute(RTA_METRICS, attribute(RTAX_LOCK, u32(0xff), 9))],
      // Only within the metrics is it one.
      [attribute(RTA_METRICS, []), attribute(RTAX_LOCK, u32(0xff))],
    ]
  ) assertEquals(ask(answer(...attributes)).result, nothing, String(attributes));
  assertEquals(ask(answer().slice(0, 19)).result, -errno.EPROTO);
  assertEquals(ask([]).result, -errno.EPROTO);
  assertEquals(ask(answer().slice(0, 20)).result, nothing);
});

test("what is no route is a negative errno, and the descriptor is closed", () => {
  const error = (
    value: number,
  ): number[] => [...u32(36), ...u16(NLMSG_ERROR), ...u16(0), ...u32(0), ...u32(0), ...u32(value)];
  assertEquals(ask(error(-errno.ENETUNREACH)).result, -errno.ENETUNREACH);
  for (const value of [0, 5]) assertEquals(ask(error(value)).result, -1);
  const { result, calls } = ask(-errno.EAGAIN);
  assertEquals([result, calls.at(-1)], [-errno.EAGAIN, ["close", 7]]);
  const closed: number[] = [];
  const fails = new ScriptedLibc({
    socket: () => 7,
    write: () => -errno.EPERM,
    close: (fd) => closed.push(fd),
  });
  assertEquals([routeOf(fails.libc, PLAIN), closed], [-errno.EPERM, [7]]);
  const none = new ScriptedLibc({ socket: () => -errno.EMFILE });
  assertEquals(routeOf(none.libc, PLAIN), -errno.EMFILE);
});

/** `struct cmsghdr` of x86-64 and its data, padded. */
function control(level: number, type: number, data: readonly number[]): number[] {
  return [
    ...u32(16 + data.length),
    0,
    0,
    0,
    0,
    ...u32(level),
    ...u32(type),
    ...data,
    ...new Array((8 - data.length % 8) % 8).fill(0),
  ];
}

test("what a message's control data says of its route", () => {
  const { levels: { IPPROTO_IP, SOL_SOCKET }, options: { IP_TOS, IP_PKTINFO, IP_TTL } } = LINUX;
  const read = (...controls: number[][]) => routeIn(LINUX, Uint8Array.from(controls.flat()) as EncodedControls);
  const pktinfo = (index: number, source: number[]): number[] =>
    control(IPPROTO_IP!, IP_PKTINFO!, [...u32(index), ...source, 9, 9, 9, 9]);
  assertEquals(read(), {});
  assertEquals(read(control(IPPROTO_IP!, IP_TOS!, u32(0x12345))), { tos: 0x12345 });
  assertEquals(read(control(SOL_SOCKET!, IP_TOS!, u32(9)), control(IPPROTO_IP!, IP_TTL!, u32(9))), {});
  assertEquals(read(pktinfo(0, [0, 0, 0, 0])), {});
  assertEquals(read(pktinfo(5, [0, 0, 0, 0])), { interfaceIndex: 5 });
  const { source, ...rest } = read(
    control(IPPROTO_IP!, IP_TTL!, u32(9)),
    pktinfo(0, [0, 0, 0, 1]),
    control(IPPROTO_IP!, IP_TOS!, u32(8)),
  );
  assertEquals([[...source!], rest], [[0, 0, 0, 1], { tos: 8 }]);
});

test("memory information is read by its places, and what an older kernel lacks is 0", () => {
  const names = [
    "receiveAllocated",
    "receiveBuffer",
    "sendAllocated",
    "sendBuffer",
    "forwardAllocated",
    "sendQueued",
    "optionMemory",
    "backlog",
    "drops",
  ];
  const values = names.map((_, i) => 0x80000000 + i);
  const bytes = Uint8Array.from([9, 9, 9, 9, ...values.flatMap(u32)]).subarray(4);
  const whole = Object.fromEntries(names.map((name, i) => [name, values[i]])) as unknown as MemoryInfo;
  assertEquals(decodeMemoryInfo(LINUX, bytes), whole);
  assertEquals(decodeMemoryInfo(LINUX, bytes.subarray(0, 35)), { ...whole, drops: 0 });
  assertEquals(bytes.length <= MEMORY_INFO_SIZE, true);
});
