/**
 * One socket's sending side over a kernel that answers as a test wants it to: what each call is given, what becomes of messages that
 * find no room or are refused, and what is remembered of refusals.
 *
 * @module
 */
import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { EncodedControls } from "../ffi/wire/control.ts";
import { encodeAddress } from "../ffi/wire/sockaddr.ts";
import { Outbox } from "../src/sending/outbox.ts";
import { type Path, pathTo } from "../src/sending/path.ts";
import { Segments } from "../src/sending/segments.ts";
import { Sender } from "../src/sending/sender.ts";
import { test } from "./support/harness.ts";
import { Interrupted, ScriptedKernel, type Submitted, type Verdict } from "./support/scripted_kernel.ts";
import { LINUX, ScriptedLibc } from "./support/scripted_libc.ts";

const { errno } = LINUX;
const memory = new ScriptedLibc().libc;
const A = encodeAddress(memory, 4, "192.0.2.1", 1)!;
const B = encodeAddress(memory, 4, "192.0.2.2", 2)!;
const CONTROLS: EncodedControls = Uint8Array.of(
  24,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  9,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
);
const SOME: EncodedControls = CONTROLS.slice();

/** What stands for the socket. Everything that a sender asks of it can be set. */
class FakeSocket {
  fd = 77;
  isSole = true;
  isLocked = false;
  wants = false;
  unsent = 0;
  /** Whether messages wait for POLLOUT. */
  awaits = false;
  /** What an error queue says of the message behind those that were sent, in turn. */
  refusals: number[] = [];
  /** How often a message may be sent again. */
  retries = 0;
  attempts: [errno: number, attempt: number][] = [];
  /** What forbidding fragments is answered with. */
  modeResult = 0;
  forbids = false;
  readonly log: string[];
  readonly paths = new Map<unknown, Path | undefined>();

  constructor(log: string[]) {
    this.log = log;
    for (const address of [undefined, A, B]) this.paths.set(address, pathTo(4, Uint8Array.of(127, 0, 0, 1)));
  }

  awaitRoom(waiting: boolean): boolean {
    this.awaits = waiting;
    return true;
  }
  drained(): void {}
  mayRetry(errno: number, attempt: number): boolean {
    this.attempts.push([errno, attempt]);
    return this.retries-- > 0;
  }
  refusal(): number {
    return this.refusals.shift() ?? 0;
  }
  unsentBytes(): number {
    return this.unsent;
  }
  fragmentation(): "large" | "none" {
    return this.wants ? "large" : "none";
  }
  isMTULocked(): boolean {
    return this.isLocked;
  }
  forbidFragments(forbidden: boolean): number {
    this.forbids = forbidden;
    this.log.push(forbidden ? "DO" : "WANT");
    return this.modeResult;
  }
  pathTo(address: unknown): Path | undefined {
    return this.paths.get(address);
  }
}

type Answer = Verdict | ((submitted: Submitted) => Verdict);

/** A sender, its socket, and a log of the calls: one line each, with its payloads. `2x10@A` is two segments to A. */
class Bench {
  readonly log: string[] = [];
  readonly socket: FakeSocket = new FakeSocket(this.log);
  readonly kernel: ScriptedKernel;
  readonly outbox: Outbox;
  readonly sender: Sender;
  /** What became of each message, by its number: bytes, or the name of an error. */
  readonly results: [number, number | string][] = [];
  /** What the kernel says to the next payloads, in turn; then it takes all. */
  answers: Answer[] = [];
  /** What it says to all others. */
  always: Answer = 0;
  #next = 0;

  constructor(segments = true) {
    this.kernel = new ScriptedKernel(memory, (submitted) => this.#judge(submitted));
    this.outbox = new Outbox(this.kernel.libc);
    this.sender = new Sender(this.kernel.libc, this.outbox, this.socket, segments);
  }

  /** Sends a message of that many bytes, which all have its number. */
  add(size: number, address?: typeof A, controls?: EncodedControls): void {
    this.sender.add(new Uint8Array(size).fill(this.#next), size, address, this.#request(), controls);
  }

  addAll(sizes: readonly number[], address?: typeof A, controls?: EncodedControls): void {
    for (const size of sizes) this.add(size, address, controls);
  }

  /** Several as one payload. */
  addSegments(size: number, count: number, address?: typeof A): boolean {
    const requests = Array.from({ length: count }, () => this.#request());
    const request = { finish: (result: number) => requests.shift()!.finish(result) };
    return this.sender.addSegments(
      new Segments(new Uint8Array(size * count), size, count),
      address,
      request,
      undefined,
    );
  }

  /** Ends the turn, and gives what the calls were since it was asked last. */
  flush(): string[] {
    this.outbox.flush();
    return this.log.splice(0);
  }

  get queue(): [count: number, bytes: number] {
    return [this.sender.queuedCount, this.sender.queuedBytes];
  }

  #request() {
    const number = this.#next++;
    return {
      finish: (result: number): void => {
        this.results.push([number, result < 0 ? Object.keys(errno).find((name) => errno[name] === -result)! : result]);
      },
    };
  }

  #judge(submitted: Submitted): Verdict {
    const { datagrams, address, isSegmented, controls, index } = submitted;
    const [first, last] = [datagrams[0].length, datagrams.at(-1)!.length];
    const sizes = datagrams.length > 1 && last !== first
      ? `${datagrams.length - 1}x${first}+${last}`
      : `${datagrams.length}x${first}`;
    const to = address === "" ? "" : address === String(A) ? "@A" : "@B";
    const text = `${sizes}${to}${isSegmented && datagrams.length === 1 ? "!" : ""}${controls.length > 0 ? "c" : ""}`;
    if (index === 0) this.log.push(text);
    else this.log[this.log.length - 1] += ` ${text}`;
    assertEquals(submitted.fd, 77);
    const answer = this.answers.shift() ?? this.always;
    return typeof answer === "function" ? answer(submitted) : answer;
  }
}

const refusesSegments = (errno: string): Answer => ({ isSegmented }) => isSegmented ? errno : 0;

test("the messages of one turn go in one call: those of one size as segments, each to its destination", () => {
  const it = new Bench();
  it.addAll([10, 10, 4], A);
  it.addAll([20], B);
  it.addAll([20, 20]);
  it.addAll([5, 5], A, CONTROLS);
  it.add(5, A, SOME);
  assertEquals(it.queue, [9, 99]);
  assertEquals(it.flush(), ["2x10+4@A 1x20@B 2x20 2x5@Ac 1x5@Ac"]);
  assertEquals(it.results, [[0, 10], [1, 10], [2, 4], [3, 20], [4, 20], [5, 20], [6, 5], [7, 5], [8, 5]]);
  assertEquals(it.kernel.taken.map(({ bytes }) => bytes.every((byte) => byte === bytes[0]) && bytes[0]), [
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8],
  ]);
  assertEquals([it.queue, it.socket.awaits], [[0, 0], false]);
});

test("control data goes with each message as it was given, and not with the next", () => {
  const it = new Bench();
  const seen: string[] = [];
  it.always = ({ controls }) => {
    seen.push(String(controls));
    return 0;
  };
  it.addAll([10, 10], A, CONTROLS);
  it.add(7, A, CONTROLS);
  it.add(9, A);
  it.addAll([3], A);
  it.flush();
  assertEquals(seen, [String(CONTROLS), ""]);
  it.add(9, A);
  it.flush();
  assertEquals(seen.at(-1), "");
});

test("without segments every message is alone", () => {
  const it = new Bench(false);
  it.addAll([10, 10, 10]);
  assertEquals(it.flush(), ["1x10 1x10 1x10"]);
  assertEquals(it.addSegments(10, 2), false);
  it.sender.allowSegments(true);
  it.addAll([10, 10]);
  assertEquals(it.flush(), ["2x10"]);
  it.sender.allowSegments(false);
  it.addAll([10, 10]);
  assertEquals(it.flush(), ["1x10 1x10"]);
});

test("without a path every message is alone", () => {
  const it = new Bench();
  it.socket.paths.set(A, undefined);
  it.addAll([10, 10], A);
  it.addAll([10, 10], B);
  assertEquals(it.flush(), ["1x10@A 1x10@A 2x10@B"]);
});

test("messages that are given as one payload are counted, and go as one", () => {
  const it = new Bench();
  assertEquals(it.addSegments(10, 3), true);
  assertEquals(it.queue, [3, 30]);
  assertEquals(it.flush(), ["3x10"]);
  assertEquals([it.results, it.queue], [[[0, 10], [1, 10], [2, 10]], [0, 0]]);
});

test("a message larger than any arena fails at once, and nothing waits", () => {
  const it = new Bench();
  it.sender.add(new Uint8Array(2 ** 20 + 1), 2 ** 20 + 1, undefined, {
    finish: (result) => assertEquals(result, -errno.EMSGSIZE),
  });
  assertEquals([it.queue, it.flush()], [[0, 0], []]);
});

test("a message larger than any arena fails after those before it", () => {
  const it = new Bench();
  it.addAll([3, 2 ** 20 + 1, 5]);
  assertEquals([it.flush(), it.results, it.queue], [["1x3", "1x5"], [[0, 3], [1, "EMSGSIZE"], [2, 5]], [0, 0]]);
});

test("a message larger than any arena waits for its turn behind those that wait, and holds up none behind it", () => {
  for (const attempt of ["resume", "tryWaiting"] as const) {
    const it = new Bench();
    it.always = "EAGAIN";
    it.addAll([3, 2 ** 20 + 1, 2 ** 20 + 1, 5, 2 ** 20 + 1]);
    assertEquals([it.flush(), it.results, it.queue], [["1x3"], [], [5, 3 * 2 ** 20 + 11]]);
    it.always = 0;
    it.sender[attempt]();
    assertEquals(it.log.splice(0), ["1x3", "1x5"], attempt);
    const results = [[0, 3], [1, "EMSGSIZE"], [2, "EMSGSIZE"], [3, 5], [4, "EMSGSIZE"]];
    assertEquals([it.results, it.queue, it.sender.failedCount], [results, [0, 0], 3], attempt);
  }
});

test("a message that is refused fails alone, and those behind it follow in order", () => {
  const it = new Bench();
  it.answers = [0, "EPERM", "EPERM"];
  it.addAll([1, 2, 3, 4]);
  // The call ends before the second; its own error comes when it stands first.
  assertEquals(it.flush(), ["1x1 1x2", "1x2", "1x3 1x4"]);
  assertEquals(it.results, [[0, 1], [1, "EPERM"], [2, 3], [3, 4]]);
  assertEquals(it.queue, [0, 0]);
});

test("after an answer of the peer's host those behind it go one by one, so that each has its own answer", () => {
  const it = new Bench();
  it.answers = [0, "ECONNREFUSED", "ECONNREFUSED"];
  it.addAll([1, 2, 3, 4]);
  assertEquals(it.flush(), ["1x1 1x2", "1x2", "1x3", "1x4"]);
  assertEquals(it.results, [[0, 1], [1, "ECONNREFUSED"], [2, 3], [3, 4]]);
});

test("an error that does not come again when its message stands first was another one's", () => {
  const it = new Bench();
  it.answers = [0, "ECONNREFUSED"];
  it.addAll([1, 2, 3]);
  assertEquals(it.flush(), ["1x1 1x2", "1x2 1x3"]);
  assertEquals(it.results, [[0, 1], [1, 2], [2, 3]]);
});

test("a message whose refusal the kernel has on the error queue is not tried again", () => {
  const it = new Bench();
  it.answers = [0, "EMSGSIZE"];
  it.socket.refusals = [errno.EMSGSIZE];
  it.addAll([1, 2, 3]);
  assertEquals(it.flush(), ["1x1 1x2", "1x3"]);
  assertEquals(it.results, [[0, 1], [1, "EMSGSIZE"], [2, 3]]);
});

test("a call that a signal interrupts is made again", () => {
  const it = new Bench();
  it.answers = ["EINTR", "EINTR"];
  it.addAll([1, 2]);
  assertEquals(it.flush(), ["1x1", "1x1", "1x1 1x2"]);
  assertEquals(it.results, [[0, 1], [1, 2]]);
});

test("an error that may be another message's is tried again, with the number of the attempt, and not for ever", () => {
  const it = new Bench();
  it.always = "EHOSTUNREACH";
  it.socket.retries = 2;
  it.add(1);
  assertEquals(it.flush().length, 3);
  assertEquals(it.socket.attempts, [0, 1, 2].map((attempt) => [errno.EHOSTUNREACH, attempt]));
  assertEquals(it.results, [[0, "EHOSTUNREACH"]]);
  it.socket.retries = Infinity;
  it.add(1);
  assertEquals(it.flush().length, 9);
  assertEquals(it.results.length, 2);
});

test("what finds no room waits in its order, and what comes later behind it", () => {
  const it = new Bench();
  it.answers = [0, "EAGAIN"];
  it.always = "EAGAIN";
  it.addAll([1, 2, 3, 3]);
  // The second is asked for again, standing first.
  assertEquals(it.flush(), ["1x1 1x2", "1x2"]);
  assertEquals([it.results, it.queue, it.socket.awaits], [[[0, 1]], [3, 8], true]);
  assert(it.outbox.waiting.has(it.sender));
  it.add(5);
  assertEquals([it.addSegments(3, 2), it.queue], [false, [4, 13]]);
  assertEquals(it.flush(), []);
  it.always = 0;
  it.sender.resume();
  assertEquals(it.log.splice(0), ["1x2 2x3 1x5"]);
  assertEquals(it.results.map(([number]) => number), [0, 1, 2, 3, 4]);
  assertEquals([it.queue, it.socket.awaits, it.outbox.waiting.size], [[0, 0], false, 0]);
});

test("what waits keeps its bytes, its destination and its control data", () => {
  const it = new Bench();
  it.always = "EAGAIN";
  const bytes = Uint8Array.of(1, 2, 3);
  it.sender.add(bytes, 3, A, undefined, CONTROLS);
  it.flush();
  it.sender.add([bytes.subarray(0, 1), bytes.subarray(1)], 3, B, undefined, CONTROLS);
  bytes.fill(9);
  it.always = 0;
  it.sender.resume();
  assertEquals(it.log.at(-1), "1x3@Ac 1x3@Bc");
  assertEquals(it.kernel.taken.map(({ bytes }) => [...bytes]), [[1, 2, 3], [1, 2, 3]]);
});

test("a run of which the kernel takes nothing waits as messages, and goes as a run again", () => {
  const it = new Bench();
  it.answers = ["EAGAIN"];
  it.addAll([10, 10, 4]);
  it.flush();
  assertEquals([it.queue, it.results], [[3, 24], []]);
  it.sender.resume();
  assertEquals(it.log.splice(0), ["2x10+4"]);
  assertEquals(it.results, [[0, 10], [1, 10], [2, 4]]);
});

test("at most 256 of those that wait are tried at a time, and no more follow if one finds no room", () => {
  const it = new Bench(false);
  it.always = "EAGAIN";
  it.addAll(Array(600).fill(1));
  it.flush();
  it.always = 0;
  it.sender.resume();
  assertEquals(it.log.splice(0).map((call) => call.split(" ").length), [256]);
  assertEquals([it.queue, it.socket.awaits], [[344, 344], true]);
  it.always = "EAGAIN";
  it.sender.resume();
  assertEquals(it.log.splice(0).length, 1);
  assertEquals(it.queue, [344, 344]);
  it.sender.cancel();
});

test("after ENOBUFS one is tried, then twice as many, and so on", async () => {
  const it = new Bench(false);
  it.always = "ENOBUFS";
  it.addAll(Array(1000).fill(1));
  it.flush();
  // POLLOUT says nothing of a device's queue: a timer does.
  assertEquals(it.socket.awaits, false);
  it.always = 0;
  await delay(10);
  const sizes = it.log.splice(0).map((call) => call.split(" ").length);
  assertEquals(sizes, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
  // The rest follows as fast as POLLOUT has it.
  while (it.socket.awaits) it.sender.resume();
  assertEquals(it.queue, [0, 0]);
});

test("a message that ENOBUFS refuses is given up only after time in which nothing leaves", async () => {
  const it = new Bench();
  it.always = "ENOBUFS";
  it.add(1);
  it.flush();
  const start = performance.now();
  // Something of the socket's leaves now and then.
  while (performance.now() - start < 400) {
    it.socket.unsent++;
    await delay(20);
  }
  assertEquals(it.results, []);
  while (it.results.length === 0) await delay(5);
  assertEquals([it.results, it.queue], [[[0, "ENOBUFS"]], [0, 0]]);
});

test("room that is none, three times, has a timer ask", async () => {
  const it = new Bench();
  it.always = "EAGAIN";
  it.add(1);
  it.flush();
  for (const awaits of [true, true, false]) {
    it.sender.resume();
    assertEquals(it.socket.awaits, awaits);
  }
  it.always = 0;
  await delay(20);
  assertEquals(it.results, [[0, 1]]);
  // A success has it begin again.
  it.always = "EAGAIN";
  it.add(1);
  it.flush();
  it.sender.resume();
  assertEquals(it.socket.awaits, true);
  it.sender.cancel();
});

test("what would exceed the limit while others wait fails with ENOBUFS, and so much may wait as the limit says", () => {
  const it = new Bench();
  it.sender.limitQueue(10);
  // What the kernel takes does not count.
  it.addAll([6, 6, 30]);
  assertEquals([it.flush().join(" "), it.sender.failedCount], ["1x6 1x6 1x30", 0]);
  it.always = "EAGAIN";
  it.addAll([6, 4, 1]);
  it.sender.add(new Uint8Array(5), 5, undefined, undefined);
  assertEquals([it.addSegments(2, 2), it.results.at(-1)], [false, [5, "ENOBUFS"]]);
  assertEquals([it.queue, it.sender.failedCount], [[2, 10], 2]);
  it.always = 0;
  it.sender.resume();
  assertEquals([it.results.slice(-2), it.queue], [[[3, 6], [4, 4]], [0, 0]]);
});

test("one request's messages are withdrawn from those that wait, wherever they stand, and the others leave", () => {
  const it = new Bench();
  it.always = "EAGAIN";
  const withdrawn: number[] = [];
  const request = { finish: (result: number | Error) => void withdrawn.push(Number(result)) };
  const wrapper = { inner: request, finish: (result: number | Error) => request.finish(result) };
  it.add(1);
  it.sender.add(new Uint8Array(2), 2, undefined, request);
  it.add(3);
  it.sender.add(new Uint8Array(4), 4, undefined, wrapper);
  it.sender.add(new Uint8Array(5), 5, undefined, undefined);
  it.sender.withdraw(request, -errno.ECANCELED);
  assertEquals(withdrawn, [-errno.ECANCELED, -errno.ECANCELED]);
  assertEquals([it.queue, it.sender.failedCount, it.socket.awaits], [[3, 9], 2, true]);
  it.always = 0;
  it.sender.resume();
  assertEquals([it.log.at(-1), it.results], ["1x1 1x3 1x5", [[0, 1], [1, 3]]]);
  // What can leave leaves before; and if nothing waits any more, nothing is asked for.
  it.sender.add(new Uint8Array(6), 6, undefined, request);
  it.sender.withdraw(request, -errno.ECANCELED);
  assertEquals(withdrawn.at(-1), 6);
  it.always = "EAGAIN";
  it.sender.add(new Uint8Array(7), 7, undefined, request);
  it.flush();
  it.sender.withdraw(request, -errno.ECANCELED);
  assertEquals([it.queue, it.socket.awaits, it.outbox.waiting.size], [[0, 0], false, 0]);
});

test("what was sent is counted: datagrams, bytes and calls, and segments with their payloads", () => {
  const it = new Bench();
  const zero = { datagrams: 0, bytes: 0, systemCalls: 0, segments: 0, segmentedPayloads: 0 };
  assertEquals(it.sender.counts, zero);
  it.addAll([10, 10, 10, 7], A);
  it.addAll([20, 20, 30], B);
  it.flush();
  const counts = { datagrams: 7, bytes: 107, systemCalls: 1, segments: 6, segmentedPayloads: 2 };
  assertEquals([it.sender.counts, it.sender.failedCount, it.sender.segmentRefusals], [counts, 0, undefined]);
  it.answers = ["EINVAL"];
  it.addAll([10, 10], A);
  it.flush();
  assertEquals([...it.sender.segmentRefusals!], [[errno.EINVAL, 1]]);
  assertEquals(it.sender.counts, { ...counts, datagrams: 9, bytes: 127, systemCalls: 4 });
});

test("closing fails what waits once, with ECANCELED, and nothing is asked for any more", async () => {
  for (const no of ["EAGAIN", "ENOBUFS"]) {
    const it = new Bench();
    it.always = no;
    it.addAll([1, 2]);
    it.flush();
    it.sender.cancel();
    it.sender.cancel();
    assertEquals(it.results, [[0, "ECANCELED"], [1, "ECANCELED"]]);
    assertEquals([it.queue, it.outbox.waiting.size], [[0, 0], 0]);
    await delay(10);
    assertEquals(it.log, []);
  }
});

for (const code of ["EIO", "ENOPROTOOPT"]) {
  test(`a payload of segments that ${code} refuses goes singly, and so do all to that destination for a while`, () => {
    const it = new Bench();
    it.always = refusesSegments(code);
    it.addAll([10, 10, 4], A);
    assertEquals(it.flush(), ["2x10+4@A", "1x10@A", "1x10@A", "1x4@A"]);
    assertEquals(it.results, [[0, 10], [1, 10], [2, 4]]);
    it.addAll([5, 5], A);
    it.addAll([5, 5], B);
    it.always = 0;
    assertEquals(it.flush(), ["1x5@A 1x5@A 2x5@B"]);
    const path = it.socket.paths.get(A)!;
    assert(path.limitUntil > performance.now() + 1000 && path.limitUntil < performance.now() + 3000);
    path.limitUntil = 0;
    it.addAll([5, 5], A);
    assertEquals([it.flush(), path.limit], [["2x5@A"], Infinity]);
  });
}

for (const code of ["EMSGSIZE", "EINVAL"]) {
  test(`${code} of a payload of segments means that smaller ones may go`, () => {
    const it = new Bench();
    it.answers = [code];
    it.addAll([10, 10], A);
    assertEquals(it.flush(), ["2x10@A", "1x10@A", "1x10@A"]);
    it.addAll([10, 10], A);
    it.addAll([9, 9], A);
    assertEquals(it.flush(), ["1x10@A 1x10@A 2x9@A"]);
    // It does not rise by another, larger refusal.
    assertEquals(it.socket.paths.get(A)!.limit, 9);
  });
}

test("EINVAL of segments with control data says nothing of others", () => {
  const it = new Bench();
  it.answers = ["EINVAL"];
  it.addAll([10, 10], A, CONTROLS);
  assertEquals(it.flush(), ["2x10@Ac", "1x10@Ac", "1x10@Ac"]);
  it.addAll([10, 10], A);
  assertEquals(it.flush(), ["2x10@A"]);
  it.answers = ["EMSGSIZE"];
  it.addAll([10, 10], A, CONTROLS);
  it.flush();
  assertEquals(it.socket.paths.get(A)!.limit, 9);
});

test("another error of a payload of segments is its first message's alone", () => {
  const it = new Bench();
  it.answers = ["ECONNREFUSED"];
  it.addAll([10, 10, 10], A);
  assertEquals(it.flush(), ["3x10@A", "2x10@A"]);
  assertEquals(it.results, [[0, "ECONNREFUSED"], [1, 10], [2, 10]]);
  assertEquals(it.socket.paths.get(A)!.limit, Infinity);
});

test("of messages that go singly each has its own result, and if none can go nothing is learnt", () => {
  const it = new Bench();
  it.always = ({ isSegmented, datagrams: [bytes] }) => isSegmented ? "EIO" : bytes[0] === 1 ? "EPERM" : 0;
  it.addAll([10, 10, 10], A);
  it.flush();
  assertEquals(it.results, [[0, 10], [1, "EPERM"], [2, 10]]);
  it.always = "EIO";
  it.addAll([10, 10], B);
  it.flush();
  assertEquals(it.results.slice(3), [[3, "EIO"], [4, "EIO"]]);
  assertEquals([A, B].map((to) => it.socket.paths.get(to)!.limit), [0, Infinity]);
});

test("messages that go singly and find no room wait, with those behind them", () => {
  const it = new Bench();
  it.answers = ["EIO", 0, "EAGAIN"];
  it.always = "EAGAIN";
  it.addAll([10, 10, 10], A);
  it.add(3, B);
  assertEquals(it.flush(), ["3x10@A", "1x10@A", "1x10@A"]);
  assertEquals([it.results, it.queue, it.socket.awaits], [[[0, 10]], [3, 23], true]);
  it.always = 0;
  it.sender.resume();
  assertEquals(it.log.splice(0), ["1x10@A 1x10@A 1x3@B"]);
});

test("more segments than an older kernel takes go in parts, and then no more are put together", () => {
  const it = new Bench();
  it.always = ({ datagrams }) => datagrams.length > 64 ? "EINVAL" : 0;
  it.addAll(Array(128).fill(10), A);
  it.add(7, B);
  assertEquals(it.flush(), ["128x10@A", "64x10@A", "64x10@A 1x7@B"]);
  assertEquals(it.results.length, 129);
  it.addAll(Array(128).fill(10), A);
  assertEquals(it.flush(), ["64x10@A 64x10@A"]);
});

test("EINVAL of more segments than an older kernel takes, once, is not believed for ever", async () => {
  const it = new Bench();
  const flushed = (): string[] => {
    it.addAll(Array(128).fill(10), A);
    return it.flush();
  };
  it.answers = ["EINVAL"];
  assertEquals(flushed(), ["128x10@A", "64x10@A", "64x10@A"]);
  assertEquals(flushed(), ["64x10@A 64x10@A"]);
  await delay(2100);
  flushed();
  assertEquals(flushed(), ["128x10@A"]);
  // Again: then it is the kernel's limit.
  it.answers = ["EINVAL"];
  assertEquals(flushed(), ["128x10@A", "64x10@A", "64x10@A"]);
  await delay(2100);
  flushed();
  assertEquals(flushed(), ["64x10@A 64x10@A"]);
});

test("parts for an older kernel that find no room wait", () => {
  const it = new Bench();
  it.answers = ["EINVAL", "EAGAIN"];
  it.always = "EAGAIN";
  it.addAll(Array(100).fill(10), A);
  assertEquals(it.flush(), ["100x10@A", "64x10@A"]);
  assertEquals(it.queue, [100, 1000]);
  it.sender.cancel();
});

test("parts for an older kernel that are refused, too, go singly", () => {
  const it = new Bench();
  it.always = refusesSegments("EINVAL");
  it.addAll(Array(65).fill(10), A);
  const calls = it.flush();
  assertEquals([calls.slice(0, 3), calls.length], [["65x10@A", "64x10@A", "1x10@A"], 67]);
  assertEquals(it.results.length, 65);
});

/** A destination behind routers, of which a socket discovers the path MTU. */
function routed(it: Bench): Path {
  const path = pathTo(4, Uint8Array.of(192, 0, 2, 1));
  it.socket.paths.set(A, path);
  it.socket.wants = true;
  return path;
}

test("fragments are forbidden for a payload that would lose the don't-fragment bit, and for its call only", () => {
  const it = new Bench();
  const { sure } = routed(it);
  it.addAll([sure / 2, sure / 2], A);
  assertEquals(it.flush(), ["2x262@A"]);
  it.addAll([263, 262], A);
  assertEquals(it.flush(), ["DO", "1x263+262@A", "WANT"]);
  it.socket.wants = false;
  it.addAll([263, 262], A);
  assertEquals(it.flush(), ["1x263+262@A"]);
  it.socket.wants = true;
  it.addAll([1000], A);
  assertEquals(it.flush(), ["1x1000@A"]);
  it.addAll([1000, 1000], B);
  assertEquals(it.flush(), ["2x1000@B"]);
});

test("what is sent in the mode that forbids fragments, and is too large for it, goes in the usual mode", () => {
  const it = new Bench();
  routed(it);
  it.always = ({ datagrams: [bytes] }) => it.socket.forbids && bytes.length > 1400 ? "EMSGSIZE" : 0;
  it.addAll([500, 500], A);
  it.addAll([1500], B);
  it.add(20);
  assertEquals(it.flush(), ["DO", "2x500@A 1x1500@B", "1x1500@B", "WANT", "1x1500@B", "DO", "1x20", "WANT"]);
  assertEquals(it.results.map(([, result]) => result), [500, 500, 1500, 20]);
});

test("a mode that cannot be set is not believed to be", () => {
  const it = new Bench();
  routed(it);
  it.socket.modeResult = -errno.EPERM;
  it.answers = ["EMSGSIZE"];
  it.addAll([500, 500], A);
  assertEquals(it.flush(), ["DO", "2x500@A", "1x500@A", "1x500@A"]);
});

test("the mode is the usual one again if the call throws", () => {
  const it = new Bench();
  routed(it);
  it.answers = ["throw before"];
  it.addAll([500, 500], A);
  assertThrows(() => it.outbox.flush(), Interrupted);
  assertEquals(it.log.splice(0), ["DO", "2x500@A", "WANT"]);
  assertEquals(it.flush(), ["DO", "2x500@A", "WANT"]);
});

/** To a router no segments leave, unless the mode sets the don't-fragment bit or the path is not one of IPv4. */
function assertSegmentsOnlyWithBit(it: Bench): void {
  it.addAll([10, 10], A);
  it.addAll([10, 10], B);
  assertEquals(it.flush(), ["1x10@A 1x10@A 2x10@B"]);
  it.socket.wants = false;
  it.addAll([10, 10], A);
  assertEquals(it.flush(), ["2x10@A"]);
  it.socket.wants = true;
  it.socket.paths.set(A, pathTo(6, new Uint8Array(16).fill(0x20)));
  it.addAll([10, 10], A);
  assertEquals(it.flush(), ["2x10@A"]);
}

test("by a route with a locked MTU no segments leave, unless the socket's mode sets the don't-fragment bit", () => {
  const it = new Bench();
  routed(it);
  it.socket.isLocked = true;
  assertEquals(it.addSegments(10, 2, A), false);
  assertSegmentsOnlyWithBit(it);
});

test("a socket that others use has no payloads that would need another mode", () => {
  const it = new Bench();
  routed(it);
  it.socket.isSole = false;
  assertSegmentsOnlyWithBit(it);
});

test("what left in a call that threw is settled at the next flush, and not sent again", () => {
  for (const [how, sent] of [["throw before", [0]], ["throw after", [0, 1, 1]]] as const) {
    const it = new Bench();
    it.answers = [0, how];
    it.addAll([5], A);
    it.addAll([6, 6], B);
    it.addAll([7], A);
    assertThrows(() => it.outbox.flush(), Interrupted);
    assertEquals(it.kernel.taken.length, sent.length);
    assertEquals(it.results, []);
    it.flush();
    assertEquals(it.results, [[0, 5], [1, 6], [2, 6], [3, 7]]);
    assertEquals(it.kernel.taken.map(({ bytes }) => bytes.length), [5, 6, 6, 7]);
    assertEquals(it.queue, [0, 0]);
  }
});

test("what left while waiting messages were tried in a call that threw is settled at once", () => {
  const it = new Bench();
  it.always = "EAGAIN";
  it.addAll([5, 6]);
  it.flush();
  it.always = 0;
  it.answers = [0, "throw after"];
  assertThrows(() => it.sender.resume(), Interrupted);
  assertEquals([it.results, it.queue, it.socket.awaits], [[[0, 5], [1, 6]], [0, 0], false]);
});

test("what was interrupted is not overtaken by the next message", () => {
  const it = new Bench();
  it.answers = ["throw before", "EAGAIN"];
  it.add(1);
  assertThrows(() => it.outbox.flush(), Interrupted);
  it.add(2);
  it.sender.resume();
  assertEquals(it.kernel.taken.map(({ bytes }) => bytes.length), [1, 2]);
  assertEquals([it.results, it.queue], [[[0, 1], [1, 2]], [0, 0]]);
});

test("the first message of a turn can leave at once, those behind it leave at the turn's end", async () => {
  const it = new Bench();
  it.add(1);
  it.sender.leave();
  it.add(2);
  it.sender.leave();
  assertEquals(it.log.splice(0), ["1x1"]);
  await setImmediate();
  assertEquals(it.log.splice(0), ["1x2"]);
  it.add(3);
  it.sender.leave();
  it.add(4);
  it.sender.leave(true);
  assertEquals(it.log.splice(0), ["1x3", "1x4"]);
});

test("once the process is about to end, messages leave within send(), and an exception then is nobody's", () => {
  const it = new Bench();
  it.add(1);
  it.outbox.sendLast();
  it.add(2);
  it.answers = ["throw before"];
  it.add(3);
  it.add(4);
  assertEquals(it.log.splice(0), ["1x1", "1x2", "1x3", "1x3", "1x4"]);
  assertEquals(it.results, [[0, 1], [1, 2], [2, 3], [3, 4]]);
});

test("before the end what waits is tried as a whole", () => {
  const it = new Bench(false);
  it.always = "EAGAIN";
  it.addAll(Array(300).fill(1));
  it.flush();
  it.always = 0;
  it.outbox.sendLast();
  assertEquals([it.queue, it.results.length], [[0, 0], 300]);
});
