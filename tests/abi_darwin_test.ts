/**
 * macOS without a Mac: numbers and layouts beside a table of what Apple's headers say (tests/darwin/headers.json), and
 * what would reach its C library, seen through a scripted binding.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { abiOf } from "../ffi/current_abi.ts";
import { describeSocket, Descriptor } from "../ffi/descriptor.ts";
import { errnoName } from "../ffi/libc/errno.ts";
import { NativeLibc } from "../ffi/libc/native_libc.ts";
import { readAncillary } from "../ffi/wire/ancillary.ts";
import { ControlReader } from "../ffi/wire/control.ts";
import { encodeMembership, encodeMulticastInterface, encodeSourceMembership } from "../ffi/wire/membership.ts";
import { MessageVector } from "../ffi/wire/message_vector.ts";
import { decodeAddress, encodeAddress, encodeUnspecified } from "../ffi/wire/sockaddr.ts";
import { test } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";
import { ScriptedBinding, type ScriptedFunctions, type ScriptedPointer } from "./support/scripted_binding.ts";

/** What Apple's headers say, with file and line: made by tests/darwin/read_headers.mjs. */
const HEADERS = JSON.parse(readFileSync(join(projectRoot, "tests/darwin/headers.json"), "utf8")) as {
  numbers: Record<string, [number, string]>;
  structs: Record<string, Struct>;
};

interface Struct {
  readonly pack?: number;
  readonly fields: readonly (readonly [name: string, type: string, array?: string])[];
}

/** Sizes of the types, which are what they are aligned to. */
const SIZES: Record<string, number> = {
  "char": 1,
  "unsigned char": 1,
  "__uint8_t": 1,
  "sa_family_t": 1,
  "short": 2,
  "in_port_t": 2,
  "int16_t": 2,
  "uint16_t": 2,
  "int": 4,
  "unsigned int": 4,
  "uint32_t": 4,
  "__uint32_t": 4,
  "in_addr_t": 4,
  "socklen_t": 4,
  "__darwin_suseconds_t": 4,
  "long": 8,
  "size_t": 8,
  "uintptr_t": 8,
  "intptr_t": 8,
  "__int64_t": 8,
  "__darwin_time_t": 8,
};

/** What stands in the brackets of sockaddr_storage. */
const LENGTHS: Record<string, number> = { _SS_PAD1SIZE: 6, _SS_PAD2SIZE: 112 };

/** Size and alignment of a type. `struct in6_addr` is a union, whose widest member is four bytes wide. */
function measure(type: string): { size: number; align: number } {
  if (type.endsWith("*")) return { size: 8, align: 8 };
  if (type === "struct in6_addr") return { size: 16, align: 4 };
  const struct = /^struct (\w+)$/.exec(type)?.[1];
  if (struct) return layOut(struct);
  assert(type in SIZES, type);
  return { size: SIZES[type], align: SIZES[type] };
}

/** Lays a struct out as C does: every field at a multiple of its alignment, which `#pragma pack` limits. */
function layOut(name: string): { size: number; align: number; offsets: Record<string, number> } {
  const { fields, pack = 8 } = HEADERS.structs[name];
  const offsets: Record<string, number> = {};
  let [end, widest] = [0, 1];
  const roundUp = (to: number): number => Math.ceil(end / to) * to;
  for (const [field, type, array] of fields) {
    const { size, align } = measure(type);
    const step = Math.min(align, pack);
    widest = Math.max(widest, step);
    offsets[field] = end = roundUp(step);
    const length = array?.slice(1, -1);
    end += size * (length === undefined ? 1 : LENGTHS[length] ?? Number(length));
  }
  return { size: roundUp(widest), align: widest, offsets };
}

test("macOS structs are laid out as Apple's headers declare them", () => {
  const { kevent, ip6_mtuinfo } = DARWIN.darwin!;
  const ours: Record<string, object> = { ...DARWIN.layouts, kevent, ip6_mtuinfo };
  for (const [name, layout] of Object.entries(ours)) {
    // Its own vector is Apple's msghdr_x.
    const { size, offsets } = layOut(name === "mmsghdr" ? "msghdr_x" : name);
    // What control messages are aligned to is no field: __DARWIN_ALIGN32 says 4. Nor is the size of a field.
    const expected: Record<string, number> = {
      ...offsets,
      size,
      align: 4,
      sizeof_sa_family: 1,
      msg_len: offsets.msg_datalen,
    };
    for (const [field, value] of Object.entries(layout)) assertEquals(value, expected[field], `${name}.${field}`);
  }
});

test("macOS numbers are those of Apple's headers", () => {
  const { constants, darwin, levels, options, errno } = DARWIN;
  const numbers = (table: object): [string, number][] =>
    Object.entries(table).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  const ours = [constants, darwin!, levels, options, errno].flatMap(numbers);
  const differing = ours.filter(([name, value]) => HEADERS.numbers[name]?.[0] !== value);
  assertEquals(differing, []);
  assert(ours.length > 200);
});

test("macOS errno numbers differ from Linux's and have the names Node uses", () => {
  const names: [number, string][] = [
    [4, "EINTR"],
    [9, "EBADF"],
    [11, "EDEADLK"],
    [22, "EINVAL"],
    [24, "EMFILE"],
    [35, "EAGAIN"],
    [40, "EMSGSIZE"],
    [42, "ENOPROTOOPT"],
    [45, "ENOTSUP"],
    [47, "EAFNOSUPPORT"],
    [48, "EADDRINUSE"],
    [49, "EADDRNOTAVAIL"],
    [51, "ENETUNREACH"],
    [55, "ENOBUFS"],
    [56, "EISCONN"],
    [57, "ENOTCONN"],
    [61, "ECONNREFUSED"],
    [65, "EHOSTUNREACH"],
    [89, "ECANCELED"],
  ];
  for (const [number, name] of names) assertEquals(errnoName(DARWIN, number), name);
});

test("macOS is found on x64 and arm64 and nowhere else", () => {
  assertEquals([abiOf("darwin", "x64"), abiOf("darwin", "arm64")], [DARWIN, DARWIN]);
  assertEquals([abiOf("darwin", "ia32"), abiOf("freebsd", "x64"), abiOf("win32", "x64")], [
    undefined,
    undefined,
    undefined,
  ]);
});

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** A macOS C library with scripted functions. */
function darwinLibc(functions: (binding: ScriptedBinding) => ScriptedFunctions = () => ({})): NativeLibc {
  const binding = new ScriptedBinding({ if_nametoindex: () => 0 });
  Object.assign(binding.functions, functions(binding));
  return new NativeLibc(DARWIN, binding);
}

test("a macOS address begins with its length and its one-byte family", () => {
  const libc = darwinLibc();
  assertEquals(hex(encodeAddress(libc, 4, "192.0.2.1", 0x1234)!), "10 02 12 34 c0 00 02 01 00 00 00 00 00 00 00 00");
  assertEquals(
    hex(encodeAddress(libc, 6, "2001:db8::1%7", 53)!),
    "1c 1e 00 35 00 00 00 00 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 07 00 00 00",
  );
  assertEquals(hex(encodeUnspecified(DARWIN).subarray(0, 2)), "10 00");
});

test("a macOS address is decoded as it was encoded", () => {
  const libc = darwinLibc();
  const memory = libc.allocate(32);
  for (const [version, address] of [[4, "192.0.2.1"], [6, "2001:db8::1"]] as const) {
    memory.clear();
    memory.bytes.set(encodeAddress(libc, version, address, 4660)!, 4);
    assertEquals(decodeAddress(libc, memory, 4), { address, family: `IPv${version}`, port: 4660 });
  }
});

test("macOS memberships are encoded as its structs have them", () => {
  const libc = darwinLibc();
  const group = encodeMembership(libc, "join", "239.1.2.3", "10.0.0.1");
  assert(typeof group !== "number");
  assertEquals([group.level, group.name, hex(group.value)], [0, 12, "ef 01 02 03 0a 00 00 01 00 00 00 00"]);

  const named = encodeMembership(named4(), "leave", "239.1.2.3", "en0");
  assert(typeof named !== "number");
  assertEquals([named.level, named.name, named.value.length], [0, 81, 132]);
  assertEquals(hex(named.value.subarray(0, 12)), "07 00 00 00 10 02 00 00 ef 01 02 03");

  const channel4 = encodeSourceMembership(libc, "join", "192.0.2.1", "232.1.2.3", "10.0.0.1");
  assert(typeof channel4 !== "number");
  assertEquals([channel4.name, hex(channel4.value)], [70, "e8 01 02 03 c0 00 02 01 0a 00 00 01"]);

  const channel6 = encodeSourceMembership(libc, "leave", "2001:db8::1", "ff3e::1", "::%5");
  assert(typeof channel6 !== "number");
  assertEquals([channel6.level, channel6.name, channel6.value.length], [41, 83, 260]);
  assertEquals(hex(channel6.value.subarray(0, 8)), "05 00 00 00 1c 1e 00 00");
  assertEquals(hex(channel6.value.subarray(132, 136)), "1c 1e 00 00");
});

/** A macOS C library with an interface en0. */
const named4 = (): NativeLibc => darwinLibc(() => ({ if_nametoindex: () => 7 }));

test("multicast of macOS leaves by an address, or by the index of a name", () => {
  const byAddress = encodeMulticastInterface(darwinLibc(), 4, "10.0.0.1");
  assert(typeof byAddress !== "number");
  assertEquals([byAddress.name, hex(byAddress.value)], [9, "0a 00 00 01"]);
  const byName = encodeMulticastInterface(named4(), 4, "en0");
  assert(typeof byName !== "number");
  assertEquals([byName.name, hex(byName.value)], [9, "00 00 00 00 00 00 00 00 07 00 00 00"]);
});

test("a message of macOS without address or control data has NULL for them, also after others had some", () => {
  const libc = darwinLibc();
  const vector = new MessageVector(libc, 2, 64);
  const at = vector.at(0);
  const pointers = (slot: number): boolean[] =>
    [msghdr.msg_name, msghdr.msg_control].map((field) =>
      at.memory.view.getBigUint64(slot * mmsghdr.size + field, true) !== 0n
    );
  vector.setOutgoing(0, 0, 1, undefined);
  vector.setOutgoing(1, 1, 1, encodeAddress(libc, 4, "192.0.2.1", 9)!, 0, new Uint8Array(512));
  assertEquals([pointers(0), pointers(1)], [[false, false], [true, true]]);
  vector.setIncoming(0, 1);
  vector.setOutgoing(1, 1, 1, undefined);
  assertEquals([pointers(0), pointers(1)], [[true, true], [false, false]]);
});

test("an error that macOS gives behind a datagram comes with the next call, and not after close", () => {
  const { libc, seen } = scriptedMessages([
    7,
    -DARWIN.errno.ECONNREFUSED,
    8,
    -DARWIN.errno.EAGAIN,
    9,
    -DARWIN.errno.ECONNREFUSED,
    1,
    1,
  ]);
  const vector = libc.pointer(libc.allocate(2 * mmsghdr.size));
  const receive = (fd: number): number => libc.recvmmsg(fd, vector, 2, 0);
  assertEquals([receive(5), receive(5), receive(5), receive(5)], [1, -DARWIN.errno.ECONNREFUSED, 1, 1]);
  assertEquals(seen.length, 6);
  libc.close(5);
  assertEquals(receive(5), 2);
});

test("descriptors in control data that macOS has cut are read as far as they go", () => {
  const view = new DataView(new ArrayBuffer(24));
  for (const [i, word] of [12 + 5 * 4, 0xffff, 1, 31, 32, 33].entries()) view.setInt32(4 * i, word, true);
  const reader = new ControlReader(DARWIN);
  reader.open(view, 0, 22);
  assertEquals(readAncillary(DARWIN, reader).fds, [31, 32]);
});

/** A single-message call of which the tests say how each one ends: a length, or a negative errno. */
function scriptedMessages(outcomes: readonly number[]): { libc: NativeLibc; seen: [number, number, number][] } {
  const seen: [number, number, number][] = [];
  const libc = darwinLibc((binding) => {
    const call = (fd: number, msg: ScriptedPointer, flags: number): number => {
      const outcome = outcomes[seen.push([fd, msg.offset, flags]) - 1];
      return outcome < 0 ? binding.fail(-outcome) : outcome;
    };
    return { sendmsg: call, recvmsg: call, close: () => 0 };
  });
  return { libc, seen };
}

const { mmsghdr, msghdr } = DARWIN.layouts;

for (const name of ["sendmmsg", "recvmmsg"] as const) {
  test(`${name} on macOS calls once for each message and notes each length`, () => {
    const { libc, seen } = scriptedMessages([10, 0, 65_507]);
    const vector = libc.allocate(4 * mmsghdr.size);
    assertEquals(libc[name](5, libc.pointer(vector, mmsghdr.size), 3, 128), 3);
    assertEquals(seen, [1, 2, 3].map((slot) => [5, slot * mmsghdr.size, 128]));
    const lengths = [0, 1, 2, 3].map((slot) => vector.view.getUint32(slot * mmsghdr.size + mmsghdr.msg_len, true));
    assertEquals(lengths, [0, 10, 0, 65_507]);
  });

  test(`${name} on macOS gives the error of the first message`, () => {
    const { libc, seen } = scriptedMessages([-DARWIN.errno.EAGAIN]);
    assertEquals(libc[name](5, libc.pointer(libc.allocate(2 * mmsghdr.size)), 2, 0), -35);
    assertEquals(seen.length, 1);
  });

  test(`${name} on macOS ends before a later message that fails`, () => {
    const { libc, seen } = scriptedMessages([7, 8, -DARWIN.errno.EMSGSIZE, 9]);
    assertEquals(libc[name](5, libc.pointer(libc.allocate(4 * mmsghdr.size)), 4, 0), 2);
    assertEquals(seen.length, 3);
  });

  test(`${name} on macOS refuses a vector that is too short before any call`, () => {
    const { libc, seen } = scriptedMessages([1, 1, 1]);
    assertThrows(() => libc[name](5, libc.pointer(libc.allocate(2 * mmsghdr.size)), 3, 0), RangeError);
    assertEquals(seen, []);
  });
}

test("fcntl on macOS gets its argument in the third register and as the first word of the stack", () => {
  const calls: unknown[][] = [];
  const libc = darwinLibc(() => ({ fcntl: (...args: unknown[]) => calls.push(args) && 0 }));
  assertEquals(libc.fcntl(9, 4, 6), 0);
  const [call] = calls;
  // Integer arguments: x0 to x7 on arm64, then the stack; rdi, rsi, rdx on x86-64.
  assertEquals([call.length, call[0], call[1], call[2], call[8]], [9, 9, 4, 6n, 6n]);
});

/** A descriptor table as fcntl and socket of macOS see it. */
function scriptedSockets(): { libc: NativeLibc; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const note = (name: string, result: number) => (...args: unknown[]): number => {
    calls.push([name, ...args.slice(0, 3).map(Number)]);
    return result;
  };
  const libc = darwinLibc(() => ({ socket: note("socket", 7), fcntl: note("fcntl", 2), close: note("close", 0) }));
  return { libc, calls };
}

test("a new macOS socket is made non-blocking and close-on-exec with fcntl, its other flags kept", () => {
  const { libc, calls } = scriptedSockets();
  const opened = Descriptor.open(libc, 6);
  assert(typeof opened !== "number");
  assertEquals(calls, [
    ["socket", 30, 2, 0],
    ["fcntl", 7, 3, 0],
    ["fcntl", 7, 4, 2 | 4],
    ["fcntl", 7, 1, 0],
    ["fcntl", 7, 2, 2 | 1],
  ]);
});

test("multicast TTL and loopback are one byte on macOS, other options four", () => {
  const sizes: Record<number, number> = {};
  const libc = darwinLibc(() => ({
    socket: () => 7,
    fcntl: () => 0,
    setsockopt: (_fd: number, _level: number, name: number, _value: unknown, size: number) => {
      sizes[name] = size;
      return 0;
    },
  }));
  const opened = Descriptor.open(libc, 4) as Descriptor;
  for (const name of ["IP_MULTICAST_TTL", "IP_MULTICAST_LOOP", "IP_TTL"] as const) opened.setOption(name, 1);
  assertEquals(sizes, { 10: 1, 11: 1, 4: 4 });
  assertEquals(opened.setOption("SO_DOMAIN", 1), -DARWIN.errno.ENOPROTOOPT);
});

test("disconnecting on macOS succeeds although connect reports a bad family", () => {
  for (const [errno, result] of [[47, 0], [22, 0], [49, 0], [9, -9]]) {
    const libc = darwinLibc((binding) => ({ socket: () => 7, fcntl: () => 0, connect: () => binding.fail(errno) }));
    assertEquals((Descriptor.open(libc, 4) as Descriptor).disconnect(), result);
  }
});

test("the family of an adopted macOS socket is read from its address", () => {
  const libc = darwinLibc(() => ({
    getsockopt: (_fd: number, _level: number, _name: number, value: ScriptedPointer) => {
      value.memory.view.setInt32(value.offset, 2, true);
      return 0;
    },
    getsockname: (_fd: number, address: ScriptedPointer) => {
      address.memory.bytes.set([28, 30], address.offset);
      return 0;
    },
  }));
  assertEquals(describeSocket(libc, 3), { family: 6, datagram: true });
});
