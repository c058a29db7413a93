/**
 * Sending: every form of `send`, what arrives, in what order, and what the callbacks are told.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Buffer } from "node:buffer";
import process from "node:process";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Socket, SocketType } from "../mod.ts";
import {
  closed,
  nextEvent,
  nextMessage,
  nextMessages,
  type Received,
  sent,
  test,
  testBoth,
  type Tools,
} from "./support/harness.ts";
import { testAlike, testBothAlike } from "./support/reference.ts";
import { runFixture } from "./support/runtime.ts";
import type { Lookup } from "./support/values.ts";

/** `send` as it is used in JavaScript. */
type Send = (...values: unknown[]) => void;

/** A receiver and what it gets next. */
async function receiver(t: Tools, type: SocketType): Promise<{ port: number; next: () => Promise<Received> }> {
  const socket = await t.bound(type);
  return { port: socket.address().port, next: () => nextMessage(socket) };
}

/** Sends with these arguments and a callback at their end. */
function sendWith(socket: Socket, ...values: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    (socket.send as Send).call(
      socket,
      ...values,
      (error: Error | null, bytes: number) => error ? reject(error) : resolve(bytes),
    );
  });
}

const memory = Uint8Array.from({ length: 64 }, (_, i) => i * 3).buffer;
const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)];
const bytesOf = (view: ArrayBufferView): number[] => [...new Uint8Array(view.buffer, view.byteOffset, view.byteLength)];

/** Views that begin in the middle of their memory, so that a lost offset shows. */
const VIEWS: readonly ArrayBufferView[] = [
  Buffer.from(memory, 8, 16),
  new Uint8Array(memory, 8, 16),
  new Uint8ClampedArray(memory, 8, 16),
  new Int8Array(memory, 8, 16),
  new Uint16Array(memory, 8, 8),
  new Int16Array(memory, 8, 8),
  new Uint32Array(memory, 8, 4),
  new Int32Array(memory, 8, 4),
  new Float32Array(memory, 8, 4),
  new Float64Array(memory, 8, 2),
  new BigInt64Array(memory, 8, 2),
  new BigUint64Array(memory, 8, 2),
  new DataView(memory, 8, 16),
];

const MESSAGES: readonly [string, unknown, number[]][] = [
  ...VIEWS.map((view): [string, unknown, number[]] => [`a ${view.constructor.name}`, view, bytesOf(view)]),
  ["text", "plain", utf8("plain")],
  ["text beyond ASCII as UTF-8", "Grüße, 世界 🌍", utf8("Grüße, 世界 🌍")],
  ["half a surrogate pair as U+FFFD", "\ud83c!", [0xef, 0xbf, 0xbd, 0x21]],
  ["empty text", "", []],
  ["an empty Uint8Array", new Uint8Array(0), []],
  ["an empty array", [], []],
  ["an array of empty pieces", ["", new Uint8Array(0)], []],
  ["an array of all kinds", [...VIEWS, "é", Buffer.from("!")], [
    ...VIEWS.flatMap(bytesOf),
    ...utf8("é!"),
  ]],
  ["an array of 1,000 pieces", Array(1_000).fill("ab"), utf8("ab".repeat(1_000))],
];

for (const [name, message, bytes] of MESSAGES) {
  testAlike(`${name} arrives as its bytes, which the callback counts`, async (t, create) => {
    const { port, next } = await receiver(t, "udp4");
    const arriving = next();
    assertStrictEquals(await sendWith(t.track(create("udp4")), message, port, "127.0.0.1"), bytes.length);
    assertEquals([...(await arriving).message], bytes);
  });
  testAlike(`${name} arrives from a connected socket`, async (t, create) => {
    const { port, next } = await receiver(t, "udp6");
    const socket = t.track(create("udp6"));
    socket.connectSync(port, "::1");
    const arriving = next();
    assertStrictEquals(await sendWith(socket, message), bytes.length);
    assertEquals([...(await arriving).message], bytes);
  });
}

test("a message may have more pieces than one system call takes", async (t) => {
  const { port, next } = await receiver(t, "udp4");
  const arriving = next();
  await sendWith(t.socket("udp4"), Array(2_000).fill("ab"), port, "127.0.0.1");
  assertStrictEquals((await arriving).text, "ab".repeat(2_000));
});

const NOTHING = undefined;

/** Arguments behind the message "abcdef", and what arrives. */
const FORMS: readonly [string, (port: number, address: string) => unknown[], string][] = [
  ["(port, address)", (port, address) => [port, address], "abcdef"],
  ["(port)", (port) => [port], "abcdef"],
  ["(port as text)", (port) => [String(port)], "abcdef"],
  ["(port as hexadecimal text)", (port) => [`0x${port.toString(16)}`], "abcdef"],
  ["(port, undefined)", (port) => [port, NOTHING], "abcdef"],
  ["(port, null)", (port) => [port, null], "abcdef"],
  ["(port, '')", (port) => [port, ""], "abcdef"],
  ["(offset, length, port, address)", (port, address) => [1, 3, port, address], "bcd"],
  ["(offset, length, port)", (port) => [1, 3, port], "bcd"],
  ["(offset, length, port, null)", (port) => [1, 3, port, null], "bcd"],
  ["(0, 0, port)", (port) => [0, 0, port], ""],
  ["(end, 0, port)", (port) => [6, 0, port], ""],
  ["(0, all, port)", (port) => [0, 6, port], "abcdef"],
  ["(fractions, port)", (port) => [1.9, 2.9, port], "bc"],
  ["(no numbers, port)", (port) => ["x", NaN, port], ""],
  ["(undefined, undefined, port)", (port) => [NOTHING, NOTHING, port], ""],
];

for (const [form, args, text] of FORMS) {
  testBothAlike(`send(message, ${form.slice(1)} sends, with and without a callback`, async (t, family, create) => {
    const { port, next } = await receiver(t, family.type);
    const socket = t.track(create(family.type));
    const values = args(port, family.loopback);
    for (const message of ["abcdef", Buffer.from("abcdef")]) {
      const first = next();
      assertStrictEquals(await sendWith(socket, message, ...values), text.length);
      assertStrictEquals((await first).text, text);
      const second = next();
      (socket.send as Send)(message, ...values);
      assertStrictEquals((await second).text, text);
    }
  });
}

const CONNECTED_FORMS: readonly [string, unknown[], string][] = [
  ["()", [], "abcdef"],
  ["(offset, length)", [1, 3], "bcd"],
  ["(0, 0)", [0, 0], ""],
];

for (const [form, values, text] of CONNECTED_FORMS) {
  testBothAlike(`a connected socket's send(message, ${form.slice(1)} sends`, async (t, family, create) => {
    const { port, next } = await receiver(t, family.type);
    const socket = t.track(create(family.type));
    socket.connectSync(port, family.loopback);
    const first = next();
    assertStrictEquals(await sendWith(socket, "abcdef", ...values), text.length);
    assertStrictEquals((await first).text, text);
    const second = next();
    (socket.send as Send)("abcdef", ...values);
    assertStrictEquals((await second).text, text);
  });
}

testBothAlike("sendto() sends like send() with all arguments", async (t, family, create) => {
  const { port, next } = await receiver(t, family.type);
  const socket = t.track(create(family.type));
  const arriving = next();
  const bytes = await new Promise((resolve) =>
    socket.sendto("abcdef", 2, 3, port, family.loopback, (_error, bytes) => resolve(bytes))
  );
  assertEquals([bytes, (await arriving).text], [3, "cde"]);
});

testBothAlike("send() can be called off the socket", async (t, family, create) => {
  const { port, next } = await receiver(t, family.type);
  const socket = t.track(create(family.type));
  const send = socket.send.bind(socket);
  const arriving = next();
  send("bound method", port, family.loopback);
  assertStrictEquals((await arriving).text, "bound method");
});

for (const isBound of [true, false]) {
  const name = isBound ? "a bound socket" : "a connected socket";
  testBoth(`${name} sends what was in the buffer when send() was called`, async (t, family) => {
    const { port, next } = await receiver(t, family.type);
    const socket = await t.bound(family.type);
    if (!isBound) socket.connectSync(port, family.loopback);
    const buffer = Buffer.from("old bytes");
    const piece = Buffer.from(" and pieces");
    const arriving = next();
    if (isBound) socket.send([buffer, piece], port, family.loopback);
    else socket.send([buffer, piece]);
    buffer.fill("X");
    piece.fill("X");
    assertStrictEquals((await arriving).text, "old bytes and pieces");
  });
}

testBothAlike("messages sent before the socket is bound leave once it is, in order", async (t, family, create) => {
  const destination = await t.bound(family.type);
  const { port } = destination.address();
  const socket = t.track(create(family.type));
  const arriving = nextMessages(destination, 20);
  const reported: number[] = [];
  for (let i = 0; i < 10; i++) socket.send(`${i}`, port, family.loopback, () => reported.push(i));
  await nextEvent(socket, "listening");
  for (let i = 10; i < 20; i++) socket.send(`${i}`, port, family.loopback, () => reported.push(i));
  const expected = Array.from({ length: 20 }, (_, i) => i);
  assertEquals((await arriving).map(({ text }) => Number(text)), expected);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assertEquals(reported, expected);
});

testBothAlike("messages sent while bind() is under way leave from the address it binds", async (t, family, create) => {
  const { port, next } = await receiver(t, family.type);
  const socket = t.track(create(family.type));
  socket.bind(0, family.loopback);
  const arriving = next();
  await sendWith(socket, "early", port, family.loopback);
  const { remote } = await arriving;
  assertEquals({ address: remote.address, family: remote.family, port: remote.port }, socket.address());
});

testAlike("if the bind() they wait for fails, messages are dropped without a word", async (t, create) => {
  const destination = await t.bound("udp4");
  const { port } = destination.address();
  const socket = t.track(create("udp4"));
  const failure = nextEvent(socket, "error");
  const reported: string[] = [];
  socket.bind(port, "127.0.0.1");
  socket.send("dropped", port, "127.0.0.1", () => reported.push("dropped"));
  assertStrictEquals(((await failure)[0] as NodeJS.ErrnoException).code, "EADDRINUSE");
  const arriving = nextMessage(destination);
  socket.send("kept", port, "127.0.0.1", () => reported.push("kept"));
  assertStrictEquals((await arriving).text, "kept");
  await new Promise<void>((resolve) => setImmediate(resolve));
  assertEquals(reported, ["kept"]);
});

testBoth("messages of one turn from several sockets leave in the order of their send()", async (t, family) => {
  const destination = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
  const { port } = destination.address();
  const senders = [await t.bound(family.type), await t.bound(family.type), await t.bound(family.type)];
  senders[2].connectSync(port, family.loopback);
  const arriving = nextMessages(destination, 60);
  for (let i = 0; i < 60; i++) {
    const sender = senders[(i * 7) % 3];
    if (sender === senders[2]) sender.send(`${i}`);
    else sender.send(`${i}`, port, family.loopback);
  }
  assertEquals((await arriving).map(({ text }) => Number(text)), Array.from({ length: 60 }, (_, i) => i));
});

testBothAlike("callbacks come in the order of their send(), each with its own bytes", async (t, family, create) => {
  const { port } = await receiver(t, family.type);
  const socket = t.track(create(family.type));
  socket.bindSync();
  const reported: unknown[] = [];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 100; i++) {
      socket.send("x".repeat(i), port, family.loopback, (error, bytes) => {
        reported.push(error ?? bytes);
        if (i === 99) resolve();
      });
    }
  });
  assertEquals(reported, Array.from({ length: 100 }, (_, i) => i));
});

testAlike("a callback comes two ticks after send(), or one tick on a connected socket", async (t, create) => {
  const { port } = await receiver(t, "udp4");
  const order = async (send: (callback: () => void) => void): Promise<string[]> => {
    const entries: string[] = [];
    const note = (entry: string) => (): void => void entries.push(entry);
    send(note("callback"));
    process.nextTick(note("tick 1"));
    process.nextTick(() => process.nextTick(note("tick 2")));
    await new Promise<void>((resolve) => setImmediate(resolve));
    return entries;
  };
  const socket = t.track(create("udp4"));
  socket.bindSync();
  await nextEvent(socket, "listening");
  assertEquals(await order((callback) => socket.send("x", port, "127.0.0.1", callback)), [
    "tick 1",
    "callback",
    "tick 2",
  ]);
  socket.connectSync(port);
  await nextEvent(socket, "connect");
  assertEquals(await order((callback) => socket.send("x", callback)), ["callback", "tick 1", "tick 2"]);
});

testBothAlike("callbacks run in the asynchronous context of their send()", async (t, family, create) => {
  const { port } = await receiver(t, family.type);
  const storage = new AsyncLocalStorage<string>();
  const socket = t.track(create(family.type));
  socket.bindSync();
  const contextOf = (name: string): Promise<string | undefined> =>
    storage.run(
      name,
      () => new Promise((resolve) => socket.send("x", port, family.loopback, () => resolve(storage.getStore()))),
    );
  assertEquals(await Promise.all([contextOf("first"), contextOf("second")]), ["first", "second"]);
});

testBothAlike("what a callback does to its context, the callbacks after it do not see", async (t, family, create) => {
  const { port } = await receiver(t, family.type);
  const storage = new AsyncLocalStorage<string>();
  const socket = t.track(create(family.type));
  socket.bindSync();
  const seen = await storage.run("caller", () =>
    Promise.all([0, 1, 2].map((i) =>
      new Promise((resolve) => {
        socket.send("x", port, family.loopback, () => {
          resolve(storage.getStore());
          storage.enterWith(`callback ${i}`);
        });
      })
    )));
  assertEquals(seen, ["caller", "caller", "caller"]);
});

test("a callback that throws keeps no other from being called, each once and in order", async () => {
  const { code, stdout, stderr } = await runFixture("throwing_callback");
  assertEquals([code, stderr], [0, ""]);
  const numbers = Array.from({ length: 50 }, (_, i) => i);
  const thrown = numbers.filter((i) => i % 5 === 4).map((i) => `at ${i}`);
  assertEquals(JSON.parse(stdout), { called: numbers, thrown });
});

testBoth("'message' listeners run in the asynchronous context in which the socket was made", async (t, family) => {
  const storage = new AsyncLocalStorage<string>();
  const sockets = await Promise.all(
    ["first", "second"].map((name) => storage.run(name, () => t.bound(family.type))),
  );
  const contexts = sockets.map((socket) =>
    new Promise((resolve) => socket.once("message", () => resolve(storage.getStore())))
  );
  const sender = t.socket(family.type);
  await storage.run("sender", async () => {
    for (const socket of sockets) await sent(sender, "x", socket.address().port, family.loopback);
  });
  assertEquals(await Promise.all(contexts), ["first", "second"]);
});

/** The largest UDP payload: 65,535 less the UDP header, and over IPv4 the IP header. */
const LARGEST = { 4: 65_507, 6: 65_527 };

testBothAlike(
  "a message too large for a datagram is EMSGSIZE, and others are not harmed",
  async (t, family, create) => {
    const destination = await t.bound(family.type);
    const { port } = destination.address();
    const socket = t.track(create(family.type));
    socket.bindSync();
    const arriving = nextMessages(destination, 2);
    const send = (size: number): Promise<number> => sendWith(socket, Buffer.alloc(size), port, family.loopback);
    const outcomes = await Promise.allSettled([
      send(1),
      send(LARGEST[family.version] + 1),
      send(100_000),
      send(5_000_000),
      send(2),
    ]);
    const codes = outcomes.map((it) => it.status === "fulfilled" ? it.value : it.reason.message);
    const failure = `send EMSGSIZE ${family.loopback}:${port}`;
    assertEquals(codes, [1, failure, failure, failure, 2]);
    assertEquals((await arriving).map(({ remote }) => remote.size), [1, 2]);
  },
);

testBoth("the largest message there can be arrives", async (t, family) => {
  const destination = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
  const arriving = nextMessage(destination);
  const message = Buffer.alloc(LARGEST[family.version], "largest");
  const sender = t.socket({ type: family.type, sendBufferSize: 1 << 17 });
  await sent(sender, message, destination.address().port, family.loopback);
  assert(message.equals((await arriving).message));
});

testBothAlike("an address of the other family is EINVAL in the callback", async (t, family, create) => {
  const other = family.version === 4 ? "::1" : "127.0.0.1";
  const socket = t.track(create(family.type));
  const error = await assertRejects(() => sendWith(socket, "x", 9, other), Error) as NodeJS.ErrnoException;
  assertEquals([error.code, error.syscall, error.message], ["EINVAL", "send", `send EINVAL ${other}:9`]);
  const { port, next } = await receiver(t, family.type);
  const arriving = next();
  socket.send("unheard", 9, other);
  socket.send("heard", port, family.loopback);
  assertStrictEquals((await arriving).text, "heard");
});

testBothAlike("getSendQueueSize() and getSendQueueCount() are 0 once messages have left", async (t, family, create) => {
  const { port } = await receiver(t, family.type);
  const socket = t.track(create(family.type));
  assertEquals([socket.getSendQueueSize(), socket.getSendQueueCount()], [0, 0]);
  socket.bindSync();
  await Promise.all(Array.from({ length: 20 }, () => sendWith(socket, "x".repeat(50), port, family.loopback)));
  assertEquals([socket.getSendQueueSize(), socket.getSendQueueCount()], [0, 0]);
});

testAlike("send() resolves host names", async (t, create) => {
  const { port, next } = await receiver(t, "udp4");
  const arriving = next();
  assertStrictEquals(await sendWith(t.track(create("udp4")), "by name", port, "localhost"), 7);
  assertStrictEquals((await arriving).text, "by name");
});

testAlike("a host name that does not exist is the lookup's error in the callback", async (t, create) => {
  const socket = t.track(create("udp4"));
  const error = await assertRejects(() => sendWith(socket, "x", 9, "no.such.name.invalid"), Error);
  const { syscall } = error as NodeJS.ErrnoException;
  assertEquals([syscall, error.message.includes("no.such.name.invalid")], ["getaddrinfo", true]);
});

/** A lookup function that answers now or in a later turn. */
const ANSWERS: readonly [string, (answer: () => void) => void][] = [
  ["at once", (answer) => answer()],
  ["at the next tick", (answer) => process.nextTick(answer)],
  ["later", (answer) => setTimeout(answer, 1)],
];

for (const [when, schedule] of ANSWERS) {
  testBothAlike(`a lookup of the user's own that answers ${when} says where messages go`, async (t, family, create) => {
    const { port, next } = await receiver(t, family.type);
    const asked: unknown[] = [];
    const lookup: Lookup = (hostname, options, callback) => {
      asked.push([hostname, options]);
      schedule(() => callback(null, family.loopback, family.version));
    };
    const socket = t.track(create({ type: family.type, lookup }));
    socket.bindSync();
    const arriving = next();
    assertStrictEquals(await sendWith(socket, "by name", port, "anything"), 7);
    assertStrictEquals((await arriving).text, "by name");
    const addressed = next();
    await sendWith(socket, "by address", port, family.any);
    assertStrictEquals((await addressed).text, "by address");
    assertEquals(asked, [["anything", family.version], [family.any, family.version]]);
  });

  testBothAlike(`an error of a lookup that answers ${when} goes to the callback`, async (t, family, create) => {
    const failed = new Error("no such name");
    const lookup: Lookup = (_hostname, _options, callback) => schedule(() => callback(failed, "", 0));
    const socket = t.track(create({ type: family.type, lookup }));
    socket.bindSync();
    const outcome = await new Promise((resolve) => socket.send("x", 9, "name", (...values) => resolve(values)));
    assertEquals(outcome, [failed]);
  });

  testBothAlike(
    `an error of a lookup that answers ${when} is 'error' without a callback`,
    async (t, family, create) => {
      const failed = new Error("no such name");
      const lookup: Lookup = (_hostname, _options, callback) => schedule(() => callback(failed, "", 0));
      const socket = t.track(create({ type: family.type, lookup }));
      socket.bindSync();
      const failure = nextEvent(socket, "error");
      socket.send("x", 9, "name");
      assertStrictEquals((await failure)[0], failed);
    },
  );
}

testBothAlike("a message whose name is resolved after close() is not sent", async (t, family, create) => {
  const destination = await t.bound(family.type);
  const { port } = destination.address();
  let answer = (): void => {};
  const lookup: Lookup = (_hostname, _options, callback) =>
    answer = () => callback(null, family.loopback, family.version);
  const socket = t.track(create({ type: family.type, lookup }));
  socket.bindSync();
  const reported: unknown[] = [];
  socket.send("too late", port, "name", (...values) => reported.push(values));
  await closed(socket);
  answer();
  const arriving = nextMessage(destination);
  await sent(t.socket(family.type), "next", port, family.loopback);
  assertStrictEquals((await arriving).text, "next");
  assertEquals(reported, []);
});

testBoth("a slow lookup holds up no message sent to an address", async (t, family) => {
  const destination = await t.bound(family.type);
  const { port } = destination.address();
  const lookup: Lookup = (hostname, _options, callback) => {
    const answer = (): void => callback(null, family.loopback, family.version);
    if (hostname === "slow") setTimeout(answer, 20);
    else answer();
  };
  const socket = await t.bound({ type: family.type, lookup });
  const arriving = nextMessages(destination, 2);
  socket.send("slow", port, "slow");
  socket.send("fast", port, family.loopback);
  assertEquals((await arriving).map(({ text }) => text), ["fast", "slow"]);
});
