/**
 * Sending at the kernel's pace: how much may wait, when all has left, and messages that are taken back.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { type SendManyError, type Socket, type SocketOptions, socketpair, type UnixSocket } from "../mod.ts";
import { type FaultyLibc, injectFaults } from "./support/faulty_libc.ts";
import { type Family, nextMessages, test, testBoth, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";

interface Full {
  readonly faults: FaultyLibc;
  readonly receiver: Socket;
  readonly port: number;
  readonly sender: Socket;
  /** Gives the kernel room again. */
  readonly makeRoom: () => void;
  /** Waits until the kernel was asked to take what was sent. */
  readonly tried: () => Promise<void>;
}

/** A socket that the kernel has no room for. */
async function full(t: Tools, { type }: Family, options: Partial<SocketOptions> = {}): Promise<Full> {
  const faults = injectFaults(t);
  const receiver = await t.bound(type);
  const sender = await t.bound({ ...options, type });
  const fd = faults.lastSocket();
  const fault = faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  return {
    faults,
    receiver,
    port: receiver.address().port,
    sender,
    makeRoom: () => faults.repair(fault),
    tried: () => until(() => faults.callsOf("sendmmsg", fd).length > 0, "an attempt to send"),
  };
}

type Outcome = string | number | undefined;

/** Collects how messages fared. */
function outcomes(): [Outcome[], (error: Error | null, bytes: number) => void] {
  const list: Outcome[] = [];
  return [list, (error, bytes) => list.push(error ? (error as { code?: string }).code : bytes)];
}

const texts = (received: { text: string }[]): string[] => received.map(({ text }) => text);

testBoth("'drain' comes once all that waited has left, and not for what did not wait", async (t, family) => {
  const { receiver, port, sender, makeRoom, tried } = await full(t, family);
  let drains = 0;
  sender.on("drain", () => drains++);
  const arriving = nextMessages(receiver, 4);
  for (const text of ["1", "2", "3"]) sender.send(text, port, family.loopback);
  await tried();
  assertEquals([sender.getSendQueueCount(), drains], [3, 0]);
  makeRoom();
  await until(() => drains === 1, "drain");
  assertEquals([sender.getSendQueueCount(), sender.getSendQueueSize()], [0, 0]);
  sender.send("4", port, family.loopback);
  assertEquals(texts(await arriving), ["1", "2", "3", "4"]);
  assertEquals(drains, 1);
});

testBoth("closing a socket whose messages wait emits no 'drain'", async (t, family) => {
  const { port, sender, tried } = await full(t, family);
  let drains = 0;
  sender.on("drain", () => drains++);
  const [results, done] = outcomes();
  sender.send("1", port, family.loopback, done);
  await tried();
  await new Promise<void>((resolve) => sender.close(resolve));
  assertEquals([results, drains], [["ECANCELED"], 0]);
});

testBoth("beyond sendQueueLimit a message fails with ENOBUFS, and the others leave in order", async (t, family) => {
  const { receiver, port, sender, makeRoom } = await full(t, family, { sendQueueLimit: 10 });
  const [results, done] = outcomes();
  const arriving = nextMessages(receiver, 4);
  for (const text of ["aaaa", "bbbb", "cccc", "dd", "e"]) sender.send(text, port, family.loopback, done);
  await until(() => results.length === 2, "two failures");
  assertEquals([results, sender.getSendQueueSize()], [["ENOBUFS", "ENOBUFS"], 10]);
  makeRoom();
  await until(() => results.length === 5, "the others");
  assertEquals(results, ["ENOBUFS", "ENOBUFS", 4, 4, 2]);
  sender.send("later", port, family.loopback);
  assertEquals(texts(await arriving), ["aaaa", "bbbb", "dd", "later"]);
});

testBoth("what the kernel has room for does not count, whatever the limit", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = await t.bound({ type: family.type, sendQueueLimit: 0 });
  const { port } = receiver.address();
  const [results, done] = outcomes();
  const arriving = nextMessages(receiver, 20);
  for (let i = 0; i < 10; i++) sender.send("four", port, family.loopback, done);
  sender.sendMany(Array.from({ length: 10 }, () => "many"), port, family.loopback);
  await arriving;
  await until(() => results.length === 10, "the callbacks");
  assertEquals(results, Array.from({ length: 10 }, () => 4));
});

testBoth("sendMany's messages beyond the limit fail, and its error names the first", async (t, family) => {
  const { receiver, port, sender, makeRoom } = await full(t, family, { sendQueueLimit: 6 });
  const results: unknown[] = [];
  const arriving = nextMessages(receiver, 2);
  sender.sendMany(["123", "456", "7", "8"], port, family.loopback, (error, sent) => {
    results.push((error as { code?: string } | null)?.code, error?.index, sent);
  });
  await until(() => sender.getSendQueueCount() === 2, "messages that wait");
  makeRoom();
  await arriving;
  await until(() => results.length > 0, "the callback");
  assertEquals(results, ["ENOBUFS", 2, 2]);
});

testBoth("sendMany's error names a message larger than any, whatever waits before it", async (t, family) => {
  for (const waits of [false, true]) {
    const faults = injectFaults(t);
    const receiver = await t.bound(family.type);
    const { port } = receiver.address();
    const sender = await t.bound(family.type);
    const full = waits ? faults.fail("sendmmsg", "EAGAIN", Infinity, sender.fd) : undefined;
    const arriving = nextMessages(receiver, 3);
    const huge = new Uint8Array(2 ** 20 + 1);
    const outcome = new Promise<[SendManyError | null, number]>((resolve) =>
      sender.sendMany(["a", "b", huge, "c", huge], port, family.loopback, (error, sent) => resolve([error, sent]))
    );
    await setImmediate();
    assertEquals(sender.getSendQueueCount(), waits ? 5 : 0);
    if (full) faults.repair(full);
    const [error, count] = await outcome;
    assertEquals([(error as { code?: string } | null)?.code, error?.index, count], ["EMSGSIZE", 2, 3]);
    assertEquals((await arriving).map(({ text }) => text), ["a", "b", "c"]);
  }
});

test("sendQueueLimit is a number of bytes or Infinity", (t) => {
  for (const sendQueueLimit of [-1, 1.5, NaN]) {
    assertThrows(() => t.socket({ type: "udp4", sendQueueLimit }), RangeError, "options.sendQueueLimit");
  }
  for (const sendQueueLimit of ["1", null]) {
    assertThrows(() => t.socket({ type: "udp4", sendQueueLimit } as never), TypeError, "options.sendQueueLimit");
  }
  t.socket({ type: "udp4", sendQueueLimit: Infinity });
});

testBoth("aborting takes a message back that waits for room: the others leave", async (t, family) => {
  const { receiver, port, sender, makeRoom } = await full(t, family);
  const stop = new AbortController();
  const arriving = nextMessages(receiver, 2);
  const [results, done] = outcomes();
  let failure: Error | null = null;
  sender.send("1", { port, address: family.loopback }, done);
  sender.send("22", { port, address: family.loopback, signal: stop.signal }, (error) => failure = error);
  sender.send("333", { port, address: family.loopback, signal: new AbortController().signal }, done);
  await until(() => sender.getSendQueueCount() === 3, "messages that wait");
  stop.abort("reason");
  assertEquals([sender.getSendQueueCount(), sender.getSendQueueSize()], [2, 4]);
  makeRoom();
  assertEquals(texts(await arriving), ["1", "333"]);
  await until(() => results.length === 2 && failure !== null, "the callbacks");
  const { name, code, cause } = failure! as Error & { code: string };
  assertEquals([results, name, code, cause], [[1, 3], "AbortError", "ABORT_ERR", "reason"]);
});

testBoth(
  "a signal that is aborted already, or before the socket is bound, keeps a message from leaving",
  async (t, family) => {
    const receiver = await t.bound(family.type);
    const { port } = receiver.address();
    const sender = t.socket(family.type);
    const [results, done] = outcomes();
    const stop = new AbortController();
    const arriving = nextMessages(receiver, 1);
    sender.send("bound later", { port, address: family.loopback, signal: stop.signal }, done);
    sender.send("aborted", { port, address: family.loopback, signal: AbortSignal.abort() }, done);
    stop.abort();
    sender.send("sent", port, family.loopback, done);
    assertEquals(texts(await arriving), ["sent"]);
    await until(() => results.length === 3, "the callbacks");
    assertEquals(results, ["ABORT_ERR", "ABORT_ERR", 4]);
  },
);

testBoth("aborting while the destination is looked up keeps the message from leaving", async (t, family) => {
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const stop = new AbortController();
  const lookup = (_: string, __: unknown, callback: (error: null, address: string, family: number) => void): void => {
    stop.abort();
    callback(null, family.loopback, family.version);
  };
  const sender = t.socket({ type: family.type, lookup });
  sender.bindSync();
  const [results, done] = outcomes();
  sender.send("looked up", { port, address: "name.test", signal: stop.signal }, done);
  await until(() => results.length === 1, "the callback");
  assertEquals(results, ["ABORT_ERR"]);
});

testBoth("aborting takes back those of sendMany that wait", async (t, family) => {
  const { faults, receiver, port, sender, makeRoom } = await full(t, family);
  makeRoom();
  const fd = faults.lastSocket();
  faults.answer("sendmmsg", (real, fd, at, _, flags) => real.sendmmsg(fd, at, 1, flags), 1, fd);
  const fault = faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  const stop = new AbortController();
  const results: unknown[] = [];
  const arriving = nextMessages(receiver, 2);
  sender.sendMany(["1", "22", "333"], { port, address: family.loopback, signal: stop.signal }, (error, sent) => {
    results.push((error as { code?: string } | null)?.code, error?.index, sent);
  });
  await until(() => sender.getSendQueueCount() === 2, "messages that wait");
  stop.abort();
  faults.repair(fault);
  assertEquals(sender.getSendQueueCount(), 0);
  sender.send("last", port, family.loopback);
  assertEquals(texts(await arriving), ["1", "last"]);
  await until(() => results.length > 0, "the callback");
  assertEquals(results, ["ABORT_ERR", 1, 1]);
});

testBoth("a signal holds nothing once its messages have left", async (t, family) => {
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const sender = await t.bound(family.type);
  const stop = new AbortController();
  const counted = countListeners(stop.signal);
  const arriving = nextMessages(receiver, 3);
  sender.send("1", { port, address: family.loopback, signal: stop.signal });
  sender.sendMany(["2", "3"], { port, address: family.loopback, signal: stop.signal });
  assertEquals(counted.count > 0, true);
  await arriving;
  await until(() => counted.count === 0, "the listeners to go");
});

/** Counts a signal's listeners from now on. */
function countListeners(signal: AbortSignal): { count: number } {
  const counted = { count: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = function (this: AbortSignal, ...args: Parameters<typeof addEventListener>): void {
    counted.count++;
    addEventListener.apply(this, args);
  } as typeof addEventListener;
  signal.removeEventListener = function (this: AbortSignal, ...args: Parameters<typeof removeEventListener>): void {
    counted.count--;
    removeEventListener.apply(this, args);
  } as typeof removeEventListener;
  return counted;
}

test("what is no signal is refused; so is a signal of one message of several", async (t) => {
  const sender = await t.bound("udp4");
  for (const signal of [1, {}, "x"]) {
    assertThrows(() => sender.send("x", { port: 1, signal: signal as never }), TypeError, "options.signal");
    assertThrows(() => sender.sendMany(["x"], { port: 1, signal: signal as never }), TypeError, "options.signal");
  }
  const { signal } = new AbortController();
  const message = { message: "x", port: 1, signal };
  assertThrows(() => sender.sendMany([message]), TypeError, "is for all messages");
});

/** A pair of which one does not read, and the other has found that out. */
async function fullPair(t: Tools): Promise<{ reader: UnixSocket; writer: UnixSocket; count: number }> {
  const [reader, writer] = socketpair().map((socket) => t.track(socket));
  reader.pause();
  let count = 0;
  for (; writer.getSendQueueCount() === 0; count += 100) {
    for (let i = 0; i < 100; i++) writer.send(`${count + i}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return { reader, writer, count };
}

test("a Unix socket's messages can be taken back as well", async (t) => {
  const { reader, writer, count } = await fullPair(t);
  const received: string[] = [];
  const waiting = writer.getSendQueueCount();
  const stop = new AbortController();
  const [results, done] = outcomes();
  writer.send("taken back", { signal: stop.signal }, done);
  writer.sendMany(["these", "too"], { signal: stop.signal }, (error, sent) => {
    results.push((error as { code?: string } | null)?.code, sent);
  });
  assertStrictEquals(writer.getSendQueueCount(), waiting + 3);
  stop.abort();
  assertStrictEquals(writer.getSendQueueCount(), waiting);
  writer.send("last");
  reader.on("message", (message) => received.push(message.toString()));
  reader.resume();
  await until(() => received.length === count + 1, "the messages");
  assertEquals(received.at(-1), "last");
  await until(() => results.length === 3, "the callbacks");
  assertEquals(results, ["ABORT_ERR", "ABORT_ERR", 0]);
});

test("a Unix socket that takes back all that waited says so", async (t) => {
  const [reader, writer] = socketpair().map((socket) => t.track(socket));
  reader.pause();
  const stop = new AbortController();
  const events: string[] = [];
  writer.on("writable", () => events.push("writable"));
  writer.on("drain", () => events.push("drain"));
  for (let i = 0; i < 1000; i++) writer.send(`${i}`, { signal: stop.signal });
  await until(() => writer.getSendQueueCount() > 0, "a full peer");
  stop.abort();
  assertEquals(writer.getSendQueueCount(), 0);
  await until(() => events.length === 2, "the events");
  assertEquals(events, ["writable", "drain"]);
});

test("a Unix socket has a limit, too", async (t) => {
  const [reader, writer] = socketpair({ sendQueueLimit: 100 }).map((socket) => t.track(socket));
  reader.pause();
  const [results, done] = outcomes();
  for (let i = 0; i < 1000; i++) writer.send("0123456789", done);
  await until(() => results.includes("ENOBUFS"), "a failure");
  assertEquals(writer.getSendQueueSize(), 100);
  reader.resume();
  await until(() => results.length === 1000, "the others");
  assertEquals([...new Set(results)].sort(), [10, "ENOBUFS"]);
});
