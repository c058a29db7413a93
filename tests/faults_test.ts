/**
 * What the module makes of failing calls: interrupted ones, a kernel without room, results shorter than asked for,
 * errors.
 *
 * @module
 */
import { closeSync, openSync, readlinkSync } from "node:fs";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import type { Libc } from "../ffi/libc/libc.ts";
import { currentRuntime } from "../ffi/load.ts";
import { createSocket, type Socket, type SocketOptions, socketpair } from "../mod.ts";
import { currentEngine } from "../src/endpoint/engine.ts";
import { PollLoop } from "../src/loop/loop.ts";
import { type CallName, FaultyLibc, injectFaults } from "./support/faulty_libc.ts";
import {
  closed,
  closedPort,
  FAMILIES,
  type Family,
  nextEvent,
  nextMessage,
  nextMessages,
  openDescriptors,
  openedSince,
  sent,
  test,
  testBoth,
  type Tools,
} from "./support/harness.ts";
import { addressOf, noNamespaces, twoHosts } from "./support/namespaces.ts";
import { until } from "./support/process.ts";
import { isDarwin, linuxOnly, runFixture } from "./support/runtime.ts";
import { numbered, type SystemError, textsOf } from "./support/values.ts";

/** A receiver, and a sender whose descriptor is known. */
async function pair(t: Tools, faults: FaultyLibc, family: Family, gso = true) {
  const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
  const sender = await t.bound({ type: family.type, gso });
  return { receiver, sender, fd: faults.lastSocket(), port: receiver.address().port };
}

/** Sends texts and collects what the callbacks are called with: the number of bytes, or the error's code. */
function sendAll(socket: Socket, texts: readonly string[], port: number, address: string): (number | string)[][] {
  return texts.map((text) => {
    const outcomes: (number | string)[] = [];
    socket.send(text, port, address, (error, bytes) => outcomes.push(error ? (error as SystemError).code : bytes));
    return outcomes;
  });
}

/** Waits until every callback has been called. */
const allCalled = (outcomes: readonly unknown[][]): Promise<void> =>
  until(() => outcomes.every(({ length }) => length > 0), "a callback for each message");

const lengthsOf = (texts: readonly string[]): number[][] => texts.map(({ length }) => [length]);
const queueOf = (socket: Socket): number[] => [socket.getSendQueueCount(), socket.getSendQueueSize()];

for (const name of ["connect", "sendmmsg", "recvmmsg", isDarwin ? "kevent" : "epoll_wait"] as const) {
  testBoth(`${name} is repeated when a signal interrupts it`, async (t, family) => {
    const faults = injectFaults(t);
    const { receiver, sender, port } = await pair(t, faults, family);
    faults.fail(name, "EINTR", 3);
    const arriving = nextMessage(receiver);
    sender.connectSync(port, family.loopback);
    assertEquals(await sent(sender, "after all"), 9);
    assertEquals((await arriving).text, "after all");
    faults.assertUsedUp();
  });
}

testBoth("close is not repeated when a signal interrupts it", async (t, family) => {
  const faults = injectFaults(t);
  const socket = await t.bound(family.type);
  const fd = faults.lastSocket();
  // Linux closes the descriptor nevertheless: its number may be another's by now.
  faults.answer("close", (real, fd) => Math.min(real.close(fd), -real.abi.errno.EINTR), 1, fd);
  await closed(socket);
  assertEquals(faults.callsOf("close", fd).length, 1);
});

for (const errno of ["EAGAIN", "ENOBUFS"]) {
  testBoth(`messages wait while the kernel says ${errno}, and leave in order afterwards`, async (t, family) => {
    const faults = injectFaults(t);
    const { receiver, sender, fd, port } = await pair(t, faults, family);
    const texts = numbered(200);
    const full = faults.fail("sendmmsg", errno, Infinity, fd);
    const outcomes = sendAll(sender, texts.slice(0, 100), port, family.loopback);
    // Several refusals, so that what was refused is put back more than once.
    await until(() => faults.callsOf("sendmmsg", fd).length > 5, "attempts to send");
    outcomes.push(...sendAll(sender, texts.slice(100), port, family.loopback));
    assertEquals(queueOf(sender), [200, texts.join("").length]);
    assertEquals(outcomes.flat(), []);
    const arriving = nextMessages(receiver, texts.length);
    faults.repair(full);
    assertEquals(textsOf(await arriving), texts);
    await allCalled(outcomes);
    assertEquals(outcomes, lengthsOf(texts));
    assertEquals(queueOf(sender), [0, 0]);
  });
}

testBoth("the queue shrinks by what has left", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, fd, port } = await pair(t, faults, family);
  faults.answer("sendmmsg", (real, fd, at, _, flags) => real.sendmmsg(fd, at, 2, flags), 1, fd);
  const full = faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  const outcomes = sendAll(sender, ["1", "22", "333", "4444"], port, family.loopback);
  const arriving = nextMessages(receiver, 4);
  await until(() => outcomes.flat().length === 2, "two callbacks");
  assertEquals(queueOf(sender), [2, 7]);
  faults.repair(full);
  assertEquals(textsOf(await arriving), ["1", "22", "333", "4444"]);
  await allCalled(outcomes);
  assertEquals([outcomes.flat(), queueOf(sender)], [[1, 2, 3, 4], [0, 0]]);
});

testBoth("a socket that waits for room holds up no other, and keeps its own order", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender: blocked, fd, port } = await pair(t, faults, family);
  const free = await t.bound(family.type);
  const full = faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  const outcomes: unknown[][] = [];
  const others = nextMessages(receiver, 3);
  for (let i = 0; i < 3; i++) {
    outcomes.push(...sendAll(blocked, [`blocked ${2 * i}`], port, family.loopback));
    outcomes.push(...sendAll(free, [`free ${i}`], port, family.loopback));
    outcomes.push(...sendAll(blocked, [`blocked ${2 * i + 1}`], port, family.loopback));
  }
  assertEquals(textsOf(await others), ["free 0", "free 1", "free 2"]);
  assertEquals([blocked.getSendQueueCount(), free.getSendQueueCount()], [6, 0]);
  const waiting = nextMessages(receiver, 6);
  faults.repair(full);
  assertEquals(textsOf(await waiting), Array.from({ length: 6 }, (_, i) => `blocked ${i}`));
  await allCalled(outcomes);
  assertEquals(outcomes.map(({ length }) => length), Array(9).fill(1));
});

testBoth("a message does not overtake one that found no room earlier in the same turn", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, fd, port } = await pair(t, faults, family);
  const other = await t.bound(family.type);
  const arriving = nextMessages(receiver, 5);
  faults.fail("sendmmsg", "EAGAIN", 1, fd);
  const outcomes = sendAll(sender, ["1", "2"], port, family.loopback);
  outcomes.push(...sendAll(other, ["from the other"], port, family.loopback));
  outcomes.push(...sendAll(sender, ["3", "4"], port, family.loopback));
  assertEquals(textsOf(await arriving), ["from the other", "1", "2", "3", "4"]);
  await allCalled(outcomes);
  assertEquals(outcomes.map(({ length }) => length), [1, 1, 1, 1, 1]);
});

testBoth(
  "more messages in one turn than one call takes keep their order where the kernel has no room",
  async (t, family) => {
    const faults = injectFaults(t);
    const { receiver, sender, fd, port } = await pair(t, faults, family, false);
    faults.fail("sendmmsg", "EAGAIN", 1, fd);
    const [texts, arriving] = [numbered(1500), nextMessages(receiver, 1500)];
    sendAll(sender, texts, port, family.loopback);
    assertEquals(textsOf(await arriving), texts);
  },
);

testBoth("what waits at close fails with ECANCELED, once each, before 'close'", async (t, family) => {
  const faults = injectFaults(t);
  const { sender, fd, port } = await pair(t, faults, family);
  faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  const events: string[] = [];
  const errors: SystemError[] = [];
  for (const text of ["first", "second"]) {
    sender.send(text, port, family.loopback, (error) => {
      events.push(text);
      errors.push(error as SystemError);
    });
  }
  sender.on("close", () => events.push("close"));
  await until(() => faults.callsOf("sendmmsg", fd).length > 2, "attempts to send");
  await closed(sender);
  assertEquals(events, ["first", "second", "close"]);
  for (const { code, errno, syscall, message, address, port: to } of errors) {
    assertEquals({ code, errno, syscall, address, to }, {
      code: "ECANCELED",
      errno: -currentRuntime().libc.abi.errno.ECANCELED,
      syscall: "send",
      address: family.loopback,
      to: port,
    });
    assertEquals(message, `send ECANCELED ${family.loopback}:${port}`);
  }
});

test("waiting messages keep the process of an unreferenced socket until they have left", async () => {
  const { code, stdout, stderr } = await runFixture("waiting_unreferenced");
  assertEquals([code, stdout, stderr], [0, "sent 0\nsent 1\nsent 2\n", ""]);
});

for (const [what, take] of [["one", () => 1], ["all but one", (n: number) => Math.max(n - 1, 1)]] as const) {
  testBoth(`a kernel that takes ${what} of a batch gets each message once, in order`, async (t, family) => {
    const faults = injectFaults(t);
    const { receiver, sender, fd, port } = await pair(t, faults, family);
    faults.answer("sendmmsg", (real, fd, at, n, flags) => real.sendmmsg(fd, at, take(n), flags), Infinity, fd);
    const texts = numbered(150);
    const arriving = nextMessages(receiver, texts.length + 1);
    const outcomes = sendAll(sender, texts, port, family.loopback);
    await allCalled(outcomes);
    assertEquals(outcomes, lengthsOf(texts));
    await sent(sender, "the last", port, family.loopback);
    assertEquals(textsOf(await arriving), [...texts, "the last"]);
  });
}

/** Lets the kernel refuse the message at `index` of all that are sent, in the way that sendmmsg does it. */
function refuse(faults: FaultyLibc, fd: number, index: number, errno: number): void {
  let next = 0;
  faults.answer(
    "sendmmsg",
    (real, fd, at, vlen, flags) => {
      if (next === index) {
        next++;
        return -errno;
      }
      // A batch ends before the message that fails.
      const sent = real.sendmmsg(fd, at, next < index ? Math.min(vlen, index - next) : vlen, flags);
      next += Math.max(sent, 0);
      return sent;
    },
    Infinity,
    fd,
  );
}

for (const index of [0, 3, 9]) {
  testBoth(`an error of message ${index} of 10 is that one's alone`, async (t, family) => {
    const faults = injectFaults(t);
    // Without segments each message has a place of its own in the batch.
    const { receiver, sender, fd, port } = await pair(t, faults, family, false);
    sender.on("error", (error) => assertEquals(error, undefined));
    refuse(faults, fd, index, currentRuntime().libc.abi.errno.EPERM);
    const texts = numbered(10);
    const others = texts.filter((_, i) => i !== index);
    const arriving = nextMessages(receiver, 10);
    const outcomes = sendAll(sender, texts, port, family.loopback);
    await allCalled(outcomes);
    assertEquals(outcomes, texts.map((text, i) => [i === index ? "EPERM" : text.length]));
    assertEquals(queueOf(sender), [0, 0]);
    await sent(sender, "the last", port, family.loopback);
    assertEquals(textsOf(await arriving), [...others, "the last"]);
  });
}

testBoth("a message that is too long fails alone with EMSGSIZE", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = await t.bound(family.type);
  const { port } = receiver.address();
  const arriving = nextMessages(receiver, 2);
  const outcomes = sendAll(sender, ["before", "x".repeat(65_536), "behind"], port, family.loopback);
  await allCalled(outcomes);
  assertEquals(outcomes, [[6], ["EMSGSIZE"], [6]]);
  assertEquals(textsOf(await arriving), ["before", "behind"]);
});

testBoth("an error of sending without a callback goes unnoticed, and the socket works on", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, fd, port } = await pair(t, faults, family);
  faults.fail("sendmmsg", "EPERM", 1, fd);
  sender.send("lost", port, family.loopback);
  await until(() => faults.callsOf("sendmmsg", fd).length > 0, "an attempt to send");
  const arriving = nextMessage(receiver);
  sender.send("sent", port, family.loopback);
  assertEquals((await arriving).text, "sent");
});

/** How making and binding a socket can fail, with the call that does. */
const BIND_FAILURES: [name: CallName, errno: string][] = [
  ["socket", "EMFILE"],
  ["socket", "ENOBUFS"],
  ["setsockopt", "ENOPROTOOPT"],
  ["bind", "EACCES"],
];

for (const [name, errno] of BIND_FAILURES) {
  testBoth(`${errno} of ${name} comes as the 'error' of bind, and nothing stays open`, async (t, family) => {
    const before = openDescriptors();
    const faults = injectFaults(t);
    faults.fail(name, errno);
    const socket = t.socket({ type: family.type, reuseAddr: true });
    let listening = false;
    socket.bind(0, family.loopback, () => listening = true);
    const [error] = await nextEvent(socket, "error") as [SystemError];
    assertInstanceOf(error, Error);
    const number = -currentRuntime().libc.abi.errno[errno];
    assertEquals([error.code, error.errno, error.syscall], [errno, number, "bind"]);
    assertEquals(error.message, `bind ${errno} ${family.loopback}`);
    faults.assertUsedUp();
    await closed(socket);
    assertEquals(listening, false);
    await until(() => openedSince(before).length === 0, "all is closed");
  });

  testBoth(`${errno} of ${name} is thrown by bindSync, and nothing stays open`, async (t, family) => {
    const before = openDescriptors();
    const faults = injectFaults(t);
    faults.fail(name, errno);
    const socket = t.socket({ type: family.type, reuseAddr: true });
    const error = assertThrows(() => socket.bindSync({ address: family.loopback }), Error, `bind ${errno}`);
    assertEquals((error as SystemError).code, errno);
    faults.assertUsedUp();
    await closed(socket);
    await until(() => openedSince(before).length === 0, "all is closed");
  });
}

for (const [name, errno] of [["socket", "EMFILE"], ["setsockopt", "ENOPROTOOPT"], ["bind", "EACCES"]] as const) {
  testBoth(`a socket that ${name} failed with ${errno} can be bound later`, async (t, family) => {
    const faults = injectFaults(t);
    faults.fail(name, errno);
    const socket = t.socket({ type: family.type, reuseAddr: true });
    assertThrows(() => socket.bindSync({ address: family.loopback }), Error, errno);
    const { port } = socket.bindSync({ address: family.loopback });
    const arriving = nextMessage(socket);
    await sent(socket, "to myself", port, family.loopback);
    assertEquals((await arriving).text, "to myself");
  });
}

for (const [name, errno] of [["epoll_create1", "EMFILE"], ["eventfd", "EMFILE"], ["epoll_ctl", "ENOSPC"]] as const) {
  testBoth(`${errno} of ${name} is one 'error', and the socket receives as soon as it can`, async (t, family) => {
    const before = openDescriptors().length;
    const faults = injectFaults(t);
    faults.fail(name, errno, 2);
    const socket = t.socket(family.type);
    const errors: SystemError[] = [];
    socket.on("error", (error) => errors.push(error as SystemError));
    const { port } = socket.bindSync({ address: family.loopback });
    const arriving = new Promise((resolve) => socket.once("message", resolve));
    assertEquals(await sent(socket, "to myself", port, family.loopback), 9);
    assertEquals(String(await arriving), "to myself");
    assertEquals(errors.map(({ code, syscall }) => [code, syscall]), [[errno, "poll"]]);
    faults.assertUsedUp();
    await closed(socket);
    await until(() => openDescriptors().length <= before, "nothing stays open");
  }, { skip: linuxOnly("epoll") });
}

testBoth("sockets that were open receive on when another one can't be watched", async (t, family) => {
  const faults = injectFaults(t);
  const receiver = await t.bound(family.type);
  // It is watched by the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  const other = t.socket(family.type);
  other.bindSync({ address: family.loopback });
  const fd = faults.lastSocket();
  let isRefused = false;
  faults.answer("epoll_ctl", (real, ...args) => {
    if (args[2] !== fd || isRefused) return real.epoll_ctl(...args);
    isRefused = true;
    return -real.abi.errno.ENOMEM;
  });
  await nextEvent(other, "error");
  const arriving = nextMessage(receiver);
  await sent(t.socket(family.type), "still here", receiver.address().port, family.loopback);
  assertEquals((await arriving).text, "still here");
}, { skip: linuxOnly("epoll") });

testBoth(
  "a descriptor that another socket has is refused, and stays open when the refused socket is closed",
  async (t, family) => {
    const faults = injectFaults(t);
    const owner = await t.bound(family.type);
    const socket = t.socket(family.type);
    assertThrows(() => socket.bind({ fd: faults.lastSocket() }), Error, "open EEXIST");
    await closed(socket);
    const arriving = nextMessage(owner);
    await sent(t.socket(family.type), "still open", owner.address().port, family.loopback);
    assertEquals((await arriving).text, "still open");
  },
);

test("a waiter that can't be made leaves no interest set open", () => {
  const faults = new FaultyLibc(currentRuntime().libc);
  const refusal = new Error("no more threads");
  const loop = new PollLoop({
    ...currentRuntime(),
    libc: faults.libc,
    createWaiter: () => {
      throw refusal;
    },
  });
  const idle = { onReadable: () => false, onWritable: () => {}, onError: () => false, onTurnOver: () => false };
  const watcher = { fd: 0, token: 0, ...idle, onUnwatched: () => {} };
  assertEquals(assertThrows(() => loop.watch(watcher)), refusal);
  // Counted by calls: a thread of the runtime that starts meanwhile opens descriptors as well.
  const opened = (["epoll_create1", "eventfd", "kqueue"] as const).flatMap((name) => faults.callsOf(name))
    .map(({ result }) => result);
  const closed = faults.callsOf("close").map(({ args }) => args[0] as number);
  assert(opened.length > 0);
  assertEquals(closed.sort(), opened.sort());
});

/** Lets the poller be lost as it is if other code closes its descriptor: the number may be used by another file. */
function losePoller(faults: FaultyLibc): { readonly fd: number; readonly file: string } {
  const { libc } = currentRuntime();
  const fd = faults.callsOf("epoll_create1").at(-1)!.result;
  libc.close(fd);
  // The lowest free number is taken.
  const others: number[] = [];
  for (let other = -1; other !== fd;) {
    assert(other < fd, "the number was not taken");
    others.push(other = openSync("/dev/null", "r"));
  }
  others.pop();
  others.forEach((other) => closeSync(other));
  return { fd, file: readlinkSync(`/proc/self/fd/${fd}`) };
}

test("if other code closes the poller's descriptor each socket has one 'error', and all go on", async (t) => {
  const faults = injectFaults(t);
  const errors: string[] = [];
  const sockets: Socket[] = [];
  for (let i = 0; i < 3; i++) {
    const socket = await t.bound("udp4");
    socket.on("error", (error) => errors.push(`${i} ${error.message} ${(error as SystemError).syscall}`));
    sockets.push(socket);
  }
  sockets[1].pause();
  const lost = losePoller(faults);
  // The poller is noticed to be lost when it is changed next: here another socket is watched.
  const [receiver] = sockets;
  const heard = (socket: Socket) =>
    new Promise<string>((resolve) => socket.once("message", (bytes) => resolve(String(bytes))));
  const arriving = heard(receiver);
  const sender = await t.bound("udp4");
  await sent(sender, "in spite of it", receiver.address().port, "127.0.0.1");
  assertEquals(await arriving, "in spite of it");
  await until(() => errors.length === 3, "the errors");
  assertEquals(errors.sort(), ["0 poll EINVAL poll", "1 poll EINVAL poll", "2 poll EINVAL poll"]);
  const paused = heard(sockets[1]);
  await sent(sender, "paused", sockets[1].address().port, "127.0.0.1");
  sockets[1].resume();
  assertEquals(await paused, "paused");
  for (const socket of [...sockets, sender]) await closed(socket);
  // The waiter lets go of it within half a second. Who has the number now keeps it.
  await new Promise((resolve) => setTimeout(resolve, 600));
  assertEquals(readlinkSync(`/proc/self/fd/${lost.fd}`), lost.file);
  assertEquals(errors.length, 3);
  closeSync(lost.fd);
}, { skip: linuxOnly("epoll") });

test("if epoll_wait fails for good the processor is not kept busy, and sockets work once it works again", async (t) => {
  const faults = injectFaults(t);
  const errors: string[] = [];
  const receiver = await t.bound("udp4");
  const sender = await t.bound("udp4");
  receiver.on("error", (error) => errors.push((error as SystemError).code));
  sender.on("error", () => {});
  const { port } = receiver.address();
  const fault = faults.fail("epoll_wait", "EPERM", Infinity);
  await sent(sender, "late", port, "127.0.0.1");
  await until(() => errors.length > 0, "an error");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const calls = faults.callsOf("epoll_wait").length;
  assert(calls < 20, `${calls} calls`);
  assertEquals(errors, ["EPERM"]);
  const arriving = nextMessage(receiver);
  faults.repair(fault);
  assertEquals((await arriving).text, "late");
  // All pollers but the last were closed.
  const opened = faults.callsOf("epoll_create1").map(({ result }) => result);
  const closes = faults.callsOf("close").filter(({ args }) => opened.includes(args[0] as number)).length;
  assert(closes >= opened.length - 1, `${closes} of ${opened.length}`);
}, { skip: linuxOnly("epoll") });

for (const errno of ["ENOMEM", "ECONNREFUSED"]) {
  testBoth(`${errno} of recvmmsg comes as 'error', and receiving goes on`, async (t, family) => {
    const faults = injectFaults(t);
    const { receiver, sender, port } = await pair(t, faults, family);
    const errors: SystemError[] = [];
    receiver.on("error", (error) => errors.push(error as SystemError));
    for (const text of ["in spite of it", "a second time"]) {
      faults.fail("recvmmsg", errno);
      const arriving = new Promise<string>((resolve) => receiver.once("message", (bytes) => resolve(String(bytes))));
      await sent(sender, text, port, family.loopback);
      assertEquals(await arriving, text);
    }
    assertEquals(errors.map(({ message, code, syscall }) => [message, code, syscall]), [
      [`recvmsg ${errno}`, errno, "recvmsg"],
      [`recvmsg ${errno}`, errno, "recvmsg"],
    ]);
    assertEquals(errors[0].errno, -currentRuntime().libc.abi.errno[errno]);
  });
}

for (const errno of ["ENOMEM", "EIO", "EBADF"]) {
  test(`${errno} of recvmmsg that stays is reported once, and does not keep the processor busy`, async (t) => {
    const faults = injectFaults(t);
    const receiver = await t.bound("udp4");
    const other = await t.bound("udp4");
    const errors: string[] = [];
    receiver.on("error", (error) => errors.push((error as SystemError).code));
    const fault = faults.fail("recvmmsg", errno, Infinity, faults.callsOf("socket").at(-2)!.result);
    const { port } = receiver.address();
    await sent(other, "in spite of it", port, "127.0.0.1");
    await until(() => errors.length > 0, "an error");
    // Sixty turns of a loop that does not rest take a millisecond.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const calls = faults.callsOf("recvmmsg").length;
    assert(calls < 60, `${calls} calls`);
    const heard = nextMessage(other);
    await sent(receiver, "others are not concerned", other.address().port, "127.0.0.1");
    assertEquals((await heard).text, "others are not concerned");
    assertEquals(errors, [errno]);
    const arriving = new Promise<string>((resolve) => receiver.once("message", (bytes) => resolve(String(bytes))));
    faults.repair(fault);
    assertEquals(await arriving, "in spite of it");
    // It may fail again later.
    faults.fail("recvmmsg", errno, 1);
    await sent(other, "x", port, "127.0.0.1");
    await until(() => errors.length === 2, "another error");
  });
}

test("a socket can be closed, and wait for room, while it is left alone for its errors", async (t) => {
  const faults = injectFaults(t);
  const receiver = await t.bound("udp4");
  const fd = faults.lastSocket();
  const sender = await t.bound("udp4");
  receiver.on("error", () => {});
  faults.fail("recvmmsg", "EIO", Infinity, fd);
  await sent(sender, "x", receiver.address().port, "127.0.0.1");
  const removed = (): boolean =>
    faults.callsOf("epoll_ctl").some(({ args }) =>
      args[1] === currentRuntime().libc.abi.linux!.EPOLL_CTL_DEL && args[2] === fd
    );
  await until(removed, "it is left alone");
  faults.fail("sendmmsg", "EAGAIN", 1, fd);
  const heard = nextMessage(sender);
  await sent(receiver, "waited", sender.address().port, "127.0.0.1");
  assertEquals((await heard).text, "waited");
  await closed(receiver);
}, { skip: linuxOnly("epoll") });

test("an error queue that nobody asked for is emptied, and does not keep the processor busy", async (t) => {
  const faults = injectFaults(t);
  const socket = await t.bound("udp4");
  socket.on("error", () => {});
  socket.connectSync(await closedPort(t, FAMILIES[0]), "127.0.0.1");
  // As one that another program made may have it.
  socket.setsockopt("IPPROTO_IP", "IP_RECVERR", 1);
  for (let round = 0; round < 3; round++) {
    const failed = nextEvent(socket, "error") as Promise<[SystemError]>;
    await sent(socket, "x").catch(() => {});
    assertEquals((await failed)[0].code, "ECONNREFUSED");
  }
  // While a thread that waits is starting, the loop looks again and again.
  let calls = Infinity;
  for (let tries = 0; tries < 20 && calls >= 60; tries++) {
    const before = faults.callsOf("epoll_wait").length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    calls = faults.callsOf("epoll_wait").length - before;
  }
  assert(calls < 60, `${calls} calls in 200 ms`);
}, { skip: linuxOnly("IP_RECVERR") });

testBoth("an errno without a name is told by its number", async (t, family) => {
  const faults = injectFaults(t);
  const { sender, port, fd } = await pair(t, faults, family);
  faults.answer("sendmmsg", () => -999, 1, fd);
  const error = await assertRejects(() => sent(sender, "x", port, family.loopback), Error) as SystemError;
  assertEquals([error.code, error.errno], ["Unknown system error -999", -999]);
});

testBoth("a failing connect goes to the callback, and the socket stays unconnected", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, port } = await pair(t, faults, family);
  faults.fail("connect", "ENETUNREACH");
  const error = await new Promise<unknown>((resolve) => sender.connect(port, family.loopback, resolve)) as SystemError;
  assertEquals([error.code, error.syscall], ["ENETUNREACH", "connect"]);
  assertThrows(() => sender.remoteAddress(), Error, "Not connected");
  const arriving = nextMessage(receiver);
  await sent(sender, "unconnected", port, family.loopback);
  assertEquals((await arriving).text, "unconnected");
});

/** Methods that set an option, and the call they name in their errors. */
const SETTERS: [call: string, set: (socket: Socket, family: Family) => unknown][] = [
  ["setTTL", (socket) => socket.setTTL(3)],
  ["setBroadcast", (socket) => socket.setBroadcast(true)],
  ["setMulticastTTL", (socket) => socket.setMulticastTTL(3)],
  ["setMulticastLoopback", (socket) => socket.setMulticastLoopback(false)],
  ["setMulticastInterface", (socket, { any }) => socket.setMulticastInterface(any)],
  ["addMembership", (socket, { version }) => socket.addMembership(version === 4 ? "239.1.1.1" : "ff02::1234")],
];

testBoth("an option that the system does not have is an ENOPROTOOPT of the method", async (t, family) => {
  const faults = injectFaults(t);
  const socket = await t.bound(family.type);
  faults.fail("setsockopt", "ENOPROTOOPT", SETTERS.length);
  for (const [call, set] of SETTERS) {
    const error = assertThrows(() => set(socket, family), Error, `${call} ENOPROTOOPT`) as SystemError;
    assertEquals([error.code, error.syscall], ["ENOPROTOOPT", call]);
  }
  faults.assertUsedUp();
});

testBoth("a buffer size that can't be read or set is ERR_SOCKET_BUFFER_SIZE with the reason", async (t, family) => {
  const faults = injectFaults(t);
  const socket = await t.bound(family.type);
  faults.fail("getsockopt", "ENOPROTOOPT");
  faults.fail("setsockopt", "EPERM");
  for (
    const [errno, call] of [["ENOPROTOOPT", () => socket.getRecvBufferSize()], [
      "EPERM",
      () => socket.setRecvBufferSize(9),
    ]] as const
  ) {
    const error = assertThrows(call, Error, `uv_recv_buffer_size returned ${errno}`) as SystemError;
    assertEquals([error.code, error.syscall], ["ERR_SOCKET_BUFFER_SIZE", "uv_recv_buffer_size"]);
  }
});

testBoth("addresses that can't be read are errors of getsockname and getpeername", async (t, family) => {
  const faults = injectFaults(t);
  const { sender, port } = await pair(t, faults, family);
  sender.connectSync(port, family.loopback);
  faults.fail("getsockname", "ENOBUFS");
  faults.fail("getpeername", "ENOTCONN");
  assertThrows(() => sender.address(), Error, "getsockname ENOBUFS");
  assertThrows(() => sender.remoteAddress(), Error, "getpeername ENOTCONN");
  assertEquals(sender.remoteAddress().port, port);
});

testBoth("a datagram without a sender's address is delivered all the same", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, port } = await pair(t, faults, family);
  faults.answer("recvmmsg", (real: Libc, fd, at, vlen, flags) => {
    const count = real.recvmmsg(fd, at, vlen, flags);
    if (count > 0) at.memory.view.setUint32(real.abi.layouts.msghdr.msg_namelen, 0, true);
    return count;
  });
  const arriving = nextMessage(receiver);
  await sent(sender, "anonymous", port, family.loopback);
  const { text, remote } = await arriving;
  assertEquals([text, remote.address, remote.port, remote.size], ["anonymous", "", 0, 9]);
});

testBoth("messages wait for a neighbour that does not answer yet, then leave in order", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  // What waits for a neighbour's hardware address is charged to the sender, whose buffer is full after a few.
  hosts.b.ip("link set veth0 arp off");
  const receiver = await b.bound({ type: family.type, recvBufferSize: 1 << 20 }, family.any);
  const sender = await a.bound({ type: family.type, gso: false, sendBufferSize: 1 }, addressOf(family, 1));
  const texts = Array.from({ length: 60 }, (_, i) => `${i} `.padEnd(1000, "."));
  const all = sender.sendAll(texts, receiver.port, addressOf(family, 2));
  // An answer comes a turn later, when all that fits has been handed to the kernel.
  await sender.call("address");
  const count = await sender.call("getSendQueueCount") as number;
  const size = await sender.call("getSendQueueSize");
  const hardware = hosts.b.run("cat", "/sys/class/net/veth0/address").trim();
  hosts.a.ip(`neigh replace ${addressOf(family, 2)} lladdr ${hardware} dev veth0 nud permanent`);
  assertEquals(await all, texts.map(() => 1000));
  assert(count > 0 && count < texts.length, `${count} of ${texts.length} waited`);
  assertEquals(size, count * 1000);
  const received: string[] = [];
  for (const _ of texts) received.push((await receiver.next()).text);
  assertEquals(received, texts);
  assertEquals(await sender.call("getSendQueueCount"), 0);
}, { skip: noNamespaces ?? linuxOnly("a send buffer for 64 KiB at first") });

testBoth("a message that waits leaves even if the kernel refuses to tell of room", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, fd, port } = await pair(t, faults, family);
  await sent(sender, "first", port, family.loopback);
  await nextMessage(receiver);
  const { EPOLL_CTL_MOD } = currentRuntime().libc.abi.linux!;
  const refused: number[] = [];
  faults.answer("epoll_ctl", (real, epfd, op, target, event) => {
    if (op !== EPOLL_CTL_MOD || target !== fd) return real.epoll_ctl(epfd, op, target, event);
    refused.push(target);
    return -real.abi.errno.ENOMEM;
  });
  faults.fail("sendmmsg", "EAGAIN", 1, fd);
  const arriving = nextMessage(receiver);
  const outcomes = sendAll(sender, ["second"], port, family.loopback);
  assertEquals((await arriving).text, "second");
  await allCalled(outcomes);
  assertEquals([outcomes, queueOf(sender), refused], [[[6]], [0, 0], [fd]]);
}, { skip: linuxOnly("epoll") });

testBoth("a socket that goes on being told of room does not keep the loop busy", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, fd, port } = await pair(t, faults, family);
  const { EPOLL_CTL_MOD } = currentRuntime().libc.abi.linux!;
  let modified = 0;
  // The first asks for room, the second would end that.
  faults.answer("epoll_ctl", (real, epfd, op, target, event) => {
    const isRefused = op === EPOLL_CTL_MOD && target === fd && ++modified > 1;
    return isRefused ? -real.abi.errno.ENOMEM : real.epoll_ctl(epfd, op, target, event);
  });
  faults.fail("sendmmsg", "EAGAIN", 1, fd);
  await sent(sender, "x", port, family.loopback);
  assertEquals(modified, 2);
  const isSuspended = (): boolean =>
    faults.callsOf("epoll_ctl").some(({ args }) =>
      args[1] === currentRuntime().libc.abi.linux!.EPOLL_CTL_DEL && args[2] === fd
    );
  await until(isSuspended, "the socket to be taken out of the set");
  const arriving = nextMessage(sender);
  await sent(receiver, "back", sender.address().port, family.loopback);
  assertEquals((await arriving).text, "back");
}, { skip: linuxOnly("epoll") });

for (const what of ["a pair", "an adopted Unix socket", "a Unix socket", "an adopted UDP socket"]) {
  test(`if ${what} cannot be configured there is no socket, and nothing of it is left`, async (t) => {
    const faults = injectFaults(t);
    const { libc } = currentRuntime();
    const owner = what.includes("UDP") ? await t.bound("udp4") : socketpair().map((socket) => t.track(socket))[0];
    await new Promise((resolve) => setTimeout(resolve, 0));
    const { loop } = currentEngine();
    const watched = loop.watched;
    const fd = libc.fcntl(owner.fd, libc.abi.constants.F_DUPFD_CLOEXEC, 3);
    const options = what.includes("adopted") ? { fd, recvBufferSize: 9999 } : { recvCredentials: true };
    const make = what === "a pair"
      ? () => socketpair(options)
      : () => createSocket({ type: what.includes("UDP") ? "udp4" : "unix_dgram", ...options } as SocketOptions);
    const before = openDescriptors();
    for (let i = 0; i < 3; i++) {
      const { SO_PASSCRED, SO_RCVBUF } = libc.abi.options;
      const fault = faults.answer("setsockopt", (real, ...args) => {
        return args[2] === SO_PASSCRED || args[2] === SO_RCVBUF ? -libc.abi.errno.ENOMEM : real.setsockopt(...args);
      });
      assertThrows(make, Error, "ENOMEM");
      faults.repair(fault);
    }
    assertEquals(loop.watched, watched);
    // A thread that starts opens others.
    assertEquals(openedSince(before).filter((link) => link.startsWith("socket:")), []);
    // An adopted one is still its owner's.
    assertEquals(libc.close(fd), 0);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }, { skip: linuxOnly("SO_PASSCRED") });
}
