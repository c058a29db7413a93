/**
 * The poll loop over an epoll that a test decides for: whose turn it is and for how long, who is left alone, what is open and for how
 * long, and what keeps the process alive.
 *
 * @module
 */
import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ERROR, READABLE } from "../ffi/poll/poller.ts";
import { PollLoop } from "../src/loop/loop.ts";
import { TurnBudget } from "../src/loop/turn_budget.ts";
import { test, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { FakeWatcher, ScriptedEpoll } from "./support/scripted_epoll.ts";
import { LINUX } from "./support/scripted_libc.ts";

const { errno } = LINUX;

/** A loop, its kernel, and what its watchers do, in order. */
class Bench {
  readonly #made: FakeWatcher[] = [];
  readonly epoll: ScriptedEpoll = new ScriptedEpoll();
  /** The time of turns: it passes when a test says so. */
  time = 0;
  readonly loop: PollLoop = new PollLoop(this.epoll.runtime, () => this.time);
  readonly record: string[] = [];

  /** Nothing goes on when the test is over. */
  constructor(t: Tools) {
    t.cleanup(() => this.#made.forEach((watcher) => this.loop.end(watcher)));
  }

  watcher(fd: number): FakeWatcher {
    const watcher = new FakeWatcher(this.epoll, fd, this.record);
    this.#made.push(watcher);
    return watcher;
  }

  watched(...fds: number[]): FakeWatcher[] {
    return fds.map((fd) => {
      const watcher = this.watcher(fd);
      assertEquals(this.loop.watch(watcher), 0);
      return watcher;
    });
  }

  /** What was done since it was asked last. */
  done(): string[] {
    return this.record.splice(0);
  }

  /** Waits until the loop looks no more by itself. */
  async calm(): Promise<void> {
    await setImmediate();
    await until(() => this.epoll.waiter.isArmed, "the waiter is armed");
    this.epoll.changes();
  }
}

test("nothing is open before something is watched, and then one set for all", (t) => {
  const it = new Bench(t);
  assertEquals([it.epoll.open.size, it.epoll.waiters.length], [0, 0]);
  const [first, second] = it.watched(5, 6);
  assertEquals(it.epoll.changes(), ["+5 r", "+6 r"]);
  assertEquals([it.epoll.open.size, it.epoll.waiters.length, it.epoll.waiter.isArmed], [2, 1, true]);
  assertEquals([first.token, second.token], [1, 2]);
});

test("a descriptor that cannot be watched, and a set that cannot be opened, are an errno, and nothing stays open", async (t) => {
  const it = new Bench(t);
  const watcher = it.watcher(5);
  it.epoll.failures.epoll_create1 = ["EMFILE"];
  assertEquals([it.loop.watch(watcher), watcher.token, it.epoll.open.size], [-errno.EMFILE, 0, 0]);
  it.epoll.failures.eventfd = ["ENFILE"];
  assertEquals([it.loop.watch(watcher), it.epoll.open.size], [-errno.ENFILE, 0]);
  it.epoll.failures.createWaiter = ["no thread"];
  assertThrows(() => it.loop.watch(watcher), Error, "no thread");
  assertEquals(it.epoll.open.size, 0);
  it.epoll.failures.epoll_ctl = ["ENOSPC"];
  assertEquals([it.loop.watch(watcher), watcher.token], [-errno.ENOSPC, 0]);
  await setImmediate();
  assertEquals(it.epoll.waiter.isClosed, true);
  it.epoll.waiter.release();
  assertEquals(it.epoll.open.size, 0);
  assertEquals(it.loop.watch(watcher), 0);
  assertEquals(it.loop.watch(it.watcher(5)), -errno.EEXIST);
  const [other] = it.watched(6);
  assertEquals([watcher.token, other.token], [1, 2]);
});

test("tokens are used again, and never for two", (t) => {
  const it = new Bench(t);
  const [, second] = it.watched(5, 6, 7);
  it.loop.end(second);
  assertEquals(second.token, 0);
  it.epoll.failures.epoll_ctl = ["ENOSPC"];
  it.loop.watch(it.watcher(8));
  const [eighth, ninth] = it.watched(8, 9);
  assertEquals([eighth.token, ninth.token], [2, 4]);
});

test("who is ready has its turn, step by step, until there is nothing more", async (t) => {
  const it = new Bench(t);
  const [first, second] = it.watched(5, 6, 7);
  first.work = 3;
  second.work = 1;
  it.epoll.fire({ 5: "r", 6: "r" });
  assertEquals(it.done(), ["r5", "r5", "r5", "r6"]);
  await it.calm();
  assertEquals(it.done(), []);
});

test("what comes while one works has a turn of its own, in another look", async (t) => {
  const it = new Bench(t);
  const [first, second] = it.watched(5, 6);
  first.work = second.work = 1;
  first.onWork = () => it.epoll.ready.set(6, "r");
  it.epoll.fire({ 5: "r" });
  assertEquals(it.done(), ["r5"]);
  await it.calm();
  assertEquals(it.done(), ["r6"]);
});

test("after activity the loop looks again before it waits; if it keeps nothing alive it waits at once", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  watcher.work = 1;
  it.epoll.fire({ 5: "r" });
  assertEquals([it.epoll.looks, it.epoll.waiter.isArmed], [1, false]);
  await setImmediate();
  assertEquals(it.epoll.looks, 2);
  await it.calm();
  it.loop.setReferenced(watcher, false);
  watcher.work = 1;
  const { looks } = it.epoll;
  it.epoll.fire({ 5: "r" });
  assertEquals([it.epoll.looks, it.epoll.waiter.isArmed], [looks + 1, true]);
});

test("a waiter that fires for nothing is armed again", (t) => {
  const it = new Bench(t);
  it.watched(5);
  it.epoll.fire({});
  assertEquals([it.done(), it.epoll.waiter.isArmed], [[], true]);
});

test("the only watcher is read without a poll if the waiter fires, and polled if it had nothing to read", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  watcher.readsErrors = false;
  watcher.work = 2;
  it.epoll.fire({ 5: "r" });
  assertEquals([it.done(), it.epoll.looks], [["r5", "r5"], 0]);
  await it.calm();
  const { looks } = it.epoll;
  watcher.errors = 1;
  it.epoll.fire({ 5: "e" });
  assertEquals([it.done(), it.epoll.looks], [["e5"], looks + 1]);
  await it.calm();
  const before = it.epoll.looks;
  it.epoll.fire({});
  assertEquals([it.done(), it.epoll.looks, it.epoll.waiter.isArmed], [[], before + 1, true]);
});

test("a watcher is polled if it reads errors, waits for room or is not the only one, and no more when it is again", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  const looksFor = async (): Promise<number> => {
    await it.calm();
    const before = it.epoll.looks;
    watcher.work = 1;
    it.epoll.fire({ 5: "r" });
    assertEquals(it.done(), ["r5"]);
    return it.epoll.looks - before;
  };
  assertEquals(await looksFor(), 1);
  watcher.readsErrors = false;
  assertEquals(await looksFor(), 0);
  it.loop.setWritable(watcher, true);
  assertEquals(await looksFor(), 1);
  it.loop.setWritable(watcher, false);
  const [other] = it.watched(6);
  assertEquals(await looksFor(), 1);
  it.loop.end(other);
  assertEquals(await looksFor(), 0);
});

test("errors come before room to send, and this before data", (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.loop.setWritable(watcher, true);
  assertEquals(it.epoll.changes(), ["+5 r", "~5 rw"]);
  watcher.work = watcher.errors = 2;
  it.epoll.fire({ 5: "rwe" });
  assertEquals(it.done(), ["e5", "e5", "w5", "r5", "r5"]);
});

test("a descriptor that has hung up is read", (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  watcher.work = 1;
  it.epoll.fire({ 5: "h" });
  assertEquals(it.done(), ["r5"]);
});

test("room to send is heard of while it is asked for, and no longer", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.epoll.fire({ 5: "w" });
  assertEquals(it.done(), []);
  it.loop.setWritable(watcher, true);
  it.epoll.fire({ 5: "w" });
  assertEquals(it.done(), ["w5"]);
  it.loop.setWritable(watcher, false);
  assertEquals(it.epoll.members.get(5)!.events, LINUX.linux!.EPOLLIN);
  await it.calm();
  it.done();
  it.epoll.fire({ 5: "w" });
  assertEquals(it.done(), []);
});

test("a paused watcher is out of the set and is not read; resumed, it has a turn even if the kernel reports nothing", async (t) => {
  const it = new Bench(t);
  const [watcher, other] = it.watched(5, 6);
  it.epoll.changes();
  it.loop.setPaused(watcher, true);
  it.loop.setPaused(watcher, true);
  assertEquals(it.epoll.changes(), ["-5"]);
  assertEquals([5, 6, 7].map((fd) => it.loop.isPutAside(fd)), [true, false, false]);
  watcher.work = other.work = 1;
  it.epoll.fire({ 5: "r", 6: "r" });
  await it.calm();
  assertEquals([it.done(), it.epoll.waiter.isReferenced], [["r6"], true]);
  it.epoll.ready.set(5, "");
  it.loop.setPaused(watcher, false);
  it.loop.setPaused(watcher, false);
  assertEquals([it.epoll.changes(), it.loop.isPutAside(5)], [["+5 r"], false]);
  await it.calm();
  assertEquals(it.done(), ["r5"]);
  // Who is not watched cannot be paused.
  const late = it.watcher(7);
  it.loop.setPaused(late, true);
  assertEquals([it.loop.watch(late), it.epoll.changes()], [0, ["+7 r"]]);
});

test("a paused watcher still hears of room to send, which an error is, too, and of that error once it is resumed", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.loop.setWritable(watcher, true);
  it.loop.setPaused(watcher, true);
  assertEquals(it.epoll.changes(), ["+5 r", "~5 rw", "~5 w"]);
  watcher.work = watcher.errors = 1;
  it.epoll.fire({ 5: "rw" });
  assertEquals(it.done(), ["over5", "w5", "over5"]);
  it.epoll.ready.set(5, "re");
  await until(() => it.record.length > 0, "another turn");
  assertEquals(it.done().slice(0, 3), ["over5", "w5", "over5"]);
  it.loop.setWritable(watcher, false);
  assertEquals(it.epoll.changes(), ["-5"]);
  it.epoll.ready.set(5, "");
  it.loop.setPaused(watcher, false);
  await it.calm();
  assertEquals(it.done(), ["e5", "r5"]);
});

test("a watcher that pauses itself in its turn does nothing more, and has another turn for what it has left", async (t) => {
  const it = new Bench(t);
  const [watcher, other] = it.watched(5, 6);
  watcher.work = other.work = 3;
  watcher.onWork = () => it.loop.setPaused(watcher, true);
  it.epoll.fire({ 5: "rw", 6: "r" });
  assertEquals(it.done(), ["r5", "over5", "r6", "r6", "r6"]);
  await it.calm();
  assertEquals(it.done(), []);
  watcher.onWork = undefined;
  it.loop.setPaused(watcher, false);
  await it.calm();
  assertEquals(it.done(), ["r5", "r5"]);
});

test("a paused watcher that the kernel does not take back comes back later", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.loop.setPaused(watcher, true);
  it.epoll.failures.epoll_ctl = ["ENOSPC"];
  it.loop.setPaused(watcher, false);
  assertEquals([it.epoll.members.size, it.loop.isPutAside(5)], [0, true]);
  await until(() => it.epoll.members.has(5), "it is in the set");
  assertEquals(it.loop.isPutAside(5), false);
  it.epoll.changes();
  await delay(120);
  assertEquals(it.epoll.changes(), []);
});

test("whether room to send will be reported is said: not if it is not watched, or the kernel refuses", (t) => {
  const it = new Bench(t);
  const stranger = it.watcher(7);
  assertEquals([it.loop.setWritable(stranger, true), it.loop.setWritable(stranger, false)], [false, true]);
  const [watcher] = it.watched(5);
  it.epoll.failures.epoll_ctl = ["ENOMEM"];
  assertEquals(it.loop.setWritable(watcher, true), false);
  it.epoll.fire({ 5: "w" });
  assertEquals(it.done(), []);
  assertEquals(it.loop.setWritable(watcher, true), true);
  it.epoll.failures.epoll_ctl = ["ENOMEM"];
  assertEquals(it.loop.setWritable(watcher, false), true);
  it.epoll.fire({ 5: "w" });
  assertEquals(it.done(), []);
});

test("a watcher that ends has no turn any more, be it in another's or its own", (t) => {
  const it = new Bench(t);
  const [first, second, third] = it.watched(5, 6, 7);
  first.work = second.work = third.work = 2;
  first.onWork = () => it.loop.end(second);
  third.onWork = () => it.loop.end(third);
  it.epoll.fire({ 5: "r", 6: "r", 7: "rw" });
  assertEquals(it.done(), ["r5", "r5", "r7"]);
  assertEquals(it.epoll.changes().slice(-2), ["-6", "-7"]);
});

test("the time of a turn is one's own: after it the others have theirs, and the rest follows", async (t) => {
  const it = new Bench(t);
  const [first, second] = it.watched(5, 6);
  first.work = 5;
  second.work = 2;
  first.onWork = () => it.time += 6;
  it.epoll.fire({ 5: "r", 6: "r" });
  // The first step starts the clock; the second ends the turn.
  assertEquals(it.done(), ["r5", "r5", "over5", "r6", "r6"]);
  await it.calm();
  assertEquals(it.done().filter((piece) => piece === "r5").length, 3);
});

test("what the kernel does not know of has another turn, without its being ready", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  watcher.work = 3;
  watcher.hasRest = true;
  watcher.onWork = () => {
    it.epoll.ready.set(5, "");
    it.time += 6;
  };
  it.epoll.fire({ 5: "r" });
  assertEquals(it.done(), ["r5", "r5", "over5"]);
  await it.calm();
  assertEquals(it.done(), ["r5"]);
});

test("a turn can be asked for, of what it has, and is given once", async (t) => {
  const it = new Bench(t);
  const [first, second] = it.watched(5, 6);
  first.errors = 1;
  second.work = 1;
  it.loop.requestTurn(first, ERROR);
  it.loop.requestTurn(second, READABLE);
  it.loop.requestTurn(it.watcher(7), READABLE);
  assertEquals(it.done(), []);
  await it.calm();
  assertEquals(it.done(), ["e5", "r6"]);
  first.errors = first.work = 1;
  it.loop.requestTurn(first, ERROR);
  it.epoll.ready.set(5, "r");
  await setImmediate();
  await it.calm();
  assertEquals(it.done(), ["e5", "r5"]);
  // Who ends meanwhile gets none.
  it.loop.requestTurn(first, ERROR);
  first.errors = 1;
  it.loop.end(first);
  await it.calm();
  assertEquals(it.done(), []);
});

test("a turn that is asked for within a turn follows, even if the loop keeps nothing alive", async (t) => {
  const it = new Bench(t);
  const [first, second] = it.watched(5, 6);
  it.loop.setReferenced(first, false);
  it.loop.setReferenced(second, false);
  first.work = second.errors = 1;
  first.onWork = () => it.loop.requestTurn(second, ERROR);
  it.epoll.fire({ 5: "r" });
  assertEquals(it.done(), ["r5"]);
  await it.calm();
  assertEquals(it.done(), ["e6"]);
});

test("a watcher that is always ready and never has anything is left alone longer and longer, and comes back", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.epoll.fires = true;
  const idle = watcher.onReadable;
  watcher.onReadable = () => {
    it.record.push("idle");
    return false;
  };
  it.epoll.changes();
  it.epoll.fire({ 5: "r" });
  await until(() => it.epoll.log.includes("-5"), "it is taken out of the set", 2000);
  const removals = (): number => it.epoll.log.filter((change) => change === "-5").length;
  await until(() => removals() >= 4, "it is taken out again and again", 2000);
  // Eight times, and then one look is enough each time.
  assertEquals(it.done().length, 7 + removals());
  assertEquals(it.epoll.changes().slice(0, 7), ["-5", "+5 r", "-5", "+5 r", "-5", "+5 r", "-5"]);
  // With something to do it is as others again.
  watcher.onReadable = idle;
  watcher.work = 1;
  await until(() => it.record.includes("r5"), "it works");
  await it.calm();
  it.done();
  watcher.onReadable = () => {
    it.record.push("idle");
    return false;
  };
  it.epoll.fire({ 5: "r" });
  await until(() => it.epoll.log.includes("-5"), "it is taken out of the set");
  assertEquals(it.done().slice(0, 8), Array(8).fill("idle"));
});

test("who is left alone and ends does not come back, and is watched for what it asked for meanwhile if it does not end", async (t) => {
  const it = new Bench(t);
  it.epoll.fires = true;
  const [watcher, other] = it.watched(5, 6);
  for (const one of [watcher, other]) one.onReadable = () => false;
  it.epoll.fire({ 5: "r", 6: "r" });
  await until(() => it.epoll.members.size === 0, "both are taken out");
  it.loop.setWritable(watcher, true);
  assertEquals(it.epoll.members.size, 0);
  it.loop.end(other);
  it.epoll.changes();
  const changes: string[] = [];
  // It may be taken out again before anybody looks.
  await until(() => changes.push(...it.epoll.changes()) > 0, "it comes back");
  assertEquals(changes[0], "+5 rw");
  await delay(20);
  assertEquals(it.epoll.members.has(6), false);
  it.loop.end(watcher);
});

test("the process is kept alive while something that is referenced is watched", (t) => {
  const it = new Bench(t);
  const [first, second] = it.watched(5, 6);
  const states: boolean[] = [];
  const note = (): void => void states.push(it.epoll.waiter.isReferenced);
  note();
  it.loop.setReferenced(first, false);
  note();
  it.loop.setReferenced(second, false);
  note();
  it.loop.setReferenced(first, true);
  note();
  it.loop.end(first);
  note();
  const [third] = it.watched(7);
  note();
  it.loop.end(second);
  it.loop.end(third);
  note();
  assertEquals(states, [true, true, false, true, false, true, false]);
});

test("the waiter goes on while anything is watched", (t) => {
  const it = new Bench(t);
  const [first, second] = it.watched(5, 6);
  it.loop.end(first);
  assertEquals([it.epoll.waiter.parked, it.epoll.waiter.isArmed], [0, true]);
  it.loop.end(second);
  assertEquals([it.epoll.waiter.parked, it.epoll.waiter.isArmed], [1, false]);
});

test("a set that nobody uses is closed in the event loop's next turn, once nothing native uses it", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.loop.end(watcher);
  assertEquals([it.epoll.changes(), it.epoll.waiter.parked, it.epoll.waiter.isClosed], [["+5 r", "-5"], 1, false]);
  await setImmediate();
  assertEquals([it.epoll.waiter.isClosed, it.epoll.open.size], [true, 2]);
  it.epoll.waiter.release();
  assertEquals(it.epoll.open.size, 0);
  const [next] = it.watched(6);
  assertEquals([it.epoll.waiters.length, next.token, it.epoll.open.size], [2, 1, 2]);
});

test("a set that is used again at once stays open", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.loop.end(watcher);
  it.watched(6);
  await setImmediate();
  await setImmediate();
  assertEquals([it.epoll.waiters.length, it.epoll.waiter.isClosed], [1, false]);
});

test("a set that may linger stays open as long as that from its last use, and keeps nothing alive", async (t) => {
  const it = new Bench(t);
  it.epoll.linger = 60;
  const [watcher] = it.watched(5);
  it.loop.end(watcher);
  await delay(30);
  const [again] = it.watched(5);
  const start = performance.now();
  it.loop.end(again);
  await until(() => it.epoll.waiter.isClosed, "the set is given up");
  assert(performance.now() - start >= 59, "it lingered from its last use");
  assertEquals(it.epoll.waiters.length, 1);
});

test("if the program ends all sets are closed, also those that waiters hold on to", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.loop.end(watcher);
  await setImmediate();
  it.watched(6);
  assertEquals(it.epoll.open.size, 4);
  it.loop.closeSets();
  assertEquals(it.epoll.open.size, 0);
  // A turn that comes nevertheless finds nothing.
  const { looks } = it.epoll;
  it.epoll.waiter.fire();
  assertEquals(it.epoll.looks, looks);
});

test("what is watched later costs nothing if it ends before, and is watched in the event loop's next turn otherwise", async (t) => {
  const it = new Bench(t);
  const [first, second] = [it.watcher(5), it.watcher(6)];
  it.loop.watchLater(first);
  it.loop.watchLater(second);
  it.loop.end(first);
  assertEquals([it.epoll.open.size, second.token], [0, 0]);
  await setImmediate();
  assertEquals([it.epoll.changes(), it.done(), first.token], [["+6 r"], ["watched6"], 0]);
  it.loop.watchLater(first);
  await setImmediate();
  assertEquals([it.epoll.changes(), it.done()], [["+5 r"], ["watched5"]]);
});

for (
  const [what, action] of Object.entries<(it: Bench, watcher: FakeWatcher) => void>({
    "asks for room to send": (it, watcher) => it.loop.setWritable(watcher, true),
    "is to keep nothing alive": (it, watcher) => it.loop.setReferenced(watcher, false),
    "asks for a turn": (it, watcher) => it.loop.requestTurn(watcher, READABLE),
    "is due": (it) => it.loop.watchDue(),
  })
) {
  test(`what is watched later is watched at once if it ${what}`, async (t) => {
    const it = new Bench(t);
    const watcher = it.watcher(5);
    it.loop.watchLater(watcher);
    action(it, watcher);
    assertEquals([watcher.token, it.done()], [1, ["watched5"]]);
    await setImmediate();
    assertEquals(it.done(), []);
  });
}

test("what is watched later is not watched at once by what can wait", (t) => {
  const it = new Bench(t);
  const watcher = it.watcher(5);
  it.loop.watchLater(watcher);
  it.loop.setReferenced(watcher, true);
  it.loop.setWritable(watcher, false);
  assertEquals(watcher.token, 0);
  it.loop.end(watcher);
});

test("what cannot be watched later is told so once, and tried until it can", async (t) => {
  const it = new Bench(t);
  const [first, second] = [it.watcher(5), it.watcher(6)];
  it.epoll.failures.epoll_create1 = Array(4).fill("EMFILE");
  it.loop.watchLater(first);
  it.loop.watchLater(second);
  await setImmediate();
  assertEquals(it.done(), ["EMFILE5", "EMFILE6"]);
  // A call that is to watch all that is due leaves these alone.
  it.loop.watchDue();
  assertEquals(it.epoll.failures.epoll_create1.length, 2);
  const start = performance.now();
  await until(() => it.record.length > 0, "they are watched", 2000);
  assertEquals(it.done(), ["watched5", "watched6"]);
  assert(performance.now() - start > 150, "after two trials, 100 ms apart");
  await delay(150);
  assertEquals(it.done(), []);
});

test("an exception of one that cannot be watched leaves the others to be watched", async (t) => {
  const it = new Bench(t);
  const [first, second] = [it.watcher(5), it.watcher(6)];
  it.epoll.failures.epoll_ctl = ["ENOSPC"];
  const errors: unknown[] = [];
  first.onUnwatchedDo = () => errors.push("thrown");
  it.loop.watchLater(first);
  it.loop.watchLater(second);
  await setImmediate();
  assertEquals([it.done(), errors], [["ENOSPC5", "watched6"], ["thrown"]]);
  await until(() => it.record.length > 0, "it is watched");
  assertEquals(it.done(), ["watched5"]);
});

test("if the set is lost all are told once, and another set has them as they were", async (t) => {
  const it = new Bench(t);
  const [reading, paused, writing, , closing] = it.watched(5, 6, 7, 8, 9);
  it.loop.setPaused(paused, true);
  it.loop.setWritable(writing, true);
  it.loop.setReferenced(it.watcher(8), true);
  const [first] = it.epoll.waiters;
  it.epoll.changes();
  it.epoll.failures.epoll_wait = ["EBADF"];
  reading.onUnwatchedDo = () => it.loop.end(closing);
  reading.work = 1;
  it.epoll.fire({ 5: "r" });
  assertEquals(it.done(), ["EBADF5", "EBADF6", "over6", "EBADF7", "EBADF8"]);
  assertEquals(it.epoll.changes(), ["+5 r", "+7 rw", "+8 r", "+9 r", "-9"]);
  assertEquals([first.isClosed, it.epoll.waiters.length, it.epoll.waiter.isReferenced], [true, 2, true]);
  await it.calm();
  // What came meanwhile is reported by the new set.
  it.epoll.waiter.fire();
  assertEquals(it.done(), ["r5"]);
  // The lost descriptor may be someone else's by now, and is left alone.
  const closes: number[] = [];
  it.epoll.onClose = (fd) => closes.push(fd);
  first.release();
  assertEquals(closes.includes(first.fd), false);
  assertEquals([closes.length, it.epoll.open.size], [1, 2]);
});

test("a set that the kernel refuses to poll, but that is one's own, is closed", (t) => {
  const it = new Bench(t);
  it.watched(5);
  it.epoll.failures.epoll_wait = ["EPERM"];
  it.epoll.fire({ 5: "r" });
  assertEquals(it.done(), ["EPERM5"]);
  it.epoll.waiters[0].release();
  assertEquals(it.epoll.open.size, 2);
});

test("a set that is lost again and again is opened at intervals, without telling it again", async (t) => {
  const it = new Bench(t);
  const [watcher] = it.watched(5);
  it.epoll.fires = true;
  it.epoll.failures.epoll_wait = Array(3).fill("EINVAL");
  watcher.work = 1;
  const begin = performance.now();
  it.epoll.fire({ 5: "r" });
  assertEquals(it.done(), ["EINVAL5"]);
  await until(() => it.record.includes("r5"), "it is read at last");
  assert(performance.now() - begin > 150, "two intervals");
  assertEquals([it.done(), it.epoll.waiters.length], [["r5"], 4]);
  // The next loss is told.
  it.epoll.failures.epoll_wait = ["EBADF"];
  await it.calm();
  it.epoll.waiter.fire();
  assertEquals(it.done(), ["EBADF5"]);
});

for (const [what, fail] of [["a set", "epoll_create1"], ["a waiter", "createWaiter"]] as const) {
  test(`if there is no room for ${what} in the place of a lost one, it is tried again, and the process stays alive for it`, async (t) => {
    const it = new Bench(t);
    const [watcher] = it.watched(5);
    it.epoll.fires = true;
    it.epoll.failures.epoll_wait = ["EBADF"];
    it.epoll.failures[fail] = ["EMFILE", "EMFILE"];
    it.epoll.fire({ 5: "r" });
    assertEquals(it.done(), ["EBADF5"]);
    // Meanwhile nothing that is called fails.
    it.loop.setPaused(watcher, true);
    it.loop.setPaused(watcher, false);
    assertEquals(it.loop.setWritable(watcher, true), true);
    it.loop.setReferenced(watcher, false);
    it.loop.setReferenced(watcher, true);
    watcher.work = 1;
    await until(() => it.record.includes("r5"), "it is read at last");
    assertEquals(it.epoll.changes().at(-1), "+5 rw");
  });
}

test("whoever is watched while there is no set opens one for all", async (t) => {
  const it = new Bench(t);
  const [first] = it.watched(5);
  it.epoll.fires = true;
  it.epoll.failures.epoll_wait = ["EBADF"];
  it.epoll.failures.epoll_create1 = ["EMFILE"];
  it.epoll.fire({ 5: "r" });
  it.epoll.changes();
  it.watched(6);
  assertEquals(it.epoll.changes(), ["+5 r", "+6 r"]);
  first.work = 1;
  it.done();
  await until(() => it.record.includes("r5"), "the first is read");
  await delay(120);
  assertEquals(it.epoll.waiters.length, 2);
});

test("a loss is noticed when someone is watched or waits for room", async (t) => {
  const it = new Bench(t);
  const [first] = it.watched(5);
  it.epoll.failures.epoll_ctl = ["EBADF"];
  it.epoll.failures.epoll_wait = ["EBADF"];
  it.watched(6);
  assertEquals(it.epoll.changes(), ["+5 r", "+5 r", "+6 r"]);
  await until(() => it.record.length > 0, "it is told");
  assertEquals(it.done(), ["EBADF5"]);
  await it.calm();
  it.epoll.failures.epoll_ctl = ["EINVAL"];
  it.epoll.failures.epoll_wait = ["EINVAL"];
  assertEquals(it.loop.setWritable(first, true), true);
  assertEquals(it.epoll.changes(), ["+5 rw", "+6 r"]);
  await until(() => it.record.length > 1, "both are told");
  assertEquals(it.done(), ["EINVAL5", "EINVAL6"]);
  // The same errno of a member is the member's.
  it.epoll.failures.epoll_ctl = ["EBADF"];
  assertEquals([it.loop.watch(it.watcher(7)), it.epoll.waiters.length], [-errno.EBADF, 3]);
});

test("a set that is lost when nothing is watched any more is not opened again", async (t) => {
  const it = new Bench(t);
  it.epoll.linger = 50;
  const [watcher] = it.watched(5);
  it.loop.requestTurn(watcher, READABLE);
  it.loop.end(watcher);
  it.epoll.failures.epoll_wait = ["EBADF"];
  await setImmediate();
  await delay(120);
  assertEquals([it.epoll.waiters.length, it.epoll.waiter.isClosed], [1, true]);
  it.epoll.waiter.release();
  assertEquals(it.epoll.open.size, 0);
});

test("the clock of a turn is looked at after the first step, and seldom while steps are short", () => {
  const clock = { now: 100, looks: 0 };
  const budget = new TurnBudget(() => {
    clock.looks++;
    return clock.now;
  });
  const steps = (count: number, time: number): boolean[] =>
    Array.from({ length: count }, () => {
      clock.now += time;
      return budget.isSpent();
    });
  budget.start();
  assertEquals(steps(1, 1000), [false]);
  assertEquals(steps(4, 1), [false, false, false, false]);
  assertEquals(steps(1, 1), [true]);
  budget.start();
  clock.looks = 0;
  assertEquals(steps(1000, 0).includes(true), false);
  assert(clock.looks < 45, `${clock.looks} looks`);
  // At most 32 short steps later it is noticed.
  assert(steps(33, 5).includes(true));
});
