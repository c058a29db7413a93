/**
 * The structs on the border to the kernel, without a kernel: addresses, control messages, memberships, the error queue; and what is
 * remembered of them, and for how long.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Abi } from "../ffi/abi/abi.ts";
import { DARWIN } from "../ffi/abi/darwin.ts";
import type { Libc } from "../ffi/libc/libc.ts";
import { AddressCache } from "../ffi/wire/address_cache.ts";
import { ancillarySpace, credentialsMessage, readAncillary, rightsMessage } from "../ffi/wire/ancillary.ts";
import { encodeTxTime, readClock, readTimespec } from "../ffi/wire/clock.ts";
import { type ControlMessage, ControlReader, encodeControls, intData } from "../ffi/wire/control.ts";
import { ErrorQueue, type QueuedError } from "../ffi/wire/error_queue.ts";
import { interfaceIndex, interfaceName, interfaceNamed, InterfaceNames } from "../ffi/wire/interfaces.ts";
import { encodeMembership, encodeMulticastInterface, encodeSourceMembership } from "../ffi/wire/membership.ts";
import { MessageVector } from "../ffi/wire/message_vector.ts";
import { withProgram } from "../ffi/wire/packet_filter.ts";
import { controlTableOf, optionsFor, type ReceivedDetail } from "../ffi/wire/received_controls.ts";
import { encodeSentControls, missingMessage, type SentControls } from "../ffi/wire/sent_controls.ts";
import { decodeAddress, encodeAddress, encodeUnspecified, maxAddressSize } from "../ffi/wire/sockaddr.ts";
import { holdsAddress, isOptionName, levelsOf, optionOf } from "../ffi/wire/sockopt.ts";
import { test } from "./support/harness.ts";
import {
  fillSlots,
  headerOf,
  type InterfaceTable,
  LINUX,
  scriptedInterfaces,
  ScriptedLibc,
} from "./support/scripted_libc.ts";

const { errno, layouts } = LINUX;
const constants = headerOf(LINUX);

/** A C library whose interfaces are in a table. */
function withInterfaces(abi: Abi = LINUX): { scripted: ScriptedLibc; libc: Libc; table: InterfaceTable } {
  const table: InterfaceTable = new Map([[1, "lo"], [3, "eth0"], [7, "7"]]);
  const scripted = new ScriptedLibc(scriptedInterfaces(table, abi), abi);
  return { scripted, libc: scripted.libc, table };
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

test("addresses are the structs of the headers, and read as they were written", () => {
  const { libc } = withInterfaces();
  assertEquals(hex(encodeAddress(libc, 4, "10.0.0.1", 0x1234)!), "020012340a0000010000000000000000");
  const six = encodeAddress(libc, 6, "fe80::1%eth0", 0xfedc)!;
  assertEquals(hex(six), "0a00fedc00000000fe80000000000000000000000000000103000000");
  assertEquals(hex(encodeUnspecified(LINUX)), "0".repeat(32));
  assertEquals([
    encodeAddress(libc, 4, "::1", 1),
    encodeAddress(libc, 6, "127.0.0.1", 1),
    encodeAddress(libc, 4, "x", 1),
  ], [
    ...[undefined, undefined, undefined],
  ]);
  assertEquals(hex(encodeAddress(libc, 6, "::1%none", 1)!).slice(-8), "00000000");
  assertEquals(maxAddressSize(LINUX), 128);
  const memory = libc.allocate(256);
  for (const [version, address] of [[4, "10.0.0.1"], [6, "fe80::1%eth0"], [6, "2001:db8::7"]] as const) {
    memory.bytes.set(encodeAddress(libc, version, address, 513)!, 64);
    assertEquals(decodeAddress(libc, memory, 64), { address, family: version === 4 ? "IPv4" : "IPv6", port: 513 });
  }
  memory.bytes.set([99, 0], 64);
  assertEquals(decodeAddress(libc, memory, 64), undefined);
  memory.bytes.set([99, 99], 64);
  assertEquals(decodeAddress(libc, memory, 64), undefined);
});

test("an address of fe80::/10 has its zone, and none beyond it", () => {
  const { libc } = withInterfaces();
  const memory = libc.allocate(64);
  const decoded = (address: string, scope: number): string => {
    memory.bytes.set(encodeAddress(libc, 6, address, 1)!);
    memory.view.setUint32(layouts.sockaddr_in6.sin6_scope_id, scope, true);
    return decodeAddress(libc, memory, 0)!.address;
  };
  for (const first of ["fe80", "fe81", "fe90", "fea0", "febf"]) {
    assertEquals(decoded(`${first}::1`, 3), `${first}::1%eth0`);
    assertEquals(decoded(`${first}::1`, 9), `${first}::1%9`);
    assertEquals(decoded(`${first}::1`, 0), `${first}::1`);
  }
  for (const first of ["fe7f", "fec0", "ff80", "fc80", "ee80", "::"]) {
    const address = first === "::" ? "::1" : `${first}::1`;
    assertEquals(decoded(address, 3), address);
  }
});

test("an interface has a name or a number, and digits are a name first", () => {
  const { libc } = withInterfaces();
  assertEquals(["eth0", "3", "7", "12"].map((text) => interfaceIndex(libc, text)), [3, 3, 7, 12]);
  for (const text of ["none", "", "3x", "x3", "1234567890", "-1"]) {
    assertEquals(interfaceIndex(libc, text), -errno.ENODEV, text);
  }
  assertEquals([interfaceNamed(libc, "eth0"), interfaceNamed(libc, "3")], [3, -errno.ENODEV]);
  // No call is made with what cannot be a name.
  const silent = new ScriptedLibc().libc;
  for (const text of ["", "a".repeat(16), "lo\0", "ä".repeat(8)]) {
    assertEquals(interfaceNamed(silent, text), -errno.ENODEV);
  }
  const { libc: long, table } = withInterfaces();
  table.set(4, "a".repeat(15));
  assertEquals([interfaceNamed(long, "a".repeat(15)), interfaceName(long, 4), interfaceName(long, 5)], [
    4,
    "a".repeat(15),
    "5",
  ]);
});

test("the name of an interface that is renamed is the new one from the next batch on", () => {
  const { libc, table } = withInterfaces();
  const names = new InterfaceNames(libc);
  assertEquals(names.of(3), "eth0");
  table.set(3, "wan");
  assertEquals(names.of(3), "eth0");
  names.beginBatch();
  assertEquals([names.of(3), names.of(1)], ["wan", "lo"]);
});

/** A cache, and memory whose addresses it decodes. */
function cacheWith(scripted: ScriptedLibc) {
  const memory = scripted.libc.allocate(128);
  const words = new Uint32Array(memory.buffer);
  const cache = new AddressCache(scripted.libc);
  const decode = (bytes: Uint8Array, offset = 0) => {
    memory.bytes.set(bytes, offset);
    return cache.decode(memory, words, offset, bytes.length);
  };
  return { memory, cache, decode };
}

test("the zone of a sender is asked for again with each batch, so that it follows a renamed interface", () => {
  const { scripted, libc, table } = withInterfaces();
  const { cache, decode } = cacheWith(scripted);
  const linkLocal = encodeAddress(libc, 6, "fe80::1%eth0", 9)!;
  const first = decode(linkLocal);
  assertEquals(first!.address, "fe80::1%eth0");
  table.set(3, "wan");
  assert(decode(linkLocal) === first);
  cache.beginBatch();
  assertEquals(decode(linkLocal)!.address, "fe80::1%wan");
  table.delete(3);
  cache.beginBatch();
  assertEquals(decode(linkLocal)!.address, "fe80::1%3");
  // One without a zone is known for good.
  const plain = decode(encodeAddress(libc, 6, "2001:db8::1", 9)!);
  cache.beginBatch();
  assert(decode(encodeAddress(libc, 6, "2001:db8::1", 9)!) === plain);
});

test("addresses that differ in any byte, or in their length, are different ones", () => {
  const { scripted, libc } = withInterfaces();
  const { decode } = cacheWith(scripted);
  for (let port = 1; port < 20_000; port += 7) {
    for (const host of [1, 2]) {
      const bytes = encodeAddress(libc, 4, `10.0.0.${host}`, port)!;
      for (let again = 0; again < 2; again++) {
        assertEquals(decode(bytes), { address: `10.0.0.${host}`, family: "IPv4", port });
      }
    }
  }
  const unix = (path: string): Uint8Array => new Uint8Array([1, 0, ...new TextEncoder().encode(path)]);
  for (const path of ["/a", "/ab", "/abc", "/a", "/ab", "/abcd", "\0a", "\0ab", "\0a"]) {
    for (const offset of [0, 64]) assertEquals(decode(unix(path), offset)!.address, path);
  }
  const unknown = Uint8Array.of(99, 0, 0, 0);
  assertEquals([decode(unknown), decode(unknown)], [undefined, undefined]);
});

/** What a table reads of control messages. */
function read(libc: Libc, messages: readonly ControlMessage[]) {
  const bytes = encodeControls(libc.abi, messages);
  const reader = new ControlReader(libc.abi);
  reader.open(new DataView(bytes.buffer), 0, bytes.length);
  return { ...controlTableOf(libc).read(reader) };
}

const NOTHING = {
  ...{ segmentSize: 0, localAddress: "", interfaceIndex: 0, originalDestination: undefined, ttl: -1, tos: -1 },
  ...{ timestamp: 0n, hardwareTimestamp: 0n, dropped: 0 },
};

function bytesWith(size: number, write: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const data = new Uint8Array(size);
  write(new DataView(data.buffer), data);
  return data;
}

const ipv4Info = (index: number, address: readonly number[]): Uint8Array =>
  bytesWith(12, (view, data) => {
    view.setInt32(0, index, true);
    data.set([9, 9, 9, 9], 4);
    data.set(address, 8);
  });

test("each control message of Linux is read where it is, and the rest is as if nothing was said", () => {
  const { libc } = withInterfaces();
  const { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6 } = constants;
  const address6 = encodeAddress(libc, 6, "fe80::5", 0)!.subarray(8, 24);
  const ipv6Info = bytesWith(20, (view, data) => {
    data.set(address6);
    view.setUint32(16, 3, true);
  });
  const timespec = (seconds: bigint, nanoseconds: number) =>
    bytesWith(16, (view) => {
      view.setBigInt64(0, seconds, true);
      view.setBigInt64(8, BigInt(nanoseconds), true);
    });
  const hardware = bytesWith(48, (_, data) => data.set(timespec(5n, 6), 32));
  const original = encodeAddress(libc, 4, "10.0.0.7", 53)!;
  const original6 = encodeAddress(libc, 6, "2001:db8::7", 53)!;
  const cases: [ControlMessage, Partial<typeof NOTHING> | Record<string, unknown>][] = [
    [{ level: IPPROTO_IP, type: constants.IP_PKTINFO, data: ipv4Info(3, [10, 0, 0, 1]) }, {
      localAddress: "10.0.0.1",
      interfaceIndex: 3,
    }],
    [{ level: IPPROTO_IPV6, type: constants.IPV6_PKTINFO, data: ipv6Info }, {
      localAddress: "fe80::5%eth0",
      interfaceIndex: 3,
    }],
    [{ level: IPPROTO_IP, type: constants.IP_TTL, data: intData(64) }, { ttl: 64 }],
    [{ level: IPPROTO_IPV6, type: constants.IPV6_HOPLIMIT, data: intData(0) }, { ttl: 0 }],
    [{ level: IPPROTO_IP, type: constants.IP_TOS, data: Uint8Array.of(184) }, { tos: 184 }],
    [{ level: IPPROTO_IPV6, type: constants.IPV6_TCLASS, data: intData(255) }, { tos: 255 }],
    [{ level: constants.SOL_UDP, type: constants.UDP_GRO, data: intData(1400) }, { segmentSize: 1400 }],
    [{ level: constants.SOL_UDP, type: constants.UDP_GRO, data: intData(-2) }, { segmentSize: 0 }],
    [{ level: SOL_SOCKET, type: constants.SO_TIMESTAMPNS, data: timespec(2n ** 33n + 1n, 7) }, {
      timestamp: (2n ** 33n + 1n) * 1_000_000_000n + 7n,
    }],
    [{ level: SOL_SOCKET, type: constants.SO_TIMESTAMPING, data: hardware }, { hardwareTimestamp: 5_000_000_006n }],
    [{ level: SOL_SOCKET, type: constants.SO_RXQ_OVFL, data: intData(-1) }, { dropped: 2 ** 32 - 1 }],
    [{ level: IPPROTO_IP, type: constants.IP_ORIGDSTADDR, data: original }, {
      originalDestination: { address: "10.0.0.7", family: "IPv4", port: 53 },
    }],
    [{ level: IPPROTO_IPV6, type: constants.IPV6_ORIGDSTADDR, data: original6 }, {
      originalDestination: { address: "2001:db8::7", family: "IPv6", port: 53 },
    }],
  ];
  for (const [message, said] of cases) {
    assertEquals<unknown>(read(libc, [message]), { ...NOTHING, ...said });
    // One that is too short is none, and neither is one of another level or type.
    const { data, level, type } = message;
    const isSmall = data.length === 4 && "ttl" in said || "tos" in said;
    const short = data.subarray(0, isSmall ? 0 : data.length - 1);
    assertEquals<unknown>(read(libc, [{ ...message, data: short }]), NOTHING);
    assertEquals<unknown>(read(libc, [{ ...message, level: level + 77 }]), NOTHING);
    assertEquals<unknown>(read(libc, [{ ...message, type: type + 5000 }]), NOTHING);
    // The same key by other numbers.
    assertEquals<unknown>(read(libc, [{ ...message, level: level ^ 1, type: type ^ 1 << 16 }]), NOTHING);
  }
  const all = cases.filter((_, i) => i !== 1 && i !== 3 && i !== 5 && i !== 7 && i !== 12);
  assertEquals<unknown>(
    read(libc, all.map(([message]) => message)),
    Object.assign({ ...NOTHING }, ...all.map(([, said]) => said)),
  );
});

test("the local address of a datagram has the zone that its interface has by now", () => {
  const { libc, table } = withInterfaces();
  const data = bytesWith(20, (view, bytes) => {
    bytes.set([0xfe, 0x80]);
    view.setUint32(16, 3, true);
  });
  const message = { level: constants.IPPROTO_IPV6, type: constants.IPV6_PKTINFO, data };
  assertEquals(read(libc, [message]).localAddress, "fe80::%eth0");
  table.set(3, "wan");
  controlTableOf(libc).beginBatch();
  assertEquals(read(libc, [message]).localAddress, "fe80::%wan");
});

test("room for control data is what the messages take that were asked for, and a segment size", () => {
  const { libc } = withInterfaces();
  const table = controlTableOf(libc);
  assert(controlTableOf(libc) === table);
  const space = (...details: ReceivedDetail[]): number => table.spaceFor(new Set(details));
  const gro = 24;
  assertEquals(space(), gro);
  assertEquals([space("ttl"), space("tos")], [gro + 48, gro + 48]);
  assertEquals(space("destination"), gro + (16 + 16) + (16 + 24));
  assertEquals(space("originalDestination"), gro + (16 + 16) + (16 + 32));
  assertEquals(space("timestamp"), gro + (16 + 16) + (16 + 48));
  assertEquals(space("ttl", "dropCount"), gro + 48 + 24);
});

test("which options have the kernel say something, on each system", () => {
  const names = (abi: Abi, version: 4 | 6, detail: ReceivedDetail, on = true): unknown =>
    optionsFor(abi, version, detail, on);
  assertEquals(names(LINUX, 4, "destination"), [["IP_PKTINFO", 1]]);
  assertEquals(names(LINUX, 6, "destination", false), [["IPV6_RECVPKTINFO", 0]]);
  assertEquals(names(LINUX, 4, "ttl"), [["IP_RECVTTL", 1]]);
  assertEquals(names(LINUX, 6, "ttl"), [["IPV6_RECVHOPLIMIT", 1], ["IP_RECVTTL", 1]]);
  assertEquals(names(DARWIN, 6, "ttl"), [["IPV6_RECVHOPLIMIT", 1]]);
  assertEquals(names(LINUX, 6, "tos", false), [["IPV6_RECVTCLASS", 0], ["IP_RECVTOS", 0]]);
  assertEquals(names(LINUX, 4, "originalDestination"), [["IP_RECVORIGDSTADDR", 1]]);
  assertEquals(names(DARWIN, 4, "originalDestination"), "IP_RECVORIGDSTADDR");
  assertEquals([names(LINUX, 4, "timestamp"), names(DARWIN, 4, "timestamp")], [[["SO_TIMESTAMPNS", 1]], [[
    "SO_TIMESTAMP",
    1,
  ]]]);
  assertEquals([names(LINUX, 4, "dropCount"), names(DARWIN, 6, "dropCount")], [[["SO_RXQ_OVFL", 1]], "SO_RXQ_OVFL"]);
});

test("macOS's times, and its TTL in one byte under the option's number, are read", () => {
  const { libc } = withInterfaces(DARWIN);
  const constants = headerOf(DARWIN);
  const time = bytesWith(16, (view) => {
    view.setBigInt64(0, 3n, true);
    view.setInt32(8, 5, true);
  });
  assertEquals(
    read(libc, [{ level: constants.SOL_SOCKET, type: DARWIN.darwin!.SCM_TIMESTAMP, data: time }]).timestamp,
    3_000_005_000n,
  );
  assertEquals(read(libc, [{ level: 0, type: constants.IP_RECVTTL, data: Uint8Array.of(9) }]).ttl, 9);
  assertEquals(read(libc, [{ level: 0, type: constants.IP_RECVTOS, data: Uint8Array.of(8) }]).tos, 8);
});

const PLAIN: SentControls = {
  ...{
    source: undefined,
    interfaceIndex: 0,
    ttl: undefined,
    tos: undefined,
    dontFragment: undefined,
    txTime: undefined,
  },
};

/** What is sent for some controls: `level/type data`. */
function sentFor(wire: 4 | 6, controls: Partial<SentControls>, abi: Abi = LINUX): string[] {
  const bytes = encodeSentControls(abi, wire, { ...PLAIN, ...controls });
  if (bytes === undefined) return [];
  const reader = new ControlReader(abi);
  const found: string[] = [];
  for (reader.open(new DataView(bytes.buffer), 0, bytes.length); reader.next();) {
    found.push(`${reader.level}/${reader.type} ${hex(bytes.subarray(reader.at, reader.at + reader.size))}`);
  }
  return found;
}

test("what a datagram is to be sent with is the control messages of its protocol", () => {
  const { IP_PKTINFO, IP_TTL, IP_TOS, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, IPV6_DONTFRAG, SOL_SOCKET } = constants;
  assertEquals([sentFor(4, {}), sentFor(6, {})], [[], []]);
  assertEquals(sentFor(4, { source: Uint8Array.of(10, 0, 0, 1) }), [`0/${IP_PKTINFO} 000000000a00000100000000`]);
  assertEquals(sentFor(4, { interfaceIndex: 3 }), [`0/${IP_PKTINFO} 030000000000000000000000`]);
  assertEquals(sentFor(4, { ttl: 1, tos: 0 }), [`0/${IP_TTL} 01000000`, `0/${IP_TOS} 00000000`]);
  const source = new Uint8Array(16).fill(0xab);
  assertEquals(sentFor(6, { source, interfaceIndex: 3 }), [`41/${IPV6_PKTINFO} ${"ab".repeat(16)}03000000`]);
  assertEquals(sentFor(6, { interfaceIndex: 3 }), [`41/${IPV6_PKTINFO} ${"00".repeat(16)}03000000`]);
  assertEquals(sentFor(6, { source }), [`41/${IPV6_PKTINFO} ${"ab".repeat(16)}00000000`]);
  assertEquals(sentFor(6, { ttl: 1, tos: 2 }), [`41/${IPV6_HOPLIMIT} 01000000`, `41/${IPV6_TCLASS} 02000000`]);
  assertEquals(sentFor(6, { dontFragment: true }), [`41/${IPV6_DONTFRAG} 01000000`]);
  assertEquals(sentFor(6, { dontFragment: false }), [`41/${IPV6_DONTFRAG} 00000000`]);
  for (const wire of [4, 6] as const) {
    assertEquals(sentFor(wire, { txTime: 0x102n }), [`${SOL_SOCKET}/${constants.SO_TXTIME} 0201000000000000`]);
    assertEquals(sentFor(wire, { txTime: 1n }, DARWIN), []);
  }
});

test("which control message a system lacks", () => {
  const missing = (abi: Abi, wire: 4 | 6, controls: Partial<SentControls>) =>
    missingMessage(abi, wire, { ...PLAIN, ...controls });
  const source = new Uint8Array(4);
  assertEquals(missing(LINUX, 4, { ttl: 1, tos: 1, txTime: 1n, source, interfaceIndex: 1 }), undefined);
  assertEquals(missing(LINUX, 4, { dontFragment: false }), "IP_DONTFRAG for single datagrams");
  assertEquals(missing(LINUX, 6, { dontFragment: true }), undefined);
  assertEquals(missing(DARWIN, 6, { ttl: 1, tos: 1, source, interfaceIndex: 1 }), undefined);
  assertEquals(missing(DARWIN, 6, { txTime: 1n }), "SO_TXTIME");
  assertEquals(missing(DARWIN, 4, { source, interfaceIndex: 1 }), "IP_PKTINFO with an address and an interface");
  assertEquals([missing(DARWIN, 4, { source }), missing(DARWIN, 4, { interfaceIndex: 1 })], [undefined, undefined]);
  assertEquals(missing(DARWIN, 4, { ttl: 1 }), "IP_TTL for single datagrams");
  assertEquals(missing(DARWIN, 4, { tos: 1 }), "IP_TOS for single datagrams");
  assertEquals(missing(DARWIN, 4, {}), undefined);
});

/** An encoded option as text. */
const optionText = (option: { level: number; name: number; value: Uint8Array } | number): string =>
  typeof option === "number" ? String(option) : `${option.level}/${option.name} ${hex(option.value)}`;

test("memberships of IPv4 and IPv6 are encoded as the headers have them", () => {
  const { libc } = withInterfaces();
  const EINVAL = String(-errno.EINVAL);
  const membership = (operation: "join" | "leave", group: string, where?: string): string =>
    optionText(encodeMembership(libc, operation, group, where));
  const [add, drop] = [constants.IP_ADD_MEMBERSHIP, constants.IP_DROP_MEMBERSHIP];
  assertEquals(membership("join", "239.1.2.3"), `0/${add} ef0102030000000000000000`);
  assertEquals(membership("leave", "239.1.2.3", "10.0.0.1"), `0/${drop} ef0102030a00000100000000`);
  assertEquals(membership("join", "239.1.2.3", "eth0"), `0/${add} ef0102030000000003000000`);
  const group = "ff120000000000000000000000000001";
  assertEquals(membership("join", "ff12::1"), `41/${constants.IPV6_JOIN_GROUP} ${group}00000000`);
  assertEquals(membership("leave", "ff12::1", "::%eth0"), `41/${constants.IPV6_LEAVE_GROUP} ${group}03000000`);
  assertEquals(membership("join", "ff12::1", "::%none"), `41/${constants.IPV6_JOIN_GROUP} ${group}00000000`);
  assertEquals(membership("join", "ff12::1", "eth0"), `41/${constants.IPV6_JOIN_GROUP} ${group}03000000`);
  assertEquals(membership("join", "ff12::1%eth0"), `41/${constants.IPV6_JOIN_GROUP} ${group}03000000`);
  assertEquals(membership("join", "ff12::1%none"), `41/${constants.IPV6_JOIN_GROUP} ${group}00000000`);
  assertEquals(membership("join", "ff12::1%lo", "eth0"), `41/${constants.IPV6_JOIN_GROUP} ${group}03000000`);
  for (const [where, to] of [["none", "239.1.2.3"], ["::1", "239.1.2.3"], ["10.0.0.1", "ff12::1"], [undefined, "x"]]) {
    assertEquals(membership("join", to!, where), EINVAL);
  }
});

test("memberships with a source are encoded as the headers have them", () => {
  const { libc } = withInterfaces();
  const source = (
    operation: "join" | "leave" | "block" | "unblock",
    from: string,
    group: string,
    where?: string,
  ): string => optionText(encodeSourceMembership(libc, operation, from, group, where));
  const bytes = "ef0102030000000" + "00a000001";
  assertEquals(source("join", "10.0.0.1", "239.1.2.3"), `0/39 ${bytes}`);
  assertEquals(source("leave", "10.0.0.1", "239.1.2.3"), `0/40 ${bytes}`);
  assertEquals(source("block", "10.0.0.1", "239.1.2.3"), `0/38 ${bytes}`);
  assertEquals(source("unblock", "10.0.0.1", "239.1.2.3"), `0/37 ${bytes}`);
  assertEquals(source("join", "10.0.0.1", "239.1.2.3", "10.0.0.9"), "0/39 ef0102030a0000090a000001");
  const padded = (address: string): string =>
    hex(encodeAddress(libc, address.includes(":") ? 6 : 4, address, 0)!).padEnd(256, "0");
  for (const [operation, number] of [["join", 46], ["leave", 47], ["block", 43], ["unblock", 44]] as const) {
    assertEquals(
      source(operation, "10.0.0.1", "239.1.2.3", "eth0"),
      `0/${number} 0300000000000000${padded("239.1.2.3")}${padded("10.0.0.1")}`,
    );
    assertEquals(
      source(operation, "fd00::1", "ff12::1", "::%eth0"),
      `41/${number} 0300000000000000${padded("ff12::1")}${padded("fd00::1")}`,
    );
  }
  assertEquals(source("join", "fd00::1", "ff12::1").slice(0, 21), "41/46 000000000000000");
  for (
    const [from, group, where] of [["x", "239.1.2.3"], ["10.0.0.1", "x"], ["fd00::1", "239.1.2.3"], [
      "10.0.0.1",
      "239.1.2.3",
      "none",
    ]]
  ) {
    assertEquals(source("join", from, group, where), String(-errno.EINVAL));
  }
});

test("the interface that multicast leaves by is encoded as the headers have it", () => {
  const { libc } = withInterfaces();
  const by = (version: 4 | 6, text: string): string => optionText(encodeMulticastInterface(libc, version, text));
  assertEquals(by(4, "10.0.0.1"), `0/${constants.IP_MULTICAST_IF} 000000000a00000100000000`);
  assertEquals(by(4, "eth0"), `0/${constants.IP_MULTICAST_IF} 000000000000000003000000`);
  assertEquals(by(6, "eth0"), `41/${constants.IPV6_MULTICAST_IF} 03000000`);
  assertEquals(by(6, "::%lo"), `41/${constants.IPV6_MULTICAST_IF} 01000000`);
  assertEquals(by(4, "::%lo"), `41/${constants.IPV6_MULTICAST_IF} 01000000`);
  assertEquals(by(6, "::1"), `41/${constants.IPV6_MULTICAST_IF} 00000000`);
  assertEquals(by(6, "none"), String(-errno.EINVAL));
});

/** What an error queue gives for messages. */
function queueWith(...results: (string | Parameters<typeof fillSlots>[3])[]) {
  const { scripted, libc } = withInterfaces();
  const calls: unknown[] = [];
  scripted.script.recvmmsg = (fd, at, vlen, flags) => {
    const given = results.shift() ?? "EAGAIN";
    calls.push([fd, vlen, flags]);
    const slots = fillSlots(scripted, at, vlen, typeof given === "string" ? [] : given);
    assert(slots.every(({ nameRoom, controlRoom, room }) => nameRoom === 128 && controlRoom === 512 && room === 1280));
    return typeof given === "string" ? -errno[given] : given.length;
  };
  return { libc, calls, queue: new ErrorQueue(libc) };
}

const extended = (libc: Libc, offender?: string): Uint8Array => {
  const address = offender === undefined
    ? new Uint8Array()
    : encodeAddress(libc, offender.includes(":") ? 6 : 4, offender, 0)!;
  return bytesWith(16 + address.length, (view, data) => {
    view.setUint32(0, errno.ECONNREFUSED, true);
    data.set([2, 3, 4, 0], 4);
    view.setUint32(8, 1500, true);
    view.setUint32(12, 77, true);
    data.set(address, 16);
  });
};

test("messages of the error queue are read with their offender, their destination and their times", () => {
  const { libc } = withInterfaces();
  const error = (level: number, type: number, data: Uint8Array): ControlMessage => ({ level, type, data });
  const times = bytesWith(48, (view) => {
    [1n, 2n, 0n, 0n, 3n, 4n].forEach((value, i) => view.setBigInt64(8 * i, value, true));
  });
  const arrival = (name: string, text: string, ...controls: ControlMessage[]) => ({
    bytes: new TextEncoder().encode(text),
    name: encodeAddress(libc, name.includes(":") ? 6 : 4, name, 9)!,
    controls: encodeControls(LINUX, controls),
  });
  const { queue, calls } = queueWith([
    arrival("10.0.0.1", "one", error(0, constants.IP_RECVERR, extended(libc, "10.0.0.2"))),
    arrival("fe80::1", "two", error(41, constants.IPV6_RECVERR, extended(libc, "fd00::2"))),
    arrival(
      "10.0.0.1",
      "",
      error(1, constants.SCM_TIMESTAMPING, times),
      error(0, constants.IP_RECVERR, extended(libc)),
    ),
    // Of these the kernel does not say what they are about.
    arrival(
      "10.0.0.1",
      "x",
      error(1, constants.IP_RECVERR, extended(libc)),
      error(0, constants.IPV6_RECVERR, extended(libc)),
    ),
    arrival(
      "10.0.0.1",
      "x",
      error(41, constants.IP_RECVERR, extended(libc)),
      error(0, constants.IP_RECVERR, new Uint8Array(15)),
    ),
    {
      bytes: new Uint8Array(1280).fill(7),
      controls: encodeControls(LINUX, [
        error(0, constants.IP_RECVERR, extended(libc)),
        error(1, constants.SCM_TIMESTAMPING, times.subarray(0, 47)),
      ]),
    },
  ]);
  const errors = queue.read(5) as QueuedError[];
  assertEquals(calls, [[5, 16, constants.MSG_ERRQUEUE]]);
  const common = { errno: errno.ECONNREFUSED, origin: 2, type: 3, code: 4, info: 1500, data: 77 };
  assertEquals(errors.map(({ payload: _, ...rest }) => rest), [
    {
      ...common,
      offender: { address: "10.0.0.2", family: "IPv4", port: 0 },
      destination: { address: "10.0.0.1", family: "IPv4", port: 9 },
      timestamps: undefined,
    },
    {
      ...common,
      offender: { address: "fd00::2", family: "IPv6", port: 0 },
      destination: { address: "fe80::1", family: "IPv6", port: 9 },
      timestamps: undefined,
    },
    {
      ...common,
      offender: undefined,
      destination: { address: "10.0.0.1", family: "IPv4", port: 9 },
      timestamps: { software: 1_000_000_002n, hardware: 3_000_000_004n },
    },
    { ...common, offender: undefined, destination: undefined, timestamps: undefined },
  ]);
  assertEquals(errors.map(({ payload }) => payload.length), [3, 3, 0, 1280]);
  assertEquals(new TextDecoder().decode(errors[1].payload), "two");
});

test("an error queue that is empty has no messages, and one that cannot be read is an errno", () => {
  const { queue } = queueWith("EINTR", [], "EAGAIN", "EBADF");
  assertEquals([queue.read(5), queue.read(5), queue.read(5)], [[], [], -errno.EBADF]);
  assertEquals(new ErrorQueue(new ScriptedLibc({}, DARWIN).libc).read(5), []);
});

test("clocks are read in nanoseconds", () => {
  const scripted = new ScriptedLibc();
  const times: Record<number, [bigint, bigint]> = { 0: [1n, 5n], 1: [2n ** 40n, 999_999_999n] };
  scripted.script.clock_gettime = (clock, { memory }) => {
    if (!times[clock]) return -errno.EINVAL;
    memory.view.setBigInt64(0, times[clock][0], true);
    memory.view.setBigInt64(8, times[clock][1], true);
    return 0;
  };
  const read = (clock: number): unknown => readClock(scripted.libc, clock);
  assertEquals([read(0), read(1), read(0), read(9)], [
    1_000_000_005n,
    2n ** 40n * 1_000_000_000n + 999_999_999n,
    1_000_000_005n,
    -errno.EINVAL,
  ]);
  const view = new DataView(new ArrayBuffer(32));
  view.setBigInt64(16, -1n, true);
  assertEquals(readTimespec(LINUX, view, 16), -1_000_000_000n);
  assertEquals(encodeTxTime(LINUX, 11), {
    level: constants.SOL_SOCKET,
    name: constants.SO_TXTIME,
    value: Uint8Array.of(11, 0, 0, 0, 0, 0, 0, 0),
  });
});

test("a filter program is a struct whose instructions stand where it says", () => {
  const scripted = new ScriptedLibc();
  let seen = "";
  const program = [{ code: 0x0102, jt: 3, jf: 4, k: 0xfffffffe }, { code: 6, jt: 0, jf: 0, k: 1 }];
  const result = withProgram(scripted.libc, program, (fprog, length) => {
    const view = scripted.viewAt(scripted.addressOf(fprog), length);
    seen = `${length} ${view.getUint16(0, true)} ${hex(scripted.bytesAt(view.getBigUint64(8, true), 16))}`;
    return -errno.EPERM;
  });
  assertEquals([seen, result], ["16 2 02010304feffffff0600000001000000", -errno.EPERM]);
});

test("an option is found by its name, at the level that its name says", () => {
  assertEquals(levelsOf("SO_RCVBUF"), ["SOL_SOCKET"]);
  assertEquals(levelsOf("IP_TTL"), ["IPPROTO_IP"]);
  assertEquals(levelsOf("IPV6_V6ONLY"), ["IPPROTO_IPV6"]);
  assertEquals(levelsOf("MCAST_JOIN_GROUP"), ["IPPROTO_IP", "IPPROTO_IPV6"]);
  assertEquals(levelsOf("UDP_GRO"), ["IPPROTO_UDP"]);
  assertEquals(levelsOf("XSO_RCVBUF"), []);
  assertEquals(["IP_TTL", "SO_NOSIGPIPE", "toString", "IP_NONE"].map(isOptionName), [true, true, false, false]);
  assertEquals(optionOf(LINUX, "SO_RCVBUF"), { level: 1, name: 8, size: 4 });
  assertEquals(optionOf(LINUX, "IP_MULTICAST_TTL"), { level: 0, name: 33, size: 4 });
  assertEquals(optionOf(DARWIN, "IP_MULTICAST_TTL"), { level: 0, name: 10, size: 1 });
  assertEquals(optionOf(DARWIN, "IP_MULTICAST_LOOP"), { level: 0, name: 11, size: 1 });
  assertEquals(optionOf(DARWIN, "IP_MULTICAST_IF")!.size, 4);
  assertEquals(optionOf(DARWIN, "UDP_GRO"), undefined);
});

test("options whose values hold addresses are known", () => {
  const { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP } = LINUX.levels;
  const { SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, SO_RCVBUF } = LINUX.options as Record<string, number>;
  const holds = (level: number, ...names: number[]): boolean[] => names.map((name) => holdsAddress(LINUX, level, name));
  assertEquals(holds(SOL_SOCKET, SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, SO_RCVBUF), [true, true, false]);
  assertEquals(holds(IPPROTO_IP, 63, 64, 65, SO_ATTACH_FILTER), [false, true, true, false]);
  assertEquals(holds(IPPROTO_IPV6, 63, 64, 65), [false, true, false]);
  assertEquals(holds(IPPROTO_UDP, 64, SO_ATTACH_FILTER), [false, false]);
  assertEquals(holdsAddress(DARWIN, SOL_SOCKET, SO_ATTACH_FILTER), false);
});

test("a payload of a vector lies within its memory, and nothing else is pointed at", () => {
  const { libc } = new ScriptedLibc();
  const vector = new MessageVector(libc, 2, 100);
  vector.setPayload(0, 0, 100);
  vector.setPayload(1, 100, 0);
  for (const [offset, length] of [[-1, 5], [0, 101], [100, 1], [5, -1], [50, 51]]) {
    assertThrows(
      () => vector.setPayload(0, offset, length),
      RangeError,
      `A payload of ${length} bytes does not fit at ${offset} of 100`,
    );
  }
});

test("descriptors and credentials are packed into control data, and found there", () => {
  const credentials = { pid: -5, uid: 2 ** 32 - 1, gid: 7 };
  const rights = rightsMessage(LINUX, [3, 500]);
  assertEquals([rights.level, rights.type, hex(rights.data)], [1, 1, "03000000f4010000"]);
  const shown = credentialsMessage(LINUX, credentials);
  assertEquals([shown.level, shown.type, hex(shown.data)], [1, 2, "fbffffffffffffff07000000"]);
  const found = (abi: Abi, ...messages: ControlMessage[]) => {
    const bytes = encodeControls(abi, messages);
    const reader = new ControlReader(abi);
    reader.open(new DataView(bytes.buffer), 0, bytes.length);
    return readAncillary(abi, reader);
  };
  assertEquals(found(LINUX, rights, shown), { fds: [3, 500], credentials });
  assertEquals(found(LINUX), { fds: [], credentials: undefined });
  const wrong = [{ ...rights, level: 0 }, { ...shown, level: 0 }, { ...rights, type: 9 }, {
    ...shown,
    data: shown.data.subarray(1),
  }];
  assertEquals(found(LINUX, ...wrong), { fds: [], credentials: undefined });
  assertEquals(found(LINUX, { ...rights, data: rights.data.subarray(0, 7) }, rightsMessage(LINUX, [9])).fds, [3, 9]);
  assertEquals(found(DARWIN, rightsMessage(DARWIN, [4]), { ...shown, level: DARWIN.levels.SOL_SOCKET }), {
    ...{ fds: [4], credentials: undefined },
  });
  assertEquals(ancillarySpace(LINUX), 16 + 1016 + 16 + 16);
  assertEquals(ancillarySpace(DARWIN), 12 + 4 * DARWIN.darwin!.UIPC_MAX_CMSG_FD);
});
