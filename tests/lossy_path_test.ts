/**
 * `for await` and `request()` on a path that loses, duplicates and reorders, and in floods: all that arrives is seen once each time
 * it arrives, each answer finds its question, and nothing is left behind.
 *
 * @module
 */
import { on } from "node:events";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import type { Socket as EventSocket } from "../mod.ts";
import { createSocket, type RequestOptions, type Socket } from "../promises.ts";
import { collectGarbage } from "./support/garbage.ts";
import { type Family, sent, test, testBoth, type Tools } from "./support/harness.ts";
import { countedSignal, listenersOf, runningTimers } from "./support/leftovers.ts";
import { LossyPath } from "./support/lossy_path.ts";
import { linuxOnly } from "./support/runtime.ts";

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);
const texts = new TextDecoder();

/** Notes what is there. @returns Fails unless only that is left. */
function watch(...sockets: (EventSocket | Socket)[]): () => void {
  const count = (): number[] => [
    runningTimers(),
    ...sockets.map((socket) => listenersOf(socket)),
  ];
  const before = count();
  return () => assertEquals(count(), before, "timers, listeners of each socket");
}

/** A client whose requests the path scrambles on their way to an echo server, and the answers on their way back. */
async function clientOf(t: Tools, family: Family, seed: number): Promise<[Socket, LossyPath]> {
  const server = await t.bound({ type: family.type, gro: false });
  server.on("message", (message, { port, address }) => server.send(`re: ${message}`, port, address));
  const path = await LossyPath.open(t, family, server.address().port, seed);
  const client = t.track(createSocket(family.type));
  await client.bind(0, family.loopback);
  return [client, path];
}

/** Sends numbers through a path in bursts, and then what is not lost. */
async function through(path: LossyPath, sender: EventSocket, count: number, { loopback }: Family): Promise<void> {
  const { counts } = path;
  for (const texts of Array.from({ length: count / 20 }, (_, i) => numbers(count).slice(20 * i, 20 * i + 20))) {
    await Promise.all(texts.map((text) => sent(sender, text, path.port, loopback)));
  }
  while (counts.passed - counts.doubled + counts.lost < count) await turn();
  await path.end("the end");
}

for (const seed of [1, 2, 3]) {
  testBoth(`each of 100 requests gets its answer, whatever the path loses (seed ${seed})`, async (t, family) => {
    const [client, path] = await clientOf(t, family, seed);
    const assertNothingLeft = watch(client);
    const ids = numbers(100);
    const ask = async (id: string): Promise<string> => {
      const match = (message: Uint8Array): boolean => texts.decode(message) === `re: ${id}`;
      const options = { port: path.port, address: family.loopback, match, timeout: 50, retries: 9 };
      return `${(await client.request(id, options))[0]}`;
    };
    assertEquals(await Promise.all(ids.map(ask)), ids.map((id) => `re: ${id}`));
    assertNothingLeft();
    const { lost, doubled, late } = path.counts;
    assert(Math.min(lost, doubled, late) > 10, JSON.stringify(path.counts));
    // What comes after its request is over is nobody's answer.
    assertEquals(await ask("afterwards"), "re: afterwards");
    assertNothingLeft();
  });

  testBoth(`an iteration yields what arrives, in the order in which it does (seed ${seed})`, async (t, family) => {
    const [receiver, sender] = [await t.bound(family.type), await t.bound(family.type)];
    receiver.setRecvBufferSize(1 << 20);
    const path = await LossyPath.open(t, family, receiver.address().port, seed);
    const assertNothingLeft = watch(receiver);
    const read: string[] = [];
    const reading = (async () => {
      for await (const [message, { port }] of receiver) {
        assertEquals(port, path.serverSide);
        if (`${message}` === "the end") break;
        read.push(`${message}`);
        if (read.length % 7 === 0) await turn();
      }
    })();
    await through(path, sender, 1000, family);
    await reading;
    assertEquals(read, path.toServer.slice(0, -1));
    assert(Math.min(path.counts.lost, path.counts.doubled, path.counts.late) > 50, JSON.stringify(path.counts));
    assertNothingLeft();
  });
}

testBoth("an iteration by events.on() yields what arrives, and its signal ends it", async (t, family) => {
  const [receiver, sender] = [await t.bound(family.type), await t.bound(family.type)];
  receiver.setRecvBufferSize(1 << 20);
  const path = await LossyPath.open(t, family, receiver.address().port, 4);
  const assertNothingLeft = watch(receiver);
  const { signal, abort, listeners } = countedSignal();
  const read: string[] = [];
  const reading = (async () => {
    const options = { signal, highWaterMark: 10, lowWaterMark: 2 } as never;
    for await (const [message] of on(receiver, "message", options)) {
      if (`${message}` === "the end") abort();
      else read.push(`${message}`);
    }
  })().then(() => "returned", (error) => error.code);
  await through(path, sender, 300, family);
  assertEquals([await reading, listeners()], ["ABORT_ERR", 0]);
  assertEquals(read, path.toServer.slice(0, -1));
  assertNothingLeft();
});

/** Sends noise to a socket, in bursts, until it is stopped. Each burst lets other sockets and timers have their turn. */
function flood(from: EventSocket, port: number, address: string): { stop: () => Promise<number> } {
  let isOn = true;
  const flooding = (async () => {
    let count = 0;
    for (; isOn; count += 100) {
      for (let i = 0; i < 99; i++) from.send("noise", port, address);
      await sent(from, "noise", port, address);
      await turn();
    }
    return count;
  })();
  return {
    stop: () => {
      isOn = false;
      return flooding;
    },
  };
}

interface Flooded {
  readonly client: Socket;
  readonly server: EventSocket;
  readonly options: RequestOptions;
  readonly stop: () => Promise<number>;
}

/** A client whom the server that it asks floods with what is no answer. */
async function floodedClient(t: Tools, family: Family): Promise<Flooded> {
  const server = await t.bound(family.type);
  const client = t.track(createSocket(family.type));
  const { port } = await client.bind(0, family.loopback);
  const { stop } = flood(server, port, family.loopback);
  t.cleanup(stop);
  const match = (message: Uint8Array): boolean => texts.decode(message).startsWith("re: ");
  return { client, server, stop, options: { port: server.address().port, address: family.loopback, match } };
}

testBoth("in a flood from the very address that is asked, the answer is found", async (t, family) => {
  const { client, server, options, stop } = await floodedClient(t, family);
  const assertNothingLeft = watch(client);
  server.on("message", (message, { port, address }) => server.send(`re: ${message}`, port, address));
  for (const id of numbers(20)) {
    const [answer] = await client.request(id, { ...options, timeout: 20, retries: 12 });
    assert(`${answer}`.startsWith("re: "));
    await turn();
  }
  await stop();
  assertNothingLeft();
});

testBoth("in a flood a request ends in time, or by its signal", async (t, family) => {
  const { client, options, stop } = await floodedClient(t, family);
  const assertNothingLeft = watch(client);
  const failing = client.request("x", { ...options, timeout: 20, retries: 2 });
  assertEquals((await failing.catch((error) => error)).code, "ETIMEDOUT");
  const { signal, abort, listeners } = countedSignal();
  let seen = 0;
  const match = (): boolean => {
    if (++seen === 1000) abort();
    return false;
  };
  const aborted = client.request("x", { ...options, match, signal, timeout: 60_000 });
  assertEquals((await aborted.catch((error) => error)).code, "ABORT_ERR");
  // What the socket had read with it is nobody's.
  assertEquals([seen, listeners()], [1000, 0]);
  await stop();
  assertNothingLeft();
});

test("a request that waits in a flood of 60,000 holds none of it", async (t) => {
  const family = { type: "udp4", loopback: "127.0.0.1" } as Family;
  const { client, options, stop } = await floodedClient(t, family);
  const sizes: number[] = [];
  let seen = 0;
  const { signal, abort } = countedSignal();
  const match = (): boolean => {
    if (++seen % 20_000 === 0) {
      for (let i = 0; i < 3; i++) collectGarbage();
      sizes.push(process.memoryUsage().heapUsed);
      if (sizes.length === 4) abort();
    }
    return false;
  };
  await client.request("x", { ...options, match, signal, timeout: 60_000 }).catch(() => {});
  await stop();
  const grown = sizes[3] - sizes[0];
  // Of 60,000 messages and addresses each would be some hundred bytes.
  assert(grown < 2 ** 21, `the heap grew by ${grown} bytes`);
});

testBoth("an iteration in a flood: what it has not taken, the kernel has dropped and counted", async (t, family) => {
  const receiver = await t.bound({ type: family.type, recvBufferSize: 32 * 1024, gro: false });
  const sender = await t.bound(family.type);
  const assertNothingLeft = watch(receiver);
  const datagrams = receiver[Symbol.asyncIterator]();
  const first = datagrams.next();
  const flooding = flood(sender, receiver.address().port, family.loopback);
  while (receiver.getDropCount() < 1000) await turn();
  const total = await flooding.stop();
  assertEquals(`${(await first).value![0]}`, "noise");
  let taken = 1;
  while (taken + receiver.getDropCount() < total) {
    assertEquals(`${(await datagrams.next()).value![0]}`, "noise");
    taken++;
  }
  assertEquals(taken + receiver.getDropCount(), total);
  await datagrams.return!();
  assertNothingLeft();
}, { skip: linuxOnly("SO_MEMINFO") });

testBoth("break, an exception and closing in a flood leave nothing behind", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = await t.bound(family.type);
  const assertNothingLeft = watch(receiver);
  const { stop } = flood(sender, receiver.address().port, family.loopback);
  for (let i = 0; i < 20; i++) {
    let count = 0;
    for await (const _ of receiver) if (++count === 100) break;
    const reading = (async () => {
      for await (const _ of receiver) throw new Error("mine");
    })();
    assertEquals((await reading.catch((error) => error)).message, "mine");
    assertEquals(receiver.isPaused(), false);
    assertNothingLeft();
  }
  let count = 0;
  for await (const _ of receiver) if (++count === 100) receiver.close();
  assertNothingLeft();
  assertEquals(receiver.fd, -1);
  await stop();
});
