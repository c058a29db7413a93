/**
 * This runtime's own way to the C library: every function called for real, errno after each failure, and what
 * memory allows.
 *
 * @module
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { Descriptor } from "../ffi/descriptor.ts";
import type { Pointer } from "../ffi/libc/memory.ts";
import { currentRuntime } from "../ffi/load.ts";
import { EpollPoller } from "../ffi/poll/epoll.ts";
import { READABLE, WRITABLE } from "../ffi/poll/poller.ts";
import { interfaceIndex, interfaceName } from "../ffi/wire/interfaces.ts";
import { MessageVector } from "../ffi/wire/message_vector.ts";
import { decodeAddress, encodeAddress, familyNumber, type SocketAddress } from "../ffi/wire/sockaddr.ts";
import { collectGarbage } from "./support/garbage.ts";
import { FAMILIES, type Family, test, testBoth, type Tools } from "./support/harness.ts";
import { receiveOne, sendOne } from "./support/single_messages.ts";

const { libc } = currentRuntime();
const { abi } = libc;
const { constants, errno, layouts } = abi;
const linux = abi.linux!;

/** A descriptor number that no process has. */
const NO_FD = 0x7fff_fffe;

/** Memory with something in it, as an argument. */
function pointerTo(bytes: Uint8Array | string): Pointer {
  const given = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  const memory = libc.allocate(Math.max(given.length, 1));
  memory.bytes.set(given);
  return libc.pointer(memory);
}

/** An int as an argument. */
function pointerToInt(value: number): Pointer {
  const memory = libc.allocate(4);
  memory.view.setInt32(0, value, true);
  return libc.pointer(memory);
}

const textOf = (pointer: Pointer, length: number): string =>
  new TextDecoder().decode(pointer.memory.bytes.subarray(0, length));

/** A non-blocking UDP socket, bound to loopback, with its address. */
function boundSocket(t: Tools, family: Family): { fd: number; port: number; address: Pointer; length: number } {
  const fd = libc.socket(familyNumber(abi, family.version), constants.SOCK_DGRAM | linux.SOCK_NONBLOCK, 0);
  assert(fd >= 0);
  t.cleanup(() => libc.close(fd));
  const encoded = encodeAddress(libc, family.version, family.loopback, 0)!;
  assertEquals(libc.bind(fd, pointerTo(encoded), encoded.length), 0);
  const { address, length } = readName((at, size) => libc.getsockname(fd, at, size));
  return { fd, port: decodeAddress(libc, address.memory, 0)!.port, address, length };
}

/** What getsockname or getpeername writes. */
function readName(call: (at: Pointer, size: Pointer) => number): { address: Pointer; length: number } {
  const address = pointerTo(new Uint8Array(layouts.sockaddr_storage.size));
  const size = pointerToInt(layouts.sockaddr_storage.size);
  assertEquals(call(address, size), 0);
  return { address, length: size.memory.view.getUint32(0, true) };
}

testBoth("socket, bind, getsockname and close do what they say", (t, family) => {
  const { fd, address, length } = boundSocket(t, family);
  const decoded = decodeAddress(libc, address.memory, 0)!;
  assertEquals([decoded.address, decoded.family], [family.loopback, family.name]);
  assert(decoded.port > 0);
  assertEquals(length, family.version === 4 ? 16 : 28);
  assertEquals(libc.close(fd), 0);
  assertEquals(libc.close(fd), -errno.EBADF);
});

testBoth("connect and getpeername agree on the peer", (t, family) => {
  const [peer, socket] = [boundSocket(t, family), boundSocket(t, family)];
  const nobody = libc.getpeername(socket.fd, pointerTo(new Uint8Array(128)), pointerToInt(128));
  assertEquals(nobody, -errno.ENOTCONN);
  assertEquals(libc.connect(socket.fd, peer.address, peer.length), 0);
  const { address, length } = readName((at, size) => libc.getpeername(socket.fd, at, size));
  assertEquals(decodeAddress(libc, address.memory, 0)?.port, peer.port);
  assertEquals(length, peer.length);
});

testBoth("sendmsg and recvmsg carry a datagram and its sender", (t, family) => {
  const [receiver, sender] = [boundSocket(t, family), boundSocket(t, family)];
  assertEquals(sendOne(libc, sender.fd, pointerTo("hello"), 5, receiver), 5);
  const [buffer, from] = [pointerTo(new Uint8Array(64)), pointerTo(new Uint8Array(128))];
  assertEquals(receiveOne(libc, receiver.fd, buffer, 64, from), 5);
  assertEquals(textOf(buffer, 5), "hello");
  assertEquals(decodeAddress(libc, from.memory, 0)?.port, sender.port);
});

testBoth("sendmsg and recvmsg take no address on a connected socket", (t, family) => {
  const [receiver, sender] = [boundSocket(t, family), boundSocket(t, family)];
  assertEquals(libc.connect(sender.fd, receiver.address, receiver.length), 0);
  assertEquals(sendOne(libc, sender.fd, pointerTo("hi"), 2), 2);
  const buffer = pointerTo(new Uint8Array(8));
  assertEquals(receiveOne(libc, receiver.fd, buffer, 8), 2);
  assertEquals(textOf(buffer, 2), "hi");
});

testBoth("an empty datagram differs from no datagram", (t, family) => {
  const [receiver, sender] = [boundSocket(t, family), boundSocket(t, family)];
  const buffer = pointerTo(new Uint8Array(8));
  assertEquals(receiveOne(libc, receiver.fd, buffer, 8), -errno.EAGAIN);
  assertEquals(sendOne(libc, sender.fd, pointerTo(""), 0, receiver), 0);
  assertEquals(receiveOne(libc, receiver.fd, buffer, 8), 0);
  assertEquals(receiveOne(libc, receiver.fd, buffer, 8), -errno.EAGAIN);
});

/** A vector whose slots hold texts for one destination. */
function outgoing(texts: readonly string[], to: { address: Pointer; length: number } | undefined): MessageVector {
  const vector = new MessageVector(libc, texts.length, 1024);
  let offset = 0;
  for (const [slot, text] of texts.entries()) {
    const bytes = new TextEncoder().encode(text);
    vector.data.bytes.set(bytes, offset);
    const destination = to && to.address.memory.bytes.slice(0, to.length);
    vector.setOutgoing(slot, offset, bytes.length, destination);
    offset += bytes.length;
  }
  return vector;
}

/** Who sent the message in a slot. */
function senderAt(vector: MessageVector, slot: number): SocketAddress | undefined {
  return vector.nameLengthAt(slot) === 0 ? undefined : decodeAddress(libc, vector.names, vector.nameOffset(slot));
}

/** An empty vector of four slots, 256 bytes each. */
function incoming(): MessageVector {
  const vector = new MessageVector(libc, 4, 1024);
  for (let slot = 0; slot < 4; slot++) {
    vector.setPayload(slot, slot * 256, 256);
    vector.setIncoming(slot, slot + 1);
  }
  return vector;
}

const slotText = (vector: MessageVector, slot: number, length: number): string =>
  new TextDecoder().decode(vector.data.bytes.subarray(slot * 256, slot * 256 + length));

testBoth("sendmsg and recvmsg carry a datagram and its sender", (t, family) => {
  const [receiver, sender] = [boundSocket(t, family), boundSocket(t, family)];
  assertEquals(libc.sendmsg(sender.fd, outgoing(["single"], receiver).at(0), 0), 6);
  const vector = incoming();
  assertEquals(libc.recvmsg(receiver.fd, vector.at(0), 0), 6);
  assertEquals(slotText(vector, 0, 6), "single");
  assertEquals(senderAt(vector, 0), { address: family.loopback, family: family.name, port: sender.port });
  assertEquals(libc.recvmsg(receiver.fd, vector.at(0), 0), -errno.EAGAIN);
});

testBoth("sendmmsg and recvmmsg carry several, empty ones among them", (t, family) => {
  const [receiver, sender] = [boundSocket(t, family), boundSocket(t, family)];
  assertEquals(libc.sendmmsg(sender.fd, outgoing(["one", "", "three"], receiver).at(0), 3, 0), 3);
  const vector = incoming();
  assertEquals(libc.recvmmsg(receiver.fd, vector.at(0), 4, 0), 3);
  assertEquals([0, 1, 2].map((slot) => slotText(vector, slot, vector.lengthAt(slot))), ["one", "", "three"]);
  assertEquals([0, 1, 2].map((slot) => senderAt(vector, slot)?.port), [sender.port, sender.port, sender.port]);
});

testBoth("a slot used again has no trace of its last address", (t, family) => {
  const [receiver, sender] = [boundSocket(t, family), boundSocket(t, family)];
  const vector = outgoing(["x"], receiver);
  assertEquals(libc.sendmmsg(sender.fd, vector.at(0), 1, 0), 1);
  vector.setOutgoing(0, 0, 1, undefined);
  assertEquals(libc.sendmmsg(sender.fd, vector.at(0), 1, 0), -errno.EDESTADDRREQ);
});

testBoth("a datagram longer than its slot is cut and marked", (t, family) => {
  const [receiver, sender] = [boundSocket(t, family), boundSocket(t, family)];
  sendOne(libc, sender.fd, pointerTo("0123456789"), 10, receiver);
  const vector = new MessageVector(libc, 1, 64);
  vector.setPayload(0, 0, 4);
  vector.setIncoming(0, 1);
  assertEquals(libc.recvmmsg(receiver.fd, vector.at(0), 1, 0), 1);
  assertEquals(vector.lengthAt(0), 4);
  const flags = vector.at(0).memory.view.getUint32(layouts.msghdr.msg_flags, true);
  assertEquals(flags & constants.MSG_TRUNC, constants.MSG_TRUNC);
  assertEquals(new TextDecoder().decode(vector.data.bytes.subarray(0, 6)), "0123\0\0");
});

test("setsockopt and getsockopt write and read an option", (t) => {
  const { fd } = boundSocket(t, FAMILIES[0]);
  const { levels: { SOL_SOCKET }, options: { SO_BROADCAST } } = libc.abi;
  const read = (): number => {
    const value = pointerToInt(-1);
    assertEquals(libc.getsockopt(fd, SOL_SOCKET, SO_BROADCAST, value, pointerToInt(4)), 0);
    return value.memory.view.getInt32(0, true);
  };
  assertEquals(read(), 0);
  assertEquals(libc.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, pointerToInt(1), 4), 0);
  assertEquals(read(), 1);
});

test("fcntl reads and writes a descriptor's flags", (t) => {
  const { fd } = boundSocket(t, FAMILIES[0]);
  const { F_GETFD, F_SETFD, FD_CLOEXEC } = constants;
  assertEquals(libc.fcntl(fd, F_GETFD, 0), 0);
  assertEquals(libc.fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
  assertEquals(libc.fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
});

test("if_nametoindex and if_indextoname are each other's inverse", () => {
  for (const name of Object.keys(networkInterfaces())) {
    const index = libc.if_nametoindex(pointerTo(`${name}\0`));
    assertEquals(String(index), readFileSync(`/sys/class/net/${name}/ifindex`, "utf8").trim());
    const written = pointerTo(new Uint8Array(constants.IF_NAMESIZE));
    assertEquals(libc.if_indextoname(index, written), 0);
    assertEquals(textOf(written, name.length + 1), `${name}\0`);
    assertEquals([interfaceIndex(libc, name), interfaceName(libc, index)], [index, name]);
  }
});

test("interfaces that do not exist have no index and no name", () => {
  assertEquals(libc.if_nametoindex(pointerTo("no-such-if\0")), -errno.ENODEV);
  assertEquals(libc.if_indextoname(NO_FD, pointerTo(new Uint8Array(16))), -errno.ENXIO);
  assertEquals(interfaceName(libc, NO_FD), String(NO_FD));
  for (const name of ["", "no-such-if", "a name that is too long", "lo\0x", "0x1"]) {
    assertEquals(interfaceIndex(libc, name), -errno.ENODEV, JSON.stringify(name));
  }
  assertEquals(interfaceIndex(libc, "17"), 17);
});

test("epoll_create1, epoll_ctl and epoll_wait watch a descriptor", (t) => {
  const { fd, address, length } = boundSocket(t, FAMILIES[0]);
  const epoll = libc.epoll_create1(linux.EPOLL_CLOEXEC);
  t.cleanup(() => libc.close(epoll));
  const { size, events, data } = linux.epoll_event;
  const event = libc.allocate(size);
  event.view.setUint32(events, linux.EPOLLIN, true);
  event.view.setBigUint64(data, 0x0123_4567_89ab_cdefn, true);
  assertEquals(libc.epoll_ctl(epoll, linux.EPOLL_CTL_ADD, fd, libc.pointer(event)), 0);
  const found = libc.allocate(2 * size);
  assertEquals(libc.epoll_wait(epoll, libc.pointer(found), 2, 0), 0);
  sendOne(libc, fd, pointerTo("x"), 1, { address, length });
  assertEquals(libc.epoll_wait(epoll, libc.pointer(found), 2, 1000), 1);
  assertEquals(found.view.getUint32(events, true), linux.EPOLLIN);
  assertEquals(found.view.getBigUint64(data, true), 0x0123_4567_89ab_cdefn);
  assertEquals(libc.epoll_ctl(epoll, linux.EPOLL_CTL_DEL, fd, null), 0);
  assertEquals(libc.epoll_wait(epoll, libc.pointer(found), 2, 0), 0);
});

test("a poller tells who is ready for what", (t) => {
  const [first, second] = [boundSocket(t, FAMILIES[0]), boundSocket(t, FAMILIES[0])];
  const set = EpollPoller.open(libc) as EpollPoller;
  t.cleanup(() => set.close());
  const ready = (): number[][] =>
    Array.from({ length: set.collect() }, (_, i) => [set.tokenAt(i), set.readinessAt(i)]).sort(([a], [b]) => a - b);
  const large = 2 ** 52 + 1;
  assertEquals([set.add(first.fd, 1, READABLE), set.add(second.fd, large, READABLE | WRITABLE)], [0, 0]);
  assertEquals(ready(), [[large, WRITABLE]]);
  sendOne(libc, first.fd, pointerTo("x"), 1, first);
  assertEquals(ready(), [[1, READABLE], [large, WRITABLE]]);
  assertEquals(set.modify(second.fd, large, READABLE), 0);
  assertEquals(ready(), [[1, READABLE]]);
  assertEquals(set.remove(first.fd), 0);
  assertEquals(ready(), []);
  assertEquals([set.add(second.fd, 3, READABLE), set.remove(first.fd)], [-errno.EEXIST, -errno.ENOENT]);
});

test("a poller that is woken becomes readable, once", (t) => {
  const set = EpollPoller.open(libc) as EpollPoller;
  t.cleanup(() => set.close());
  // A poller watches another.
  const outer = EpollPoller.open(libc) as EpollPoller;
  t.cleanup(() => outer.close());
  assertEquals(outer.add(set.fd, 1, READABLE), 0);
  const isReadable = (): number => outer.collect();
  assertEquals(isReadable(), 0);
  set.wake();
  set.wake();
  assertEquals(isReadable(), 1);
  set.collect();
  assertEquals(isReadable(), 0);
});

test("eventfd counts", (t) => {
  const fd = libc.eventfd(3, linux.EFD_CLOEXEC | linux.EFD_NONBLOCK);
  t.cleanup(() => libc.close(fd));
  assertEquals(/eventfd-count:\s*(\w+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1], "3");
});

/** A descriptor's flags as the kernel shows them. */
function flagsOf(fd: number): number {
  return parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1], 8);
}

const CLOEXEC = linux.SOCK_CLOEXEC;
const NONBLOCK_CLOEXEC = constants.O_NONBLOCK | CLOEXEC;

testBoth("new sockets are non-blocking and close-on-exec", (_, family) => {
  const opened = Descriptor.open(libc, family.version) as Descriptor;
  try {
    assertEquals(flagsOf(opened.fd) & NONBLOCK_CLOEXEC, NONBLOCK_CLOEXEC);
    assertEquals(libc.fcntl(opened.fd, constants.F_GETFL, 0) & constants.O_NONBLOCK, constants.O_NONBLOCK);
    assertEquals(libc.fcntl(opened.fd, constants.F_GETFD, 0), constants.FD_CLOEXEC);
  } finally {
    opened.close();
  }
});

test("an adopted socket becomes non-blocking and close-on-exec", () => {
  const fd = libc.socket(constants.AF_INET, constants.SOCK_DGRAM, 0);
  assertEquals(flagsOf(fd) & NONBLOCK_CLOEXEC, 0);
  const adopted = Descriptor.adopt(libc, fd);
  try {
    assertEquals(flagsOf(fd) & NONBLOCK_CLOEXEC, NONBLOCK_CLOEXEC);
  } finally {
    adopted.close();
  }
});

test("a poller's descriptors are close-on-exec", () => {
  const lowest = openSync("/dev/null", "r");
  closeSync(lowest);
  const set = EpollPoller.open(libc) as EpollPoller;
  try {
    assertEquals(flagsOf(set.fd) & CLOEXEC, CLOEXEC);
    const wakeFd = Number(/tfd:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${set.fd}`, "utf8"))![1]);
    assertEquals(flagsOf(wakeFd) & NONBLOCK_CLOEXEC, NONBLOCK_CLOEXEC);
  } finally {
    set.close();
  }
});

/** Calls that fail, each with the errno it must give. */
function failures(t: Tools): [name: string, errno: string, call: () => number][] {
  const bound = boundSocket(t, FAMILIES[0]);
  const file = openSync("/dev/null", "r");
  t.cleanup(() => closeSync(file));
  const free = (): number => {
    const fd = libc.socket(constants.AF_INET, constants.SOCK_DGRAM, 0);
    t.cleanup(() => libc.close(fd));
    return fd;
  };
  const [second, unbound] = [free(), free()];
  const word = pointerToInt(0);
  const size = pointerToInt(128);
  const room = pointerTo(new Uint8Array(128));
  const distant = encodeAddress(libc, 4, "192.0.2.1", 0)!;
  const vector = outgoing(["x"], undefined);
  const event = libc.pointer(libc.allocate(linux.epoll_event.size));
  const { SOL_SOCKET } = libc.abi.levels;
  const { SOCK_DGRAM, AF_INET, F_GETFL } = constants;
  return [
    ["socket of an unknown family", "EAFNOSUPPORT", () => libc.socket(77, SOCK_DGRAM, 0)],
    ["socket of an unknown type", "EINVAL", () => libc.socket(AF_INET, 77, 0)],
    ["socket of an unfit protocol", "EPROTONOSUPPORT", () => libc.socket(AF_INET, SOCK_DGRAM, 6)],
    ["bind of no descriptor", "EBADF", () => libc.bind(NO_FD, bound.address, bound.length)],
    ["bind of a file", "ENOTSOCK", () => libc.bind(file, bound.address, bound.length)],
    ["bind to an address in use", "EADDRINUSE", () => libc.bind(second, bound.address, bound.length)],
    ["bind to another host's address", "EADDRNOTAVAIL", () => libc.bind(second, pointerTo(distant), 16)],
    ["bind a second time", "EINVAL", () => libc.bind(bound.fd, bound.address, bound.length)],
    ["bind with half an address", "EINVAL", () => libc.bind(second, bound.address, 7)],
    ["connect of no descriptor", "EBADF", () => libc.connect(NO_FD, bound.address, bound.length)],
    ["getsockname of a file", "ENOTSOCK", () => libc.getsockname(file, room, size)],
    ["getpeername without a peer", "ENOTCONN", () => libc.getpeername(bound.fd, room, size)],
    ["setsockopt of no option", "ENOPROTOOPT", () => libc.setsockopt(bound.fd, SOL_SOCKET, 9999, word, 4)],
    ["setsockopt with half a value", "EINVAL", () => libc.setsockopt(bound.fd, SOL_SOCKET, 6, word, 2)],
    ["getsockopt of a file", "ENOTSOCK", () => libc.getsockopt(file, SOL_SOCKET, 3, word, pointerToInt(4))],
    ["sendmsg without a destination", "EDESTADDRREQ", () => libc.sendmsg(unbound, vector.at(0), 0)],
    ["sendmmsg without a destination", "EDESTADDRREQ", () => libc.sendmmsg(unbound, vector.at(0), 1, 0)],
    ["recvmsg of nothing", "EAGAIN", () => libc.recvmsg(bound.fd, incoming().at(0), 0)],
    ["recvmmsg of nothing", "EAGAIN", () => libc.recvmmsg(bound.fd, incoming().at(0), 4, 0)],
    ["recvmsg of a file", "ENOTSOCK", () => libc.recvmsg(file, incoming().at(0), 0)],
    ["close of no descriptor", "EBADF", () => libc.close(NO_FD)],
    ["fcntl of no descriptor", "EBADF", () => libc.fcntl(NO_FD, F_GETFL, 0)],
    ["fcntl with no command", "EINVAL", () => libc.fcntl(bound.fd, 9999, 0)],
    ["if_nametoindex of no interface", "ENODEV", () => libc.if_nametoindex(pointerTo("no-such-if\0"))],
    ["if_indextoname of no interface", "ENXIO", () => libc.if_indextoname(NO_FD, room)],
    ["epoll_create1 with bad flags", "EINVAL", () => libc.epoll_create1(1)],
    ["epoll_ctl of no epoll", "EINVAL", () => libc.epoll_ctl(bound.fd, linux.EPOLL_CTL_ADD, second, event)],
    ["epoll_wait of no descriptor", "EBADF", () => libc.epoll_wait(NO_FD, event, 1, 0)],
    ["eventfd with bad flags", "EINVAL", () => libc.eventfd(0, 2)],
  ];
}

test("each failing call gives its own errno", (t) => {
  for (const [name, expected, call] of failures(t)) assertEquals(call(), -errno[expected], name);
});

test("errno stays exact with successful calls, other failures and garbage collection in between", (t) => {
  const calls = failures(t);
  const bound = boundSocket(t, FAMILIES[0]);
  for (let round = 0; round < 100; round++) {
    for (const [i, [name, expected, call]] of calls.entries()) {
      assertEquals(libc.fcntl(bound.fd, constants.F_GETFD, 0), 0);
      assertEquals(call(), -errno[expected], name);
      if (round % 25 === 0 && i % 5 === 0) collectGarbage();
    }
  }
});

test("a pointer must point into its memory", () => {
  const memory = libc.allocate(8);
  assertEquals([libc.pointer(memory).room, libc.pointer(memory, 7).room], [8, 1]);
  for (const offset of [8, 9, -1]) {
    assertThrows(() => libc.pointer(memory, offset), RangeError, "Cannot point at byte");
    assertThrows(() => memory.setAddress(0, libc.allocate(8), offset), RangeError, "Cannot point at byte");
  }
});

test("a call that would touch more memory than there is never reaches C", (t) => {
  const { fd } = boundSocket(t, FAMILIES[0]);
  const eight = libc.pointer(libc.allocate(16), 8);
  const header = incoming().at(3);
  const calls: Record<string, () => number> = {
    bind: () => libc.bind(fd, eight, 9),
    connect: () => libc.connect(fd, eight, 16),
    setsockopt: () => libc.setsockopt(fd, libc.abi.levels.SOL_SOCKET, libc.abi.options.SO_RCVBUF, eight, 9),
    read: () => libc.read(fd, eight, 9),
    write: () => libc.write(fd, eight, 9),
    sendmmsg: () => libc.sendmmsg(fd, header, 2, 0),
    recvmmsg: () => libc.recvmmsg(fd, header, 2, 0),
    epoll_wait: () => libc.epoll_wait(fd, eight, 1, 0),
    if_indextoname: () => libc.if_indextoname(1, eight),
    "a negative length": () => libc.bind(fd, eight, -1),
  };
  for (const [name, call] of Object.entries(calls)) {
    assertEquals(assertThrows(call, RangeError, "A native call would touch").name, "RangeError", name);
  }
});

test("a slot's payload must lie within the vector's data", () => {
  const vector = new MessageVector(libc, 2, 100);
  vector.setOutgoing(0, 100, 0, undefined);
  for (const [offset, length] of [[0, 101], [100, 1], [-1, 2], [0, -1]]) {
    assertThrows(() => vector.setOutgoing(0, offset, length, undefined), RangeError, "does not fit");
    assertThrows(() => vector.setPayload(0, offset, length), RangeError, "does not fit");
  }
});

test("new memory is zeroed and has its own address", () => {
  const [first, second] = [libc.allocate(64), libc.allocate(64)];
  assertNotEquals(first.address, second.address);
  assertEquals([...new Set(first.bytes)], [0]);
  first.setAddress(8, second, 3);
  assertEquals(first.view.getBigUint64(8, true), second.address + 3n);
});

test("what a message vector points to outlives garbage collection", (t) => {
  const [receiver, sender] = [boundSocket(t, FAMILIES[0]), boundSocket(t, FAMILIES[0])];
  const kept = Array.from({ length: 50 }, (_, i) => outgoing([`message ${i}`], receiver));
  const into = incoming();
  let litter: Uint8Array[] = [];
  for (let round = 0; round < 40; round++) {
    // What is freed now is soon written over.
    litter = Array.from({ length: 200 }, (_, i) => new Uint8Array(64 + i).fill(round));
    collectGarbage();
    for (const [i, vector] of kept.entries()) {
      assertEquals(libc.sendmmsg(sender.fd, vector.at(0), 1, 0), 1);
      into.setIncoming(0, 1);
      assertEquals(libc.recvmmsg(receiver.fd, into.at(0), 1, 0), 1);
      assertEquals(slotText(into, 0, into.lengthAt(0)), `message ${i}`);
      assertEquals(senderAt(into, 0)?.port, sender.port);
    }
  }
  assertEquals(litter.length, 200);
});

test("thousands of short-lived blocks do not disturb each other", (t) => {
  const socket = boundSocket(t, FAMILIES[1]);
  for (let i = 0; i < 3000; i++) {
    const text = `${i}`.repeat(1 + i % 30);
    assertEquals(sendOne(libc, socket.fd, pointerTo(text), text.length, socket), text.length);
    const buffer = pointerTo(new Uint8Array(256));
    assertEquals(receiveOne(libc, socket.fd, buffer, 256), text.length);
    assertEquals(textOf(buffer, text.length), text);
    if (i % 300 === 0) collectGarbage();
  }
});

test("a pointer alone keeps its memory", (t) => {
  const socket = boundSocket(t, FAMILIES[0]);
  const pointers = Array.from({ length: 2000 }, (_, i) => pointerTo(`block ${i}`));
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    for (const [i, pointer] of pointers.entries()) {
      const { length } = `block ${i}`;
      assertEquals(sendOne(libc, socket.fd, pointer, length, socket), length);
      const buffer = pointerTo(new Uint8Array(32));
      receiveOne(libc, socket.fd, buffer, 32);
      assertEquals(textOf(buffer, length), `block ${i}`);
    }
  }
});
