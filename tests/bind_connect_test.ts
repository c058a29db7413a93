/**
 * Local addresses and peers: every way to get one, what they let through, and the order of the events.
 *
 * @module
 */
import process from "node:process";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import type { Socket } from "../mod.ts";
import type { SystemError } from "../src/errors/node_errors.ts";
import {
  closed,
  type Family,
  nextEvent,
  nextMessage,
  nextMessages,
  sent,
  test,
  testBoth,
  type Tools,
} from "./support/harness.ts";
import { until } from "./support/process.ts";
import { testAlike, testBothAlike } from "./support/reference.ts";
import { grantedSize, linuxOnly } from "./support/runtime.ts";

/** Sends text to a socket on this host and gives what that socket gets. */
async function heard(t: Tools, by: Socket, family: Family): Promise<string> {
  const arriving = nextMessage(by);
  await sent(t.socket(family.type), "hello", by.address().port, family.loopback);
  return (await arriving).text;
}

/**
 * A port that nobody else can take and where datagrams from others are refused: its socket has a peer, itself.
 */
async function refusingPort(t: Tools, family: Family): Promise<number> {
  const socket = await t.bound(family.type);
  const { port } = socket.address();
  socket.connectSync(port, family.loopback);
  return port;
}

/** A port that was free just now. */
async function freePort(t: Tools, family: Family): Promise<number> {
  const socket = await t.bound(family.type);
  const { port } = socket.address();
  await closed(socket);
  return port;
}

function assertNoPeer(socket: Socket): void {
  const error = assertThrows(() => socket.remoteAddress()) as NodeJS.ErrnoException;
  assertStrictEquals(error.code, "ERR_SOCKET_DGRAM_NOT_CONNECTED");
}

/** The next failed call that a socket tells of. */
async function nextError(socket: Socket): Promise<SystemError> {
  return (await nextEvent(socket, "error"))[0] as SystemError;
}

const BIND_FORMS: readonly [string, (socket: Socket, family: Family, callback: () => void) => unknown][] = [
  ["(port, address, callback)", (socket, { loopback }, callback) => socket.bind(0, loopback, callback)],
  ["(port, callback)", (socket, _family, callback) => socket.bind(0, callback)],
  ["(callback)", (socket, _family, callback) => socket.bind(callback)],
  [
    "({ port, address }, callback)",
    (socket, { loopback }, callback) => socket.bind({ port: 0, address: loopback }, callback),
  ],
  ["({ address }, callback)", (socket, { loopback }, callback) => socket.bind({ address: loopback }, callback)],
  ["({}, callback)", (socket, _family, callback) => socket.bind({}, callback)],
  ["({ exclusive }, callback)", (socket, _family, callback) => socket.bind({ port: 0, exclusive: true }, callback)],
  ["(undefined, undefined, callback)", (socket, _family, callback) => socket.bind(undefined, undefined, callback)],
];

for (const [form, bind] of BIND_FORMS) {
  testBothAlike(`bind${form} makes the socket receive, and returns it`, async (t, family, create) => {
    const socket = t.track(create(family.type));
    await new Promise<void>((resolve) => assertStrictEquals(bind(socket, family, resolve), socket));
    const { address, port, family: name } = socket.address();
    assert([family.any, family.loopback].includes(address), address);
    assertEquals([name, port > 0], [family.name, true]);
    assertStrictEquals(await heard(t, socket, family), "hello");
  });
}

testBothAlike("bind() and bind(port) without a callback emit 'listening'", async (t, family, create) => {
  const [first, second] = [t.track(create(family.type)), t.track(create(family.type))];
  const both = Promise.all([nextEvent(first, "listening"), nextEvent(second, "listening")]);
  first.bind();
  second.bind(0);
  await both;
  assertStrictEquals(first.address().address, family.any);
  assertStrictEquals(second.address().address, family.any);
});

testBothAlike("bind() takes the port it is given", async (t, family, create) => {
  const port = await freePort(t, family);
  const socket = t.track(create(family.type));
  await new Promise<void>((resolve) => socket.bind(port, family.loopback, resolve));
  assertEquals(socket.address(), { address: family.loopback, family: family.name, port });
});

testAlike("bind() takes only the low 16 bits of a port, and 0 for what is none", async (t, create) => {
  const { port } = (await t.bound("udp4")).address();
  for (const value of [port + 65_536, String(port)]) {
    const socket = t.track(create("udp4"));
    const failure = nextError(socket);
    socket.bind(value as number, "127.0.0.1");
    assertStrictEquals((await failure).message, `bind EADDRINUSE 127.0.0.1:${value}`);
  }
  for (const value of ["x", null, NaN, -65_536]) {
    const socket = t.track(create("udp4"));
    await new Promise<void>((resolve) => socket.bind(value as number, "127.0.0.1", resolve));
    assert(socket.address().port > 0);
  }
});

testBothAlike("bindSync() binds at once and returns the address", async (t, family, create) => {
  const socket = t.track(create(family.type));
  const address = socket.bindSync({ address: family.loopback });
  assertEquals(address, socket.address());
  assertEquals([address.address, address.family, address.port > 0], [family.loopback, family.name, true]);
  assertStrictEquals(await heard(t, socket, family), "hello");
});

testBothAlike("bindSync() without arguments binds to all addresses", (t, family, create) => {
  const [first, second] = [t.track(create(family.type)), t.track(create(family.type))];
  assertStrictEquals(first.bindSync().address, family.any);
  assertStrictEquals(second.bindSync({ port: undefined, address: "" }).address, family.any);
});

testBothAlike(
  "a bound address is refused to a second socket, which can be bound elsewhere then",
  async (t, family, create) => {
    const { port } = (await t.bound(family.type)).address();
    const socket = t.track(create(family.type));
    const failure = nextError(socket);
    socket.bind(port, family.loopback, () => socket.emit("error", new Error("bound")));
    const { code, syscall, address, port: failed, message } = await failure;
    assertEquals([code, syscall, address, failed], ["EADDRINUSE", "bind", family.loopback, port]);
    assertStrictEquals(message, `bind EADDRINUSE ${family.loopback}:${port}`);
    assertEquals(socket.listenerCount("listening"), 0);
    await new Promise<void>((resolve) => socket.bind(0, family.loopback, resolve));
    assertStrictEquals(await heard(t, socket, family), "hello");
  },
);

testBoth(
  "with reuseAddr a second socket gets the datagrams, and the first again when it has gone",
  async (t, family) => {
    const options = { type: family.type, reuseAddr: true };
    const first = await t.bound(options);
    const { port } = first.address();
    const second = t.socket(options);
    second.bindSync({ port, address: family.loopback });
    assertStrictEquals(await heard(t, second, family), "hello");
    await closed(second);
    assertStrictEquals(await heard(t, first, family), "hello");
  },
);

testBoth("with reusePort several sockets share a port, and each gets its part once", async (t, family) => {
  const options = { type: family.type, reusePort: true };
  const first = await t.bound(options);
  const { port } = first.address();
  const sharing = [first, t.socket(options), t.socket(options)];
  for (const socket of sharing.slice(1)) socket.bindSync({ port, address: family.loopback });
  const counts = [0, 0, 0];
  const texts: string[] = [];
  for (const [i, socket] of sharing.entries()) {
    socket.on("message", (message) => {
      counts[i]++;
      texts.push(String(message));
    });
  }
  // The kernel spreads by sender: of 96 senders each socket gets some.
  const expected = Array.from({ length: 96 }, (_, i) => `sender ${i}`);
  for (const text of expected) await sent(t.socket(family.type), text, port, family.loopback);
  await until(() => texts.length >= expected.length, "all datagrams to arrive");
  assertEquals(texts.sort(), expected.sort());
  assert(counts.every((count) => count > 0), `shares: ${counts}`);
}, { skip: linuxOnly("SO_REUSEPORT that spreads the load") });

test("a dual-stack socket hears IPv4 with mapped senders, and answers them", async (t) => {
  const socket = await t.bound("udp6", "::");
  const sender = await t.bound("udp4");
  const arriving = nextMessage(socket);
  await sent(sender, "over IPv4", socket.address().port, "127.0.0.1");
  const { text, remote } = await arriving;
  const { port } = sender.address();
  assertEquals([text, remote], ["over IPv4", { address: "::ffff:127.0.0.1", family: "IPv6", port, size: 9 }]);
  const answer = nextMessage(sender);
  await sent(socket, "answer", remote.port, remote.address);
  assertStrictEquals((await answer).remote.port, socket.address().port);
});

test("an ipv6Only socket leaves the port's IPv4 side to another and does not hear it", async (t) => {
  const ipv4 = await t.bound("udp4", "0.0.0.0");
  const { port } = ipv4.address();
  const ipv6 = t.socket({ type: "udp6", ipv6Only: true });
  ipv6.bindSync({ port, address: "::" });
  const [heard4, heard6] = [nextMessage(ipv4), nextMessage(ipv6)];
  await sent(t.socket("udp4"), "over IPv4", port, "127.0.0.1");
  await sent(t.socket("udp6"), "over IPv6", port, "::1");
  assertEquals([(await heard4).text, (await heard6).text], ["over IPv4", "over IPv6"]);
});

testAlike("ipv6Only on an IPv4 socket is an error of bind()", async (t, create) => {
  const socket = t.track(create({ type: "udp4", ipv6Only: true }));
  const failure = nextError(socket);
  socket.bind(0);
  assertStrictEquals((await failure).message, "bind EINVAL 0.0.0.0");
});

testBothAlike("recvBufferSize and sendBufferSize reach the kernel; Linux doubles them", async (t, family, create) => {
  const socket = t.track(create({ type: family.type, recvBufferSize: 20_000, sendBufferSize: 10_000 }));
  await new Promise<void>((resolve) => socket.bind(0, family.loopback, resolve));
  assertEquals([socket.getRecvBufferSize(), socket.getSendBufferSize()], [20_000, 10_000].map(grantedSize));
  socket.setRecvBufferSize(30_000);
  socket.setSendBufferSize(15_000);
  assertEquals([socket.getRecvBufferSize(), socket.getSendBufferSize()], [30_000, 15_000].map(grantedSize));
});

testBothAlike("recvBufferSize and sendBufferSize count for bindSync(), too", (t, family, create) => {
  const socket = t.track(create({ type: family.type, recvBufferSize: 20_000, sendBufferSize: 10_000 }));
  socket.bindSync();
  assertEquals([socket.getRecvBufferSize(), socket.getSendBufferSize()], [20_000, 10_000].map(grantedSize));
});

testBothAlike("send() binds an unbound socket to a port of the system's choice", async (t, family, create) => {
  const receiver = await t.bound(family.type);
  const socket = t.track(create(family.type));
  const arriving = nextMessage(receiver);
  await sent(socket, "x", receiver.address().port, family.loopback);
  assertStrictEquals((await arriving).remote.port, socket.address().port);
  assertStrictEquals(socket.address().address, family.any);
});

testBothAlike("connect() binds an unbound socket", async (t, family, create) => {
  const receiver = await t.bound(family.type);
  const socket = t.track(create(family.type));
  const { port } = receiver.address();
  const events: string[] = [];
  socket.on("listening", () => events.push("listening"));
  await new Promise<void>((resolve) => socket.connect(port, family.loopback, () => resolve()));
  assertEquals(events, ["listening"]);
  assertStrictEquals(socket.address().address, family.loopback);
  assertEquals(socket.remoteAddress(), { address: family.loopback, family: family.name, port });
});

testAlike("addMembership() binds an unbound socket in the kernel, and a later bind() is refused by it", (t, create) => {
  const socket = t.track(create("udp4"));
  socket.addMembership("224.0.0.114", "127.0.0.1");
  assert(socket.address().port > 0);
});

testBothAlike("connectSync() binds, connects and emits 'listening' and 'connect' later", async (t, family, create) => {
  const receiver = await t.bound(family.type);
  const socket = t.track(create(family.type));
  const { port } = receiver.address();
  const events: string[] = [];
  socket.on("listening", () => events.push("listening"));
  socket.on("connect", () => events.push("connect"));
  socket.connectSync(port, family.loopback);
  assertEquals(socket.remoteAddress(), { address: family.loopback, family: family.name, port });
  assertEquals(events, []);
  const arriving = nextMessage(receiver);
  assertStrictEquals(await sent(socket, "to the peer"), 11);
  assertStrictEquals((await arriving).text, "to the peer");
  assertEquals(events, ["listening", "connect"]);
});

const CONNECT_FORMS: readonly [string, (socket: Socket, port: number, callback: () => void) => void][] = [
  ["(port, callback)", (socket, port, callback) => socket.connect(port, callback)],
  ["(port, '', callback)", (socket, port, callback) => socket.connect(port, "", callback)],
  ["(port, undefined, callback)", (socket, port, callback) => socket.connect(port, undefined, callback)],
  ["(port) with 'connect'", (socket, port, callback) => socket.once("connect", callback).connect(port)],
  [
    "('port' as text, callback)",
    (socket, port, callback) => socket.connect(` 0x${port.toString(16)} ` as unknown as number, callback),
  ],
];

for (const [form, connect] of CONNECT_FORMS) {
  testBothAlike(`connect${form} reaches the loopback address`, async (t, family, create) => {
    const receiver = await t.bound(family.type);
    const socket = t.track(create(family.type));
    await new Promise<void>((resolve) => connect(socket, receiver.address().port, resolve));
    assertEquals(socket.remoteAddress(), receiver.address());
  });
}

testBothAlike("a connected socket hears its peer and nobody else", async (t, family, create) => {
  const peer = await t.bound(family.type);
  const stranger = await t.bound(family.type);
  const socket = t.track(create(family.type));
  await new Promise<void>((resolve) => socket.bind(0, family.loopback, resolve));
  await new Promise<void>((resolve) => socket.connect(peer.address().port, family.loopback, () => resolve()));
  const { port } = socket.address();
  const arriving = nextMessage(socket);
  await sent(stranger, "stranger", port, family.loopback);
  await sent(peer, "peer", port, family.loopback);
  assertStrictEquals((await arriving).text, "peer");
});

testBothAlike("after disconnect() anyone is heard on the port that was asked for", async (t, family, create) => {
  const [first, second] = [await t.bound(family.type), await t.bound(family.type)];
  const port = await freePort(t, family);
  const socket = t.track(create(family.type));
  socket.bindSync({ port, address: family.loopback });
  socket.connectSync(first.address().port, family.loopback);
  socket.disconnect();
  assertNoPeer(socket);
  const arriving = nextMessages(socket, 2);
  await sent(first, "1", port, family.loopback);
  await sent(second, "2", port, family.loopback);
  assertEquals((await arriving).map(({ text }) => text), ["1", "2"]);
});

testBothAlike("after disconnect() a socket can have another peer", async (t, family, create) => {
  const [first, second] = [await t.bound(family.type), await t.bound(family.type)];
  const socket = t.track(create(family.type));
  socket.connectSync(first.address().port, family.loopback);
  socket.disconnect();
  assertNoPeer(socket);
  await new Promise<void>((resolve) => socket.connect(second.address().port, family.loopback, () => resolve()));
  assertEquals(socket.remoteAddress(), second.address());
  const arriving = nextMessage(second);
  await sent(socket, "to the second");
  assertStrictEquals((await arriving).text, "to the second");
});

testBoth("messages sent before disconnect() go to the peer they were meant for", async (t, family) => {
  const peer = await t.bound(family.type);
  const socket = await t.bound(family.type);
  socket.connectSync(peer.address().port, family.loopback);
  const arriving = nextMessage(peer);
  socket.send("in time");
  socket.disconnect();
  assertStrictEquals((await arriving).text, "in time");
});

testBothAlike("a peer that refuses is an 'error' of the connected socket, which goes on", async (t, family, create) => {
  const port = await refusingPort(t, family);
  const socket = t.track(create(family.type));
  socket.bindSync({ address: family.loopback });
  socket.connectSync(port, family.loopback);
  const failure = nextError(socket);
  socket.send("x");
  const { code, syscall, message } = await failure;
  assertEquals([code, syscall, message], ["ECONNREFUSED", "recvmsg", "recvmsg ECONNREFUSED"]);
  socket.disconnect();
  const other = await t.bound(family.type);
  socket.connectSync(other.address().port, family.loopback);
  const arriving = nextMessage(socket);
  await sent(other, "still there", socket.address().port, family.loopback);
  assertStrictEquals((await arriving).text, "still there");
});

testBothAlike(
  "a failed connect() tells its callback, or else 'error', and leaves no peer",
  async (t, family, create) => {
    const other = family.version === 4 ? "::1" : "999.1.1.1";
    const lookup = (_name: string, _options: unknown, callback: (error: null, ip: string, family: number) => void) =>
      callback(null, other, 4);
    const socket = t.track(create({ type: family.type, lookup }));
    socket.bindSync();
    const error = await new Promise<unknown>((resolve) => socket.connect(9, "name", resolve));
    assertStrictEquals((error as Error).message, "connect EINVAL name:9");
    assertStrictEquals(socket.listenerCount("connect"), 0);
    const failure = nextError(socket);
    socket.connect(9, "name");
    assertStrictEquals((await failure).message, "connect EINVAL name:9");
    socket.connectSync(9, family.loopback);
  },
);

testBothAlike("a lookup that fails is the error of bind() and of connect()", async (t, family, create) => {
  const failed = new Error("no such name");
  const lookup = (_name: string, _options: unknown, callback: (error: Error, ip: string, family: number) => void) =>
    callback(failed, "", 0);
  const socket = t.track(create({ type: family.type, lookup }));
  const failure = nextEvent(socket, "error");
  socket.bind(0, "name");
  assertStrictEquals((await failure)[0], failed);
  socket.bindSync();
  assertStrictEquals(await new Promise<unknown>((resolve) => socket.connect(9, "name", resolve)), failed);
});

testBoth("a bind() that fails can be repeated", async (t, family) => {
  const { port } = (await t.bound(family.type)).address();
  const socket = t.socket(family.type);
  const bind = (wanted: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(wanted, family.loopback, () => resolve(undefined));
    });
  await assertRejects(() => bind(port), Error, "EADDRINUSE");
  await bind(0);
});

testAlike("bind() and connect() resolve host names", async (t, create) => {
  const receiver = await t.bound("udp4");
  const socket = t.track(create("udp4"));
  await new Promise<void>((resolve) => socket.bind(0, "localhost", resolve));
  assertStrictEquals(socket.address().address, "127.0.0.1");
  await new Promise<void>((resolve) => socket.connect(receiver.address().port, "localhost", () => resolve()));
  assertEquals(socket.remoteAddress(), receiver.address());
});

/** What happens from now on, in order, until `last`. */
class Journal {
  readonly entries: string[] = [];
  readonly #done: Promise<void>;
  #resolve!: () => void;
  readonly #last: string;

  constructor(last: string) {
    this.#last = last;
    this.#done = new Promise((resolve) => this.#resolve = resolve);
  }

  note(entry: string): () => void {
    return () => {
      this.entries.push(entry);
      if (entry === this.#last) this.#resolve();
    };
  }

  events(socket: Socket, ...names: ("listening" | "connect" | "close")[]): void {
    for (const name of names) socket.on(name, this.note(`'${name}'`));
  }

  /** Notes the end of this turn and the ticks behind it. */
  turn(): void {
    this.note("turn")();
    process.nextTick(this.note("tick 1"));
    process.nextTick(() => process.nextTick(this.note("tick 2")));
    process.nextTick(() => process.nextTick(() => process.nextTick(this.note("tick 3"))));
  }

  async done(): Promise<string[]> {
    await this.#done;
    return this.entries;
  }
}

testAlike("bind() emits 'listening' a tick later, its callback after older listeners", async (t, create) => {
  const journal = new Journal("tick 3");
  const socket = t.track(create("udp4"));
  journal.events(socket, "listening");
  socket.bind(0, "127.0.0.1", journal.note("callback"));
  socket.on("listening", journal.note("later listener"));
  journal.turn();
  assertEquals(await journal.done(), [
    "turn",
    "'listening'",
    "callback",
    "later listener",
    "tick 1",
    "tick 2",
    "tick 3",
  ]);
});

testAlike("bindSync() emits 'listening' a tick later", async (t, create) => {
  const journal = new Journal("tick 3");
  const socket = t.track(create("udp4"));
  journal.events(socket, "listening");
  socket.bindSync();
  journal.turn();
  assertEquals(await journal.done(), ["turn", "'listening'", "tick 1", "tick 2", "tick 3"]);
});

testAlike("connect() on an unbound socket comes two ticks after its 'listening'", async (t, create) => {
  const journal = new Journal("tick 3");
  const socket = t.track(create("udp4"));
  journal.events(socket, "listening", "connect");
  socket.connect(9, "127.0.0.1", journal.note("callback"));
  journal.turn();
  assertEquals(await journal.done(), [
    "turn",
    "'listening'",
    "tick 1",
    "tick 2",
    "'connect'",
    "callback",
    "tick 3",
  ]);
});

testAlike("connect() on a bound socket emits 'connect' two ticks later", async (t, create) => {
  const journal = new Journal("tick 3");
  const socket = t.track(create("udp4"));
  socket.bindSync();
  await nextEvent(socket, "listening");
  journal.events(socket, "connect");
  socket.connect(9, "127.0.0.1", journal.note("callback"));
  journal.turn();
  assertEquals(await journal.done(), ["turn", "tick 1", "'connect'", "callback", "tick 2", "tick 3"]);
});

testAlike("connectSync() emits 'listening' and 'connect' a tick later", async (t, create) => {
  const journal = new Journal("tick 3");
  const socket = t.track(create("udp4"));
  journal.events(socket, "listening", "connect");
  socket.connectSync(9, "127.0.0.1");
  journal.turn();
  assertEquals(await journal.done(), ["turn", "'listening'", "'connect'", "tick 1", "tick 2", "tick 3"]);
});

testAlike("close() emits 'close' a tick later, and no event that was to come", async (t, create) => {
  const journal = new Journal("tick 3");
  const socket = t.track(create("udp4"));
  journal.events(socket, "listening", "connect", "close");
  socket.bindSync();
  socket.connectSync(9, "127.0.0.1");
  socket.close(journal.note("callback"));
  journal.turn();
  assertEquals(await journal.done(), ["turn", "'close'", "callback", "tick 1", "tick 2", "tick 3"]);
});
