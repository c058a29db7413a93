/**
 * Whose memory a message is: its receiver's. And the memory of a batch, which the kernel writes to, cannot be taken away.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { MessageChannel } from "node:worker_threads";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { MessageBatch, Socket } from "../mod.ts";
import { nextMessages, type Received, test, testBoth, type Tools } from "./support/harness.ts";
import { testBothAlike } from "./support/reference.ts";
import { ended, isDarwin, runtime, type RuntimeName, startFixture } from "./support/runtime.ts";
import { boundUnix } from "./support/unix.ts";

const SIZES = [0, 1, 3, 63, 64, 65, 200, 1200, 8192, 30_000];

/** macOS sends no message that is larger than the send buffer, which has 9,216 bytes at first, 2,048 for a Unix socket. */
const roomToSend = isDarwin ? { sendBufferSize: 1 << 16 } : {};

/** Bytes that tell which message they are of. */
function payload(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff);
}

function payloads(): Uint8Array[] {
  return SIZES.flatMap((size, i) => [payload(size, i), payload(size, i + 100), payload(size, i + 200)]);
}

/** Sends messages so that those of one size reach the receiver together. */
async function exchange(t: Tools, receiver: Socket, messages: readonly Uint8Array[]): Promise<Received[]> {
  const received = nextMessages(receiver, messages.length);
  const { address, port } = receiver.address();
  const sender = t.socket({ type: receiver.type, ...roomToSend });
  for (let i = 0; i < messages.length; i += 3) sender.sendMany(messages.slice(i, i + 3), port, address);
  return await received;
}

testBothAlike("each message has an ArrayBuffer to itself, whatever its size", async (t, family, create) => {
  const receiver = t.track(create({ type: family.type, recvBufferSize: 1 << 20 }));
  await new Promise<void>((resolve) => receiver.bind(0, family.loopback, resolve));
  const sent = payloads();
  const received = (await exchange(t, receiver, sent)).map(({ message }) => message);
  assertEquals(received.map((message) => Buffer.isBuffer(message)), sent.map(() => true));
  assertEquals(received.map(({ byteOffset }) => byteOffset), sent.map(() => 0));
  assertEquals(received.map(({ buffer }) => buffer.byteLength), sent.map(({ length }) => length));
  assertEquals(new Set(received.map(({ buffer }) => buffer)).size, sent.length);
  assertEquals(received.map((message) => [...message]), sent.map((message) => [...message]));
});

testBothAlike("a stream of large messages: each has its bytes, and memory to itself", async (t, family, create) => {
  const receiver = t.track(create({ type: family.type, recvBufferSize: 1 << 20 }));
  await new Promise<void>((resolve) => receiver.bind(0, family.loopback, resolve));
  const { port } = receiver.address();
  const sender = t.socket({ type: family.type, ...roomToSend });
  // Most are of one size; then the kernel writes them where they stay.
  const sizes = [...Array(12).fill(30_000), 29_999, 0, ...Array(6).fill(30_000), 30_001, ...Array(4).fill(30_000)];
  const received: Uint8Array[] = [];
  for (const [i, size] of sizes.entries()) {
    const arriving = nextMessages(receiver, 1);
    sender.send(payload(size, i), port, family.loopback);
    received.push((await arriving)[0].message);
    // Whoever has a message may do with it what it likes.
    if (i % 5 === 4) structuredClone(received[i].buffer, { transfer: [received[i].buffer as ArrayBuffer] });
    else if (i % 5 === 3) received[i].fill(0);
  }
  for (const [i, message] of received.entries()) {
    if (i % 5 === 4) assertEquals(message.length, 0);
    else if (i % 5 === 3) assert(message.every((byte) => byte === 0) && message.length === sizes[i]);
    else assert(Buffer.compare(message, payload(sizes[i], i)) === 0, `message ${i}`);
    if (i % 5 !== 4) assertEquals([message.byteOffset, message.buffer.byteLength], [0, sizes[i]]);
  }
});

testBothAlike("a message that is written to leaves the others as they were", async (t, family, create) => {
  const receiver = t.track(create({ type: family.type, recvBufferSize: 1 << 20 }));
  await new Promise<void>((resolve) => receiver.bind(0, family.loopback, resolve));
  const seen: number[][] = [];
  // What was received before and what comes after have other bytes.
  receiver.on("message", (message) => new Uint8Array(message.buffer).fill(seen.push([...message])));
  const sent = payloads();
  const received = await exchange(t, receiver, sent);
  assertEquals(seen, sent.map((message) => [...message]));
  received.forEach(({ message }, i) => assert(message.every((byte) => byte === ((i + 1) & 0xff)), `message ${i}`));
});

/** The ways to give an ArrayBuffer away. */
const TRANSFERS: Readonly<Record<string, (buffer: ArrayBuffer) => void>> = {
  structuredClone: (buffer) => void structuredClone(buffer, { transfer: [buffer] }),
  postMessage: (buffer) => {
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(buffer, [buffer]);
    } finally {
      port1.close();
      port2.close();
    }
  },
  // Not in Node 20.
  ...("transfer" in ArrayBuffer.prototype ? { transfer: (buffer: ArrayBuffer) => void transfer(buffer) } : {}),
};

function transfer(buffer: ArrayBuffer): ArrayBuffer {
  return (buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
}

for (const [name, give] of Object.entries(TRANSFERS)) {
  testBothAlike(`a message can be given away by ${name}, and the others stay`, async (t, family, create) => {
    const receiver = t.track(create({ type: family.type, recvBufferSize: 1 << 20 }));
    await new Promise<void>((resolve) => receiver.bind(0, family.loopback, resolve));
    const sent = payloads();
    const lengths: number[] = [];
    receiver.on("message", (message) => {
      // nextMessages() has it, too: every second one stays.
      if (lengths.push(message.length) % 2 === 0) give(message.buffer);
    });
    const received = await exchange(t, receiver, sent);
    await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals(lengths, sent.map(({ length }) => length));
    const [kept, given] = [0, 1].map((rest) => received.filter((_, i) => i % 2 === rest));
    assertEquals(
      kept.map(({ message }) => [...message]),
      sent.filter((_, i) => i % 2 === 0).map((bytes) => [...bytes]),
    );
    assertEquals(given.map(({ message }) => message.byteLength), given.map(() => 0));
  });

  test(`a message of a Unix socket can be given away by ${name}`, async (t) => {
    const receiver = boundUnix(t);
    const sender = boundUnix(t, undefined, roomToSend);
    const kept: number[][] = [];
    const all = new Promise<void>((resolve) => {
      receiver.on("message", (message) => {
        assertEquals([message.byteOffset, message.buffer.byteLength], [0, message.length]);
        kept.push([...message]);
        give(message.buffer);
        if (kept.length === SIZES.length) resolve();
      });
    });
    for (const [i, size] of SIZES.entries()) sender.send(payload(size, i), receiver.address().path);
    await all;
    assertEquals(kept, SIZES.map((size, i) => [...payload(size, i)]));
  });

  testBoth(
    `a batch cannot be taken away by ${name}: who tries gets the error, and nobody else notices`,
    async (t, family) => {
      const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
      const neighbour = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
      const attempts: string[] = [];
      receiver.on("messages", (batch) => {
        for (const bytes of [batch.bytes, batch.view(0)]) {
          attempts.push(outcomeOf(() => give(bytes.buffer as ArrayBuffer)));
          assert(bytes.byteLength > 0, "detached");
        }
      });
      const sent = payloads().filter(({ length }) => length > 0);
      for (let round = 0; round < 3; round++) {
        for (const socket of [receiver, neighbour]) {
          const received = await exchange(t, socket, sent);
          assertEquals(received.map(({ message }) => [...message]), sent.map((message) => [...message]));
        }
      }
      // Node before 21 lets a transfer of what is marked pass, and copies.
      assert(attempts.length > 0 && attempts.every((outcome) => /Error$|^copied$/.test(outcome)), attempts.join());
    },
  );
}

/** How a try ended. */
function outcomeOf(attempt: () => void): string {
  try {
    attempt();
    return "copied";
  } catch (error) {
    return (error as Error).name;
  }
}

test("a Unix socket's batch cannot be taken away either", async (t) => {
  const receiver = boundUnix(t);
  const sender = boundUnix(t);
  const batches: string[] = [];
  const look = (batch: MessageBatch): void => {
    for (const give of Object.values(TRANSFERS)) outcomeOf(() => give(batch.bytes.buffer as ArrayBuffer));
    for (let i = 0; i < batch.length; i++) batches.push(String(batch.copy(i)));
  };
  receiver.on("messages", look);
  for (let i = 0; i < 8; i++) {
    const heard = new Promise((resolve) => receiver.once("messages", resolve));
    sender.send(`message ${i}`, receiver.address().path);
    await heard;
  }
  assertEquals(batches, Array.from({ length: 8 }, (_, i) => `message ${i}`));
});

test("a batch is empty once its listener has returned", async (t) => {
  const receiver = await t.bound("udp4");
  const batch = await new Promise<MessageBatch>((resolve) => {
    receiver.once("messages", resolve);
    receiver.send("x", receiver.address().port, "127.0.0.1");
  });
  assertEquals([batch.length, batch.bytes.byteLength], [0, 0]);
  assertThrows(() => batch.view(0), RangeError);
});

/** Flags and environment that make the engine collect and move memory all the time. */
const COLLECTING: Record<RuntimeName, { flags: string[]; env: Record<string, string> }> = {
  deno: { flags: ["--v8-flags=--expose-gc,--stress-compaction"], env: {} },
  bun: { flags: [], env: { BUN_JSC_collectContinuously: "1" } },
  node: { flags: ["--expose-gc", "--stress-compaction"], env: {} },
  koffi: { flags: ["--expose-gc", "--stress-compaction"], env: {} },
};

test("messages are right while the collector runs, whatever their listeners do with them", async () => {
  const { flags, env } = COLLECTING[runtime];
  const child = startFixture("transfers", ["4000", "gc"], { env: { ...process.env, ...env } }, flags);
  const { code, signal, stdout, stderr } = await ended(child, 50_000);
  assertEquals([code, signal, stdout.trim()], [0, null, "ok 4000"], stderr);
});
