/**
 * What is told of each datagram: on this host, and of what no network gives but a kernel might.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import type { Libc } from "../ffi/libc/libc.ts";
import type { Pointer } from "../ffi/libc/memory.ts";
import { currentRuntime, replaceLibc } from "../ffi/load.ts";
import { ControlReader, encodeControls, intData } from "../ffi/wire/control.ts";
import {
  createSocket,
  type MessageBatch,
  type ReceiveDetails,
  type RemoteInfo,
  type Socket,
  type SocketOptions,
} from "../mod.ts";
import { DetailDecoder, kernelOptions } from "../src/receiving/details.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import {
  closed,
  nextMessage,
  nextMessages,
  type Received,
  sent,
  test,
  testBoth,
  type Tools,
} from "./support/harness.ts";
import { descriptorAt, isKernelSince, kernelOption, openDescriptor } from "./support/kernel.ts";
import { randomIntegers } from "./support/random.ts";

const ALL = {
  recvLocalAddress: true,
  recvOriginalAddress: true,
  recvTTL: true,
  recvTOS: true,
  recvTimestamp: true,
  recvTruncated: true,
  recvSegmentSize: true,
  recvDropCount: true,
};

/** What each option adds where there is no special hardware. */
const PROPERTIES: Record<keyof typeof ALL, (keyof ReceiveDetails)[]> = {
  recvLocalAddress: ["localAddress", "interfaceIndex", "interfaceName"],
  recvOriginalAddress: ["originalAddress", "originalPort"],
  recvTTL: ["ttl"],
  recvTOS: ["tos", "dscp", "ecn"],
  recvTimestamp: ["timestamp"],
  recvTruncated: ["truncated", "controlTruncated"],
  recvSegmentSize: ["segmentSize"],
  recvDropCount: ["dropCount"],
};

const NODES = ["address", "family", "port", "size"];

/** Sends one message to a socket and gives what that is told. */
async function told(t: Tools, socket: Socket, to?: string, type: "udp4" | "udp6" = socket.type): Promise<Received> {
  const client = t.socket(type);
  const received = nextMessage(socket);
  await sent(client, "x", socket.address().port, to ?? (type === "udp4" ? "127.0.0.1" : "::1"));
  return received;
}

testBoth(
  "without an option rinfo has Node's four properties, and with it those of the option behind",
  async (t, family) => {
    for (const option of [undefined, ...Object.keys(PROPERTIES)] as (keyof typeof ALL | undefined)[]) {
      const socket = await t.bound({ type: family.type, ...(option && { [option]: true }) });
      const { remote } = await told(t, socket);
      assertEquals(Object.keys(remote), [...NODES, ...(option ? PROPERTIES[option] : [])], option);
    }
  },
);

testBoth("everything that can be told is told", async (t, family) => {
  const socket = await t.bound({ type: family.type, ...ALL });
  const { remote } = await told(t, socket);
  const { timestamp, address: _, port: __, ...rest } = remote;
  assertRecent(timestamp);
  assertEquals(rest, {
    family: family.name,
    size: 1,
    localAddress: family.loopback,
    interfaceIndex: 1,
    interfaceName: "lo",
    originalAddress: family.loopback,
    originalPort: socket.address().port,
    ttl: 64,
    tos: 0,
    dscp: 0,
    ecn: 0,
    truncated: false,
    controlTruncated: false,
    segmentSize: 1,
    dropCount: 0,
  });
});

test("a socket for both protocols is told as much of IPv4", async (t) => {
  const socket = await t.bound({ type: "udp6", ...ALL }, "::");
  const { remote } = await told(t, socket, "127.0.0.1", "udp4");
  assertEquals([remote.address, remote.localAddress], ["::ffff:127.0.0.1", "::ffff:127.0.0.1"]);
  assertEquals([remote.interfaceName, remote.ttl, remote.tos], ["lo", 64, 0]);
  assertRecent(remote.timestamp);
});

testBoth("a socket bound to all addresses is told which one was asked", async (t, family) => {
  const socket = await t.bound({ type: family.type, recvLocalAddress: true }, family.any);
  const addresses = family.version === 4 ? ["127.0.0.1", "127.1.2.3", "127.9.9.9", "127.1.2.3"] : ["::1"];
  for (const address of addresses) assertEquals((await told(t, socket, address)).remote.localAddress, address);
});

testBoth("each method turns what it names on and off, before bind() and after", async (t, family) => {
  const setters = Object.keys(PROPERTIES).map((option) => [option, option.replace("recv", "setRecv")]) as [
    keyof typeof ALL,
    "setRecvTTL",
  ][];
  for (const [option, setter] of setters) {
    const socket = t.socket(family.type);
    assertEquals(socket[setter](true), true);
    await new Promise<void>((resolve) => socket.bind(0, family.loopback, resolve));
    const keys = async (): Promise<string[]> => Object.keys((await told(t, socket)).remote);
    assertEquals(await keys(), [...NODES, ...PROPERTIES[option]], option);
    socket[setter](false);
    assertEquals(await keys(), NODES, option);
    socket[setter](true);
    assertEquals(await keys(), [...NODES, ...PROPERTIES[option]], option);
  }
});

test("the kernel is asked for no more than the options say", async (t) => {
  const options = ["IP_PKTINFO", "IP_RECVTTL", "IP_RECVTOS", "SO_TIMESTAMPNS", "SO_RXQ_OVFL"] as const;
  const asked = (socket: Socket): number[] => options.map((name) => kernelOption(socket.address().port, name));
  assertEquals(asked(await t.bound("udp4")), [0, 0, 0, 0, 0]);
  assertEquals(asked(await t.bound({ type: "udp4", recvTTL: true, recvDropCount: true })), [0, 1, 0, 0, 1]);
  assertEquals(asked(await t.bound({ type: "udp4", ...ALL })), [1, 1, 1, 1, 1]);
});

test("one socket's options are not its neighbour's", async (t) => {
  const [all, none] = [await t.bound({ type: "udp4", ...ALL }), await t.bound("udp4")];
  for (let i = 0; i < 3; i++) {
    assertEquals(Object.keys((await told(t, all)).remote).length, NODES.length + 14);
    assertEquals(Object.keys((await told(t, none)).remote), NODES);
  }
});

test("an adopted descriptor is told what the options say", async (t) => {
  const { fd } = openDescriptor({ type: "udp4", version: 4, name: "IPv4", loopback: "127.0.0.1", any: "0.0.0.0" });
  const socket = t.track(createSocket({ fd, recvLocalAddress: true, recvTTL: true }));
  const { remote } = await told(t, socket);
  assertEquals([remote.localAddress, remote.ttl], ["127.0.0.1", 64]);
});

testBoth("batches tell the same of each datagram", async (t, family) => {
  // While lost datagrams are counted, none come together.
  const socket = await t.bound({ type: family.type, ...ALL, recvDropCount: false });
  const client = await t.bound(family.type);
  const batches = collect(socket, 6);
  for (const text of ["aaa", "bbb", "c"]) client.send(text, socket.address().port, family.loopback);
  await sent(client, "", socket.address().port, family.loopback);
  for (const text of ["dd", "ee"]) client.send(text, socket.address().port, family.loopback);
  const details = await batches;
  assertEquals(details.map(({ localAddress }) => localAddress), Array(6).fill(family.loopback));
  const sizes = details.map(({ segmentSize }) => segmentSize);
  // On the loopback interface of Linux 5.10 nothing is coalesced: then it is the datagram's own size.
  const ofLast = sizes[2] === 1 && !isKernelSince("6.1") ? 1 : 3;
  assertEquals(sizes, [3, 3, ofLast, 0, 2, 2]);
  for (const { timestamp, ttl } of details) {
    assertRecent(timestamp);
    assertEquals(ttl, 64);
  }
});

/** The details of the next `count` datagrams, from `'messages'`. */
function collect(socket: Socket, count: number): Promise<ReceiveDetails[]> {
  const found: ReceiveDetails[] = [];
  return new Promise((resolve) => {
    socket.on("messages", (batch: MessageBatch) => {
      for (let i = 0; i < batch.length; i++) found.push(batch.details(i));
      if (found.length >= count) resolve(found);
    });
  });
}

test("a batch of a socket that asked for nothing has nothing to tell", async (t) => {
  const socket = await t.bound("udp4");
  const details = collect(socket, 1);
  await sent(t.socket("udp4"), "x", socket.address().port, "127.0.0.1");
  assertEquals(await details, [{}]);
});

/** CLOCK_REALTIME in nanoseconds, to the millisecond. */

testBoth("timestamps never go back, and are between sending and receiving", async (t, family) => {
  const socket = await t.bound({ type: family.type, recvTimestamp: true });
  const client = await t.bound(family.type);
  let last = 0n;
  for (let i = 0; i < 20; i++) {
    const before = now();
    const received = nextMessage(socket);
    await sent(client, "x", socket.address().port, family.loopback);
    const timestamp = (await received).remote.timestamp!;
    // The clock that JavaScript has is cut to milliseconds.
    assert(before <= timestamp && timestamp <= now() + 1_000_000n, `${before} ${timestamp} ${now()}`);
    assert(timestamp >= last);
    last = timestamp;
  }
});

testBoth("what an overrun buffer lost is what was sent and did not come", async (t, family) => {
  const socket = await t.bound({ type: family.type, recvDropCount: true, recvBufferSize: 4096 });
  const client = await t.bound({ type: family.type, gso: false });
  const COUNT = 200;
  const texts: string[] = [];
  let last = 0;
  socket.on("message", (message, { dropCount }) => {
    texts.push(message.toString());
    last = dropCount!;
  });
  // All within one turn: nobody receives meanwhile.
  const all = Array.from({ length: COUNT }, (_, i) => String(i).padStart(100, " "));
  await new Promise<void>((resolve) => client.sendMany(all, socket.address().port, family.loopback, () => resolve()));
  await until(() => texts.length > 0);
  // The count comes with a datagram that came in afterwards.
  await sent(client, "end", socket.address().port, family.loopback);
  await until(() => texts.at(-1) === "end");
  assert(texts.length < COUNT, "nothing was lost");
  assertEquals(last, COUNT + 1 - texts.length);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const { abi } = currentRuntime().libc;
const { msghdr, mmsghdr } = abi.layouts;
const { constants, levels } = abi;
const linux = abi.linux!;
const { options } = linux;

const now = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** In nanoseconds since 1970, and of this test: no other unit and no other clock is within a minute of it. */
function assertRecent(timestamp: bigint | undefined): void {
  const age = now() - (timestamp ?? 0n);
  assert(age > -1_000_000_000n && age < 60_000_000_000n, `${timestamp} is ${age} ns ago`);
}

/** One received message, as the kernel has left it. */
interface Slot {
  readonly header: DataView;
  /** Room for control data; what is behind it is not the slot's. */
  readonly control: Uint8Array;
}

/** Has every datagram come with other control data, from a kernel that a test writes. To be called before sockets are made. */
function rewrite(t: Tools, change: (slot: Slot) => void): void {
  const blocks = new Map<bigint, Uint8Array>();
  const slotOf = (msgvec: Pointer, i: number, room: number): Slot => {
    const header = new DataView(msgvec.memory.buffer, i * mmsghdr.size, mmsghdr.size);
    const address = header.getBigUint64(msghdr.msg_control, true);
    const [start, bytes] = [...blocks].find(([start, { length }]) =>
      address >= start && address < start + BigInt(length)
    )!;
    const offset = Number(address - start);
    return { header, control: bytes.subarray(offset, offset + room) };
  };
  const replacements: Partial<Libc> = {};
  const restore = replaceLibc((real) => {
    replacements.allocate = (size) => {
      const memory = real.allocate(size);
      blocks.set(memory.address, memory.bytes);
      return memory;
    };
    replacements.recvmmsg = (fd, msgvec, vlen, flags) => {
      const room = msgvec.memory.view.getUint32(msghdr.msg_controllen, true);
      const count = real.recvmmsg(fd, msgvec, vlen, flags);
      for (let i = 0; i < count; i++) change(slotOf(msgvec, i, room));
      return count;
    };
    return new Proxy(real, {
      get(_, key) {
        const value = replacements[key as keyof Libc] ?? Reflect.get(real, key);
        return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(real) : value;
      },
    });
  });
  t.cleanup(restore);
}

/** Puts control data into a slot. */
function put({ header, control }: Slot, data: Uint8Array): void {
  control.set(data);
  header.setUint32(msghdr.msg_controllen, data.length, true);
}

test("hardware timestamps are told where a device makes them", async (t) => {
  const stamps = new Uint8Array(linux.scm_timestamping.size);
  const view = new DataView(stamps.buffer);
  view.setBigInt64(32, 1_700_000_000n, true);
  view.setBigInt64(40, 123_456_789n, true);
  const data = encodeControls(abi, [{ level: levels.SOL_SOCKET, type: options.SO_TIMESTAMPING, data: stamps }]);
  rewrite(t, (slot) => put(slot, data));
  const socket = await t.bound({ type: "udp4", recvTimestamp: true });
  const { remote } = await told(t, socket);
  assertEquals(remote.hardwareTimestamp, 1_700_000_000_123_456_789n);
  assertEquals(remote.timestamp, undefined);
});

test("what was cut is said to be, payload and control data", async (t) => {
  const flags = [constants.MSG_TRUNC, constants.MSG_CTRUNC, 0];
  rewrite(t, ({ header }) => header.setInt32(msghdr.msg_flags, flags.shift()!, true));
  const socket = await t.bound({ type: "udp4", recvTruncated: true });
  const found = [];
  for (let i = 0; i < 3; i++) {
    const { remote: { truncated, controlTruncated } } = await told(t, socket);
    found.push([truncated, controlTruncated]);
  }
  assertEquals(found, [[true, false], [false, true], [false, false]]);
});

/** Asks the kernel to tell more, behind a socket's back. */
function ask(socket: Socket, options: readonly (readonly [level: number, name: number, value: number])[]): void {
  const { libc } = currentRuntime();
  const memory = libc.allocate(4);
  for (const [level, name, value] of options) {
    memory.view.setInt32(0, value, true);
    assertEquals(libc.setsockopt(descriptorAt(socket.address().port), level, name, libc.pointer(memory), 4), 0);
  }
}

const { SOL_SOCKET } = levels;
const TIMESTAMPS = [
  [SOL_SOCKET, options.SO_TIMESTAMPNS, 1],
  [SOL_SOCKET, options.SO_TIMESTAMPING, linux.SOF_TIMESTAMPING_RX_SOFTWARE | linux.SOF_TIMESTAMPING_SOFTWARE],
] as const;

test("control data for which there is no room is cut, and said to be", async (t) => {
  const faults = injectFaults(t);
  const socket = await t.bound({ type: "udp4", recvTruncated: true, recvTTL: true, recvTimestamp: true });
  assertEquals((await told(t, socket)).remote.controlTruncated, false);
  // Enough for the time, but not for the TTL.
  faults.answer("recvmmsg", (real, fd, msgvec, vlen, flags) => {
    for (let i = 0; i < vlen; i++) {
      msgvec.memory.view.setUint32(i * mmsghdr.size + msghdr.msg_controllen, 40, true);
    }
    return real.recvmmsg(fd, msgvec, vlen, flags);
  });
  const { remote, text } = await told(t, socket);
  assertEquals([text, remote.truncated, remote.controlTruncated, remote.ttl], ["x", false, true, undefined]);
  assertRecent(remote.timestamp);
});

test("what somebody else asked the kernel to tell does not run datagrams together", async (t) => {
  injectFaults(t);
  const socket = await t.bound("udp4");
  ask(socket, TIMESTAMPS);
  const client = await t.bound("udp4");
  const received = nextMessages(socket, 8);
  for (let i = 0; i < 8; i++) client.send(`message ${i}`, socket.address().port, "127.0.0.1");
  assertEquals((await received).map(({ text }) => text), Array.from({ length: 8 }, (_, i) => `message ${i}`));
});

test("control data of any kind neither ends nor confuses receiving", async (t) => {
  const random = randomIntegers(66);
  const known = [
    [levels.IPPROTO_IP, options.IP_PKTINFO],
    [levels.IPPROTO_IP, options.IP_TTL],
    [levels.IPPROTO_IP, options.IP_TOS],
    [levels.IPPROTO_IPV6, options.IPV6_PKTINFO],
    [levels.SOL_SOCKET, options.SO_TIMESTAMPNS],
    [levels.SOL_SOCKET, options.SO_RXQ_OVFL],
    [levels.SOL_SOCKET, options.SO_TIMESTAMPING],
    [random(1 << 16), random(1 << 16)],
  ];
  rewrite(t, (slot) => {
    const messages = Array.from({ length: random(5) }, () => {
      const [level, type] = known[random(known.length)];
      return { level, type, data: Uint8Array.from({ length: random(24) }, () => random(256)) };
    });
    const data = encodeControls(abi, messages).subarray(0, slot.control.length - random(9));
    if (data.length > 0 && random(3) === 0) data[random(data.length)] = random(256);
    put(slot, data);
    slot.header.setInt32(msghdr.msg_flags, random(3) === 0 ? random(1 << 16) : 0, true);
  });
  // One by one: what stands for a segment size is lost here.
  const socket = await t.bound({ type: "udp4", ...ALL, gro: false });
  const client = await t.bound({ type: "udp4", gso: false });
  for (let round = 0; round < 40; round++) {
    const texts = Array.from({ length: 16 }, (_, i) => `${round} ${"x".repeat(i % 3)}`);
    const received = nextMessages(socket, texts.length);
    for (const text of texts) client.send(text, socket.address().port, "127.0.0.1");
    const all = await received;
    assertEquals(all.map(({ text }) => text), texts);
    for (const { remote } of all) {
      const { tos = 0, ttl = 0, ecn = 0, dscp = 0, interfaceIndex = 1 } = remote;
      assert(tos < 256 && ttl < 256 && tos === dscp * 4 + ecn && interfaceIndex > 0, JSON.stringify(remote, String));
    }
  }
});

test("a segment size that cannot be is none", async (t) => {
  const sizes = [0, -1, -(2 ** 31), 2 ** 31 - 1];
  rewrite(t, (slot) => {
    put(
      slot,
      encodeControls(abi, [{ level: levels.IPPROTO_UDP, type: options.UDP_GRO, data: intData(sizes.shift()!) }]),
    );
  });
  const socket = await t.bound({ type: "udp4", recvSegmentSize: true });
  const found = [];
  for (let i = 0; i < 4; i++) found.push((await told(t, socket)).remote.segmentSize);
  assertEquals(found, [1, 1, 1, 1]);
});

test("a flag that is no boolean is refused, as option and by the method", async (t) => {
  for (const option of Object.keys(ALL)) {
    const create = (): Socket => createSocket({ type: "udp4", [option]: 1 } as SocketOptions);
    assertCode(
      create,
      "ERR_INVALID_ARG_TYPE",
      `"options.${option}" property must be of type boolean. Received type number`,
    );
    const socket = t.socket("udp4");
    const method = option.replace("recv", "setRecv") as "setRecvTTL";
    assertCode(() => socket[method]("yes" as unknown as boolean), "ERR_INVALID_ARG_TYPE", '"flag" argument must be of');
    await closed(socket);
    assertCode(() => socket[method](true), "ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running");
  }
});

function assertCode(action: () => unknown, code: string, text: string): void {
  const error = assertThrows(action, Error, text) as Error & { code: string };
  assertEquals(error.code, code);
}

test("an option that the kernel refuses makes bind() fail, and the method throw", async (t) => {
  const faults = injectFaults(t);
  const socket = t.socket({ type: "udp4", recvTTL: true });
  faults.answer("setsockopt", (real, _, level, name) => {
    const isIt = level === levels.IPPROTO_IP && name === options.IP_RECVTTL;
    return isIt ? -real.abi.errno.ENOPROTOOPT : 0;
  });
  const error = new Promise<Error & { code?: string }>((resolve) => socket.once("error", resolve));
  socket.bind(0, "127.0.0.1");
  assertEquals((await error).code, "ENOPROTOOPT");
  const other = await t.bound("udp4");
  assertCode(() => other.setRecvTTL(true), "ENOPROTOOPT", "setRecvTTL ENOPROTOOPT");
  assertEquals(Object.keys((await told(t, other)).remote), NODES);
});

test("macOS has no count of lost datagrams, and says so", () => {
  assertCode(() => kernelOptions(DARWIN, 4, "dropCount", true), "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "SO_RXQ_OVFL");
  assertEquals(kernelOptions(DARWIN, 6, "ttl", true), [["IPV6_RECVHOPLIMIT", 1]]);
});

test("macOS tells of TTL and TOS in bytes, and of time in microseconds", () => {
  const { darwin, layouts } = DARWIN;
  const { libc } = currentRuntime();
  const time = new Uint8Array(layouts.timeval.size);
  new DataView(time.buffer).setBigInt64(0, 1_700_000_000n, true);
  new DataView(time.buffer).setInt32(8, 654_321, true);
  const data = encodeControls(DARWIN, [
    { level: 0, type: DARWIN.options.IP_RECVTTL, data: Uint8Array.of(63) },
    { level: 0, type: DARWIN.options.IP_RECVTOS, data: Uint8Array.of(0xb9) },
    { level: 0xffff, type: darwin!.SCM_TIMESTAMP, data: time },
  ]);
  const there = new Proxy(libc, {
    get(_, key) {
      const value = key === "abi" ? DARWIN : Reflect.get(libc, key);
      return typeof value === "function" ? value.bind(libc) : value;
    },
  });
  const wanted = new Set(["ttl", "tos", "timestamp"] as const);
  const decoder = new DetailDecoder(there, 6, wanted);
  const reader = new ControlReader(DARWIN);
  reader.open(new DataView(data.buffer), 0, data.length);
  assert(decoder.space >= data.length);
  assertEquals(decoder.decode(reader, 0, 1), {
    ttl: 63,
    tos: 0xb9,
    dscp: 46,
    ecn: 1,
    timestamp: 1_700_000_000_654_321_000n,
  });
});

testBoth("what is lost between two datagrams is the difference of their counts, also of bursts", async (t, family) => {
  const socket = await t.bound({ type: family.type, recvDropCount: true });
  socket.setRecvBufferSize(8192);
  const client = await t.bound(family.type);
  const [first, heard] = [await told(t, socket), [] as number[]];
  const dropped: number[] = [first.remote.dropCount!];
  socket.on("message", (message, remote) => {
    heard.push(message.length);
    dropped.push(remote.dropCount!);
  });
  const TOTAL = 400;
  for (let i = 0; i < TOTAL; i++) client.send(new Uint8Array(200), socket.address().port, family.loopback);
  await sent(client, new Uint8Array(200), socket.address().port, family.loopback);
  while (socket.getMemoryInfo().receiveAllocated > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  // Others may have been fetched and not been delivered yet.
  const ending = new Promise<RemoteInfo>((resolve) => {
    socket.on("message", (message, remote) => {
      if (message.toString() === "end") resolve(remote);
    });
  });
  await sent(client, "end", socket.address().port, family.loopback);
  const remote = await ending;
  const arrived = heard.filter((size) => size === 200).length;
  assert(arrived < TOTAL);
  assertEquals(remote.dropCount! - first.remote.dropCount!, TOTAL + 1 - arrived);
});
