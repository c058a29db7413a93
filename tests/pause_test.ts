/**
 * Receiving at the program's pace: `pause()` and `resume()`, and what `on` of `node:events` makes of them.
 *
 * @module
 */
import { on } from "node:events";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type RemoteInfo, type Socket, socketpair } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import {
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
import { linuxOnly, runFixture } from "./support/runtime.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}`);

interface Pair {
  readonly receiver: Socket;
  /** Sends messages to the receiver, and waits until the kernel has them: on loopback that means until they lie there. */
  readonly send: (texts: readonly string[]) => Promise<void>;
}

async function pair(t: Tools, { type, loopback }: Family): Promise<Pair> {
  const [receiver, sender] = [await t.bound(type), await t.bound(type)];
  const { port } = receiver.address();
  const send = async (texts: readonly string[]): Promise<void> => {
    await Promise.all(texts.map((text) => sent(sender, text, port, loopback)));
  };
  return { receiver, send };
}

/** Some turns of the event loop, in which what can be received would be. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
  await delay(20);
}

function collect(socket: Socket): string[] {
  const texts: string[] = [];
  socket.on("message", (message) => texts.push(message.toString()));
  return texts;
}

testBoth("a paused socket reads nothing, and all that came once it resumes", async (t, family) => {
  const { receiver, send } = await pair(t, family);
  const texts = collect(receiver);
  assertEquals([receiver.isPaused(), receiver.pause().isPaused()], [false, true]);
  await send(numbers(0, 10));
  await turns();
  assertEquals([texts, receiver.getNextDatagramSize() > 0], [[], true]);
  assertEquals(receiver.resume().isPaused(), false);
  await until(() => texts.length === 10, "the messages");
  assertEquals(texts, numbers(0, 10));
});

testBoth("a listener that pauses gets no other message, not even one that came with it", async (t, family) => {
  const { receiver, send } = await pair(t, family);
  const texts = collect(receiver);
  receiver.on("message", () => receiver.pause());
  receiver.pause();
  await send(numbers(0, 5));
  for (let count = 1; count <= 5; count++) {
    receiver.resume();
    await until(() => texts.length >= count, "a message");
    await turns();
    assertEquals(texts, numbers(0, count));
  }
});

testBoth("what was read before the pause is not lost while other sockets receive", async (t, family) => {
  const { receiver, send } = await pair(t, family);
  const other = await pair(t, family);
  const texts = collect(receiver);
  const others = collect(other.receiver);
  receiver.once("message", () => receiver.pause());
  receiver.pause();
  await send(numbers(0, 20));
  receiver.resume();
  await until(() => texts.length === 1, "the first message");
  for (let round = 0; round < 3; round++) await other.send(numbers(100, 120));
  await until(() => others.length === 60, "the others' messages");
  assertEquals(texts, ["0"]);
  receiver.resume();
  await until(() => texts.length === 20, "the messages");
  assertEquals(texts, numbers(0, 20));
});

testBoth("a socket can be paused before it is bound", async (t, family) => {
  const receiver = t.socket(family.type).pause();
  const texts = collect(receiver);
  receiver.bind(0, family.loopback);
  await nextEvent(receiver, "listening");
  const sender = await t.bound(family.type);
  await sent(sender, "early", receiver.address().port, family.loopback);
  await turns();
  assertEquals(texts, []);
  receiver.resume();
  await until(() => texts.length === 1, "the message");
});

testBoth("pausing and resuming twice is as once; a closed socket takes both", async (t, family) => {
  const { receiver, send } = await pair(t, family);
  receiver.pause().pause().resume();
  const arriving = nextMessage(receiver);
  await send(["once"]);
  assertEquals((await arriving).text, "once");
  receiver.pause().close();
  await nextEvent(receiver, "close");
  assertEquals(receiver.resume().pause().isPaused(), false);
});

testBoth("what a paused socket has no room for is dropped by the kernel, and counted", async (t, family) => {
  const { receiver, send } = await pair(t, family);
  receiver.setRecvBufferSize(4096);
  const texts = collect(receiver);
  receiver.pause();
  const messages = numbers(0, 200).map((text) => text.padEnd(500, "."));
  for (const message of messages) await send([message]);
  const lost = receiver.getDropCount();
  assert(lost > 0 && lost < 200, `${lost} lost`);
  receiver.resume();
  await until(() => texts.length === 200 - lost, "the rest");
  await turns();
  assertEquals(texts, messages.slice(0, 200 - lost));
}, { skip: linuxOnly("SO_MEMINFO") });

testBoth("a paused socket sends, and goes on when there is room again", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver } = await pair(t, family);
  const sender = await t.bound(family.type);
  const fd = faults.lastSocket();
  sender.pause();
  const full = faults.fail("sendmmsg", "EAGAIN", 2, fd);
  const arriving = nextMessages(receiver, 2);
  const sending = ["1", "2"].map((text) => sent(sender, text, receiver.address().port, family.loopback));
  assertEquals(await Promise.all(sending), [1, 1]);
  assertEquals((await arriving).map(({ text }) => text), ["1", "2"]);
  faults.repair(full);
  assertEquals(sender.isPaused(), true);
});

test("a paused socket that waits for room hears of its error and does not spin", async (t) => {
  const faults = injectFaults(t);
  const sender = await t.bound("udp4");
  const fd = faults.lastSocket();
  const target = await t.bound("udp4");
  sender.connectSync(target.address().port, "127.0.0.1");
  target.close();
  sender.pause();
  await sent(sender, "answered by ICMP");
  const full = faults.fail("sendmmsg", "EAGAIN", 1, fd);
  const results: unknown[] = [];
  sender.send("waits", (error) => results.push((error as { code?: string } | null)?.code));
  await until(() => results.length === 1, "the callback");
  // The kernel tells the next call of what ICMP said, whichever it is.
  assertEquals(results, ["ECONNREFUSED"]);
  faults.repair(full);
  const before = faults.calls.length;
  await delay(50);
  const names = faults.calls.slice(before).map(({ name }) => name);
  assertEquals(names.filter((name) => name === "recvmmsg" || name === "sendmmsg"), []);
});

testBoth("on() of node:events holds the high water mark and one, and nothing is lost", async (t, family) => {
  const { receiver, send } = await pair(t, family);
  const stop = new AbortController();
  const messages = on(receiver, "message", { highWaterMark: 10, lowWaterMark: 3, signal: stop.signal });
  let delivered = 0;
  receiver.on("message", () => delivered++);
  await send(numbers(0, 100));
  await until(() => delivered > 10, "messages");
  await turns();
  assertEquals([delivered, receiver.isPaused()], [11, true]);
  const texts: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const [message, remote] of messages) {
      assertEquals((remote as RemoteInfo).size, (message as Uint8Array).length);
      texts.push(String(message));
      assert(delivered - texts.length <= 11, `${delivered - texts.length} wait`);
      if (texts.length === 100) stop.abort();
      else if (texts.length % 7 === 0) await turn();
    }
  };
  await assertRejects(reading, Error, "aborted");
  assertEquals(texts, numbers(0, 100));
  assertEquals([receiver.isPaused(), receiver.listenerCount("message")], [false, 1]);
});

test("a paused socket keeps the process alive; one without a reference does not", async () => {
  const alive = await runFixture("paused", ["ref"], { timeout: 1500 });
  assertEquals([alive.signal, alive.stderr], ["SIGKILL", ""]);
  const over = await runFixture("paused", ["unref"]);
  assertEquals([over.code, over.stdout.trim()], [0, "paused"]);
});

test("a message that resumes another socket is followed by that one's", async (t) => {
  const [one, other] = [await t.bound("udp4"), await t.bound("udp4")];
  other.pause();
  one.on("message", () => other.resume());
  const arriving = nextMessage(other);
  const sender = await t.bound("udp4");
  await sent(sender, "kept", other.address().port, "127.0.0.1");
  await sent(sender, "resume", one.address().port, "127.0.0.1");
  assertEquals((await arriving).text, "kept");
});

test("a paused Unix socket leaves messages with their sender", async (t) => {
  const [reader, writer] = socketpair().map((socket) => t.track(socket));
  const texts: string[] = [];
  reader.pause().on("message", (message) => texts.push(message.toString()));
  assertEquals(reader.isPaused(), true);
  const drained = new Promise<unknown[]>((resolve) => writer.once("drain", (...values) => resolve(values)));
  for (const text of numbers(0, 1000)) writer.send(text);
  await until(() => writer.getSendQueueCount() > 0, "a full peer");
  assertEquals(texts, []);
  reader.resume();
  assertEquals(await drained, []);
  await until(() => texts.length === 1000, "the messages");
  assertEquals([texts, writer.getSendQueueCount()], [numbers(0, 1000), 0]);
});
