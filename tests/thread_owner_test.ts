/**
 * What the end of a thread finds to close, whenever it comes: a Worker can be terminated at any call of a function.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { OwningLibc } from "../ffi/libc/owning_libc.ts";
import { type Slot, ThreadOwner } from "../ffi/libc/thread_exit.ts";
import { test } from "./support/harness.ts";
import { ScriptedBinding, type ScriptedPointer } from "./support/scripted_binding.ts";

const ABI = linuxAbi("x64");
const { EMFILE } = ABI.errno;
const { AF_UNIX, SOCK_DGRAM, F_DUPFD_CLOEXEC } = ABI.constants;

/** What a terminated Worker comes to. */
class Terminated extends Error {}

/** Notes nothing any more once the thread is being terminated. */
class TerminatedOwner extends ThreadOwner {
  isTerminated = false;

  override settle(slot: Slot | undefined, fd: number): void {
    if (this.isTerminated) throw new Terminated();
    super.settle(slot, fd);
  }

  override own(fd: number): void {
    if (this.isTerminated) throw new Terminated();
    super.own(fd);
  }
}

/** A thread with a C library whose functions open 40 and 41, and the descriptors that its end would close. */
function thread() {
  const slots: Slot[] = [];
  const owner = new TerminatedOwner(() => {
    const slot = new Int32Array([-1]);
    slots.push(slot);
    return slot;
  });
  const opens = (): number => 40;
  const opensTwo = (...args: unknown[]): number => {
    const { memory, offset } = args[3] as ScriptedPointer;
    memory.view.setInt32(offset, 40, true);
    memory.view.setInt32(offset + 4, 41, true);
    return 0;
  };
  const all = {
    socket: opens,
    epoll_create1: opens,
    eventfd: opens,
    kqueue: opens,
    fcntl: opens,
    socketpair: opensTwo,
  };
  const binding = new ScriptedBinding({ ...all, close: () => 0 });
  const libc = new OwningLibc(ABI, binding, owner);
  const sv = libc.pointer(libc.allocate(24), 8);
  const calls: Record<string, () => number> = {
    "socket": () => libc.socket(AF_UNIX, SOCK_DGRAM, 0),
    "socketpair": () => libc.socketpair(AF_UNIX, SOCK_DGRAM, 0, sv),
    "epoll_create1": () => libc.epoll_create1(0),
    "eventfd": () => libc.eventfd(0, 0),
    "kqueue": () => libc.kqueue(),
    "fcntl(F_DUPFD_CLOEXEC)": () => libc.fcntl(3, F_DUPFD_CLOEXEC, 0),
  };
  const closed = (): number[] => slots.map((slot) => slot[0]!).filter((fd) => fd !== -1).sort();
  return { libc, binding, owner, calls, closed, slotCount: () => slots.length };
}

for (const name of Object.keys(thread().calls)) {
  const opened = name === "socketpair" ? [40, 41] : [40];

  test(`what ${name} has opened is closed if the thread is terminated right after the call`, () => {
    const { owner, calls, closed } = thread();
    owner.isTerminated = true;
    assertThrows(calls[name]!, Terminated);
    assertEquals(closed(), opened);
  });

  test(`what ${name} has opened is closed by the thread's end until it is closed`, () => {
    const { libc, calls, closed } = thread();
    calls[name]!();
    assertEquals(closed(), opened);
    for (const fd of opened) assertEquals(libc.close(fd), 0);
    assertEquals(closed(), []);
  });

  test(`nothing is closed for a call of ${name} that fails, and it takes no slot`, () => {
    const { binding, calls, closed, slotCount } = thread();
    const count = slotCount();
    Object.assign(binding.functions, { [name.replace(/\(.*/, "")]: () => binding.fail(EMFILE) });
    for (let i = 0; i < 3; i++) assertEquals(calls[name]!(), -EMFILE);
    assertEquals([closed(), slotCount()], [[], count]);
  });
}

test("a descriptor is closed by the thread's end until close(2) has returned", () => {
  const { libc, binding, calls, closed } = thread();
  const before: number[][] = [];
  calls["socket"]!();
  Object.assign(binding.functions, {
    close: () => {
      before.push(closed());
      return 0;
    },
  });
  libc.close(40);
  assertEquals([before, closed()], [[[40]], []]);
});

test("a descriptor whose number was given away is not closed", () => {
  const { owner, calls, closed } = thread();
  calls["socket"]!();
  owner.disown(40);
  assertEquals(closed(), []);
});
