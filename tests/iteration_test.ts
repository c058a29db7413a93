/**
 * Datagrams by `for await`: all of them, in order, no more than fit the queue, and nothing is left behind.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Socket, socketpair } from "../mod.ts";
import { type Family, sent, test, testBoth, type Tools } from "./support/harness.ts";
import { listenersOf } from "./support/leftovers.ts";
import { until } from "./support/process.ts";

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

async function pair(t: Tools, { type, loopback }: Family): Promise<[Socket, (...texts: string[]) => Promise<void>]> {
  const [receiver, sender] = [await t.bound({ type, recvBufferSize: 1 << 20 }), await t.bound(type)];
  const { port } = receiver.address();
  return [receiver, async (...texts) => {
    await Promise.all(texts.map((text) => sent(sender, text, port, loopback)));
  }];
}

testBoth("datagrams come as [message, remote], in order, however long each takes", async (t, family) => {
  const [socket, send] = await pair(t, family);
  const texts: string[] = [];
  const sending = (async () => {
    for (let i = 0; i < 10; i++) {
      await send(...numbers(300).slice(30 * i, 30 * i + 30));
      await turn();
    }
  })();
  for await (const [message, remote] of socket) {
    texts.push(message.toString());
    assertEquals([remote.address, remote.family, remote.size], [family.loopback, family.name, message.length]);
    if (texts.length % 50 === 0) { for (let i = 0; i < 5; i++) await turn(); }
    if (texts.length === 300) break;
  }
  await sending;
  assertEquals(texts, numbers(300));
  assertEquals(listenersOf(socket), 0);
});

testBoth("of a flood no more than 64 wait here; the others wait in the kernel, and none is lost", async (t, family) => {
  const [socket, send] = await pair(t, family);
  const datagrams = socket[Symbol.asyncIterator]();
  let delivered = 0;
  const first = datagrams.next();
  socket.on("message", () => delivered++);
  await send(...numbers(1000));
  await until(() => delivered > 64, "a full queue");
  for (let i = 0; i < 50; i++) await turn();
  // One was waited for.
  assertEquals([delivered, socket.isPaused()], [65, false]);
  const texts = [(await first).value![0].toString()];
  while (texts.length < 1000) {
    texts.push((await datagrams.next()).value![0].toString());
    assert(delivered - texts.length <= 64, `${delivered - texts.length} wait`);
  }
  assertEquals(texts, numbers(1000));
  await datagrams.return!();
  assertEquals(listenersOf(socket), 1);
});

testBoth("it ends when the socket closes, after what came before", async (t, family) => {
  const [socket, send] = await pair(t, family);
  const texts: string[] = [];
  const datagrams = socket[Symbol.asyncIterator]();
  const first = datagrams.next();
  await send("1", "2", "3");
  await first;
  socket.close();
  for await (const [message] of datagrams) texts.push(message.toString());
  assert(texts.length <= 2, texts.join());
  assertEquals(await datagrams.next(), { value: undefined, done: true });
  assertEquals(listenersOf(socket), 0);
  for await (const _ of socket) texts.push("of a closed socket");
  assertEquals([texts.includes("of a closed socket"), listenersOf(socket)], [false, 0]);
});

testBoth("steps that wait end when the socket closes", async (t, family) => {
  const [socket] = await pair(t, family);
  const datagrams = socket[Symbol.asyncIterator]();
  const steps = [datagrams.next(), datagrams.next()];
  socket.close();
  for (const step of await Promise.all(steps)) assertEquals(step, { value: undefined, done: true });
});

testBoth("the socket's error is thrown, behind what came before, and ends it; a new one goes on", async (t, family) => {
  const socket = await t.bound(family.type);
  const peer = await t.bound(family.type);
  const { port } = peer.address();
  socket.connectSync(port, family.loopback);
  peer.connectSync(socket.address().port, family.loopback);
  await sent(peer, "before");
  const texts: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const [message] of socket) {
      texts.push(message.toString());
      peer.close();
      socket.send("answered by ICMP");
    }
  };
  await assertRejects(reading, Error, "recvmsg ECONNREFUSED");
  assertEquals([texts, listenersOf(socket)], [["before"], 0]);
  const other = t.socket(family.type);
  other.bindSync({ port, address: family.loopback });
  const next = socket[Symbol.asyncIterator]().next();
  await sent(other, "after", socket.address().port, family.loopback);
  assertEquals((await next).value![0].toString(), "after");
});

testBoth("break in a full queue drops it, and the socket goes on for others", async (t, family) => {
  const [socket, send] = await pair(t, family);
  const later: string[] = [];
  const datagrams = socket[Symbol.asyncIterator]();
  const first = datagrams.next();
  await send(...numbers(200));
  await first;
  for (let i = 0; i < 20; i++) await turn();
  for await (const _ of datagrams) break;
  assertEquals(listenersOf(socket), 0);
  socket.on("message", (message) => later.push(message.toString()));
  await until(() => later.length === 200 - 65, "those that waited in the kernel");
  assertEquals(later, numbers(200).slice(65));
});

testBoth("each iterator and each listener gets every datagram; the slowest sets the pace", async (t, family) => {
  const [socket, send] = await pair(t, family);
  const [quick, slow] = [socket[Symbol.asyncIterator](), socket[Symbol.asyncIterator]()];
  const [quicks, slows]: string[][] = [[], []];
  const readQuickly = async (): Promise<void> => {
    for await (const [message] of quick) if (quicks.push(message.toString()) === 300) break;
  };
  const readSlowly = async (): Promise<void> => {
    for await (const [message] of slow) {
      if (slows.push(message.toString()) === 300) break;
      await turn();
      assert(quicks.length - slows.length <= 65, "the quick one is ahead");
    }
  };
  const reading = [readQuickly(), readSlowly()];
  await send(...numbers(300));
  await Promise.all(reading);
  assertEquals([quicks, slows, listenersOf(socket)], [numbers(300), numbers(300), 0]);
});

testBoth("a program's own pause holds for iterators, too", async (t, family) => {
  const [socket, send] = await pair(t, family);
  socket.pause();
  let isDone = false;
  const next = socket[Symbol.asyncIterator]().next().then((step) => (isDone = true, step));
  await send("paused");
  for (let i = 0; i < 20; i++) await turn();
  assertEquals(isDone, false);
  socket.resume();
  assertEquals((await next).value![0].toString(), "paused");
});

test("an iterator that was not used listens for nothing; one that is over gives nothing", async (t) => {
  const socket = await t.bound("udp4");
  const datagrams = socket[Symbol.asyncIterator]();
  assertEquals(listenersOf(socket), 0);
  assertEquals(datagrams[Symbol.asyncIterator](), datagrams);
  await datagrams.return!();
  assertEquals([await datagrams.next(), listenersOf(socket)], [{ value: undefined, done: true }, 0]);
  const thrown = socket[Symbol.asyncIterator]();
  const waiting = thrown.next();
  assertEquals(listenersOf(socket), 3);
  await assertRejects(() => thrown.throw!(new Error("mine")), Error, "mine");
  assertEquals([await waiting, listenersOf(socket)], [{ value: undefined, done: true }, 0]);
});

test("what is thrown in the loop leaves nothing behind", async (t) => {
  const [socket, send] = await pair(t, { type: "udp4", loopback: "127.0.0.1" } as Family);
  const reading = (async () => {
    for await (const [message] of socket) throw new Error(message.toString());
  })();
  await send("mine");
  await assertRejects(() => reading, Error, "mine");
  assertEquals(listenersOf(socket), 0);
});

test("Unix sockets can be iterated, and lose nothing", async (t) => {
  const [reader, writer] = socketpair().map((socket) => t.track(socket));
  for (const text of numbers(1000)) writer.send(text);
  const texts: string[] = [];
  for await (const [message, remote] of reader) {
    assertEquals(remote.family, "unix");
    if (texts.push(message.toString()) === 1000) break;
  }
  assertEquals(texts, numbers(1000));
});
