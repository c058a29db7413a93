/**
 * The sending side as a state machine: over a kernel that takes, refuses and interrupts at random, each message is settled once.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import { encodeAddress, type EncodedAddress } from "../ffi/wire/sockaddr.ts";
import { encodePath } from "../ffi/wire/sockaddr_un.ts";
import type { PollLoop } from "../src/loop/loop.ts";
import { Outbox } from "../src/sending/outbox.ts";
import { pathTo } from "../src/sending/path.ts";
import { Segments } from "../src/sending/segments.ts";
import { Sender } from "../src/sending/sender.ts";
import { UnixSender } from "../src/unix/sender.ts";
import { test } from "./support/harness.ts";
import { randomIntegers } from "./support/random.ts";
import { Interrupted, ScriptedKernel, type Submitted, type Verdict } from "./support/scripted_kernel.ts";

const { libc } = currentRuntime();

/** A sender with a socket that is none. */
interface Harness {
  readonly kernel: ScriptedKernel;
  readonly outbox: Outbox;
  readonly sender: Sender | UnixSender;
  readonly destinations: readonly (EncodedAddress | undefined)[];
  /** Whether it asks to be called when there is room. */
  awaits: boolean;
}

function harnessOf(kind: "udp" | "unix", judge: (submitted: Submitted) => Verdict): Harness {
  const kernel = new ScriptedKernel(libc, judge);
  const outbox = new Outbox(kernel.libc);
  const path = pathTo(4, Uint8Array.of(127, 0, 0, 1));
  const socket = {
    fd: 77,
    awaitRoom: (waiting: boolean) => {
      harness.awaits = waiting;
      return true;
    },
    drained: () => {},
    mayRetry: () => false,
    refusal: () => 0,
    unsentBytes: () => 0,
    fragmentation: () => "any" as const,
    isSole: true,
    isMTULocked: () => false,
    forbidFragments: () => 0,
    pathTo: () => path,
    reportCongestion: () => {},
  };
  const noLoop = {} as PollLoop;
  const sender = kind === "udp"
    ? new Sender(kernel.libc, outbox, socket, true)
    : new UnixSender(kernel.libc, noLoop, outbox, socket);
  const destinations = kind === "udp"
    ? [undefined, ...[1, 2].map((port) => encodeAddress(libc, 4, "127.0.0.1", port))]
    : [undefined, ...["/a", "/b"].map((path) => encodePath(libc.abi, path))];
  const harness: Harness = { kernel, outbox, sender, destinations, awaits: false };
  return harness;
}

/** What became of one message. */
interface Fate {
  readonly to: number;
  readonly length: number;
  results: number[];
  isTaken: boolean;
}

/** Every error that sendmmsg is known to give. */
// deno-fmt-ignore
const FATAL = [
  "EPERM", "EACCES", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EMSGSIZE", "EINVAL", "EIO", "ENOPROTOOPT", "EDESTADDRREQ",
  "ENOTCONN", "EISCONN", "ENETDOWN", "ENOMEM", "ENODEV", "EPIPE", "EAFNOSUPPORT", "EADDRNOTAVAIL", "ENOTSUP",
].filter((name) => name in libc.abi.errno);

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

/** Sends at random, and checks what must hold whatever happens. */
async function soak(kind: "udp" | "unix", seed: number, throws: boolean): Promise<void> {
  const random = randomIntegers(seed);
  const chance = (one: number): boolean => random(one) === 0;
  let [isOver, isAttempting] = [false, false];
  const takesSegments = !chance(3);
  const judge = ({ isSegmented }: Submitted): Verdict => {
    if (isSegmented && !takesSegments) return chance(2) ? "EINVAL" : "EIO";
    if (isOver) return 0;
    if (chance(6)) return chance(3) ? "ENOBUFS" : "EAGAIN";
    if (chance(12)) return FATAL[random(FATAL.length)];
    if (isAttempting && throws && chance(15)) return chance(2) ? "throw before" : "throw after";
    return chance(40) ? "EINTR" : 0;
  };
  const it = harnessOf(kind, judge);
  const { sender, outbox, kernel } = it;
  const fates: Fate[] = [];
  const attempt = (action: () => void): boolean => {
    isAttempting = true;
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      return false;
    } finally {
      isAttempting = false;
    }
  };
  const send = (): void => {
    const index = fates.length;
    const length = chance(20) ? 0 : 4 + random(3) * 8;
    const fate: Fate = { to: random(3), length, results: [], isTaken: false };
    fates.push(fate);
    const bytes = new Uint8Array(Math.max(length, 4));
    new DataView(bytes.buffer).setUint32(0, index);
    const request = { finish: (result: number) => void fate.results.push(result) };
    const payload = length > 0 && chance(5) ? [bytes.subarray(0, 3), bytes.subarray(3)] : bytes.subarray(0, length);
    fate.isTaken = attempt(() => sender.add(payload, length, it.destinations[fate.to], request));
  };
  const sendRun = (): void => {
    const [count, to] = [2 + random(100), random(3)];
    const run = Array.from({ length: count }, () => ({ to, length: 8, results: [], isTaken: true } as Fate));
    const first = fates.length;
    const bytes = new Uint8Array(8 * count);
    for (let i = 0; i < count; i++) new DataView(bytes.buffer).setUint32(8 * i, first + i);
    let next = 0;
    const request = { finish: (result: number) => void run[next++].results.push(result) };
    const segments = new Segments(bytes, 8, count);
    if ((sender as Sender).addSegments(segments, it.destinations[to], request, undefined)) fates.push(...run);
  };
  for (let step = 0; step < 400; step++) {
    const action = random(10);
    if (action < 6) { for (let i = random(20); i >= 0; i--) send(); }
    else if (action === 6 && kind === "udp") attempt(sendRun);
    else if (action === 7) attempt(() => outbox.flush());
    else if (action === 8) sender.leave();
    else if (it.awaits) attempt(() => sender.resume());
    if (chance(25)) await delay(1 + random(3));
  }
  isOver = true;
  for (let i = 0; i < 500 && sender.queuedCount > 0; i++) {
    outbox.flush();
    if (it.awaits) sender.resume();
    await delay(1);
  }
  assertEquals([sender.queuedCount, sender.queuedBytes, it.awaits], [0, 0, false], "what is counted as waiting");
  check(fates, kernel);
}

/** Each message was told of once, and reached the kernel once if that says so; to one destination in their order. */
function check(fates: readonly Fate[], kernel: ScriptedKernel): void {
  const arrived = new Map<number, number>();
  const last = new Map<string, number>();
  let empty = 0;
  for (const { address, bytes } of kernel.taken) {
    if (bytes.length === 0) {
      empty++;
      continue;
    }
    const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    arrived.set(index, (arrived.get(index) ?? 0) + 1);
    assert(index > (last.get(address) ?? -1), `message ${index} comes behind ${last.get(address)}`);
    last.set(address, index);
  }
  for (const [index, { results, length, isTaken }] of fates.entries()) {
    assertEquals(results.length, isTaken ? 1 : 0, `times that message ${index} was told of`);
    const isSent = isTaken && results[0] >= 0;
    if (isSent) assertEquals(results[0], length);
    if (length > 0) assertEquals(arrived.get(index) ?? 0, isSent ? 1 : 0, `times that message ${index} was sent`);
  }
  const sentEmpty = fates.filter(({ results, length }) => length === 0 && results[0] === 0).length;
  assertEquals(empty, sentEmpty, "empty messages");
}

for (const kind of ["udp", "unix"] as const) {
  for (const throws of [false, true]) {
    const how = throws ? "refuses and interrupts" : "refuses";
    test(`every message is settled once, in order, by a kernel that ${how} at random (${kind})`, async () => {
      const seeds = [1, 2, 3, 4, 5, 6, 7, 8, Math.floor(Math.random() * 2 ** 31)];
      for (const seed of seeds) {
        try {
          await soak(kind, seed, throws);
        } catch (error) {
          throw new Error(`with seed ${seed}: ${(error as Error).message}`, { cause: error });
        }
      }
    });
  }
}

test("a message that is refused with ENOBUFS for ever fails alone, and the others follow in order", async () => {
  const it = harnessOf("udp", ({ datagrams }) => datagrams.some(({ length }) => length > 100) ? "ENOBUFS" : 0);
  const results: [number, number][] = [];
  const sizes = [10, 10, 200, 20, 20, 300, 30];
  const before = performance.now();
  sizes.forEach((length, i) => {
    it.sender.add(new Uint8Array(length).fill(i), length, undefined, { finish: (result) => results.push([i, result]) });
  });
  it.outbox.flush();
  assertEquals(results, [[0, 10], [1, 10]]);
  while (it.sender.queuedCount > 0) await delay(5);
  const { ENOBUFS } = libc.abi.errno;
  assertEquals(results, [[0, 10], [1, 10], [2, -ENOBUFS], [3, 20], [4, 20], [5, -ENOBUFS], [6, 30]]);
  assertEquals(it.kernel.taken.map(({ bytes }) => bytes[0]), [0, 1, 3, 4, 6]);
  // Not at once, and not by spinning: the delays are 1, 2, 4, ... 64 ms.
  assert(performance.now() - before > 400, "it was given time");
  assert(it.kernel.calls < 40, `${it.kernel.calls} calls`);
  assertEquals(it.awaits, false);
});

for (const [errno, most] of [["EAGAIN", 30], ["ENOBUFS", 30]] as const) {
  test(`a kernel that says ${errno} for long, and "room" all the time, is not asked without pause`, async () => {
    let isFull = true;
    const it = harnessOf("udp", () => isFull ? errno : 0);
    const results: number[] = [];
    for (let i = 0; i < 10; i++) it.sender.add(new Uint8Array(9), 9, undefined, { finish: (r) => results.push(r) });
    it.outbox.flush();
    // As POLLOUT would.
    for (const until = performance.now() + 200; performance.now() < until; await delay(0)) {
      if (it.awaits) it.sender.resume();
    }
    assert(it.kernel.calls < most, `${it.kernel.calls} calls in 200 ms`);
    assertEquals(results, []);
    isFull = false;
    while (it.sender.queuedCount > 0) {
      await delay(1);
      if (it.awaits) it.sender.resume();
    }
    assertEquals(results, Array(10).fill(9));
  });
}

test("an error of a payload's own does not lower the number of segments, nor their size", () => {
  let verdicts: Verdict[] = [];
  const sizes: number[] = [];
  const it = harnessOf("udp", ({ datagrams }) => {
    sizes.push(datagrams.length);
    return verdicts.shift() ?? 0;
  });
  const results: number[] = [];
  const wave = (count: number): number[] => {
    sizes.length = results.length = 0;
    const request = { finish: (result: number) => void results.push(result) };
    for (let i = 0; i < count; i++) it.sender.add(new Uint8Array(10), 10, undefined, request);
    it.outbox.flush();
    assertEquals(results.length, count);
    return [...sizes];
  };
  const most = libc.abi.linux!.UDP_MAX_SEGMENTS;
  const few = libc.abi.linux!.UDP_MAX_SEGMENTS_AT_FIRST;
  assertEquals(wave(most), [most]);
  // Every message is invalid, by itself too.
  verdicts = Array(2 + most).fill("EINVAL");
  assertEquals(wave(most), [most, few, ...Array(most).fill(1)]);
  assertEquals(results, Array(most).fill(-libc.abi.errno.EINVAL));
  assertEquals(wave(most), [most]);
  // Only so many segments are.
  verdicts = ["EINVAL"];
  assertEquals(wave(most), [most, few, most - few]);
  assertEquals(results, Array(most).fill(10));
  assertEquals(wave(most), [few, most - few]);
  // Segments are.
  verdicts = ["EINVAL"];
  assertEquals(wave(3), [3, 1, 1, 1]);
  assertEquals(wave(3), [1, 1, 1]);
}, { skip: libc.abi.linux ? undefined : "UDP_SEGMENT is Linux's" });

test("a million messages wait for room, and all leave, each as fast as one", async () => {
  let isFull = true;
  const it = harnessOf("udp", () => isFull ? "EAGAIN" : 0);
  const [count, bytes] = [1_000_000, new Uint8Array(8)];
  let done = 0;
  const request = { finish: () => void done++ };
  for (let i = 0; i < count; i++) {
    new DataView(bytes.buffer).setUint32(0, i);
    it.sender.add(bytes, 8, undefined, request);
    if (i === 100_000) it.outbox.flush();
  }
  it.outbox.flush();
  assertEquals([it.sender.queuedCount, it.sender.queuedBytes, it.awaits], [count, 8 * count, true]);
  isFull = false;
  while (it.awaits) it.sender.resume();
  assertEquals([done, it.sender.queuedCount, it.sender.queuedBytes], [count, 0, 0]);
  const order = it.kernel.taken.map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
  assert(order.length === count && order.every((index, i) => index === i), "their order");
  await delay(0);
});

test("what waits at close fails once each", async () => {
  for (const kind of ["udp", "unix"] as const) {
    const it = harnessOf(kind, ({ address }) => address === "" ? "EAGAIN" : "ENOBUFS");
    const results: number[] = [];
    const request = { finish: (result: number) => void results.push(result) };
    for (let i = 0; i < 20; i++) it.sender.add(new Uint8Array(3), 3, it.destinations[i % 2], request);
    it.outbox.flush();
    it.sender.cancel();
    const { calls } = it.kernel;
    await delay(20);
    assertEquals(it.kernel.calls, calls, "calls afterwards");
    assertEquals(results, Array(20).fill(-libc.abi.errno.ECANCELED));
    assertEquals([it.sender.queuedCount, it.sender.queuedBytes, it.outbox.waiting.size], [0, 0, 0]);
    assertEquals(sumOf(results), 20 * -libc.abi.errno.ECANCELED);
  }
});

test("before the end what waits is tried once, and no more", () => {
  for (const kind of ["udp", "unix"] as const) {
    let isFull = true;
    const it = harnessOf(kind, () => isFull ? "EAGAIN" : 0);
    for (let i = 0; i < 5; i++) it.sender.add(new Uint8Array(3), 3, undefined, undefined);
    it.outbox.flush();
    const { calls } = it.kernel;
    it.outbox.sendLast();
    assertEquals(it.kernel.calls, calls + 1);
    isFull = false;
    it.outbox.sendLast();
    assertEquals([it.kernel.taken.length, it.sender.queuedCount], [5, 0]);
    it.sender.cancel();
  }
});
