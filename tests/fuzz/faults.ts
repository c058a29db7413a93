/**
 * Each call of the C library fails with each errno that its manual page names, at random moments: now and then, in storms, and with short
 * counts. Every callback is called once and in order, nothing leaves the loop as an exception, no descriptor is closed twice or left
 * open, and the sockets work when the faults are over.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import type { Libc } from "../../ffi/libc/libc.ts";
import { replaceLibc } from "../../ffi/load.ts";
import { createSocket, type Socket } from "../../mod.ts";
import { currentEngine } from "../../src/endpoint/engine.ts";
import { Steps } from "./fault_steps.ts";
import type { Random } from "./random.ts";
import type { Attack, Subject } from "./subject.ts";

/** recvmmsg(2) with MSG_ERRQUEUE, which reads the error queue. */
const ERROR_QUEUE = "recvmmsg of the error queue";

const PATHS = "ELOOP ENAMETOOLONG ENOENT ENOTDIR EROFS";
const SENDS =
  "EACCES EAGAIN EALREADY EBADF ECONNREFUSED ECONNRESET EDESTADDRREQ EINTR EINVAL EISCONN EMSGSIZE ENOBUFS " +
  "ENOMEM ENOTCONN ENOTSOCK ENOTSUP EPERM EPIPE";
const RECEIVES = "EAGAIN EBADF ECONNREFUSED EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK";

/**
 * The errnos of the manual pages, less EFAULT, as no address here is wrong. All calls of ffi/libc/prototypes.ts that Linux has, but those
 * that only the waiting thread makes (poll), or only `NativeLibc` (sendmsg and recvmsg, which it calls for one message, syscall,
 * gnu_get_libc_version, __errno_location).
 */
const ERRNOS: Readonly<Record<string, string>> = {
  socket: "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
  socketpair: "EAFNOSUPPORT EMFILE ENFILE ENOTSUP EPROTONOSUPPORT",
  bind: `EACCES EADDRINUSE EADDRNOTAVAIL EBADF EINVAL ENOMEM ENOTSOCK ${PATHS}`,
  connect:
    "EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EINPROGRESS EINTR EISCONN " +
    `ENETUNREACH ENOTSOCK EPERM EPROTOTYPE ETIMEDOUT ${PATHS}`,
  getsockname: "EBADF EINVAL ENOBUFS ENOTSOCK",
  getpeername: "EBADF EINVAL ENOBUFS ENOTCONN ENOTSOCK",
  setsockopt: "EBADF EINVAL ENOPROTOOPT ENOTSOCK",
  getsockopt: "EBADF EINVAL ENOPROTOOPT ENOTSOCK",
  sendmmsg: SENDS,
  recvmmsg: RECEIVES,
  [ERROR_QUEUE]: RECEIVES,
  close: "EBADF EDQUOT EINTR EIO ENOSPC",
  fcntl: "EACCES EAGAIN EBADF EBUSY EINTR EINVAL EMFILE ENOLCK EPERM",
  ioctl: "EBADF EINVAL ENOTTY",
  clock_gettime: "EACCES EINVAL ENODEV ENOTSUP EPERM",
  if_nametoindex: "ENODEV ENXIO",
  if_indextoname: "ENODEV ENXIO",
  epoll_create1: "EINVAL EMFILE ENFILE ENOMEM",
  epoll_ctl: "EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM",
  epoll_wait: "EBADF EINTR EINVAL",
  eventfd: "EINVAL EMFILE ENFILE ENODEV ENOMEM",
  read: "EAGAIN EBADF EINTR EINVAL EIO EISDIR",
  write: "EAGAIN EBADF EDESTADDRREQ EDQUOT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
};
const PAIRS = Object.entries(ERRNOS).flatMap(([call, names]) =>
  names.split(" ").map((errno) => [call, errno] as const)
);

/** <bits/fcntl-linux.h>; nothing but the test needs it. */
const F_GETFD = 1;

/** Calls that are made many times in a case. */
const FREQUENT = /mmsg$|^epoll_(wait|ctl)$/;

/** A C library that fails when it is told to, and knows which descriptors it has opened. */
class Chaos {
  readonly open = new Set<number>();
  readonly wrong: string[] = [];
  /** The call that fails, with which errno, and how often: one time in so many. */
  fault: { call: string; errno: string; oneIn: number; random: Random } | undefined;
  /** How often a fault came, and which did. */
  count = 0;
  readonly pairs = new Set<string>();
  /** Whether the poller's descriptor is closed by someone else, once. */
  losesPoller = false;

  wrap(real: Libc): Libc {
    return new Proxy(real, {
      get: (_, key) => {
        const value = Reflect.get(real, key);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => this.#call(real, String(key), args, value as (...args: unknown[]) => unknown);
      },
    });
  }

  #call(real: Libc, name: string, args: unknown[], call: (...args: unknown[]) => unknown): unknown {
    const { fault } = this;
    const isErrorQueue = name === "recvmmsg" && ((args[3] as number) & real.abi.linux!.MSG_ERRQUEUE) !== 0;
    const fails = fault?.call === (isErrorQueue ? ERROR_QUEUE : name) && fault.random.oneIn(fault.oneIn);
    if (name === "close") this.#closing(real, args[0] as number);
    if (fails) {
      this.count++;
      this.pairs.add(`${fault.call} ${fault.errno}`);
      const number = real.abi.errno[fault.errno];
      // Linux closes the descriptor nevertheless.
      if (name === "close") call.apply(real, args);
      // The poller's descriptor was closed by someone else.
      else if (name === "epoll_wait" && fault.errno !== "EINTR") this.#lose(real, args[0] as number);
      // A batch ends before the message that fails.
      else if (/mmsg$/.test(name) && (args[2] as number) > 1 && fault.random.oneIn(2)) {
        return call.apply(real, args.with(2, 1 + fault.random.below((args[2] as number) - 1)));
      }
      return -number!;
    }
    if (name === "epoll_wait" && this.losesPoller) {
      this.losesPoller = false;
      this.#lose(real, args[0] as number);
      return -real.abi.errno.EBADF!;
    }
    const result = call.apply(real, args);
    if (/^(socket|epoll_create1|eventfd)$/.test(name) && (result as number) >= 0) this.open.add(result as number);
    return result;
  }

  /** Descriptors that came with a message are known to the kernel only. */
  #closing(real: Libc, fd: number): void {
    const isOpen = this.open.delete(fd) || real.fcntl(fd, F_GETFD, 0) >= 0;
    if (!isOpen) this.wrong.push(`descriptor ${fd} was closed, but not open`);
  }

  #lose(real: Libc, fd: number): void {
    if (this.open.delete(fd)) real.close(fd);
  }
}

/** Waits for something that must come. */
async function until(condition: () => boolean, what: () => string): Promise<void> {
  for (const deadline = performance.now() + 10_000; !condition();) {
    assert(performance.now() < deadline, what());
    await delay(1);
  }
}

/** A socket that is bound, and whose errors are noted. */
function bound(errors: string[]): Socket {
  const socket = createSocket("udp4");
  socket.on("error", (error) => errors.push(error.message));
  socket.bindSync({ address: "127.0.0.1" });
  return socket;
}

/** Sends while calls fail. @returns The numbers of the messages whose callbacks were called, in order. */
async function sendUnderFaults(sender: Socket, port: number, random: Random, count: number): Promise<number[]> {
  const called: number[] = [];
  for (let sent = 0; sent < count;) {
    for (let burst = 1 + random.below(8); burst > 0 && sent < count; burst--) {
      const number = sent++;
      const text = random.oneIn(3) ? "x".repeat(number) : `message ${number}`;
      sender.send(text, port, "127.0.0.1", () => called.push(number));
    }
    if (random.oneIn(2)) await delay(0);
  }
  return called;
}

/** Opens, uses and closes further sockets, any step of which may fail. */
function comeAndGo(port: number): Promise<void> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  socket.on("error", () => {});
  try {
    socket.connect(port, "127.0.0.1", () => {});
    socket.send("x", () => {});
    socket.setTTL(9);
  } catch {
    // It said so.
  }
  return delay(1).then(() => socket[Symbol.asyncDispose]());
}

async function tryFault(
  chaos: Chaos,
  random: Random,
  number: number,
  uncaught: unknown[],
  closedPort: number,
): Promise<number> {
  const [call, errno] = PAIRS[number % PAIRS.length]!;
  const errors: string[] = [];
  const [receiver, sender] = [bound(errors), bound(errors)];
  const last: string[] = [];
  receiver.on("message", (message) => last.push(message.toString()));
  const { port } = receiver.address();
  const what = `${errno} of ${call}`;
  chaos.fault = { call, errno, oneIn: random.pick(FREQUENT.test(call) ? [1, 2, 5, 20] : [1, 1, 2]), random };
  // Otherwise there is a poller already.
  chaos.losesPoller = /^(epoll_create1|eventfd)$/.test(call);
  // EINTR without end would be a program that does nothing but handle signals.
  if (errno === "EINTR" && chaos.fault.oneIn === 1) chaos.fault.oneIn = 2;
  const count = 1 + random.below(30);
  const sending = sendUnderFaults(sender, port, random, count);
  const steps = new Steps(port, closedPort);
  steps.run();
  await comeAndGo(port);
  await delay(random.below(4));
  const called = await sending;
  chaos.fault = undefined;
  await steps.end();
  await until(() => called.length >= count, () => `${what}: ${called.length} of ${count} callbacks; ${errors}`);
  assertEquals(called, Array.from({ length: count }, (_, i) => i), `${what}: the order of the callbacks`);
  await checkUsable(sender, port, last, `${what}; ${errors}`);
  assertEquals(called.length, count, `${what}: a callback more`);
  await Promise.all([receiver, sender].map((socket) => socket[Symbol.asyncDispose]()));
  const wrong = [...chaos.wrong.splice(0), ...steps.wrong, ...uncaught.splice(0).map(String)];
  assertEquals(wrong, [], what);
  return 1;
}

/** A datagram gets through now. One may be lost for an error that was not read yet. */
async function checkUsable(sender: Socket, port: number, heard: readonly string[], what: string): Promise<void> {
  let tries = 0;
  await until(() => {
    if (tries++ % 50 === 0) sender.send("last", port, "127.0.0.1");
    return heard.includes("last");
  }, () => `${what}: the socket is not usable`);
}

/** Failing calls. */
export const faults: Subject = {
  name: "faults",
  few: PAIRS.length,
  needsLinux: true,
  async prepare(): Promise<Attack> {
    const closed = createSocket("udp4");
    const closedPort = closed.bindSync({ address: "127.0.0.1" }).port;
    await closed[Symbol.asyncDispose]();
    const chaos = new Chaos();
    const uncaught: unknown[] = [];
    const note = (error: unknown): void => void uncaught.push(error);
    process.on("uncaughtException", note);
    process.on("unhandledRejection", note);
    const undo = replaceLibc((libc) => chaos.wrap(libc));
    const figures: Record<string, number | string> = {};
    return {
      figures,
      tryCase: (random, number) => tryFault(chaos, random, number, uncaught, closedPort),
      async end() {
        figures.faults = chaos.count;
        figures["pairs that occurred"] = chaos.pairs.size;
        figures["pairs that never occurred"] = PAIRS.map((pair) => pair.join(" ")).filter((pair) =>
          !chaos.pairs.has(pair)
        ).join(", ");
        assertEquals(currentEngine().loop.watched, 0, "sockets that are watched still");
        // The poller lingers for a moment after the last socket.
        await until(() => chaos.open.size === 0, () => `${chaos.open.size} descriptors are left open`);
        undo();
        process.off("uncaughtException", note);
        process.off("unhandledRejection", note);
      },
    };
  },
};
