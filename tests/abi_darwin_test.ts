/**
 * macOS without a Mac: layouts computed from the SDK's struct declarations, constants as its headers have them, and
 * what would reach its C library, seen through a scripted binding.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { abiOf } from "../ffi/abi/current.ts";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { describeSocket, Descriptor } from "../ffi/descriptor.ts";
import { errnoName } from "../ffi/errno.ts";
import { encodeMembership, encodeSourceMembership } from "../ffi/membership.ts";
import { NativeLibc } from "../ffi/native_libc.ts";
import { READABLE, WRITABLE } from "../ffi/poll/interest_set.ts";
import { KqueueSet } from "../ffi/poll/kqueue.ts";
import { decodeAddress, encodeAddress, encodeUnspecified } from "../ffi/sockaddr.ts";
import { test } from "./support/harness.ts";
import { ScriptedBinding, type ScriptedPointer } from "./support/scripted_binding.ts";

type Field = readonly [name: string, size: number, alignment?: number];

/** Lays a struct out as C does: every field aligned to its size, or to `alignment`; nothing above `pack`. */
function layOut(fields: readonly Field[], pack = 8): Record<string, number> {
  const result: Record<string, number> = {};
  let end = 0;
  let widest = 1;
  const align = (to: number): number => Math.ceil(end / to) * to;
  for (const [name, size, alignment = size] of fields) {
    const step = Math.min(alignment, pack);
    widest = Math.max(widest, step);
    result[name] = align(step);
    end = result[name] + size;
  }
  return { ...result, size: align(widest) };
}

/** The SDK's declarations, field by field. A struct within has its size and the alignment of its widest member. */
const STRUCTS: Record<string, { fields: readonly Field[]; size: number; pack?: number }> = {
  // <netinet/in.h>
  sockaddr_in: {
    fields: [["sin_len", 1], ["sin_family", 1], ["sin_port", 2], ["sin_addr", 4], ["sin_zero", 8, 1]],
    size: 16,
  },
  // <netinet6/in6.h>
  sockaddr_in6: {
    fields: [
      ["sin6_len", 1],
      ["sin6_family", 1],
      ["sin6_port", 2],
      ["sin6_flowinfo", 4],
      ["sin6_addr", 16, 4],
      ["sin6_scope_id", 4],
    ],
    size: 28,
  },
  // <sys/un.h>
  sockaddr_un: { fields: [["sun_len", 1], ["sun_family", 1], ["sun_path", 104, 1]], size: 106 },
  // <sys/socket.h>
  sockaddr_storage: {
    fields: [["ss_len", 1], ["ss_family", 1], ["pad1", 6, 1], ["align", 8], ["pad2", 112, 1]],
    size: 128,
  },
  msghdr: {
    fields: [
      ["msg_name", 8],
      ["msg_namelen", 4],
      ["msg_iov", 8],
      ["msg_iovlen", 4],
      ["msg_control", 8],
      ["msg_controllen", 4],
      ["msg_flags", 4],
    ],
    size: 48,
  },
  cmsghdr: { fields: [["cmsg_len", 4], ["cmsg_level", 4], ["cmsg_type", 4]], size: 12 },
  // <netinet/in.h>, <netinet6/in6.h>
  in_pktinfo: { fields: [["ipi_ifindex", 4], ["ipi_spec_dst", 4], ["ipi_addr", 4]], size: 12 },
  in6_pktinfo: { fields: [["ipi6_addr", 16, 4], ["ipi6_ifindex", 4]], size: 20 },
  // <sys/_types/_timespec.h>, <sys/_types/_timeval.h>
  timespec: { fields: [["tv_sec", 8], ["tv_nsec", 8]], size: 16 },
  timeval: { fields: [["tv_sec", 8], ["tv_usec", 4]], size: 16 },
  // <sys/_types/_iovec_t.h>
  iovec: { fields: [["iov_base", 8], ["iov_len", 8]], size: 16 },
  // <sys/poll.h>
  pollfd: { fields: [["fd", 4], ["events", 2], ["revents", 2]], size: 8 },
  // <netinet/in.h>
  ip_mreqn: { fields: [["imr_multiaddr", 4], ["imr_address", 4], ["imr_ifindex", 4]], size: 12 },
  ip_mreq_source: { fields: [["imr_multiaddr", 4], ["imr_sourceaddr", 4], ["imr_interface", 4]], size: 12 },
  // <netinet6/in6.h>
  ipv6_mreq: { fields: [["ipv6mr_multiaddr", 16, 4], ["ipv6mr_interface", 4]], size: 20 },
  // <netinet/in.h>, between #pragma pack(4) and #pragma pack()
  group_source_req: {
    fields: [["gsr_interface", 4], ["gsr_group", 128, 8], ["gsr_source", 128, 8]],
    size: 260,
    pack: 4,
  },
  // <sys/event.h>, packed to 4 as well
  kevent: {
    fields: [["ident", 8], ["filter", 2], ["flags", 2], ["fflags", 4], ["data", 8], ["udata", 8]],
    size: 32,
    pack: 4,
  },
};

test("macOS structs are laid out as the SDK declares them", () => {
  const ours: Record<string, object> = { ...DARWIN.layouts, kevent: DARWIN.darwin!.kevent };
  for (const [name, { fields, size, pack }] of Object.entries(STRUCTS)) {
    const declared = layOut(fields, pack);
    assertEquals(declared.size, size, `size of ${name}`);
    // What control messages are aligned to is no field: __DARWIN_ALIGN32 says 4.
    const expected: Record<string, number> = { ...declared, align: 4 };
    for (const [field, value] of Object.entries(ours[name])) assertEquals(value, expected[field], `${name}.${field}`);
  }
  const unknown = Object.keys(ours).filter((name) => !(name in STRUCTS));
  assertEquals(unknown, ["sockaddr", "mmsghdr"]);
  assertEquals(DARWIN.layouts.sockaddr, { sa_len: 0, sa_family: 1, sizeof_sa_family: 1 });
});

test("macOS constants are those of the SDK", () => {
  // deno-fmt-ignore
  assertEquals({ ...DARWIN.constants }, {
    AF_UNSPEC: 0, AF_UNIX: 1, AF_INET: 2, AF_INET6: 30, SOCK_DGRAM: 2, SOL_SOCKET: 65535,
    SO_REUSEADDR: 4, SO_BROADCAST: 32, SO_REUSEPORT: 512,
    SO_SNDBUF: 4097, SO_RCVBUF: 4098, SO_ERROR: 4103, SO_TYPE: 4104,
    MSG_TRUNC: 16, MSG_CTRUNC: 32, SCM_RIGHTS: 1, MSG_DONTWAIT: 128, IPPROTO_IP: 0, IPPROTO_IPV6: 41,
    IP_TTL: 4, IP_MULTICAST_IF: 9, IP_MULTICAST_TTL: 10, IP_MULTICAST_LOOP: 11, IP_ADD_MEMBERSHIP: 12,
    IP_DROP_MEMBERSHIP: 13, IP_ADD_SOURCE_MEMBERSHIP: 70, IP_DROP_SOURCE_MEMBERSHIP: 71,
    IPV6_UNICAST_HOPS: 4, IPV6_MULTICAST_IF: 9, IPV6_MULTICAST_HOPS: 10, IPV6_MULTICAST_LOOP: 11, IPV6_JOIN_GROUP: 12,
    IPV6_LEAVE_GROUP: 13, IPV6_V6ONLY: 27, MCAST_JOIN_SOURCE_GROUP: 82, MCAST_LEAVE_SOURCE_GROUP: 83,
    CLOCK_REALTIME: 0, CLOCK_MONOTONIC: 6, IP_TOS: 3, IP_RECVTTL: 24, IP_PKTINFO: 26, IP_RECVTOS: 27, IPV6_RECVTCLASS: 35, IPV6_TCLASS: 36,
    IPV6_RECVHOPLIMIT: 37, IPV6_PKTINFO: 46, IPV6_HOPLIMIT: 47, IPV6_RECVPKTINFO: 61, IPV6_DONTFRAG: 62,
    F_GETFD: 1, F_SETFD: 2, F_DUPFD_CLOEXEC: 67, F_GETFL: 3, F_SETFL: 4, FD_CLOEXEC: 1, O_NONBLOCK: 4, POLLIN: 1, IF_NAMESIZE: 16,
  });
  const { kevent: _, ...darwin } = DARWIN.darwin!;
  // deno-fmt-ignore
  assertEquals(darwin, {
    IP_BOUND_IF: 25, IPV6_BOUND_IF: 125, EVFILT_READ: -1, EVFILT_WRITE: -2, EVFILT_USER: -10,
    SO_TIMESTAMP: 1024, SCM_TIMESTAMP: 2, EV_ADD: 1, EV_DELETE: 2, EV_CLEAR: 32, NOTE_TRIGGER: 16777216,
    ip6_mtuinfo: { size: 32, ip6m_mtu: 28 },
  });
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
function darwinLibc(functions: (binding: ScriptedBinding) => ScriptedBinding["functions"] = () => ({})): NativeLibc {
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
  const group = encodeMembership(libc, true, "239.1.2.3", "10.0.0.1");
  assert(typeof group !== "number");
  assertEquals([group.level, group.name, hex(group.value)], [0, 12, "ef 01 02 03 0a 00 00 01 00 00 00 00"]);

  const channel4 = encodeSourceMembership(libc, "join", "192.0.2.1", "232.1.2.3", "10.0.0.1");
  assert(typeof channel4 !== "number");
  assertEquals([channel4.name, hex(channel4.value)], [70, "e8 01 02 03 c0 00 02 01 0a 00 00 01"]);

  const channel6 = encodeSourceMembership(libc, "leave", "2001:db8::1", "ff3e::1", "::%5");
  assert(typeof channel6 !== "number");
  assertEquals([channel6.level, channel6.name, channel6.value.length], [41, 83, 260]);
  assertEquals(hex(channel6.value.subarray(0, 8)), "05 00 00 00 1c 1e 00 00");
  assertEquals(hex(channel6.value.subarray(132, 136)), "1c 1e 00 00");
});

/** A single-message call of which the tests say how each one ends: a length, or a negative errno. */
function scriptedMessages(outcomes: readonly number[]): { libc: NativeLibc; seen: [number, number, number][] } {
  const seen: [number, number, number][] = [];
  const libc = darwinLibc((binding) => {
    const call = (fd: number, msg: ScriptedPointer, flags: number): number => {
      const outcome = outcomes[seen.push([fd, msg.offset, flags]) - 1];
      return outcome < 0 ? binding.fail(-outcome) : outcome;
    };
    return { sendmsg: call, recvmsg: call };
  });
  return { libc, seen };
}

const { mmsghdr } = DARWIN.layouts;

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
  for (const [errno, result] of [[47, 0], [22, 0], [9, -9]]) {
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

interface Change {
  ident: number;
  filter: number;
  flags: number;
  fflags: number;
  udata: number;
}

/** A kqueue that notes its changes and reports the events it is told to. */
class ScriptedKqueue {
  changes: Change[] = [];
  closed: number[] = [];
  /** Outcomes of the next calls; 0 where there are none. */
  outcomes: number[] = [];
  events: Change[] = [];
  readonly libc = darwinLibc((binding) => ({
    kqueue: () => 11,
    fcntl: () => 0,
    close: (fd: number) => this.closed.push(fd) && 0,
    kevent: (_kq: number, changes: ScriptedPointer | null, count: number, events: ScriptedPointer | null) => {
      const outcome = this.outcomes.shift() ?? 0;
      if (outcome < 0) return binding.fail(-outcome);
      if (changes) this.changes.push(...Array.from({ length: count }, (_, i) => read(changes, i)));
      if (events) this.events.forEach((event, i) => write(events, i, event));
      return events ? this.events.length : 0;
    },
  }));

  /** The changes since the last time. */
  taken(): Change[] {
    return this.changes.splice(0);
  }

  open(): KqueueSet {
    const set = KqueueSet.open(this.libc);
    assert(typeof set !== "number");
    this.taken();
    return set;
  }
}

function read({ memory: { view }, offset }: ScriptedPointer, index: number): Change {
  const at = offset + index * 32;
  return {
    ident: Number(view.getBigUint64(at, true)),
    filter: view.getInt16(at + 8, true),
    flags: view.getUint16(at + 10, true),
    fflags: view.getUint32(at + 12, true),
    udata: Number(view.getBigUint64(at + 24, true)),
  };
}

function write({ memory: { view }, offset }: ScriptedPointer, index: number, event: Change): void {
  const at = offset + index * 32;
  view.setBigUint64(at, BigInt(event.ident), true);
  view.setInt16(at + 8, event.filter, true);
  view.setBigUint64(at + 24, BigInt(event.udata), true);
}

const [READ, WRITE, USER, ADD, DELETE, CLEAR] = [-1, -2, -10, 1, 2, 0x20];

const change = (ident: number, filter: number, flags: number, udata: number, fflags = 0): Change => ({
  ident,
  filter,
  flags,
  fflags,
  udata,
});

test("a new kqueue gets a user event to be woken by, and waking triggers it", () => {
  const kqueue = new ScriptedKqueue();
  const set = KqueueSet.open(kqueue.libc);
  assert(typeof set !== "number");
  assertEquals(set.fd, 11);
  assertEquals(kqueue.taken(), [change(0, USER, ADD | CLEAR, 0)]);
  set.wake();
  assertEquals(kqueue.taken(), [change(0, USER, 0, 0, 0x01000000)]);
  set.close();
  assertEquals(kqueue.closed, [11]);
});

test("a kqueue changes only the filters whose interest changes", () => {
  const kqueue = new ScriptedKqueue();
  const set = kqueue.open();
  assertEquals(set.add(5, 1, READABLE), 0);
  assertEquals(kqueue.taken(), [change(5, READ, ADD, 1)]);
  assertEquals(set.modify(5, 1, READABLE | WRITABLE), 0);
  assertEquals(kqueue.taken(), [change(5, WRITE, ADD, 1)]);
  assertEquals(set.modify(5, 1, READABLE | WRITABLE), 0);
  assertEquals(kqueue.taken(), []);
  assertEquals(set.modify(5, 1, WRITABLE), 0);
  assertEquals(kqueue.taken(), [change(5, READ, DELETE, 1)]);
  assertEquals(set.remove(5), 0);
  assertEquals(kqueue.taken().map(({ filter, flags }) => [filter, flags]), [[WRITE, DELETE]]);
});

test("a kqueue refuses a second member of one descriptor, and changes to none", () => {
  const set = new ScriptedKqueue().open();
  assertEquals(set.modify(5, 1, READABLE), -DARWIN.errno.ENOENT);
  assertEquals(set.add(5, 1, READABLE), 0);
  assertEquals(set.add(5, 2, READABLE), -DARWIN.errno.EEXIST);
  assertEquals(set.remove(5), 0);
  assertEquals(set.add(5, 3, READABLE), 0);
});

test("a descriptor that a kqueue could not add can be added again", () => {
  const kqueue = new ScriptedKqueue();
  const set = kqueue.open();
  kqueue.outcomes = [-DARWIN.errno.ENOMEM];
  assertEquals(set.add(5, 1, READABLE), -12);
  assertEquals(set.add(5, 1, READABLE), 0);
  assertEquals(kqueue.taken(), [change(5, READ, ADD, 1)]);
});

test("a kqueue tells token and readiness of each event, and repeats an interrupted call", () => {
  const kqueue = new ScriptedKqueue();
  const set = kqueue.open();
  const token = 2 ** 40 + 3;
  kqueue.outcomes = [-DARWIN.errno.EINTR];
  kqueue.events = [change(5, READ, 0, token), change(6, WRITE, 0, 2), change(0, USER, 0, 0)];
  assertEquals(set.collect(), 3);
  assertEquals([0, 1, 2].map((i) => [set.tokenAt(i), set.readinessAt(i)]), [[token, READABLE], [2, WRITABLE], [0, 0]]);
});

test("a kqueue that can't take its user event is closed", () => {
  const kqueue = new ScriptedKqueue();
  kqueue.outcomes = [-DARWIN.errno.ENOMEM];
  assertEquals(KqueueSet.open(kqueue.libc), -12);
  assertEquals(kqueue.closed, [11]);
});
