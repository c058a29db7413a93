/**
 * One socket's receiving side over a kernel that gives what a test wants it to: each step, batches, errors, and the memory between
 * two sockets.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeControls, intData } from "../ffi/wire/control.ts";
import { encodeAddress, type SocketAddress } from "../ffi/wire/sockaddr.ts";
import { ReceiveBuffer } from "../src/receiving/receive_buffer.ts";
import { type ControlDecoder, Inbox, type InboxShape } from "../src/receiving/inbox.ts";
import type { MessageBatch, Received } from "../src/receiving/message_batch.ts";
import { Receiver, type ReceivingSocket } from "../src/receiving/receiver.ts";
import { remoteInfo } from "../src/receiving/remote_info.ts";
import type { ReceiveDetails, RemoteInfo } from "../src/receiving/types.ts";
import { test } from "./support/harness.ts";
import {
  type Arrival,
  fillSlots,
  headerOf,
  LINUX,
  scriptedInterfaces,
  ScriptedLibc,
  type Slot,
} from "./support/scripted_libc.ts";

const { errno, constants } = LINUX;
const { SOL_UDP, UDP_GRO, IP_TTL } = headerOf(LINUX);

/** One call of recvmmsg: what it gives, or the name of its error. */
type Call = readonly Arrival[] | string;

/** A descriptor that gives what it is told, call by call, and then EAGAIN. */
class Wire {
  readonly scripted: ScriptedLibc;
  readonly inbox: Inbox;
  /** What the next calls give, of each descriptor. */
  readonly calls = new Map<number, Call[]>();
  /** Each call: its descriptor, how many messages it asked for, its flags. */
  readonly log: [fd: number, vlen: number, flags: number][] = [];
  /** What the slots of the last call offered. */
  slots: Slot[] = [];

  constructor(shape?: InboxShape, isShowable = true) {
    this.scripted = new ScriptedLibc({
      recvmmsg: (...args) => this.#recvmmsg(...args),
      ...scriptedInterfaces(new Map()),
    });
    if (!isShowable) this.scripted.script.allocateShown = () => undefined;
    this.inbox = new Inbox(this.scripted, shape);
  }

  #recvmmsg(...[fd, at, vlen, flags]: Parameters<ScriptedLibc["libc"]["recvmmsg"]>): number {
    this.log.push([fd, vlen, flags]);
    const call = this.calls.get(fd)?.shift() ?? "EAGAIN";
    const given = typeof call === "string" ? [] : call;
    this.slots = fillSlots(this.scripted, at, vlen, given);
    return typeof call === "string" ? -errno[call] : given.length;
  }
}

/** A socket that writes down what happens to it. */
class FakeSocket implements ReceivingSocket {
  readonly fd: number;
  isShared = false;
  hasNeighbours = false;
  controlDecoder: ControlDecoder | undefined;
  /** In order: the text of a message, `[a b]` for a batch, the name of an error, `-x` for what is discarded. */
  readonly record: string[] = [];
  readonly messages: Uint8Array[] = [];
  readonly remotes: RemoteInfo[] = [];
  readonly receiver: Receiver;
  messageListeners = true;
  batchListeners = false;
  dropped: string[] = [];
  onDeliver: ((message: Uint8Array) => void) | undefined;
  onBatch: ((batch: MessageBatch) => void) | undefined;
  batch: MessageBatch | undefined;

  constructor({ inbox }: Wire, fd = 5) {
    this.fd = fd;
    this.receiver = new Receiver(inbox, this, errno.EAGAIN);
  }

  drops({ address }: SocketAddress): boolean {
    return this.dropped.includes(address);
  }
  hasMessageListeners(): boolean {
    return this.messageListeners;
  }
  hasBatchListeners(): boolean {
    return this.batchListeners;
  }
  remoteInfo(payload: Received, size: number): RemoteInfo {
    return remoteInfo(payload, size);
  }
  deliver(message: Uint8Array, remote: RemoteInfo): void {
    this.record.push(textOf(message));
    this.messages.push(message);
    this.remotes.push(remote);
    this.onDeliver?.(message);
  }
  deliverBatch(batch: MessageBatch): void {
    this.batch = batch;
    this.record.push(`[${Array.from({ length: batch.length }, (_, i) => textOf(batch.view(i))).join(" ")}]`);
    this.onBatch?.(batch);
  }
  discard(details: ReceiveDetails | undefined): void {
    this.record.push(`-${details?.ttl ?? ""}`);
  }
  fail(number: number): void {
    this.record.push(Object.keys(errno).find((name) => errno[name] === number)!);
  }

  /** Steps until there is nothing more. @returns What happened. */
  run(): string[] {
    while (this.receiver.step());
    return this.record.splice(0);
  }
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const nameOf = (address: string, port: number): Uint8Array =>
  encodeAddress(new ScriptedLibc(scriptedInterfaces(new Map())).libc, address.includes(":") ? 6 : 4, address, port)!;

function gro(size: number): Uint8Array {
  return encodeControls(LINUX, [{ level: SOL_UDP, type: UDP_GRO, data: intData(size) }]);
}

/** A datagram of a sender. */
function from(address: string, text: string, port = 9): Arrival {
  return { bytes: bytesOf(text), name: nameOf(address, port) };
}

/** Several as one payload. */
function coalesced(address: string, text: string, size: number): Arrival {
  return { ...from(address, text), controls: gro(size) };
}

const HERE = "127.0.0.1";

test("each step delivers one datagram, with its sender, from one call", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[from(HERE, "one"), from("::1", "two", 77), from(HERE, "three")]]);
  assertEquals([socket.receiver.step(), socket.record.splice(0)], [true, ["one"]]);
  assertEquals([socket.receiver.step(), socket.record.splice(0)], [true, ["two"]]);
  assertEquals([socket.receiver.step(), socket.record.splice(0)], [true, ["three"]]);
  assertEquals(wire.log, [[5, 64, 0]]);
  assertEquals([socket.receiver.step(), socket.record, wire.log.length], [false, [], 2]);
  assertEquals(socket.remotes, [
    { address: HERE, family: "IPv4", port: 9, size: 3 },
    { address: "::1", family: "IPv6", port: 77, size: 3 },
    { address: HERE, family: "IPv4", port: 9, size: 5 },
  ]);
});

test("each message has memory to itself, and each rinfo is an object to itself", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[from(HERE, "same"), from(HERE, "same")], [from(HERE, "over")]]);
  socket.run();
  assertEquals(socket.messages.map(textOf), ["same", "same", "over"]);
  for (const { byteOffset, byteLength, buffer } of socket.messages) {
    assertEquals([byteOffset, buffer.byteLength], [0, byteLength]);
  }
  assert(socket.remotes[0] !== socket.remotes[1]);
  assertEquals(new Set(socket.messages.map(({ buffer }) => buffer)).size, 3);
});

test("a payload of several datagrams is delivered as such, and the last may be shorter", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [
    [coalesced(HERE, "aabbccd", 2), coalesced(HERE, "eeff", 2), from(HERE, ""), coalesced(HERE, "g", 2)],
    [coalesced(HERE, "hhiij", 2), coalesced(HERE, "kkkl", 3), coalesced(HERE, "mm", 0)],
  ]);
  assertEquals(socket.run(), ["aa", "bb", "cc", "d", "ee", "ff", "", "g", "hh", "ii", "j", "kkk", "l", "mm"]);
  assertEquals(socket.remotes.map(({ size }) => size), [2, 2, 2, 1, 2, 2, 0, 1, 2, 2, 1, 3, 1, 2]);
});

test("a segment size in other control data is none", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  const other = (level: number, type: number): Arrival => ({
    ...from(HERE, "aabb"),
    controls: encodeControls(LINUX, [{ level, type, data: intData(2) }]),
  });
  const short = { level: SOL_UDP, type: UDP_GRO, data: Uint8Array.of(2, 0) };
  wire.calls.set(5, [[
    other(SOL_UDP + 1, UDP_GRO),
    other(SOL_UDP, UDP_GRO + 1),
    { ...from(HERE, "aabb"), controls: encodeControls(LINUX, [short]) },
    {
      ...from(HERE, "aabb"),
      controls: encodeControls(LINUX, [{ level: 1, type: 1, data: intData(1) }, {
        level: SOL_UDP,
        type: UDP_GRO,
        data: intData(3),
      }]),
    },
    { ...from(HERE, "aabb"), controls: gro(-1) },
  ]]);
  assertEquals(socket.run(), ["aabb", "aabb", "aabb", "aab", "b", "aabb"]);
});

test("datagrams of senders that are blocked are not delivered", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  socket.dropped = ["10.0.0.1"];
  wire.calls.set(5, [
    [from("10.0.0.1", "a"), from(HERE, "b"), coalesced("10.0.0.1", "cd", 1)],
    [from("10.0.0.1", "e")],
    [from(HERE, "f")],
  ]);
  assertEquals(socket.run(), ["b", "f"]);
});

test("every slot offers all of its room again, whatever was in it", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[from(HERE, "a"), coalesced("::1", "bb", 1)], [from(HERE, "c")]]);
  socket.run();
  const full: Slot = { nameRoom: 128, controlRoom: 256, room: 65_536, iovecs: 1 };
  assertEquals(wire.slots, Array(64).fill(full));
});

test("a datagram whose sender is not named has an empty address", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[from(HERE, "a"), { bytes: bytesOf("b") }], [{
    bytes: bytesOf("c"),
    name: Uint8Array.of(99, 0, 0, 0),
  }]]);
  socket.run();
  assertEquals(socket.remotes.map(({ address, port }) => [address, port]), [[HERE, 9], ["", 0], ["", 0]]);
});

test("after 512 datagrams, however many come in one payload, the turn is over; the next one goes on", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  const flood = (count: number): Arrival[] => Array.from({ length: count }, () => from(HERE, "x"));
  wire.calls.set(5, Array.from({ length: 20 }, () => flood(64)));
  assertEquals(socket.run().length, 512);
  assertEquals(wire.log.length, 8);
  assertEquals(socket.run().length, 512);
  wire.calls.set(5, [[coalesced(HERE, "z".repeat(512), 1)], flood(1)]);
  assertEquals(socket.run().length, 512);
  assertEquals(socket.run().length, 1);
});

test("once a call has found no more, the turn is over after 32 datagrams if other sockets receive", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, Array.from({ length: 40 }, () => [from(HERE, "x")]));
  assertEquals(socket.run().length, 40);
  socket.hasNeighbours = true;
  wire.calls.set(5, Array.from({ length: 40 }, () => [from(HERE, "x")]));
  assertEquals([socket.run().length, socket.run().length], [32, 8]);
  wire.calls.set(5, [Array.from({ length: 64 }, () => from(HERE, "y")), [from(HERE, "z")], [from(HERE, "next turn")]]);
  assertEquals([socket.run().length, socket.run().length], [65, 1]);
  wire.calls.set(5, Array.from({ length: 3 }, () => [coalesced(HERE, "w".repeat(300), 1)]));
  assertEquals([socket.run().length, socket.run().length, socket.run().length], [300, 300, 300]);
});

test("what others receive from as well gives one payload a call, and this no more than was asked for", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  socket.isShared = true;
  wire.calls.set(5, [[from(HERE, "a")], [from(HERE, "b")]]);
  assertEquals(socket.run(), ["a", "b"]);
  assertEquals(wire.log, [[5, 1, 0], [5, 1, 0], [5, 1, 0]]);
});

test("a call that a signal interrupts is made again", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, ["EINTR", [from(HERE, "a")]]);
  assertEquals(socket.run(), ["a"]);
});

test("an error is reported once, and what came behind it is delivered", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, ["ECONNREFUSED", [from(HERE, "a"), from(HERE, "b")], "ECONNREFUSED", "EAGAIN"]);
  assertEquals(socket.run(), ["ECONNREFUSED", "a", "b", "ECONNREFUSED"]);
});

test("an error that comes again at once is the descriptor's state: it is reported once until something else comes", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  const broken = Array(4).fill("ENOTSOCK");
  wire.calls.set(5, [...broken]);
  assertEquals([socket.receiver.step(), socket.receiver.step(), socket.record], [true, false, ["ENOTSOCK"]]);
  assertEquals(wire.log.length, 4);
  wire.calls.set(5, ["ENOTSOCK", "ENOTSOCK"]);
  assertEquals([socket.receiver.step(), socket.record], [false, ["ENOTSOCK"]]);
  // Another one.
  wire.calls.set(5, ["EBADF", "EBADF"]);
  assertEquals([socket.receiver.step(), socket.record], [true, ["ENOTSOCK", "EBADF"]]);
  // It was over for a while.
  wire.calls.set(5, ["EAGAIN", "EBADF", "EAGAIN"]);
  assertEquals([socket.receiver.step(), socket.receiver.step(), socket.record.length], [false, true, 3]);
  // It is over, as the second call says.
  wire.calls.set(5, ["EBADF", "EBADF", "EBADF", "EAGAIN", "EBADF", [from(HERE, "a")], "EBADF", "EAGAIN"]);
  assertEquals(socket.run(), ["ENOTSOCK", "EBADF", "EBADF", "EBADF", "EBADF", "a", "EBADF"]);
});

test("a listener for an error that sends again, and so causes the next, hears each", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, ["ECONNREFUSED", "EAGAIN", "ECONNREFUSED", "EAGAIN"]);
  assertEquals(socket.run(), ["ECONNREFUSED", "ECONNREFUSED"]);
});

test("an exception of a listener costs no other datagram its delivery", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[coalesced(HERE, "abc", 1), from(HERE, "d")]]);
  socket.onDeliver = (message) => {
    throw new Error(textOf(message));
  };
  for (const text of ["a", "b", "c", "d"]) assertThrows(() => socket.receiver.step(), Error, text);
  assertEquals(socket.receiver.step(), false);
});

test("what a turn has not reached moves out of the arena, and another socket's datagrams do not touch it", () => {
  const wire = new Wire();
  const [first, second] = [new FakeSocket(wire, 5), new FakeSocket(wire, 6)];
  wire.calls.set(5, [[from(HERE, "one"), coalesced("::1", "twotwthree", 3), from(HERE, "four")], [from(HERE, "five")]]);
  wire.calls.set(6, [[from(HERE, "other"), from(HERE, "OTHER"), from(HERE, "OTHERS")], [from(HERE, "xxxxxxx")]]);
  assertEquals([first.receiver.step(), first.receiver.step()], [true, true]);
  assertEquals(first.receiver.endTurn(), true);
  // A second time nothing more has to move.
  assertEquals(first.receiver.endTurn(), true);
  assertEquals(second.run(), ["other", "OTHER", "OTHERS", "xxxxxxx"]);
  assertEquals(second.receiver.endTurn(), false);
  assertEquals(first.run(), ["one", "two", "twt", "hre", "e", "four", "five"]);
  assertEquals(first.remotes.map(({ address }) => address), [HERE, "::1", "::1", "::1", "::1", HERE, HERE]);
  assertEquals(first.receiver.endTurn(), false);
});

test("a turn that ends has the next one begin at no datagrams", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  const full = (): Arrival[] => Array.from({ length: 64 }, () => from(HERE, "x"));
  wire.calls.set(5, Array.from({ length: 20 }, full));
  for (let i = 0; i < 7 * 64; i++) socket.receiver.step();
  assertEquals(socket.receiver.endTurn(), false);
  socket.record.length = 0;
  assertEquals(socket.run().length, 512);
});

test("a socket that stops delivers nothing more", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[coalesced(HERE, "ab", 1), from(HERE, "c")]]);
  socket.receiver.step();
  socket.receiver.stop();
  assertEquals([socket.receiver.endTurn(), socket.run()], [false, ["a"]]);
});

test("a batch is what came in one call, in place, and empty afterwards", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  socket.batchListeners = true;
  socket.messageListeners = false;
  let inPlace = false;
  socket.onBatch = ({ bytes, totalSize, length }) => {
    inPlace = bytes === wire.inbox.bytes;
    socket.record.push(`${totalSize}/${length}`);
  };
  wire.calls.set(5, [[coalesced(HERE, "aab", 2), from(HERE, "cd")], [from(HERE, "e")]]);
  assertEquals(socket.run(), ["[aa b cd]", "5/3", "-", "-", "[e]", "1/1", "-"]);
  assertEquals([inPlace, socket.batch!.length, socket.batch!.totalSize, socket.batch!.bytes.length], [true, 0, 0, 0]);
  assertThrows(() => socket.batch!.view(0), RangeError);
});

test("listeners for messages get what the batch had, whatever was done to its memory, and nothing is discarded", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  socket.batchListeners = true;
  socket.onBatch = ({ bytes }) => void bytes.fill(0);
  wire.calls.set(5, [[coalesced(HERE, "aab", 2), from(HERE, "cd")]]);
  assertEquals(socket.run(), ["[aa b cd]", "aa", "b", "cd"]);
});

test("a batch is empty, and what came with it released, if its listener throws", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  socket.batchListeners = true;
  socket.messageListeners = false;
  socket.onBatch = () => {
    throw new Error("listener");
  };
  wire.calls.set(5, [[from(HERE, "a")]]);
  assertThrows(() => socket.receiver.step(), Error, "listener");
  assertEquals([socket.batch!.length, socket.record], [0, ["[a]", "-"]]);
  assertEquals(socket.receiver.step(), false);
});

test("who begins to listen for batches gets none of what is half delivered", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[from(HERE, "a"), from(HERE, "b")], [from(HERE, "c")]]);
  socket.onDeliver = () => void (socket.batchListeners = true);
  assertEquals(socket.run(), ["a", "b", "[c]", "c"]);
});

test("memory that could be detached is not shown: the batch has a copy", () => {
  const wire = new Wire(undefined, false);
  const socket = new FakeSocket(wire);
  socket.batchListeners = true;
  let isOwn = false;
  socket.onBatch = ({ bytes }) => void (isOwn = bytes.buffer !== wire.inbox.bytes.buffer);
  wire.calls.set(5, [[from(HERE, "a")]]);
  assertEquals([socket.run(), isOwn, wire.inbox.isShowable], [["[a]", "a"], true, false]);
});

/** Reads a TTL, and has a segment size to tell. */
class TtlDecoder implements ControlDecoder {
  readonly space: number = 600;
  segmentSize = 0;
  batches = 0;
  readonly seen: [flags: number, length: number][] = [];
  beginBatch(): void {
    this.batches++;
  }
  decode(...[reader, flags, length]: Parameters<ControlDecoder["decode"]>): ReceiveDetails {
    this.seen.push([flags, length]);
    let ttl = -1;
    while (reader.next()) if (reader.type === IP_TTL) ttl = reader.view.getInt32(reader.at, true);
    return { ttl };
  }
}

test("a decoder has room for its control data in every slot, reads each payload's, and says how large the datagrams are", () => {
  const wire = new Wire();
  const [plain, socket] = [new FakeSocket(wire, 5), new FakeSocket(wire, 6)];
  plain.run();
  assertEquals(wire.slots[0].controlRoom, 256);
  const decoder = socket.controlDecoder = new TtlDecoder();
  const ttl = (value: number): Uint8Array => encodeControls(LINUX, [{ level: 0, type: IP_TTL, data: intData(value) }]);
  wire.calls.set(6, [
    [
      { ...from(HERE, "aa"), controls: ttl(7), flags: constants.MSG_TRUNC },
      { ...from(HERE, "bb"), controls: ttl(8) },
      from(HERE, "c"),
    ],
  ]);
  assertEquals(socket.run(), ["aa", "bb", "c"]);
  assertEquals(wire.slots.map(({ controlRoom }) => controlRoom), Array(64).fill(1024));
  assertEquals(decoder.batches, 1);
  assertEquals(decoder.seen, [[constants.MSG_TRUNC, 2], [0, 2], [0, 1]]);
  assertEquals(socket.remotes.map(({ ttl }) => ttl), [7, 8, -1]);
  // UDP_GRO's own message is not looked for: the decoder knows.
  decoder.segmentSize = 1;
  wire.calls.set(6, [[coalesced(HERE, "dddd", 2)]]);
  assertEquals(socket.run(), ["d", "d", "d", "d"]);
  assertEquals(plain.run(), []);
});

test("an arena of another shape: its slots and its flags", () => {
  const shape: InboxShape = {
    slots: 3,
    slotSize: 100,
    flags: 0x40,
    takesControl: false,
  };
  const wire = new Wire(shape);
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[from(HERE, "a"), from(HERE, "b"), from(HERE, "c")]]);
  assertEquals([socket.run(), wire.log[0]], [["a", "b", "c"], [5, 3, 0x40]]);
  assertEquals(wire.slots, Array(3).fill({ nameRoom: 128, controlRoom: 0, room: 100, iovecs: 1 }));
});

test("datagrams of a batch are found in any order, by the whole number of their place", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  socket.batchListeners = true;
  socket.controlDecoder = undefined;
  wire.calls.set(5, [[coalesced("::1", "aabbc", 2), { ...from(HERE, "", 3) }, coalesced(HERE, "dde", 2)]]);
  const found: unknown[] = [];
  socket.onBatch = (batch) => {
    const at = (i: number): unknown[] => [
      ...[textOf(batch.copy(i)), batch.size(i), batch.address(i), batch.port(i), batch.family(i)],
      ...[textOf(batch.bytes.subarray(batch.start(i), batch.start(i) + batch.size(i))), Object.keys(batch.details(i))],
    ];
    for (const i of [5, 0, 3, 2, 4, 1]) found.push(at(i));
    for (const wrong of [-1, 6, 0.5, NaN, "0", 2 ** 32]) assertThrows(() => batch.size(wrong as number), RangeError);
    assert(batch.copy(0).buffer !== batch.bytes.buffer);
    assert(batch.view(0).buffer === batch.bytes.buffer);
  };
  socket.run();
  const six = (text: string): unknown[] => [text, text.length, "::1", 9, "IPv6", text, []];
  const four = (text: string, port = 9): unknown[] => [text, text.length, HERE, port, "IPv4", text, []];
  assertEquals(found, [four("e"), six("aa"), four("", 3), six("c"), four("dd"), six("bb")]);
});

function infoOf(sender: SocketAddress, details: ReceiveDetails): RemoteInfo {
  return remoteInfo({ start: 0, length: 4, segmentSize: 4, count: 1, sender, details, views: [] }, 4);
}

test("what is said of a datagram is in rinfo, in the documented order, and nothing else", () => {
  const sender: SocketAddress = { address: HERE, family: "IPv4", port: 9 };
  const all: ReceiveDetails = {
    ...{ localAddress: "10.0.0.1", interfaceIndex: 3, interfaceName: "eth0" },
    ...{ originalAddress: "10.0.0.2", originalPort: 53, ttl: 64, tos: 6, dscp: 1, ecn: 2 },
    ...{
      timestamp: 1n,
      hardwareTimestamp: 2n,
      truncated: true,
      controlTruncated: false,
      segmentSize: 10,
      dropCount: 0,
    },
  };
  const remote = infoOf(sender, all);
  assertEquals(remote, { ...sender, size: 4, ...all } as RemoteInfo);
  assertEquals(Object.keys(remote), ["address", "family", "port", "size", ...Object.keys(all)]);
  assertEquals(Object.getPrototypeOf(remote), Object.prototype);
  for (const key of Object.keys(all) as (keyof ReceiveDetails)[]) {
    const groups = [["localAddress", "interfaceIndex", "interfaceName"], ["originalAddress", "originalPort"], [
      "tos",
      "dscp",
      "ecn",
    ]];
    const group = groups.find((names) => names.includes(key)) ?? [key];
    const some = Object.fromEntries(Object.entries(all).filter(([name]) => group.includes(name)));
    assertEquals(infoOf(sender, some), { ...sender, size: 4, ...some } as RemoteInfo);
    const rest = Object.fromEntries(Object.entries(all).filter(([name]) => !group.includes(name)));
    assertEquals(infoOf(sender, rest), { ...sender, size: 4, ...rest } as RemoteInfo);
  }
});

test("what was received is counted: datagrams, their bytes, and calls, also those that give nothing", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  assertEquals(socket.receiver.counts, { datagrams: 0, bytes: 0, systemCalls: 0 });
  wire.calls.set(5, [[{ bytes: new Uint8Array(3) }, { bytes: new Uint8Array(4) }], [{ bytes: new Uint8Array() }]]);
  while (socket.receiver.step());
  assertEquals(socket.receiver.counts, { datagrams: 3, bytes: 7, systemCalls: 3 });
});

test("a receive buffer was full if a small packet has no room, or datagrams were dropped since for want of it", () => {
  const buffer = new ReceiveBuffer();
  const memory = { receiveAllocated: 0, receiveBuffer: 10_000, drops: 0 };
  const wasFull = (change: Partial<typeof memory>, countsDrops = true): boolean =>
    buffer.wasFull({ ...memory, ...change } as Parameters<ReceiveBuffer["wasFull"]>[0], countsDrops);
  assertEquals([wasFull({}), wasFull({ receiveAllocated: 10_000 - 4608 })], [false, false]);
  assertEquals([wasFull({ receiveAllocated: 10_000 - 4607 }), wasFull({})], [true, false]);
  assertEquals([wasFull({ drops: 2 }), wasFull({ drops: 2 }), wasFull({ drops: 3 })], [true, false, true]);
  assertEquals([wasFull({ drops: 4 }, false), wasFull({ drops: 4 })], [false, false]);
});

/** A large datagram of one letter. */
function large(letter: string, size = 20_000): Arrival {
  return from(HERE, letter.repeat(size));
}

/** What was delivered: the letters and the sizes of runs, `aaa` as `a3`. */
const shortened = (texts: readonly string[]): string[] =>
  texts.map((text) => text.replace(/([a-z])\1*/g, (run, letter) => `${letter}${run.length}`));

test("of large datagrams of one size, those after the second call are received where they stay, four a call", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[large("a"), large("b")], [large("c")], [large("d"), large("e")], [large("f")]]);
  const iovecs: number[][] = [];
  socket.onDeliver = () => iovecs.push(wire.slots.slice(0, 5).map(({ iovecs }) => iovecs));
  assertEquals(shortened(socket.run()), ["a20000", "b20000", "c20000", "d20000", "e20000", "f20000"]);
  const [one, two] = [Array(5).fill(1), Array(4).fill(2)];
  assertEquals(iovecs, [one, one, one, two, two, two]);
  assertEquals(wire.log.map(([, vlen]) => vlen), [64, 64, 4, 4, 4]);
  assert(wire.slots.every(({ room }) => room === 65_536));
  for (const { buffer, byteOffset, length } of socket.messages) {
    assertEquals([byteOffset, buffer.byteLength, length], [0, 20_000, 20_000]);
  }
  assertEquals(new Set(socket.messages.map(({ buffer }) => buffer)).size, 6);
});

test("a message that the kernel has written where it stays is not written to again", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, Array.from("abcdefgh", (letter) => [large(letter), large(letter.toUpperCase())]));
  const payloads = new Set<Received>();
  socket.remoteInfo = (payload, size) => remoteInfo(payloads.add(payload) && payload, size);
  socket.run();
  assert([...payloads].every(({ own }) => own === undefined), "what a listener has got is kept");
  assertEquals(socket.messages.map(([first]) => String.fromCharCode(first)).join(""), "aAbBcCdDeEfFgGhH");
  assert(socket.messages.every((message) => message.every((byte) => byte === message[0])));
});

for (
  const [what, arrival, delivered] of [
    ["a smaller one", large("x", 3), ["x3"]],
    ["a larger one", large("x", 30_000), ["x30000"]],
    ["the largest", large("x", 65_507), ["x65507"]],
    ["an empty one", from(HERE, ""), [""]],
    ["several as one payload of that size", coalesced(HERE, "x".repeat(20_000), 8000), ["x8000", "x8000", "x4000"]],
  ] as const
) {
  test(`between large datagrams of one size comes ${what}`, () => {
    const wire = new Wire();
    const socket = new FakeSocket(wire);
    wire.calls.set(5, [[large("a")], [large("b")], [large("c"), arrival, large("d")], [large("e")], [large("f")]]);
    const all = ["a20000", "b20000", "c20000", ...delivered, "d20000", "e20000", "f20000"];
    assertEquals(shortened(socket.run()), all);
    assert(socket.messages.every(({ byteOffset, buffer, length }) => byteOffset === 0 && buffer.byteLength === length));
    assertEquals(new Set(socket.messages.map(({ buffer }) => buffer)).size, socket.messages.length);
  });
}

test("batches, coalesced datagrams and those that fill a slot are received in the arena", () => {
  const isOfOneIovec = ({ slots }: Wire): boolean => slots.every(({ iovecs }) => iovecs === 1);
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  wire.calls.set(5, [[large("a")], [large("b")], [large("c")]]);
  socket.run();
  assert(!isOfOneIovec(wire));
  socket.batchListeners = true;
  wire.calls.set(5, [[large("d")], [large("e")]]);
  assertEquals([shortened(socket.run()), isOfOneIovec(wire)], [["[d20000]", "d20000", "[e20000]", "e20000"], true]);
  socket.batchListeners = false;
  wire.calls.set(5, Array(3).fill([coalesced(HERE, "x".repeat(20_000), 10_000)]));
  assertEquals([shortened(socket.run()), isOfOneIovec(wire)], [Array(6).fill("x10000"), true]);
  const small = new Wire({ slots: 8, slotSize: 20_000, flags: 0, takesControl: true });
  const other = new FakeSocket(small);
  small.calls.set(5, [[large("a")], [large("b")], [large("c")]]);
  assertEquals([shortened(other.run()), isOfOneIovec(small)], [["a20000", "b20000", "c20000"], true]);
});

test("what others receive from as well leaves other sockets their turn after 32 datagrams", () => {
  const wire = new Wire();
  const socket = new FakeSocket(wire);
  socket.isShared = socket.hasNeighbours = true;
  wire.calls.set(5, Array.from({ length: 40 }, (_, i) => [from(HERE, `${i}`)]));
  assertEquals([socket.run().length, socket.run().length], [32, 8]);
});

test("who begins to listen for batches as an error is reported gets what was received where it would stay", () => {
  for (const messageListeners of [true, false]) {
    const wire = new Wire();
    const socket = new FakeSocket(wire);
    wire.calls.set(5, [[large("a")], [large("b")], "ECONNREFUSED", [large("c"), large("d")]]);
    socket.fail = () => {
      socket.batchListeners = true;
      socket.messageListeners = messageListeners;
    };
    const record = shortened(socket.run()).filter((text) => text !== "-");
    assertEquals(record, ["a20000", "b20000", "[c20000 d20000]", ...(messageListeners ? ["c20000", "d20000"] : [])]);
  }
});

test("what a turn has not reached moves out of memory of its own as well", () => {
  const wire = new Wire();
  const [first, second] = [new FakeSocket(wire), new FakeSocket(wire, 6)];
  wire.calls.set(5, [[large("a")], [large("b")], [large("c"), large("d"), large("e")]]);
  wire.calls.set(6, [[large("x"), large("y"), large("z")]]);
  for (let i = 0; i < 3; i++) first.receiver.step();
  assertEquals(first.receiver.endTurn(), true);
  assertEquals(shortened(second.run()), ["x20000", "y20000", "z20000"]);
  assertEquals(shortened(first.run()), ["a20000", "b20000", "c20000", "d20000", "e20000"]);
});

test("an exception while memory of its own is prepared, or taken, loses no room of a slot", () => {
  for (const failing of [1, 2, 3, 4]) {
    const wire = new Wire();
    const socket = new FakeSocket(wire);
    const { addressable } = wire.scripted.libc;
    let asked = 0;
    wire.scripted.script.addressable = (buffer) => {
      if (++asked === failing) throw new RangeError("Maximum call stack size exceeded");
      return addressable(buffer);
    };
    wire.calls.set(5, [[large("a")], [large("b")], [large("c")], [large("d", 65_507)], [large("e")]]);
    socket.receiver.step();
    socket.receiver.step();
    assertThrows(() => socket.receiver.step(), RangeError);
    assertEquals(shortened(socket.run()), ["a20000", "b20000", "c20000", "d65507", "e20000"]);
    assert(wire.slots.every(({ room }) => room === 65_536));
  }
});
