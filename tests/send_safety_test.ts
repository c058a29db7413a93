/**
 * A send is safe whatever happens around it: exceptions, payloads that change or lie, fake timers.
 *
 * @module
 */
import { once } from "node:events";
import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { SendCallback, Socket } from "../mod.ts";
import { type Family, nextMessage, nextMessages, sent, test, testBoth, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { linuxOnly } from "./support/runtime.ts";
import { testAlike } from "./support/reference.ts";

async function pair(t: Tools, family: Family, isConnected = false) {
  const receiver = await t.bound({ type: family.type, recvBufferSize: 4 << 20 });
  const sender = await t.bound(family.type);
  const { port } = receiver.address();
  if (isConnected) {
    sender.connect(port, family.loopback);
    await once(sender, "connect");
  }
  const to = isConnected ? [] as const : [port, family.loopback] as const;
  const send = (message: unknown, callback?: SendCallback): void =>
    (sender.send as (...args: unknown[]) => void)(message, ...to, callback);
  return { receiver, sender, send, port };
}

for (const isConnected of [false, true]) {
  const kind = isConnected ? "a connected" : "an unconnected";
  testBoth(`recursion without end that sends at each level on ${kind} socket leaves it whole`, async (t, family) => {
    const { receiver, sender, send } = await pair(t, family, isConnected);
    const heard: number[] = [];
    receiver.on("message", (message) => heard.push(Number(message)));
    const [returned, called]: number[][] = [[], []];
    let next = 0;
    // At different depths, so that the stack ends in different places.
    const descend = (padding: number): void => {
      const [a, b, c] = [padding, padding + 1, padding + 2];
      if (padding > 0) return descend(padding - 1 + 0 * (a + b + c));
      const i = next++;
      // Few, so that no buffer is full.
      if (i % 16 === 0) {
        send(String(i), (error, bytes) => {
          assertEquals([error, bytes], [null, String(i).length]);
          called.push(i);
        });
        returned.push(i);
      }
      descend(0);
    };
    for (let depth = 0; depth < 12; depth++) {
      assertThrows(() => descend(depth), RangeError);
      // And at the end of the stack, where there is no other.
      const dig = (): void => {
        try {
          dig();
        } catch {
          const i = next++;
          send(String(i), () => called.push(i));
          returned.push(i);
        }
      };
      try {
        dig();
      } catch (error) {
        assert(error instanceof RangeError, String(error));
      }
      // Where the kernel coalesces nothing, those of all depths are more than a receive buffer has room for.
      await until(() => heard.length >= returned.length, "the messages of this depth");
    }
    await until(() => called.length === returned.length, "a callback for each");
    assertEquals([sender.getSendQueueCount(), sender.getSendQueueSize()], [0, 0]);
    assertEquals(await new Promise((resolve) => send("-1", (_, bytes) => resolve(bytes))), 2);
    await until(() => heard.at(-1) === -1, "the last message");
    assertEquals(called.toSorted((a, b) => a - b), returned);
    assertEquals(heard, [...returned, -1]);
    // Others of the thread work, too.
    const other = await t.bound(family.type);
    const arriving = nextMessage(other);
    await sent(other, "x", other.address().port, family.loopback);
    assertEquals((await arriving).text, "x");
  });
}

/** Takes a view's memory away. */
function detached<View extends ArrayBufferView>(view: View): View {
  structuredClone(0, { transfer: [view.buffer as ArrayBuffer] });
  return view;
}

/** A fixed view of a buffer that has become too short for it, or one that follows the buffer's length. */
function shrunk(isTracking: boolean): Uint8Array {
  const buffer = new ArrayBuffer(8, { maxByteLength: 64 });
  const view = isTracking ? new Uint8Array(buffer) : new Uint8Array(buffer, 0, 8);
  buffer.resize(4);
  return view;
}

/** Says that it has another length. */
function lying(bytes: Uint8Array, length: unknown): Uint8Array {
  return Object.defineProperties(bytes, { byteLength: { value: length }, length: { value: length } });
}

class Subclass extends Uint8Array {
  static get [Symbol.species](): Uint8ArrayConstructor {
    throw new Error("species");
  }
  override get byteLength(): number {
    return 3;
  }
}

class SubArray extends Array<unknown> {
  static override get [Symbol.species](): ArrayConstructor {
    throw new Error("species");
  }
}

async function opened(t: Tools, ...sockets: Socket[]): Promise<void> {
  for (const socket of sockets) {
    t.track(socket);
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  }
}

/** Payloads, and how many bytes arrive. */
const PAYLOADS: Record<string, [make: () => unknown, size: number]> = {
  "a Uint8Array that was detached": [() => detached(new Uint8Array(4)), 0],
  "a Buffer that was detached": [() => detached(Buffer.from(new ArrayBuffer(4))), 0],
  "a DataView that was detached": [() => detached(new DataView(new ArrayBuffer(4))), 0],
  "a Float32Array that was detached": [() => detached(new Float32Array(2)), 0],
  "a Uint8Array whose buffer is too short by now": [() => shrunk(false), 0],
  "a Uint8Array that follows its buffer's length": [() => shrunk(true), 4],
  "an array of them": [() => [shrunk(true), shrunk(false), "x"], 5],
  "a Uint8Array that says it is longer": [() => lying(new Uint8Array(4), 100), 4],
  "a Uint8Array that says it is shorter": [() => lying(new Uint8Array(4), 2), 4],
  "a Uint8Array that says it has less than nothing": [() => lying(new Uint8Array(4), -1), 4],
  "a Uint8Array of a subclass with a species that throws": [() => new Subclass(5), 5],
  "an array of a subclass with a species that throws": [() => SubArray.from([Buffer.from("ab"), "c"]), 3],
  "an array that a Proxy stands before": [() => new Proxy([Buffer.from("ab")], {}), 2],
  "shared memory": [() => new Uint8Array(new SharedArrayBuffer(4)), 4],
  "numbers of 16 bits": [() => new Uint16Array(3), 6],
  "an empty array": [() => [], 0],
};

/** What `send` throws for, with its code. */
const REFUSED: Record<string, [make: () => unknown, code: string | undefined]> = {
  "an array with a hole": [() => [Buffer.from("a"), , Buffer.from("b")], "ERR_INVALID_ARG_TYPE"],
  "an array of nothing but a hole": [() => [,], "ERR_INVALID_ARG_TYPE"],
  "an array with undefined": [() => [undefined], "ERR_INVALID_ARG_TYPE"],
  "an array with a detached piece": [() => ["x", detached(new Uint8Array(4))], undefined],
  "a Uint8Array that a Proxy stands before": [() => new Proxy(new Uint8Array(3), {}), "ERR_INVALID_ARG_TYPE"],
  "an object that inherits from Uint8Array's": [() => Object.create(Uint8Array.prototype), "ERR_INVALID_ARG_TYPE"],
  "an ArrayBuffer": [() => new ArrayBuffer(4), "ERR_INVALID_ARG_TYPE"],
};

testAlike("a payload has as many bytes as it has, whatever it says", async (t, create) => {
  const receiver = create("udp4");
  const sender = create("udp4");
  const connected = create("udp4");
  await opened(t, receiver, sender, connected);
  const { port } = receiver.address();
  await new Promise<void>((resolve) => connected.connect(port, "127.0.0.1", () => resolve()));
  for (const [what, [make, size]] of Object.entries(PAYLOADS)) {
    for (const to of [[port, "127.0.0.1"], []]) {
      const socket = to.length > 0 ? sender : connected;
      const arriving = nextMessage(receiver as Socket);
      const outcome = await new Promise((resolve) => {
        (socket.send as (...args: unknown[]) => void)(make(), ...to, (...args: unknown[]) => resolve(args));
      });
      assertEquals(outcome, [null, size], what);
      assertEquals((await arriving).message.length, size, what);
    }
  }
  for (const [what, [make, code]] of Object.entries(REFUSED)) {
    const error = assertThrows(() => sender.send(make() as string, port, "127.0.0.1"), Error, "", what);
    assertEquals([what, (error as { code?: string }).code], [what, code]);
  }
});

testAlike(
  "a view that is detached while a name is looked up is an empty datagram, with its callback",
  async (t, create) => {
    const receiver = create("udp4");
    const lookup = (_name: string, _options: unknown, callback: (...args: unknown[]) => void): void =>
      void setTimeout(callback, 5, null, "127.0.0.1", 4);
    const sender = create({ type: "udp4", lookup: lookup as never });
    await opened(t, receiver, sender);
    const { port } = receiver.address();
    const whole = new Uint8Array(6);
    for (const args of [[whole], [new Uint8Array(6), 1, 3], [[new Uint8Array(6), "ab"]]]) {
      const arriving = nextMessage(receiver as Socket);
      const outcome = new Promise((resolve) => {
        (sender.send as (...args: unknown[]) => void)(
          ...args,
          port,
          "some.test",
          (...values: unknown[]) => resolve(values),
        );
      });
      const [view] = [args[0]].flat();
      detached(view as Uint8Array);
      const size = Array.isArray(args[0]) ? 2 : 0;
      assertEquals(await outcome, [null, size]);
      assertEquals((await arriving).message.length, size);
    }
  },
);

for (const isConnected of [false, true]) {
  const kind = isConnected ? "a connected" : "an unconnected";
  testBoth(`no code of the program runs for the bytes of a message (${kind} socket)`, async (t, family) => {
    const { receiver, send } = await pair(t, family, isConnected);
    let reads = 0;
    const get = (): number => ++reads;
    const properties = Object.fromEntries(["length", "byteLength", "byteOffset"].map((name) => [name, { get }]));
    // The second one goes to a destination that is known.
    for (const text of ["first", "second"]) {
      const heard = nextMessage(receiver);
      send(Object.defineProperties(new Uint8Array(new TextEncoder().encode(text)), properties));
      assertEquals((await heard).text, text);
    }
    assertEquals(reads, 0);
  });
}

testBoth("payloads that lie do not break the flush of others' messages", async (t, family) => {
  const { receiver, sender, send, port } = await pair(t, family);
  const other = await t.bound(family.type);
  await sent(other, "first", port, family.loopback);
  const arriving = nextMessages(receiver, 7);
  other.send("before", port, family.loopback);
  send(lying(new Uint8Array(4), 2 ** 30));
  send(lying(new Uint8Array(4), NaN));
  send(Object.setPrototypeOf(new Float64Array(1), Uint8Array.prototype));
  assertThrows(() => send(new Proxy(new Uint8Array(1), {})));
  send("behind");
  other.send("last", port, family.loopback);
  const sizes = (await arriving).map(({ message }) => message.length);
  assertEquals([sizes.slice(0, 4), sizes.slice(-2)], [[5, 6, 4, 4], [6, 4]]);
  assertEquals([sender.getSendQueueCount(), sender.getSendQueueSize()], [0, 0]);
});

test("views that lie about their place are as long as their memory, in all forms of sending", async (t) => {
  const receiver = await t.bound("udp4");
  const { port } = receiver.address();
  const [sender, other] = [await t.bound("udp4"), await t.bound("udp4")];
  await sent(other, "first", port, "127.0.0.1");
  await sent(sender, "first", port, "127.0.0.1");
  /** Says that it has 2^30 bytes from 2^20 on. */
  const liar = <View extends ArrayBufferView>(view: View): View => {
    for (const [name, value] of Object.entries({ byteLength: 2 ** 30, byteOffset: 2 ** 20, length: 2 ** 30 })) {
      Object.defineProperty(view, name, { get: () => value });
    }
    return view;
  };
  const forms: [string, (view: Uint8Array) => unknown][] = [
    ["send", (view) => sender.send(view, port, "127.0.0.1")],
    ["sendSync", (view) => sender.sendSync(view, port, "127.0.0.1")],
    ["sendMany", (view) => sender.sendMany([view], port, "127.0.0.1")],
    ["sendMany with an address", (view) => sender.sendMany([{ message: view, port, address: "127.0.0.1" }])],
    ["sendMany with options", (view) => sender.sendMany([{ message: view, ttl: 3 }], port, "127.0.0.1")],
    ["a list", (view) => sender.send([view, "x"], port, "127.0.0.1")],
    ["a part", (view) => sender.send(view, 2 ** 29, 2, port, "127.0.0.1")],
  ];
  for (const [form, send] of forms) {
    if (form === "sendMany with options" && linuxOnly("IP_TTL for single datagrams")) continue;
    for (const make of [() => new Uint8Array(4), () => Buffer.from("abcd"), () => new Float32Array(1)]) {
      const texts: string[] = [];
      receiver.on("message", (message) => texts.push(message.toString()));
      other.send("before", port, "127.0.0.1");
      // It is refused, or is what its memory is.
      try {
        send(liar(make()) as Uint8Array);
      } catch (error) {
        assert(error instanceof RangeError, `${form}: ${error}`);
      }
      other.send("behind", port, "127.0.0.1");
      sender.send("last", port, "127.0.0.1");
      await until(() => texts.includes("last") && texts.includes("behind"), `the messages around ${form}`);
      assert(texts.includes("before") && texts.every((text) => text.length <= 6), `${form}: ${texts}`);
      assertEquals([sender.getSendQueueCount(), other.getSendQueueCount()], [0, 0], form);
      receiver.removeAllListeners("message");
    }
  }
});

testBoth(
  "what is sent while fake timers stand in the place of the real ones leaves, and all that follows",
  async (t, family) => {
    const { receiver, sender, send, port } = await pair(t, family);
    const realNow = performance.now;
    const real = { setTimeout, setImmediate, queueMicrotask, nextTick: process.nextTick };
    const later: unknown[] = [];
    const fake = (...args: unknown[]): never => later.push(args) as never;
    const arriving = nextMessages(receiver, 3);
    let outcomes = 0;
    const timers = process.getBuiltinModule("node:timers") as unknown as Record<string, unknown>;
    const module = { setTimeout: timers.setTimeout, setImmediate: timers.setImmediate };
    try {
      Object.assign(globalThis, { setTimeout: fake, setImmediate: fake, queueMicrotask: fake });
      Object.assign(timers, { setTimeout: fake, setImmediate: fake });
      process.nextTick = fake;
      performance.now = () => 0;
      send("during", () => outcomes++);
      sender.sendMany(["many"], port, family.loopback, () => outcomes++);
    } finally {
      Object.assign(globalThis, {
        setTimeout: real.setTimeout,
        setImmediate: real.setImmediate,
        queueMicrotask: real.queueMicrotask,
      });
      Object.assign(timers, module);
      process.nextTick = real.nextTick;
      performance.now = realNow;
    }
    await sent(sender, "afterwards", port, family.loopback);
    assertEquals((await arriving).map(({ text }) => text), ["during", "many", "afterwards"]);
    await until(() => outcomes === 2, "the callbacks");
    assertEquals(later, []);
  },
);
