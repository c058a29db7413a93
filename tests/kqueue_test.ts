/**
 * kqueue without a Mac: what reaches C, seen through a scripted binding, and what becomes of its events.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { NativeLibc } from "../ffi/libc/native_libc.ts";
import { onUv } from "../ffi/load.ts";
import { KqueuePoller } from "../ffi/poll/kqueue.ts";
import { READABLE, WRITABLE } from "../ffi/poll/poller.ts";
import type { NodeFfi } from "../ffi/runtimes/node.ts";
import { test } from "./support/harness.ts";
import { ScriptedBinding, type ScriptedFunctions, type ScriptedPointer } from "./support/scripted_binding.ts";

/** A macOS C library with scripted functions. */
function darwinLibc(functions: (binding: ScriptedBinding) => ScriptedFunctions): NativeLibc {
  const binding = new ScriptedBinding();
  Object.assign(binding.functions, functions(binding));
  return new NativeLibc(DARWIN, binding);
}

interface Change {
  ident: number;
  filter: number;
  flags: number;
  fflags: number;
  udata: number;
}

/** A kqueue that notes its changes and reports the events it is told to. */
class ScriptedKqueue {
  changes: Change[] = [];
  closed: number[] = [];
  /** Outcomes of the next calls; 0 where there are none. */
  outcomes: number[] = [];
  events: Change[] = [];
  readonly libc = darwinLibc((binding) => ({
    kqueue: () => 11,
    fcntl: () => 0,
    close: (fd: number) => this.closed.push(fd) && 0,
    kevent: (_kq: number, changes: ScriptedPointer | null, count: number, events: ScriptedPointer | null) => {
      const outcome = this.outcomes.shift() ?? 0;
      if (outcome < 0) return binding.fail(-outcome);
      if (changes) this.changes.push(...Array.from({ length: count }, (_, i) => read(changes, i)));
      if (events) this.events.forEach((event, i) => write(events, i, event));
      return events ? this.events.length : 0;
    },
  }));

  /** The changes since the last time. */
  taken(): Change[] {
    return this.changes.splice(0);
  }

  open(): KqueuePoller {
    const set = KqueuePoller.open(this.libc);
    assert(typeof set !== "number");
    this.taken();
    return set;
  }
}

function read({ memory: { view }, offset }: ScriptedPointer, index: number): Change {
  const at = offset + index * 32;
  return {
    ident: Number(view.getBigUint64(at, true)),
    filter: view.getInt16(at + 8, true),
    flags: view.getUint16(at + 10, true),
    fflags: view.getUint32(at + 12, true),
    udata: Number(view.getBigUint64(at + 24, true)),
  };
}

function write({ memory: { view }, offset }: ScriptedPointer, index: number, event: Change): void {
  const at = offset + index * 32;
  view.setBigUint64(at, BigInt(event.ident), true);
  view.setInt16(at + 8, event.filter, true);
  view.setBigUint64(at + 24, BigInt(event.udata), true);
}

const [READ, WRITE, USER, ADD, DELETE, CLEAR] = [-1, -2, -10, 1, 2, 0x20];

const change = (ident: number, filter: number, flags: number, udata: number, fflags = 0): Change => ({
  ident,
  filter,
  flags,
  fflags,
  udata,
});

test("a new kqueue gets a user event to be woken by, and waking triggers it", () => {
  const kqueue = new ScriptedKqueue();
  const set = KqueuePoller.open(kqueue.libc);
  assert(typeof set !== "number");
  assertEquals(set.fd, 11);
  assertEquals(kqueue.taken(), [change(0, USER, ADD | CLEAR, 0)]);
  set.wake();
  assertEquals(kqueue.taken(), [change(0, USER, 0, 0, 0x01000000)]);
  set.close();
  assertEquals(kqueue.closed, [11]);
});

test("a kqueue changes only the filters whose interest changes", () => {
  const kqueue = new ScriptedKqueue();
  const set = kqueue.open();
  assertEquals(set.add(5, 1, READABLE), 0);
  assertEquals(kqueue.taken(), [change(5, READ, ADD, 1)]);
  assertEquals(set.modify(5, 1, READABLE | WRITABLE), 0);
  assertEquals(kqueue.taken(), [change(5, WRITE, ADD, 1)]);
  assertEquals(set.modify(5, 1, READABLE | WRITABLE), 0);
  assertEquals(kqueue.taken(), []);
  assertEquals(set.modify(5, 1, WRITABLE), 0);
  assertEquals(kqueue.taken(), [change(5, READ, DELETE, 1)]);
  assertEquals(set.remove(5), 0);
  assertEquals(kqueue.taken().map(({ filter, flags }) => [filter, flags]), [[WRITE, DELETE]]);
});

test("a kqueue refuses a second member of one descriptor, and changes to none", () => {
  const set = new ScriptedKqueue().open();
  assertEquals(set.modify(5, 1, READABLE), -DARWIN.errno.ENOENT);
  assertEquals(set.add(5, 1, READABLE), 0);
  assertEquals(set.add(5, 2, READABLE), -DARWIN.errno.EEXIST);
  assertEquals(set.remove(5), 0);
  assertEquals(set.add(5, 3, READABLE), 0);
});

test("a descriptor that a kqueue could not add can be added again", () => {
  const kqueue = new ScriptedKqueue();
  const set = kqueue.open();
  kqueue.outcomes = [-DARWIN.errno.ENOMEM];
  assertEquals(set.add(5, 1, READABLE), -12);
  assertEquals(set.add(5, 1, READABLE), 0);
  assertEquals(kqueue.taken(), [change(5, READ, ADD, 1)]);
});

test("a descriptor of which a kqueue takes one filter and not the other leaves none behind", () => {
  const kqueue = new ScriptedKqueue();
  const set = kqueue.open();
  kqueue.outcomes = [0, -DARWIN.errno.ENOMEM];
  assertEquals(set.add(5, 1, READABLE | WRITABLE), -12);
  assertEquals(kqueue.taken().map(({ filter, flags }) => [filter, flags]), [[READ, ADD], [READ, DELETE]]);
});

test("a kqueue tells token and readiness of each event, and repeats an interrupted call", () => {
  const kqueue = new ScriptedKqueue();
  const set = kqueue.open();
  const token = 2 ** 40 + 3;
  kqueue.outcomes = [-DARWIN.errno.EINTR];
  kqueue.events = [change(5, READ, 0, token), change(6, WRITE, 0, 2), change(0, USER, 0, 0)];
  assertEquals(set.collect(), 3);
  assertEquals([0, 1, 2].map((i) => [set.tokenAt(i), set.readinessAt(i)]), [[token, READABLE], [2, WRITABLE], [0, 0]]);
});

test("a kqueue that can't take its user event is closed", () => {
  const kqueue = new ScriptedKqueue();
  kqueue.outcomes = [-DARWIN.errno.ENOMEM];
  assertEquals(KqueuePoller.open(kqueue.libc), -12);
  assertEquals(kqueue.closed, [11]);
});

test("Node waits on a thread if libuv refuses the descriptor of a kqueue", () => {
  let made = 0;
  const functions = { uv_handle_size: () => 160n, uv_poll_init: () => -25 };
  const ffi = {
    dlopen: () => ({ functions, lib: { registerCallback: () => 0n, unregisterCallback: () => {} } }),
    getRawPointer: () => 4096n,
    getCurrentEventLoop: () => 8192n,
  } as unknown as NodeFfi;
  const thread = { linger: 0, arm() {}, ref() {}, unref() {}, park() {}, close() {} };
  const create = onUv(ffi, () => (made++, thread));
  assertEquals(create(new ScriptedKqueue().open(), () => {}), thread);
  assertEquals(made, 1);
});
