/**
 * When listeners run: each datagram has a turn, with the ticks and promise jobs that its listeners queue, before the next one.
 *
 * @module
 */
import { on, once } from "node:events";
import process from "node:process";
import { clearInterval, setImmediate, setInterval, setTimeout } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { stepPerTurn, stepsWithTicks } from "../ffi/runtimes/turns.ts";
import { encodeAddress } from "../ffi/wire/sockaddr.ts";
import type { Socket, UnixSocket } from "../mod.ts";
import { TurnBudget } from "../src/loop/turn_budget.ts";
import { type FaultyLibc, injectFaults } from "./support/faulty_libc.ts";
import { closedPort, test, testBoth, type Tools } from "./support/harness.ts";
import { randomIntegers } from "./support/random.ts";
import { testAlike, testBothAlike } from "./support/reference.ts";

import { sendOne } from "./support/single_messages.ts";
import { boundUnix } from "./support/unix.ts";
import { linuxOnly, runFixture, runtime } from "./support/runtime.ts";

/** Sends datagrams that all wait together when the receiver looks. */
function sendTogether(t: Tools, texts: readonly string[], receiver: Socket): void {
  const { address, port } = receiver.address();
  t.socket(receiver.type).sendMany(texts, port, address);
}

/** Ends when everything that is under way has had its turn: nothing was recorded for some turns of the event loop. */
async function quiet(record: readonly unknown[], atLeast: number): Promise<void> {
  for (let turns = 0; turns < 10;) {
    const { length } = record;
    await new Promise((resolve) => setImmediate(resolve));
    turns = record.length === length && length >= atLeast ? turns + 1 : 0;
  }
}

function texts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i + 1));
}

/** Datagrams that wait together, and what their listener records. */
async function recordOf(
  t: Tools,
  receiver: Socket,
  count: number,
  atLeast: number,
  listener: (text: string, record: string[]) => void,
): Promise<string[]> {
  const record: string[] = [];
  receiver.on("message", (message) => {
    record.push(`m${message}`);
    listener(String(message), record);
  });
  sendTogether(t, texts(count), receiver);
  await quiet(record, atLeast);
  return record;
}

testBothAlike(
  "ticks and promise jobs of one 'message' run before the next, immediates after all",
  async (t, family, create) => {
    const immediates = ["i1", "i2", "i3", "i4"];
    const others = "m1 t1 p1 m2 t2 p2 m3 t3 p3 m4 t4 p4".split(" ");
    // On a busy machine the time of a turn may be spent before the last datagram: then immediates come before it.
    for (let isWhole = false, attempts = 0; !isWhole; attempts++) {
      const receiver = t.track(create(family.type));
      await new Promise<void>((resolve) => receiver.bind(0, family.loopback, resolve));
      const record = await recordOf(t, receiver, 4, 16, (text, record) => {
        setImmediate(() => record.push(`i${text}`));
        Promise.resolve().then(() => record.push(`p${text}`));
        process.nextTick(() => record.push(`t${text}`));
      });
      assertEquals(record.filter((entry) => immediates.includes(entry)), immediates);
      assertEquals(record.filter((entry) => !immediates.includes(entry)), others);
      isWhole = record.join() === [...others, ...immediates].join();
      assert(isWhole || attempts < 20, record.join(" "));
    }
  },
);

/** A job that a listener queues, with those that it queues itself. */
interface Job {
  readonly name: string;
  readonly kind: "tick" | "promise";
  readonly jobs: readonly Job[];
}

/** Jobs at random. A chain of ticks has no more than two, as far as Bun's order can be had. */
function randomJobs(below: (limit: number) => number, depth: number, ticks: number): Job[] {
  return Array.from({ length: depth === 0 ? 0 : below(3) }, () => {
    const kind = ticks < 2 && below(2) === 0 ? "tick" : "promise";
    const jobs = randomJobs(below, depth - 1, kind === "tick" ? ticks + 1 : 0);
    return { name: `${kind}${below(1_000_000)}`, kind, jobs };
  });
}

function queue(jobs: readonly Job[], record: string[]): void {
  for (const { name, kind, jobs: next } of jobs) {
    const run = (): void => {
      record.push(name);
      queue(next, record);
    };
    if (kind === "tick") process.nextTick(run);
    else Promise.resolve().then(run);
  }
}

/** The order in which Node runs them: all ticks, then all promise jobs, and again. */
function orderOf(jobs: readonly Job[]): string[] {
  const order: string[] = [];
  const queues: Record<Job["kind"], Job[]> = { tick: [], promise: [] };
  const add = (some: readonly Job[]): void => some.forEach((job) => queues[job.kind].push(job));
  const run = (kind: Job["kind"]): void => {
    for (let job = queues[kind].shift(); job; job = queues[kind].shift()) {
      order.push(job.name);
      add(job.jobs);
    }
  };
  for (add(jobs); queues.tick.length + queues.promise.length > 0;) {
    run("tick");
    run("promise");
  }
  return order;
}

testAlike("whatever ticks and promise jobs queue runs before the next 'message'", async (t, create) => {
  const receiver = t.track(create("udp4"));
  await new Promise<void>((resolve) => receiver.bind(0, "127.0.0.1", resolve));
  const below = randomIntegers(20_261_127);
  const jobs = texts(200).map(() => randomJobs(below, 4, 0));
  const expected = jobs.flatMap((some, i) => [`m${i + 1}`, ...orderOf(some)]);
  const record = await recordOf(t, receiver, jobs.length, expected.length, (text, record) => {
    queue(jobs[Number(text) - 1], record);
  });
  assertEquals(record, expected);
});

testBothAlike(
  "a loop that awaits each 'message' misses none of those that wait together",
  async (t, family, create) => {
    const receiver = t.track(create(family.type));
    await new Promise<void>((resolve) => receiver.bind(0, family.loopback, resolve));
    sendTogether(t, texts(100), receiver);
    const heard: string[] = [];
    while (heard.length < 100) heard.push(String((await once(receiver, "message"))[0]));
    assertEquals(heard, texts(100));
  },
);

testBothAlike("for await over on(socket, 'message') has every datagram", async (t, family, create) => {
  const receiver = t.track(create(family.type));
  await new Promise<void>((resolve) => receiver.bind(0, family.loopback, resolve));
  sendTogether(t, texts(100), receiver);
  const heard: string[] = [];
  for await (const [message] of on(receiver, "message")) {
    if (heard.push(String(message)) === 100) break;
  }
  assertEquals(heard, texts(100));
});

testAlike("a datagram that comes while nobody listens is gone", async (t, create) => {
  const receiver = t.track(create("udp4"));
  await new Promise<void>((resolve) => receiver.bind(0, "127.0.0.1", resolve));
  const heard: string[] = [];
  receiver.once("message", (message) => {
    heard.push(String(message));
    // After the next datagram's turn.
    setImmediate(() => receiver.once("message", (message) => heard.push(String(message))));
  });
  sendTogether(t, texts(3), receiver);
  await quiet(heard, 1);
  sendTogether(t, ["later"], receiver);
  await quiet(heard, 2);
  assertEquals(heard, ["1", "later"]);
});

testAlike("a socket that a tick or a promise job closes delivers no more of what waits", async (t, create) => {
  for (const close of [process.nextTick, (run: () => void) => void Promise.resolve().then(run)]) {
    const receiver = create("udp4");
    await new Promise<void>((resolve) => receiver.bind(0, "127.0.0.1", resolve));
    const record = await recordOf(t, receiver, 4, 2, (text) => {
      if (text === "2") close(() => void receiver.close());
    });
    assertEquals(record, ["m1", "m2"]);
  }
});

testAlike("what emit() returns, and who listens, has no part in delivery", async (t, create) => {
  for (const result of [false, undefined, true]) {
    const receiver = t.track(create("udp4"));
    await new Promise<void>((resolve) => receiver.bind(0, "127.0.0.1", resolve));
    const emitted: string[] = [];
    const { emit } = receiver as unknown as { emit(...values: unknown[]): boolean };
    Object.assign(receiver, {
      emit(...values: unknown[]): unknown {
        if (values[0] !== "message") return emit.apply(this, values);
        emitted.push(String(values[1]));
        return result;
      },
    });
    sendTogether(t, texts(20), receiver);
    await quiet(emitted, 20);
    assertEquals(emitted, texts(20));
  }
});

test("a Unix socket's messages, too, have a turn each", async (t) => {
  const receiver = boundUnix(t);
  const record: string[] = [];
  receiver.on("message", (message) => {
    record.push(`m${message}`);
    Promise.resolve().then(() => record.push(`p${message}`));
    process.nextTick(() => record.push(`t${message}`));
  });
  (boundUnix(t) as UnixSocket).sendMany(texts(3), receiver.address().path);
  await quiet(record, 9);
  assertEquals(record.join(" "), "m1 t1 p1 m2 t2 p2 m3 t3 p3");
});

testBoth("a batch is one turn, and the messages after it have one each", async (t, family) => {
  const receiver = await t.bound(family.type);
  const record: string[] = [];
  const queueBoth = (name: string): void => {
    record.push(name);
    Promise.resolve().then(() => record.push(`p ${name}`));
    process.nextTick(() => record.push(`t ${name}`));
  };
  receiver.on("messages", (batch) => queueBoth(`batch of ${batch.length}`));
  receiver.on("message", (message) => queueBoth(String(message)));
  sendTogether(t, texts(2), receiver);
  await quiet(record, 9);
  assertEquals(record, ["batch of 2", "t batch of 2", "p batch of 2", "1", "t 1", "p 1", "2", "t 2", "p 2"]);
});

testBoth("errors of the network have a turn each", async (t, family) => {
  const port = await closedPort(t, family);
  const socket = await t.bound({ type: family.type, recvNetworkErrors: true, gso: false });
  const record: string[] = [];
  socket.on("networkError", ({ message }) => {
    record.push(`e${message}`);
    Promise.resolve().then(() => record.push(`p${message}`));
    process.nextTick(() => record.push(`t${message}`));
  });
  for (const text of texts(3)) socket.send(text, port, family.loopback);
  await quiet(record, 9);
  assertEquals(record.join(" "), "e1 t1 p1 e2 t2 p2 e3 t3 p3");
}, { skip: linuxOnly("IP_RECVERR") });

test("without a function that runs ticks, each step has a turn of the event loop", async () => {
  assertEquals(stepsWithTicks(undefined), stepPerTurn);
  const record: string[] = [];
  let steps = 0;
  stepPerTurn(() => {
    const name = ++steps;
    record.push(`m${name}`);
    Promise.resolve().then(() => record.push(`p${name}`));
    process.nextTick(() => record.push(`t${name}`));
    return steps < 3;
  });
  await quiet(record, 9);
  assertEquals(record.filter((name) => name.startsWith("m")), ["m1", "m2", "m3"]);
  for (const name of [1, 2]) {
    assert(record.indexOf(`t${name}`) < record.indexOf(`m${name + 1}`), String(record));
    assert(record.indexOf(`p${name}`) < record.indexOf(`m${name + 1}`), String(record));
  }
});

/** Keeps the processor busy. */
function work(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

testAlike("a slow listener leaves timers and other sockets their turns", async (t, create) => {
  const receiver = t.track(create({ type: "udp4", recvBufferSize: 1 << 20 }));
  await new Promise<void>((resolve) => receiver.bind(0, "127.0.0.1", resolve));
  const other = t.track(create("udp4"));
  await new Promise<void>((resolve) => other.bind(0, "127.0.0.1", resolve));
  let delivered = 0;
  let last = 0;
  const runs: number[] = [];
  const timer = setInterval(() => {
    runs.push(delivered - last);
    last = delivered;
  }, 1);
  t.cleanup(() => clearInterval(timer));
  let before = 0;
  other.once("message", () => before = delivered);
  const all = new Promise<void>((resolve) =>
    receiver.on("message", () => {
      work(2);
      if (++delivered === 200) resolve();
    })
  );
  sendTogether(t, texts(200), receiver);
  sendTogether(t, ["in between"], other);
  await all;
  // Node takes 32 datagrams in a turn.
  assert(Math.max(...runs) <= 40, `datagrams between two timers: ${runs}`);
  assert(before > 0 && before <= 80, `the other socket's came after ${before}`);
});

/** Has a datagram wait at a port whenever a descriptor has been read, however little of it. Returns what ends it. */
function floodWhenRead(t: Tools, faults: FaultyLibc, fd: number, port: number): () => void {
  const { libc } = faults;
  const { AF_INET, SOCK_DGRAM } = libc.abi.constants;
  const sender = libc.socket(AF_INET, SOCK_DGRAM, 0);
  t.cleanup(() => libc.close(sender));
  const address = encodeAddress(libc, 4, "127.0.0.1", port)!;
  const memory = libc.allocate(address.length);
  memory.bytes.set(address);
  const [to, payload] = [libc.pointer(memory), libc.pointer(libc.allocate(8))];
  const flood = faults.answer(
    "recvmmsg",
    (real, ...values) => {
      const result = real.recvmmsg(...values);
      sendOne(real, sender, payload, 8, { address: to, length: address.length });
      return result;
    },
    Infinity,
    fd,
  );
  return () => faults.repair(flood);
}

test("a socket that is flooded faster than it reads leaves timers and other sockets their turns", async (t) => {
  const faults = injectFaults(t);
  const flooded = await t.bound("udp4");
  const stop = floodWhenRead(t, faults, faults.lastSocket(), flooded.address().port);
  const other = await t.bound("udp4");
  let delivered = 0;
  flooded.on("message", () => delivered++);
  flooded.send("the first", flooded.address().port, "127.0.0.1");
  for (let round = 0; round < 20; round++) {
    const [heard] = [once(other, "message"), sendTogether(t, ["in between"], other)];
    await heard;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  stop();
  assert(delivered >= 10, `${delivered} datagrams`);
});

test("the time of a turn is looked at often while steps are long, and seldom while they are short", () => {
  let now = 0;
  let looks = 0;
  const budget = new TurnBudget(() => {
    looks++;
    return now;
  });
  const stepsOf = (length: number, atMost: number): number => {
    budget.start();
    for (let steps = 1; steps <= atMost; steps++) {
      now += length;
      if (budget.isSpent()) return steps;
    }
    return Infinity;
  };
  assertEquals(stepsOf(2, 100), 4);
  assertEquals(stepsOf(100, 100), 2);
  looks = 0;
  assertEquals(stepsOf(0.0001, 3200), Infinity);
  assert(looks < 120, `${looks} looks for 3200 steps`);
});

/** What the fixture prints. */
async function misbehaved(module: "ours" | "builtin", where: string, what: string): Promise<string> {
  const { stdout, stderr } = await runFixture("throwing_jobs", [module, where, what]);
  assert(stdout !== "", stderr);
  return stdout.trim();
}

for (const where of ["listener", "tick", "promise", "immediate", "timer"]) {
  for (const what of ["throw", "close", "both"]) {
    test(`what is done in a ${where} (${what}) leaves the other datagrams their turns, in order`, async () => {
      const said = (await misbehaved("ours", where, what)).split(", ");
      const heard = said.filter((entry) => entry.startsWith("m"));
      const isEarly = where === "listener" || where === "tick" || where === "promise";
      const all = ["m1", "m2", "m3", "m4"];
      // On a busy machine the time of the turn may be spent before the last: then an immediate or a timer comes, and closes.
      const least = what === "throw" ? 4 : 2;
      assertEquals(heard, all.slice(0, isEarly ? least : Math.max(heard.length, least)));
      for (const kind of ["tick", "promise"]) {
        assertEquals(said.filter((entry) => entry.startsWith(kind)), heard.map((entry) => `${kind} ${entry.slice(1)}`));
      }
      assertEquals(said.includes("closed"), what !== "throw");
      assertEquals(said.filter((entry) => /^(caught|rejected) 2$/.test(entry)).length, what === "close" ? 0 : 1);
      // What a listener or a tick throws is handled at the event loop's leisure, in Node and here.
      const isWhole = said.indexOf("promise 4") === 11;
      if (runtime === "node" && (isEarly ? what === "close" : isWhole)) {
        assertEquals(said.join(", "), await misbehaved("builtin", where, what));
      }
    });
  }
}
