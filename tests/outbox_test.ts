/**
 * What the outbox hands to senders: which messages go as one payload, in which order, and when.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { assertEquals, assertThrows } from "@std/assert";
import type { EncodedControls } from "../ffi/wire/control.ts";
import type { EncodedAddress } from "../ffi/wire/sockaddr.ts";
import { MessageQueue, type WaitingMessage } from "../src/sending/message_queue.ts";
import { type Collected, Outbox, type RetryingTransmitter } from "../src/sending/outbox.ts";
import type { Path } from "../src/sending/path.ts";
import { Segments } from "../src/sending/segments.ts";
import { test } from "./support/harness.ts";
import { LINUX, ScriptedLibc } from "./support/scripted_libc.ts";

const KIB = 1024;
const MOST_SEGMENTS = LINUX.linux!.UDP_MAX_SEGMENTS;

function pathWith(sure: number, limit = Infinity): Path {
  return { byIPv4: true, ipv4: Uint8Array.of(127, 0, 0, 1), isLoopback: sure === Infinity, sure, limit, limitUntil: 0 };
}

/** Destinations, and control data, by a letter. */
const ADDRESSES: Record<string, EncodedAddress> = { A: new Uint8Array([1]), B: new Uint8Array([2]) };
const CONTROLS: Record<string, EncodedControls> = { x: new Uint8Array([3]), y: new Uint8Array([4]) };

/** A sender that writes down what it is given. */
class Recorder implements RetryingTransmitter {
  path: Path | undefined = pathWith(Infinity);
  /** Whether segments leave by the path as single messages do. */
  takesRuns = true;
  /** The runs of each call: `2x10 A` is two messages of 10 bytes to A, `2x10+3` has a shorter one behind them. */
  readonly calls: string[][] = [];
  readonly requests: unknown[] = [];
  /** The first byte of each message. */
  readonly bytes: number[] = [];
  /** Whether it takes what comes after a full arena itself. */
  takesBehind = false;
  readonly behind: number[] = [];
  /** What it does, once, in the place of sending. */
  onTransmit: ((collected: Collected, first: number, end: number) => void) | undefined;
  /** How many messages leave at the next attempt of those that waited. */
  retried = Infinity;
  tried = 0;

  segmentsTo(_address?: EncodedAddress): Path | undefined {
    return this.path;
  }

  takesSegments(): boolean {
    return this.takesRuns;
  }

  transmit(collected: Collected, first: number, end: number): void {
    const { onTransmit } = this;
    this.onTransmit = undefined;
    onTransmit?.(collected, first, end);
    const call: string[] = [];
    for (const run of collected.runs.slice(first, end)) {
      const { address, controls, count, length, segmentSize, offset, firstRequest } = run;
      const to = Object.keys(ADDRESSES).find((key) => ADDRESSES[key] === address) ?? "";
      const wish = Object.keys(CONTROLS).find((key) => CONTROLS[key] === controls) ?? "";
      const rest = length - (count - 1) * segmentSize;
      const size = rest === segmentSize ? `${count}x${segmentSize}` : `${count - 1}x${segmentSize}+${rest}`;
      call.push(`${size}${to || wish ? ` ${to}${wish}` : ""}`);
      for (let i = 0; i < count; i++) {
        this.bytes.push(collected.vector.data.bytes[offset + i * segmentSize]);
        this.requests.push(collected.requests[firstRequest + i]);
      }
    }
    this.calls.push(call);
  }

  queueBehind(_payload: unknown, length: number): boolean {
    if (this.takesBehind) this.behind.push(length);
    return this.takesBehind;
  }

  retransmit({ runs }: Collected, end: number): void {
    this.calls.push(runs.slice(0, end).map(({ count, segmentSize }) => `retry ${count}x${segmentSize}`));
    for (let run = 0; run < end && this.retried > 0; run++) {
      const count = Math.min(runs[run].count, this.retried);
      runs[run].count -= count;
      this.retried -= count;
    }
  }

  tryWaiting(): void {
    this.tried++;
  }
}

function outboxWith(): { outbox: Outbox; sender: Recorder } {
  return { outbox: new Outbox(new ScriptedLibc().libc), sender: new Recorder() };
}

let next = 0;

/** Adds a message: its size, the letter of its destination and that of its control data. */
function add(outbox: Outbox, sender: Recorder, size: number, to = "", controls = ""): boolean {
  const payload = new Uint8Array(size).fill(next++ % 251);
  return outbox.add(sender, payload, size, ADDRESSES[to], undefined, CONTROLS[controls]);
}

/** What the given messages become: each as `size`, `size A`, `size Ax`. */
function runsOf(messages: readonly (number | string)[], path: Path | "none" = pathWith(Infinity)): string[] {
  const { outbox, sender } = outboxWith();
  sender.path = path === "none" ? undefined : path;
  for (const message of messages) {
    const [size, letters = ""] = String(message).split(" ");
    add(outbox, sender, Number(size), letters.match(/[AB]/)?.[0], letters.match(/[xy]/)?.[0]);
  }
  outbox.flush();
  assertEquals(sender.calls.length, 1);
  return sender.calls[0];
}

const many = (count: number, size: number | string): (number | string)[] => Array(count).fill(size);

/** Messages of one turn, and the runs that they are. */
const RUNS: Record<string, [messages: readonly (number | string)[], runs: string[], path?: Path | "none"]> = {
  "messages of one size": [[10, 10, 10], ["3x10"]],
  "one that is shorter is the last of a run": [[10, 10, 3, 3], ["2x10+3", "1x3"]],
  "one that is shorter ends a run even for its own size": [[10, 3, 10], ["1x10+3", "1x10"]],
  "one that is longer begins another": [[10, 11, 11], ["1x10", "2x11"]],
  "an empty one is alone": [[10, 0, 10], ["1x10", "1x0", "1x10"]],
  "empty ones are alone": [[0, 0], ["1x0", "1x0"]],
  "another destination": [["10 A", "10 A", "10 B", "10 A"], ["2x10 A", "1x10 B", "1x10 A"]],
  "a destination, and the peer": [["10 A", 10, 10], ["1x10 A", "2x10"]],
  "other control data": [["10 Ax", "10 Ax", "10 Ay", "10 A"], ["2x10 Ax", "1x10 Ay", "1x10 A"]],
  "as many as one payload takes": [many(MOST_SEGMENTS, 5), [`${MOST_SEGMENTS}x5`]],
  "one more than one payload takes": [many(MOST_SEGMENTS + 1, 5), [`${MOST_SEGMENTS}x5`, "1x5"]],
  "as many bytes as one payload takes": [[32_753, 32_753, 1], ["2x32753+1"]],
  "one byte more than one payload takes": [[32_753, 32_753, 2], ["2x32753", "1x2"]],
  "a path without segments": [[10, 10], ["1x10", "1x10"], "none"],
  "a path that takes them up to a size": [[10, 10, 9, 9, 9], ["1x10", "1x10", "3x9"], pathWith(Infinity, 9)],
  "what a router might refuse goes ahead alone": [[11, 11, 11], ["1x11", "2x11"], pathWith(10)],
  "what every router passes on does not": [[10, 10, 10], ["3x10"], pathWith(10)],
  "a shorter one does not go with what a router might refuse": [
    [12, 12, 12, 11, 11, 3],
    ["1x12", "2x12", "2x11", "1x3"],
    pathWith(10),
  ],
  "a larger one has gone ahead": [[13, 12, 12], ["1x13", "2x12"], pathWith(10)],
  "a smaller one has gone ahead": [[12, 13, 13], ["1x12", "1x13", "1x13"], pathWith(10)],
  "the largest that went ahead counts": [[13, 5, 12, 13, 13], ["1x13", "1x5", "1x12", "2x13"], pathWith(10)],
};

for (const [what, [messages, runs, ...path]] of Object.entries(RUNS)) {
  test(`which messages go as one payload: ${what}`, () => {
    assertEquals(runsOf(messages, ...path), runs);
  });
}

test("a sender is asked whether segments may leave once for each run, and not before one could join", () => {
  const { outbox, sender } = outboxWith();
  let asked = 0;
  sender.takesSegments = () => ++asked > 0 && sender.takesRuns;
  for (const to of ["A", "B", "A", "B"]) add(outbox, sender, 10, to);
  outbox.flush();
  assertEquals([asked, sender.calls.splice(0)], [0, [["1x10 A", "1x10 B", "1x10 A", "1x10 B"]]]);
  for (let i = 0; i < 5; i++) add(outbox, sender, 10, "A");
  outbox.flush();
  assertEquals([asked, sender.calls.splice(0)], [1, [["5x10 A"]]]);
  sender.takesRuns = false;
  for (let i = 0; i < 3; i++) add(outbox, sender, 10, "A");
  const segments = new Segments(new Uint8Array(20), 10, 2);
  assertEquals(outbox.addSegments(sender, segments, ADDRESSES.A, undefined, undefined), false);
  outbox.flush();
  assertEquals(sender.calls, [["1x10 A", "1x10 A", "1x10 A"]]);
});

test("a sender is asked for no path if each message has another destination", () => {
  const { outbox, sender } = outboxWith();
  let asked = 0;
  sender.segmentsTo = () => (asked++, sender.path);
  sender.path = pathWith(10);
  for (const to of ["A", "B", "A", "B"]) add(outbox, sender, 20, to);
  for (const controls of ["x", "y"]) add(outbox, sender, 20, "B", controls);
  outbox.flush();
  assertEquals([asked, sender.calls], [0, [["1x20 A", "1x20 B", "1x20 A", "1x20 B", "1x20 Bx", "1x20 By"]]]);
});

test("what goes ahead by another path does not count, and neither do messages between", () => {
  const { outbox, sender } = outboxWith();
  const paths = new Map(Object.values(ADDRESSES).map((address) => [address, pathWith(10)]));
  sender.segmentsTo = (address) => paths.get(address!);
  for (const to of ["A", "B", "B", "A", "A"]) add(outbox, sender, 20, to);
  outbox.flush();
  assertEquals(sender.calls, [["1x20 A", "1x20 B", "1x20 B", "2x20 A"]]);
});

test("messages of different senders go in their order, each sender's together where they stand together", () => {
  const { outbox, sender } = outboxWith();
  const other = new Recorder();
  const order: string[] = [];
  const note = (name: string, recorder: Recorder): void => {
    const { transmit } = recorder;
    recorder.transmit = (...args) => {
      order.push(`${name} ${args[2] - args[1]}`);
      transmit.apply(recorder, args);
    };
  };
  note("sender", sender);
  note("other", other);
  add(outbox, sender, 10);
  add(outbox, sender, 11);
  add(outbox, other, 10);
  add(outbox, other, 10);
  add(outbox, sender, 10);
  outbox.flush();
  assertEquals(order, ["sender 2", "other 1", "sender 1"]);
  assertEquals([sender.calls, other.calls], [[["1x10", "1x11"], ["1x10"]], [["2x10"]]]);
});

test("bytes and requests of each message are its own, in order", () => {
  const { outbox, sender } = outboxWith();
  const requests = [1, 2, 3, 4].map(() => ({ finish() {} }));
  const pieces = [Uint8Array.of(4, 4), Uint8Array.of(4)];
  outbox.add(sender, Uint8Array.of(1, 1, 1), 3, undefined, requests[0], undefined);
  outbox.add(sender, Uint8Array.of(2, 2, 2), 3, undefined, undefined, undefined);
  outbox.add(sender, Uint8Array.of(3, 3, 3, 3), 4, undefined, requests[2], undefined);
  outbox.add(sender, pieces, 3, undefined, requests[3], undefined);
  outbox.flush();
  assertEquals(sender.calls, [["2x3", "1x4+3"]]);
  assertEquals(sender.bytes, [1, 2, 3, 4]);
  assertEquals(sender.requests, [requests[0], undefined, requests[2], requests[3]]);
});

test("nothing is left after a flush: the next message begins a run, and who went ahead is forgotten", () => {
  const { outbox, sender } = outboxWith();
  sender.path = pathWith(10);
  for (const size of [20, 20, 20]) add(outbox, sender, size);
  outbox.flush();
  outbox.flush();
  for (const size of [20, 20, 20]) add(outbox, sender, size);
  outbox.flush();
  assertEquals(sender.calls, [["1x20", "2x20"], ["1x20", "2x20"]]);
});

test("a full arena is sent, and what comes next leaves behind it", () => {
  const { outbox, sender } = outboxWith();
  const size = 64 * KIB;
  sender.path = undefined;
  for (let i = 0; i < 16; i++) add(outbox, sender, size);
  assertEquals(sender.calls, []);
  add(outbox, sender, 1);
  assertEquals(sender.calls.map((call) => call.length), [16]);
  outbox.flush();
  assertEquals(sender.calls.map((call) => call.length), [16, 1]);
});

test("as many runs as one sendmmsg takes are sent, and what comes next is kept by a sender that has others waiting", () => {
  const { outbox, sender } = outboxWith();
  for (let i = 0; i < 1024; i++) add(outbox, sender, 1, i % 2 === 0 ? "A" : "B");
  assertEquals(sender.calls, []);
  sender.takesBehind = true;
  assertEquals(add(outbox, sender, 7), true);
  assertEquals(sender.calls.map((call) => call.length), [1024]);
  assertEquals(sender.behind, [7]);
  outbox.flush();
  assertEquals(sender.calls.length, 1);
});

test("what is larger than the arena is not taken, and what is as large is", () => {
  const { outbox, sender } = outboxWith();
  assertEquals([add(outbox, sender, KIB * KIB), add(outbox, sender, KIB * KIB + 1)], [true, false]);
  outbox.flush();
  assertEquals(sender.calls, [[`1x${KIB * KIB}`]]);
});

test("what is collected leaves at the end of the turn, once, and the turn is counted", async () => {
  const { outbox, sender } = outboxWith();
  const before = outbox.turn;
  add(outbox, sender, 10);
  add(outbox, sender, 10);
  outbox.schedule();
  assertEquals(sender.calls, []);
  await new Promise<void>((resolve) => process.nextTick(resolve));
  assertEquals([sender.calls, outbox.turn], [[["2x10"]], before + 1]);
  add(outbox, sender, 5);
  await setImmediate();
  assertEquals([sender.calls, outbox.turn], [[["2x10"], ["1x5"]], before + 2]);
});

test("who schedules the end of the turn is reported to in the same tick, when the messages have left", async () => {
  const { outbox, sender } = outboxWith();
  const seen: unknown[] = [];
  const next = { report: () => void seen.push([...sender.calls]) };
  assertEquals(outbox.scheduleWith(next), true);
  assertEquals(outbox.scheduleWith(next), false);
  add(outbox, sender, 10);
  process.nextTick(() => void seen.push("the next tick"));
  await setImmediate();
  assertEquals(seen, [[["1x10"]], "the next tick"]);
  assertEquals(outbox.scheduleWith(next), true);
});

test("a sender that throws is asked again, and neither it nor another is asked twice for what is done", () => {
  const { outbox, sender } = outboxWith();
  const [first, last] = [new Recorder(), new Recorder()];
  add(outbox, first, 1);
  add(outbox, sender, 2);
  add(outbox, last, 3);
  sender.onTransmit = () => {
    throw new RangeError("stack");
  };
  assertThrows(() => outbox.flush(), RangeError, "stack");
  assertEquals([first.calls.length, sender.calls.length, last.calls.length], [1, 0, 0]);
  // What joins the interrupted run would not be sent with it.
  add(outbox, last, 3);
  outbox.flush();
  assertEquals([first.calls, sender.calls, last.calls], [[["1x1"]], [["1x2"]], [["1x3", "1x3"]]]);
});

function waiting(...sizes: number[]): MessageQueue<WaitingMessage> {
  const queue = new MessageQueue<WaitingMessage>();
  for (const size of sizes) {
    queue.push({ bytes: new Uint8Array(size), address: undefined, request: undefined, controls: undefined });
  }
  return queue;
}

test("messages that have waited are tried together, and those that left are taken off the queue", () => {
  const { outbox, sender } = outboxWith();
  const queue = waiting(10, 10, 10, 20, 20);
  sender.retried = 4;
  assertEquals(outbox.retry(sender, queue, 256), 4);
  assertEquals([sender.calls, queue.length, queue.at(0)!.bytes.length], [[["retry 3x10", "retry 2x20"]], 1, 20]);
  sender.retried = Infinity;
  assertEquals([outbox.retry(sender, queue, 256), queue.length], [1, 0]);
  assertEquals([outbox.retry(sender, queue, 256), sender.calls.length], [0, 2]);
});

test("no more messages that have waited are tried than was asked for, nor than fit", () => {
  const { outbox, sender } = outboxWith();
  const queue = waiting(10, 10, 10);
  assertEquals([outbox.retry(sender, queue, 2), queue.length], [2, 1]);
  const large = waiting(...Array(3).fill(512 * KIB));
  assertEquals([outbox.retry(sender, large, 256), large.length], [2, 1]);
  const short = waiting(...Array(2000).fill(0));
  assertEquals([outbox.retry(sender, short, Infinity), short.length], [1024, 976]);
});

test("what was collected leaves before what has waited is tried", () => {
  const { outbox, sender } = outboxWith();
  add(outbox, sender, 1);
  outbox.retry(sender, waiting(2), 1);
  assertEquals(sender.calls, [["1x1"], ["retry 1x2"]]);
});

test("an exception while waiting messages are tried leaves the others in the queue, and the outbox empty", () => {
  const { outbox, sender } = outboxWith();
  const queue = waiting(10, 10, 10);
  sender.retransmit = ({ runs }) => {
    runs[0].count = 1;
    throw new RangeError("stack");
  };
  assertThrows(() => outbox.retry(sender, queue, 256), RangeError);
  assertEquals(queue.length, 1);
  outbox.flush();
  add(outbox, sender, 4);
  outbox.flush();
  assertEquals(sender.calls, [["1x4"]]);
});

/** Runs that are given whole: what comes before, the run's bytes, size and count; and what they are then. */
const SEGMENTS: Record<
  string,
  [before: number[], bytes: number, size: number, count: number, path: Path | undefined, runs: string[] | false]
> = {
  "alone": [[], 30, 10, 3, pathWith(Infinity), ["3x10"]],
  "with a shorter last one": [[], 25, 10, 3, pathWith(Infinity), ["2x10+5"]],
  "behind messages of its size": [[10, 10], 25, 10, 3, pathWith(Infinity), ["4x10+5"]],
  "behind messages of another size": [[9], 30, 10, 3, pathWith(Infinity), ["1x9", "3x10"]],
  "behind a run that is closed": [[10, 3], 30, 10, 3, pathWith(Infinity), ["1x10+3", "3x10"]],
  "without a path": [[], 30, 10, 3, undefined, false],
  "of the path's limit": [[], 30, 10, 3, pathWith(Infinity, 10), ["3x10"]],
  "above the path's limit": [[], 30, 10, 3, pathWith(Infinity, 9), false],
  "as many as one payload takes": [[], 128, 1, 128, pathWith(Infinity), ["128x1"]],
  "more than one payload takes": [[], 129, 1, 129, pathWith(Infinity), false],
  "more together than one payload takes": [[1], 128, 1, 128, pathWith(Infinity), ["1x1", "128x1"]],
  "as many bytes as one payload takes": [[], 65_507, 32_754, 2, pathWith(Infinity), ["1x32754+32753"]],
  "more bytes than one payload takes": [[], 65_508, 32_754, 2, pathWith(Infinity), false],
  "whose last one is missing": [[], 20, 10, 3, pathWith(Infinity), false],
  "that a router might refuse, and none went ahead": [[], 22, 11, 2, pathWith(10), false],
  "that a router might refuse, and one went ahead": [[11], 22, 11, 2, pathWith(10), ["1x11", "2x11"]],
  "that a router might refuse, with a shorter one": [[11], 20, 11, 2, pathWith(10), false],
  "that every router passes on": [[], 20, 10, 2, pathWith(10), ["2x10"]],
};

for (const [what, [before, length, size, count, path, runs]] of Object.entries(SEGMENTS)) {
  test(`messages that are given as one payload: ${what}`, () => {
    const { outbox, sender } = outboxWith();
    sender.path = path;
    for (const size of before) add(outbox, sender, size);
    const segments = new Segments(new Uint8Array(length), size, count);
    assertEquals(outbox.addSegments(sender, segments, undefined, undefined, undefined), runs !== false);
    outbox.flush();
    if (runs !== false) assertEquals(sender.calls, [runs]);
    else assertEquals(sender.calls.length, before.length > 0 ? 1 : 0);
  });
}

test("what joins messages that were given as one payload", () => {
  const { outbox, sender } = outboxWith();
  const give = (length: number): boolean =>
    outbox.addSegments(sender, new Segments(new Uint8Array(length), 10, 2), undefined, undefined, undefined);
  give(20);
  add(outbox, sender, 10);
  add(outbox, sender, 5);
  give(15);
  add(outbox, sender, 10);
  outbox.flush();
  assertEquals(sender.calls, [["3x10+5", "1x10+5", "1x10"]]);
  sender.path = pathWith(9);
  add(outbox, sender, 10);
  give(20);
  add(outbox, sender, 10);
  add(outbox, sender, 5);
  outbox.flush();
  assertEquals(sender.calls[1], ["1x10", "3x10", "1x5"]);
});

test("messages that are given as one payload leave at the end of the turn, and not into a full arena", async () => {
  const { outbox, sender } = outboxWith();
  const give = (): boolean =>
    outbox.addSegments(sender, new Segments(new Uint8Array(20), 10, 2), undefined, undefined, undefined);
  give();
  await setImmediate();
  assertEquals(sender.calls, [["2x10"]]);
  add(outbox, sender, KIB * KIB - 19);
  assertEquals(give(), false);
  outbox.flush();
  add(outbox, sender, KIB * KIB - 20);
  assertEquals(give(), true);
});

test("a kernel that takes fewer segments gets fewer, and more are never asked for again", () => {
  const { outbox, sender } = outboxWith();
  outbox.limitSegments(4);
  outbox.limitSegments(64);
  for (let i = 0; i < 9; i++) add(outbox, sender, 10);
  outbox.flush();
  assertEquals(sender.calls, [["4x10", "4x10", "1x10"]]);
});

test("before the end all leaves at once, and what waits is tried; if the program goes on, so does the outbox", async () => {
  const { outbox, sender } = outboxWith();
  const waits = new Recorder();
  outbox.waiting.add(waits);
  add(outbox, sender, 10);
  outbox.sendLast();
  assertEquals([sender.calls, waits.tried, outbox.isEnding], [[["1x10"]], 1, true]);
  await setImmediate();
  assertEquals([outbox.isEnding, waits.tried], [false, 1]);
});

test("without UDP_SEGMENT every message is alone", () => {
  const outbox = new Outbox(new ScriptedLibc({}, { ...LINUX, linux: undefined } as never).libc);
  const sender = new Recorder();
  for (const size of [10, 10, 5]) add(outbox, sender, size);
  outbox.flush();
  assertEquals(sender.calls, [["1x10", "1x10", "1x5"]]);
});

test("a queue gives its entries in order, whatever is taken off it, and keeps none that have left", () => {
  const queue = new MessageQueue<number>();
  const expected: number[] = [];
  let last = 0;
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 100; i++) {
      queue.push(last);
      expected.push(last++);
    }
    const taken = (round * 37) % 120;
    queue.drop(taken);
    expected.splice(0, taken);
    assertEquals([queue.length, queue.at(0), queue.at(5)], [expected.length, expected[0], expected[5]]);
  }
  queue.drop(Infinity);
  assertEquals([queue.length, queue.at(0)], [0, undefined]);
  queue.push(7);
  assertEquals([queue.length, queue.at(0), queue.at(1)], [1, 7, undefined]);
});
