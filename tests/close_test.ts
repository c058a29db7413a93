/**
 * Closing at any moment, what comes of what was under way, and datagrams in batches that something interrupts.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { createSocket, type Socket } from "../mod.ts";
import {
  closed,
  nextEvent,
  nextMessage,
  nextMessages,
  openDescriptors,
  openedSince,
  sent,
  test,
  testBoth,
} from "./support/harness.ts";
import { threadCount, until } from "./support/process.ts";
import { testAlike, testBothAlike } from "./support/reference.ts";
import { linuxOnly, runFixture } from "./support/runtime.ts";
import type { Lookup } from "./support/values.ts";

/** Lets everything happen that is due. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function assertNotRunning(call: () => unknown): void {
  assertStrictEquals((assertThrows(call) as NodeJS.ErrnoException).code, "ERR_SOCKET_DGRAM_NOT_RUNNING");
}

/** Notes the names of a socket's events. */
function eventsOf(socket: Socket): string[] {
  const events: string[] = [];
  for (const name of ["listening", "connect", "message", "error", "close"] as const) {
    socket.on(name, () => events.push(name));
  }
  return events;
}

/** Whether this host has a UDP socket on a port of the loopback address. */
function isOpen(port: number): boolean {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/self/net/udp", "utf8").split("\n").some((line) => line.trim().split(/\s+/)[1] === address);
}

testBothAlike("close() on an unbound socket emits 'close'", async (t, family, create) => {
  const socket = t.track(create(family.type));
  const events = eventsOf(socket);
  assertStrictEquals(socket.close(), socket);
  assertEquals(events, []);
  await nextTurn();
  assertEquals(events, ["close"]);
});

test("close() frees the port at once", async (t) => {
  const socket = await t.bound("udp4");
  const { port } = socket.address();
  assert(isOpen(port));
  socket.close();
  assert(!isOpen(port));
});

testBothAlike("a second close() is refused and emits nothing", async (t, family, create) => {
  const socket = t.track(create(family.type));
  socket.bindSync();
  const events = eventsOf(socket);
  socket.close();
  assertNotRunning(() => socket.close());
  await nextTurn();
  assertEquals(events, ["close"]);
  assertNotRunning(() => socket.close());
});

testBothAlike("close()'s callback is a listener of 'close' behind the others", async (t, family, create) => {
  const socket = t.track(create(family.type));
  const order: string[] = [];
  socket.on("close", () => order.push("before"));
  socket.close(() => order.push("callback"));
  socket.on("close", () => order.push("after"));
  await nextTurn();
  assertEquals(order, ["before", "callback", "after"]);
});

testBothAlike("close() right after bind() lets no 'listening' come", async (t, family, create) => {
  const socket = t.track(create(family.type));
  const events = eventsOf(socket);
  socket.bind(0, family.loopback);
  socket.close();
  await nextTurn();
  assertEquals(events, ["close"]);
});

testBothAlike("close() can be called from 'listening'", async (t, family, create) => {
  const socket = t.track(create(family.type));
  const events = eventsOf(socket);
  socket.bind(0, family.loopback, () => socket.close());
  await nextEvent(socket, "close");
  assertEquals(events, ["listening", "close"]);
});

testBothAlike("close() during the lookup of bind() or connect() ends it", async (t, family, create) => {
  let answer = (): void => {};
  const lookup: Lookup = (_hostname, _options, callback) =>
    answer = () => callback(null, family.loopback, family.version);
  const starts: ((socket: Socket) => unknown)[] = [
    (socket) => socket.bind(0, "name"),
    (socket) => {
      socket.bindSync({ address: family.loopback });
      socket.connect(9, "name");
    },
  ];
  for (const start of starts) {
    const socket = t.track(create({ type: family.type, lookup }));
    const events = eventsOf(socket);
    start(socket);
    socket.close();
    await nextEvent(socket, "close");
    answer();
    await nextTurn();
    assertEquals(events, ["close"]);
  }
});

testBothAlike("close() right after connect() on an unbound socket closes after binding", async (t, family, create) => {
  const socket = t.track(create(family.type));
  const events = eventsOf(socket);
  socket.connect(9, family.loopback);
  socket.close();
  await nextEvent(socket, "close");
  await nextTurn();
  assertEquals(events, ["listening", "close"]);
});

testBoth("no datagram is delivered after close(), even one that was fetched already", async (t, family) => {
  const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
  const sender = await t.bound(family.type);
  const texts: string[] = [];
  const ended = nextEvent(receiver, "close");
  receiver.on("message", (message) => {
    texts.push(String(message));
    if (texts.length === 3) receiver.close();
  });
  for (let i = 0; i < 100; i++) sender.send(`${i}`, receiver.address().port, family.loopback);
  await ended;
  await nextTurn();
  await nextTurn();
  assertEquals(texts, ["0", "1", "2"]);
});

testBoth("a socket closed by another one's listener gets nothing more", async (t, family) => {
  const [first, second] = [await t.bound(family.type), await t.bound(family.type)];
  const heard: string[] = [];
  const whoever = (name: string, other: Socket) => (): void => {
    heard.push(name);
    other.close();
  };
  first.on("message", whoever("first", second));
  second.on("message", whoever("second", first));
  const both = Promise.race([nextEvent(first, "close"), nextEvent(second, "close")]);
  const sender = await t.bound(family.type);
  for (const socket of [first, second]) sender.send("x", socket.address().port, family.loopback);
  await both;
  await nextTurn();
  await nextTurn();
  assertStrictEquals(heard.length, 1);
});

testBothAlike("close() can be called from a send() callback", async (t, family, create) => {
  const destination = await t.bound(family.type);
  const arriving = nextMessage(destination);
  const socket = t.track(create(family.type));
  const events = eventsOf(socket);
  socket.send("last", destination.address().port, family.loopback, () => socket.close());
  await nextEvent(socket, "close");
  assertStrictEquals((await arriving).text, "last");
  assertEquals(events, ["listening", "close"]);
});

testBothAlike(
  "a connected socket's messages leave before close(), and their callbacks come",
  async (t, family, create) => {
    const destination = await t.bound(family.type);
    const arriving = nextMessages(destination, 2);
    const socket = t.track(create(family.type));
    socket.connectSync(destination.address().port, family.loopback);
    const reported: unknown[] = [];
    for (const text of ["1", "22"]) socket.send(text, (error, bytes) => reported.push(error ?? bytes));
    socket.close();
    await nextEvent(socket, "close");
    await nextTurn();
    assertEquals((await arriving).map(({ text }) => text), ["1", "22"]);
    assertEquals(reported, [1, 2]);
  },
);

testBothAlike("close() in the turn of a send() to an address means no callback", async (t, family, create) => {
  const destination = await t.bound(family.type);
  const socket = t.track(create(family.type));
  socket.bindSync();
  const reported: unknown[] = [];
  socket.send("x", destination.address().port, family.loopback, (...values) => reported.push(values));
  socket.close();
  await nextEvent(socket, "close");
  await nextTurn();
  assertEquals(reported, []);
});

testBoth("messages to an address leave before close()", async (t, family) => {
  const destination = await t.bound(family.type);
  const arriving = nextMessages(destination, 3);
  const socket = await t.bound(family.type);
  for (const text of ["a", "bb", "ccc"]) socket.send(text, destination.address().port, family.loopback);
  socket.close();
  assertEquals((await arriving).map(({ text }) => text), ["a", "bb", "ccc"]);
});

testBoth("send() and close() on an unbound socket: the message leaves, then the socket closes", async (t, family) => {
  const destination = await t.bound(family.type);
  const arriving = nextMessage(destination);
  const socket = t.socket(family.type);
  socket.send("farewell", destination.address().port, family.loopback);
  socket.close();
  await nextEvent(socket, "close");
  assertStrictEquals((await arriving).text, "farewell");
});

testBothAlike("disposing closes the socket and waits for 'close'; again it does nothing", async (t, family, create) => {
  const socket = create(family.type);
  t.track(socket);
  socket.bindSync();
  const events = eventsOf(socket);
  await socket[Symbol.asyncDispose]();
  assertEquals(events, ["close"]);
  assertNotRunning(() => socket.address());
  await socket[Symbol.asyncDispose]();
  assertEquals(events, ["close"]);
});

testAlike("a signal that is aborted already closes the socket at once", async (t, create) => {
  const controller = new AbortController();
  controller.abort();
  const socket = t.track(create({ type: "udp4", signal: controller.signal }));
  assertNotRunning(() => socket.bind());
  await nextEvent(socket, "close");
});

testAlike("aborting closes a socket that is being bound", async (t, create) => {
  const controller = new AbortController();
  const socket = t.track(create({ type: "udp4", signal: controller.signal }));
  const events = eventsOf(socket);
  socket.bind(0, "127.0.0.1");
  controller.abort();
  await nextEvent(socket, "close");
  await nextTurn();
  assertEquals(events, ["close"]);
});

testAlike("aborting closes a bound socket", async (t, create) => {
  const controller = new AbortController();
  const socket = t.track(create({ type: "udp4", signal: controller.signal }));
  const { port } = socket.bindSync({ address: "127.0.0.1" });
  const ended = nextEvent(socket, "close");
  controller.abort();
  await ended;
  assert(!isOpen(port));
});

testAlike("aborting after close() does nothing, and the signal is let go", async (t, create) => {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = { added: 0, removed: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
    listeners.added++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
    listeners.removed++;
    removeEventListener.apply(signal, args);
  };
  const socket = t.track(create({ type: "udp4", signal }));
  const events = eventsOf(socket);
  await closed(socket);
  controller.abort();
  await nextTurn();
  assertEquals(events, ["close"]);
  assertEquals(listeners, { added: 1, removed: 1 });
});

test("a listener that throws again and again loses no datagram and repeats none", async () => {
  const { code, stdout, stderr } = await runFixture("throwing_listener");
  assertEquals([code, stderr], [0, ""]);
  const { heard, thrown } = JSON.parse(stdout);
  const numbers = Array.from({ length: 200 }, (_, i) => i);
  assertEquals(heard, numbers);
  assertEquals(thrown, numbers.filter((i) => i % 5 === 0).map((i) => `at ${i}`));
});

testBoth("once() in a loop of awaits misses no datagram of a batch", async (t, family) => {
  const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
  const sender = await t.bound(family.type);
  for (let i = 0; i < 100; i++) sender.send(`${i}`, receiver.address().port, family.loopback);
  const texts: string[] = [];
  while (texts.length < 100) texts.push((await nextMessage(receiver)).text);
  assertEquals(texts, Array.from({ length: 100 }, (_, i) => `${i}`));
});

testBoth("100 sockets at once each exchange datagrams with their own partner", async (t, family) => {
  const echoes = await Promise.all(Array.from({ length: 50 }, () => t.bound(family.type)));
  for (const echo of echoes) {
    echo.on("message", (message, remote) => echo.send(message, remote.port, remote.address));
  }
  const exchange = async (echo: Socket, index: number): Promise<string[]> => {
    const socket = await t.bound(family.type);
    socket.connectSync(echo.address().port, family.loopback);
    const texts: string[] = [];
    for (let i = 0; i < 10; i++) {
      const answer = nextMessage(socket);
      await sent(socket, `${index}/${i}`);
      texts.push((await answer).text);
    }
    return texts;
  };
  assertEquals(
    await Promise.all(echoes.map(exchange)),
    echoes.map((_, index) => Array.from({ length: 10 }, (_, i) => `${index}/${i}`)),
  );
});

testBoth("datagrams of 65,507 bytes go both ways, many in a row", async (t, family) => {
  const options = { type: family.type, recvBufferSize: 1 << 22, sendBufferSize: 1 << 22 };
  const [near, far] = [await t.bound(options), await t.bound(options)];
  far.on("message", (message, remote) => far.send(message, remote.port, remote.address));
  for (let i = 0; i < 20; i++) {
    const message = Buffer.alloc(65_507, `${i} `);
    const answer = nextMessage(near);
    near.send(message, far.address().port, family.loopback);
    assert(message.equals((await answer).message));
  }
});

test("a message keeps its bytes while later datagrams arrive", async (t) => {
  const receiver = await t.bound({ type: "udp4", recvBufferSize: 1 << 20 });
  const sender = await t.bound("udp4");
  const kept: Uint8Array[] = [];
  const all = nextMessages(receiver, 200);
  receiver.on("message", (message) => kept.push(message));
  for (let i = 0; i < 200; i++) sender.send(Buffer.alloc(100, i), receiver.address().port, "127.0.0.1");
  await all;
  for (const [i, message] of kept.entries()) assert(Buffer.alloc(100, i).equals(message), `datagram ${i}`);
});

test("sockets made and closed in their hundreds leave no descriptor and no thread behind", async () => {
  const round = async (): Promise<void> => {
    const sockets = Array.from({ length: 20 }, () => createSocket("udp4"));
    for (const socket of sockets) socket.bindSync();
    await Promise.all(sockets.map(closed));
  };
  // What the first ones load stays.
  await round();
  const [descriptors, threads] = [openDescriptors(), threadCount()];
  for (let i = 0; i < 20; i++) await round();
  // A set and the thread that waits for it may linger.
  await until(() => openedSince(descriptors).length === 0, "no descriptor is left");
  await until(() => threadCount() <= threads, "no thread is left");
}, { skip: linuxOnly("/proc") });

testBoth("close() that finds the stack full can be repeated, and closes once", async (t, family) => {
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  let tries = 0;
  for (let round = 0; round < 20; round++) {
    const socket = createSocket(family.type);
    socket.bindSync({ address: family.loopback });
    await nextTurn();
    let closes = 0;
    socket.on("close", () => closes++);
    const arriving = nextMessage(receiver);
    socket.send(String(round), port, family.loopback);
    // Each level on the way back has a little more room.
    const dig = (padding: number): void => {
      try {
        dig(padding);
      } catch {
        tries++;
        socket.close();
      }
    };
    // At different depths, so that the stack ends in different places.
    const descend = (padding: number): void => {
      const [a, b, c] = [padding, padding + 1, padding + 2];
      if (padding > 0) descend(padding - 1 + 0 * (a + b + c));
      else dig(0);
      assert(a >= 0);
    };
    descend(round);
    assertNotRunning(() => socket.close());
    assertEquals((await arriving).text, String(round));
    await nextTurn();
    assertEquals(closes, 1);
  }
  assert(tries > 20);
});
