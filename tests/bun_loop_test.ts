/**
 * The poller's place in Bun's own event loop, and the threads that wait if there is none.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { Descriptor } from "../ffi/descriptor.ts";
import { currentRuntime } from "../ffi/load.ts";
import { LoopPlaces } from "../ffi/poll/bun_loop.ts";
import { openPoller } from "../ffi/poll/open_poller.ts";
import { bunPollSource } from "../ffi/poll/poll_source.ts";
import { type Poller, READABLE } from "../ffi/poll/poller.ts";
import { PollThreads, ThreadWaiter, type Watches } from "../ffi/poll/thread_waiter.ts";
import { bunBinding, type BunConnect, bunConnect, bunFfi } from "../ffi/runtimes/bun.ts";
import { encodeAddress } from "../ffi/wire/sockaddr.ts";
import { Inbox } from "../src/receiving/inbox.ts";
import { test, type Tools } from "./support/harness.ts";
import { descriptorCount, until } from "./support/process.ts";
import { runtime } from "./support/runtime.ts";

const bunOnly = { skip: runtime === "bun" && process.platform === "linux" ? undefined : "Bun's loop on Linux only" };

/** A socket in a poller, and a waiter that has its place in Bun's loop. */
class Waiting {
  readonly waiter: ThreadWaiter;
  readonly set: Poller;
  threads = 0;
  looks = 0;
  #heard: () => void = () => {};
  readonly #tools: Tools;
  readonly #receiver: Descriptor;
  readonly #inbox = new Inbox(currentRuntime());

  constructor(t: Tools, connect: BunConnect = bunConnect) {
    this.#tools = t;
    const { libc } = currentRuntime();
    const set = openPoller(libc);
    const receiver = Descriptor.open(libc, 4);
    assert(typeof set !== "number" && typeof receiver !== "number");
    t.cleanup(() => receiver.close());
    assertEquals(receiver.bind(encodeAddress(libc, 4, "127.0.0.1", 0)!), 0);
    set.add(receiver.fd, 1, READABLE);
    [this.set, this.#receiver] = [set, receiver];
    const threads = new PollThreads(libc, bunPollSource(libc.abi));
    const counted: Watches = {
      take: (poller) => (this.threads++, threads.take(poller)),
      takeParked: () => threads.takeParked(),
    };
    const places = new LoopPlaces(libc, bunBinding(bunFfi()!, libc.abi), connect, counted);
    this.waiter = new ThreadWaiter(set, () => this.#look(), places);
    this.waiter.arm();
  }

  #look(): void {
    this.looks++;
    this.set.collect();
    if (typeof this.#inbox.receive(this.#receiver.fd) !== "number") this.#heard();
    this.waiter.arm();
  }

  /** Sends a datagram, and waits until it was received. */
  async exchange(): Promise<void> {
    const local = this.#receiver.localAddress();
    assert(typeof local !== "number");
    const hearing = new Promise<void>((resolve) => this.#heard = resolve);
    (await this.#tools.bound("udp4")).send("x", local.port, "127.0.0.1");
    await hearing;
  }

  close(): void {
    this.waiter.close(() => this.set.close());
  }
}

/** No more looks: the waiter waits, and does not poll. */
async function atRest(waiting: Waiting): Promise<void> {
  let before: number;
  do {
    before = waiting.looks;
    await delay(30);
  } while (waiting.looks > before);
}

test("in Bun's loop each datagram is one look, without a thread", async (t) => {
  const waiting = new Waiting(t);
  t.cleanup(() => waiting.close());
  await waiting.exchange();
  await atRest(waiting);
  const before = waiting.looks;
  for (let i = 0; i < 20; i++) {
    await waiting.exchange();
    await delay(1);
  }
  assertEquals([waiting.looks - before, waiting.threads], [20, 0]);
}, bunOnly);

test("a place in Bun's loop that is given up leaves no descriptor", async (t) => {
  await t.bound("udp4");
  const before = descriptorCount();
  const tried = new Waiting(t);
  await tried.exchange();
  await atRest(tried);
  const untried = new Waiting(t);
  await until(() => untried.looks > 1, "it has a place");
  for (const waiting of [tried, untried]) waiting.close();
  // The receivers and a sender are the test's, and are closed at its end.
  await until(() => descriptorCount() <= before + 3, "they are closed");
}, bunOnly);

test("what waits when the waiter is closed reaches nobody", async (t) => {
  for (let round = 0; round < 20; round++) {
    const waiting = new Waiting(t);
    await waiting.exchange();
    if (round % 2) await atRest(waiting);
    void waiting.exchange();
    await new Promise((resolve) => setImmediate(resolve));
    waiting.close();
    const { looks } = waiting;
    await delay(5);
    assertEquals(waiting.looks, looks);
  }
}, bunOnly);

const WAYS: [name: string, connect: BunConnect][] = [
  ["takes no descriptor", () => undefined],
  ["never hears of the poller", (fd) => ({
    ref() {},
    unref() {},
    terminate: () => void currentRuntime().libc.close(fd),
  })],
];
for (const [name, connect] of WAYS) {
  test(`a thread waits if Bun's loop ${name}, and meanwhile nothing is lost`, async (t) => {
    const waiting = new Waiting(t, connect);
    t.cleanup(() => waiting.close());
    for (let i = 0; i < 5; i++) await waiting.exchange();
    await until(() => waiting.threads > 0, "a thread is wanted");
    await atRest(waiting);
    for (let i = 0; i < 5; i++) await waiting.exchange();
  }, bunOnly);
}
