/**
 * How a thread learns that a socket is ready: each runtime's waiter, and the loop on top of it.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { Descriptor } from "../ffi/descriptor.ts";
import { currentRuntime, onUv } from "../ffi/load.ts";
import { openPoller } from "../ffi/poll/open_poller.ts";
import { READABLE } from "../ffi/poll/poller.ts";
import { PollThreads, ThreadWaiter } from "../ffi/poll/thread_waiter.ts";
import { type NodeFfi, nodeFfi } from "../ffi/runtimes/node.ts";
import { encodeAddress } from "../ffi/wire/sockaddr.ts";
import type { Socket } from "../mod.ts";
import { closed, type Family, nextMessage, test, testBoth, type Tools } from "./support/harness.ts";
import { linesOf, threadCount, until } from "./support/process.ts";
import { commandFor, ended, fixture, runtime, startFixture } from "./support/runtime.ts";

const threaded = {
  skip: runtime === "bun" || runtime === "koffi" ? undefined : `${runtime} needs no thread of ours`,
};

async function exchange(from: Socket, to: Socket, { loopback }: Pick<Family, "loopback">): Promise<number> {
  const start = performance.now();
  const arriving = nextMessage(to);
  from.send("x", to.address().port, loopback);
  await arriving;
  return performance.now() - start;
}

const IPv4 = { loopback: "127.0.0.1" };

// Threads

test("one thread serves socket after socket, and is gone a moment after the last", async (t) => {
  // One that is left from a test before.
  await delay(900);
  const before = threadCount();
  for (let i = 0; i < 20; i++) {
    const socket = await t.bound("udp4");
    await exchange(socket, socket, IPv4);
    if (i === 0) await until(() => threadCount() > before, "the thread is up");
    // A thread for each would be twenty in the end; one or two more may be the runtime's.
    assert(threadCount() <= before + 3, `${threadCount() - before} threads`);
    await closed(socket);
  }
  assert(threadCount() > before, "kept for the next socket");
  await until(() => threadCount() <= before, "the thread is gone", 3000);
}, { skip: runtime === "koffi" ? undefined : `the main thread of ${runtime} needs no thread of ours` });

test("a datagram that comes while the thread is still starting does not wait for it", async (t) => {
  const { libc } = currentRuntime();
  const slow = "(() => { const end = Date.now() + 1000; while (Date.now() < end); return () => false; })()";
  const set = openPoller(libc);
  const receiver = Descriptor.open(libc, 4);
  assert(typeof set !== "number" && typeof receiver !== "number");
  t.cleanup(() => receiver.close());
  assertEquals(receiver.bind(encodeAddress(libc, 4, "127.0.0.1", 0)!), 0);
  const local = receiver.localAddress();
  assert(typeof local !== "number");
  set.add(receiver.fd, 1, READABLE);
  const sender = await t.bound("udp4");
  const start = performance.now();
  const took = await new Promise<number>((resolve) => {
    const look = (): void => {
      if (set.collect() > 0) resolve(performance.now() - start);
      else waiter.arm();
    };
    const waiter = new ThreadWaiter(set, look, new PollThreads(libc, slow));
    t.cleanup(() => waiter.close(() => set.close()));
    waiter.arm();
    sender.send("x", local.port, "127.0.0.1");
  });
  assert(took < 800, `it waited ${took} ms`);
}, threaded);

test(
  "libuv's callback, which keeps all this module in memory, is registered only while there is a poller",
  async () => {
    const ffi = nodeFfi()!;
    const registered: bigint[] = [];
    const counting = {
      getRawPointer: ffi.getRawPointer,
      getCurrentEventLoop: ffi.getCurrentEventLoop,
      dlopen(...values: Parameters<NodeFfi["dlopen"]>) {
        const { functions, lib } = ffi.dlopen(...values);
        const registerCallback: typeof lib.registerCallback = (...values) => {
          registered.push(lib.registerCallback(...values));
          return registered.at(-1)!;
        };
        const unregisterCallback = (pointer: bigint): void => {
          lib.unregisterCallback(pointer);
          registered.splice(registered.indexOf(pointer), 1);
        };
        return { functions, lib: { registerCallback, unregisterCallback } };
      },
    } as NodeFfi;
    const create = onUv(counting, () => {
      throw new Error("libuv takes an epoll descriptor");
    });
    const listeners = process.listenerCount("exit");
    for (let i = 0; i < 2; i++) {
      const [one, other] = [openPoller(currentRuntime().libc), openPoller(currentRuntime().libc)];
      assert(typeof one !== "number" && typeof other !== "number");
      const waiters = [one, other].map((poller) => ({ poller, waiter: create(poller, () => {}) }));
      for (const { waiter } of waiters) waiter.arm();
      assertEquals([registered.length, process.listenerCount("exit")], [1, listeners + 1]);
      for (const { poller, waiter } of waiters) waiter.close(() => poller.close());
      await until(() => registered.length === 0, "it is let go");
      assertEquals(process.listenerCount("exit"), listeners);
    }
  },
  { skip: runtime === "node" ? undefined : "only Node 26 gives libuv's functions" },
);

test("a set is not closed before the thread has come out of its poll", async (t) => {
  const { libc } = currentRuntime();
  const directory = mkdtempSync(join(tmpdir(), "waiter-"));
  t.cleanup(() => rmSync(directory, { recursive: true }));
  const mark = (name: string): string => join(directory, name);
  const poll = `(() => {
    const { writeFileSync } = process.getBuiltinModule("node:fs");
    return () => {
      writeFileSync(${JSON.stringify(mark("in"))}, "");
      const end = Date.now() + 200;
      while (Date.now() < end);
      writeFileSync(${JSON.stringify(mark("out"))}, "");
      return true;
    };
  })()`;
  const set = openPoller(libc);
  assert(typeof set !== "number");
  const waiter = new ThreadWaiter(set, () => waiter.arm(), new PollThreads(libc, poll));
  waiter.arm();
  await until(() => existsSync(mark("in")), "the thread waits");
  let isOut = false;
  waiter.close(() => {
    isOut = existsSync(mark("out"));
    set.close();
  });
  assert(isOut);
}, threaded);

testBoth("a socket opened in the turn in which the last one closed hears at once", async (t, family) => {
  let socket = await t.bound(family.type);
  const times: number[] = [];
  for (let i = 0; i < 10; i++) {
    // The waiter settles down before and after.
    await delay(100);
    const next = t.socket(family.type);
    socket.close();
    next.bindSync({ address: family.loopback });
    await delay(2);
    times.push(await exchange(next, next, family));
    socket = next;
  }
  times.sort((a, b) => a - b);
  assert(times[8] < 300, `${times} ms`);
});

// Whose datagram it is

testBoth("a socket never hears what was meant for one that closed before it", async (t, family) => {
  const sender = await t.bound(family.type);
  // The others of the set, so that it stays open all the while.
  await t.bound(family.type);
  const strangers: string[] = [];
  let heard = 0;
  const open = async (): Promise<Socket> => {
    const socket = await t.bound(family.type);
    const { port } = socket.address();
    socket.on("message", (message) => {
      heard++;
      if (message.toString() !== String(port)) strangers.push(`${message} came to ${port}`);
    });
    return socket;
  };
  let socket = await open();
  for (let round = 0; round < 200; round++) {
    const { port } = socket.address();
    for (let i = 0; i < 10; i++) sender.send(String(port), port, family.loopback);
    // Closed before, while and after the datagrams are noticed.
    if (round % 4 === 3) await nextMessage(socket);
    else for (let turns = round % 4; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    socket.close();
    socket = await open();
  }
  assertEquals(strangers, []);
  assert(heard >= 50, `only ${heard} were heard at all`);
});

testBoth(
  "closing another socket in a listener takes its turn away, also where its descriptor is used again",
  async (t, family) => {
    const sender = await t.bound(family.type);
    for (let round = 0; round < 20; round++) {
      const pair = [await t.bound(family.type), await t.bound(family.type)];
      const ports = pair.map((socket) => socket.address().port);
      const wrong: string[] = [];
      const done = new Promise<Socket>((resolve) => {
        pair.forEach((socket, i) =>
          socket.on("message", () => {
            const other = pair[1 - i];
            other.removeAllListeners("message").on("message", () => wrong.push("the closed one"));
            other.close();
            const next = t.socket(family.type);
            next.on("message", (message) => message.toString() === "x" || wrong.push("the new one"));
            next.bindSync({ address: family.loopback });
            socket.removeAllListeners("message").close();
            resolve(next);
          })
        );
      });
      // Both are ready before either has its turn.
      for (const port of ports) sender.send("to the pair", port, family.loopback);
      const next = await done;
      await exchange(sender, next, family);
      assertEquals(wrong, []);
      await closed(next);
    }
  },
);

// Fair turns

function startFlood(t: Tools, { type }: Family, port: number): ChildProcess {
  const child = startFixture("flood", [type, String(port)]);
  t.cleanup(async () => {
    const end = ended(child, 5000);
    child.kill("SIGKILL");
    await end;
  });
  return child;
}

testBoth("a flooded socket starves neither timers nor other sockets", async (t, family) => {
  const flooded = await t.bound(family.type);
  const [one, other] = [await t.bound(family.type), await t.bound(family.type)];
  let received = 0;
  flooded.on("message", () => received++);
  startFlood(t, family, flooded.address().port);
  await until(() => received > 1000, "the flood has come");
  let ticks = 0;
  const interval = setInterval(() => ticks++, 1);
  t.cleanup(() => clearInterval(interval));
  const before = received;
  const start = performance.now();
  const usage = process.cpuUsage();
  for (let i = 0; i < 50; i++) await exchange(one, other, family);
  await delay(Math.max(0, 500 - (performance.now() - start)));
  await until(() => received - before > 1000, "the flood goes on");
  // Of the processor: on a busy machine the rest of the time is others'.
  const { user, system } = process.cpuUsage(usage);
  const seconds = (user + system) / 1e6;
  assert(seconds < 5, `50 exchanges took ${seconds} s`);
  assert(ticks > 40 * seconds, `${ticks} ticks in ${seconds} s`);
});

// Deno without its internals

const denoOnly = { skip: runtime === "deno" ? undefined : "only Deno has pending calls" };

/** Runs a scenario of the fixture `lifetime` with Deno's internals hidden. */
function startWithoutReferences(t: Tools, scenario: string): ChildProcess {
  const [command, run, ...rest] = commandFor(fixture("lifetime"), [scenario, "udp4"]);
  const child = spawn(command, [run, `--preload=${fixture("hide_op_references")}`, ...rest]);
  t.cleanup(() => child.kill("SIGKILL"));
  return child;
}

const EXITS: [scenario: string, code?: number][] = [
  ["close"],
  ["close after a while"],
  ["unref"],
  ["unref after an exchange"],
  ["unref after a while"],
  ["exit after a while", 7],
  ["open and close again and again"],
];

for (const [scenario, code = 0] of EXITS) {
  test(`without Deno's internals a process ends all the same: ${scenario}`, async (t) => {
    const child = startWithoutReferences(t, scenario);
    const end = ended(child, 30_000);
    await linesOf(child)();
    const printed = performance.now();
    assertEquals((await end).code, code);
    // A pending call would keep it for seconds.
    const took = performance.now() - printed;
    assert(took < 1000, `${took} ms`);
  }, denoOnly);
}

for (const scenario of ["referenced", "referenced again", "one of two referenced", "referenced after a message"]) {
  test(`without Deno's internals a process stays alive and answers: ${scenario}`, async (t) => {
    const child = startWithoutReferences(t, scenario);
    const end = ended(child, 30_000);
    const port = Number(await linesOf(child)());
    await delay(300);
    assertEquals(child.exitCode, null, "still alive");
    const client = await t.bound("udp4");
    client.send("end", port, "127.0.0.1");
    assertEquals((await nextMessage(client)).text, "end");
    assertEquals((await end).code, 0);
  }, denoOnly);
}

test("without Deno's internals an unreferenced socket still hears within some ten milliseconds", async (t) => {
  const child = startWithoutReferences(t, "unreferenced, process kept alive");
  const exit = once(child, "exit");
  const port = Number(await linesOf(child)());
  const client = await t.bound("udp4");
  const times: number[] = [];
  for (const text of ["1", "2", "3", "4", "end"]) {
    await delay(50);
    const start = performance.now();
    client.send(text, port, "127.0.0.1");
    assertEquals((await nextMessage(client)).text, text);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  assert(times[2] < 200, `${times} ms`);
  await exit;
}, denoOnly);
