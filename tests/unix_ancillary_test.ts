/**
 * Descriptors and credentials that messages of Unix sockets take along: every descriptor is accounted for.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Descriptor } from "../ffi/descriptor.ts";
import { currentRuntime } from "../ffi/load.ts";
import {
  createSocket,
  type ReceivedDescriptors,
  sdNotify,
  socketpair,
  type UnixRemoteInfo,
  type UnixSendOptions,
  type UnixSocket,
} from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextMessage, openDescriptors, test, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { ended, linuxOnly } from "./support/runtime.ts";
import { boundUnix, folder, IdlePeer, nextUnixEvent, received, unixSocket } from "./support/unix.ts";

/** Where this process's descriptors lead, but for those of no concern, in order. */
function opened(dir: string): string[] {
  return openDescriptors().filter((link) => link.startsWith(dir)).sort();
}

/** Descriptors of new files in a folder. They are closed at the end of the test, if they are still open. */
function openFiles(t: Tools, dir: string, count: number): number[] {
  const { libc } = currentRuntime();
  return Array.from({ length: count }, (_, i) => {
    writeFileSync(join(dir, `${i}`), "");
    const fd = openFile(join(dir, `${i}`));
    t.cleanup(() => libc.close(fd));
    return fd;
  });
}

/** A descriptor that no runtime knows of: a Unix socket bound to the path would not do, as it has no link with a name. */
function openFile(path: string): number {
  const { libc } = currentRuntime();
  const { openSync, closeSync } = process.getBuiltinModule("node:fs");
  const theirs = openSync(path, "r");
  // Deno's numbers are not the kernel's.
  const number = process.versions.deno ? numberOf(path) : theirs;
  const own = libc.fcntl(number, libc.abi.constants.F_DUPFD_CLOEXEC, 0);
  closeSync(theirs);
  assert(own >= 0);
  return own;
}

function numberOf(path: string): number {
  const { readdirSync } = process.getBuiltinModule("node:fs");
  return Number(readdirSync("/proc/self/fd").find((fd) => linkOf(Number(fd)) === path));
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "closed";
  }
}

/** Sends a message with options. */
function sentWith(socket: UnixSocket, options: UnixSendOptions, message = "x"): Promise<number> {
  return new Promise((resolve, reject) =>
    socket.send(message, options, (error, bytes) => error ? reject(error) : resolve(bytes))
  );
}

/** The next message's `rinfo`, with what `use` makes of its descriptors while the listener runs. */
function nextWith<Result>(socket: UnixSocket, use: (fds: ReceivedDescriptors) => Result): Promise<Result> {
  return new Promise((resolve) => socket.once("message", (_, { fds }) => resolve(use(fds!))));
}

test("descriptors that are taken are the listener's, with close-on-exec; the rest is closed", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, undefined, { recvFds: true });
  const { libc } = currentRuntime();
  const fds = openFiles(t, dir, 3);
  const taking = nextWith(server, (fds) => {
    const first = fds.take()!;
    return { first, link: linkOf(first), flags: libc.fcntl(first, libc.abi.constants.F_GETFD, 0), left: fds.length };
  });
  await sentWith(unixSocket(t), { path: server.address().path, fds });
  const { first, link, flags, left } = await taking;
  assertEquals([link, flags, left], [join(dir, "0"), libc.abi.constants.FD_CLOEXEC, 2]);
  assertEquals(opened(dir), ["0", "0", "1", "2"].map((name) => join(dir, name)));
  libc.close(first);
});

test("descriptors that were taken can be read, written, closed, or made into sockets, in every runtime", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, undefined, { recvFds: true });
  const { libc } = currentRuntime();
  const [file] = openFiles(t, dir, 1);
  writeFileSync(join(dir, "0"), "what is in it");
  const pair = Descriptor.openPair(libc);
  assert(typeof pair !== "number");
  const udp = Descriptor.open(libc, 4);
  assert(typeof udp !== "number");
  // A Proxy of them does the same.
  const taking = nextWith(server, (received) => {
    const fds = new Proxy(received, {});
    return { fds, taken: fds.takeAll() };
  });
  await sentWith(unixSocket(t), { path: server.address().path, fds: [file, pair[0], udp.fd] });
  const { fds, taken } = await taking;
  const bytes = new Uint8Array(9);
  assertEquals([fds.read(taken[0], bytes), new TextDecoder().decode(bytes)], [9, "what is i"]);
  assertEquals([fds.read(taken[0], bytes), fds.read(taken[0], bytes)], [4, 0]);
  assertEquals((assertThrows(() => fds.write(taken[0], bytes)) as Error & { code: string }).code, "EBADF");
  fds.close(taken[0]);
  assertEquals((assertThrows(() => fds.close(taken[0])) as Error & { code: string }).code, "EBADF");
  assertThrows(() => fds.read(-1, bytes), RangeError);
  assertThrows(() => fds.read(taken[1], "text" as never), TypeError, "bytes");
  assertEquals(fds.write(taken[1], new TextEncoder().encode("hello")), 5);
  assertEquals((assertThrows(() => fds.read(taken[1], bytes)) as Error & { code: string }).code, "EAGAIN");
  const other = t.track(createSocket({ type: "unix_dgram", fd: pair[1] }));
  assertEquals((await received(other, 1)).map(({ text }) => text), ["hello"]);
  const unix = t.track(fds.socket(taken[1]));
  assertEquals(unix.type, "unix_dgram");
  const socket = t.track(fds.socket(taken[2]));
  assertEquals(socket.type, "udp4");
  assertEquals((assertThrows(() => fds.socket(file)) as Error & { code: string }).code, "ERR_INVALID_FD_TYPE");
  libc.close(pair[0]);
  udp.close();
});

test("a message without descriptors has none, and takeAll() gives them in their order", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, undefined, { recvFds: true });
  const socket = unixSocket(t);
  let arriving = nextWith(server, (fds) => [fds.length, fds.take()]);
  await sentWith(socket, { path: server.address().path });
  assertEquals(await arriving, [0, undefined]);
  const fds = openFiles(t, dir, 3);
  const all = nextWith(server, (fds) => fds.takeAll());
  await sentWith(socket, { path: server.address().path, fds: [...fds].reverse() });
  const taken = await all;
  assertEquals(taken.map(linkOf), ["2", "1", "0"].map((name) => join(dir, name)));
  for (const fd of taken) currentRuntime().libc.close(fd);
  arriving = nextWith(server, (fds) => [fds.length, fds.take()]);
  socket.sendMany([{ message: "y", path: server.address().path, fds: fds.slice(0, 1) }]);
  assertEquals((await arriving)[0], 1);
});

test("a socket that did not ask gets the message, and the descriptors are never open in its process", async (t) => {
  const dir = folder(t);
  const faults = injectFaults(t);
  const [server, credentialed] = [boundUnix(t), boundUnix(t, undefined, { recvCredentials: true })];
  const fds = openFiles(t, dir, 1);
  for (const socket of [server, credentialed]) {
    const datagrams = received(socket, 1);
    const closes = faults.callsOf("close").length;
    await sentWith(unixSocket(t), { path: socket.address().path, fds });
    const [{ text, remote }] = await datagrams;
    assertEquals([text, remote.fds], ["x", undefined]);
    assertEquals(opened(dir), [join(dir, "0")]);
    // The duplicate that went with the message; where control data is taken, what came with it, too.
    assertEquals(faults.callsOf("close").length - closes, socket === server ? 1 : 2);
  }
}, { skip: linuxOnly("SO_PASSCRED") });

test("nobody listens, only batches are listened for, or the socket is closed: descriptors are closed", async (t) => {
  const dir = folder(t);
  const fds = openFiles(t, dir, 1);
  const before = opened(dir);
  const batched = boundUnix(t, undefined, { recvFds: true });
  const batch = new Promise<void>((resolve) => batched.once("messages", () => resolve()));
  await sentWith(unixSocket(t), { path: batched.address().path, fds });
  await batch;
  assertEquals(opened(dir), before);
  const closing = boundUnix(t, undefined, { recvFds: true });
  const [first, socket] = [nextUnixEvent(closing, "close"), unixSocket(t)];
  let messages = 0;
  closing.on("message", () => {
    messages++;
    closing.close();
  });
  for (let i = 0; i < 5; i++) socket.send("x", { path: closing.address().path, fds });
  await first;
  assertEquals([messages, opened(dir)], [1, before]);
});

test("descriptors of messages behind the last one that was heard are closed", async (t) => {
  const dir = folder(t);
  const files = openFiles(t, dir, 3);
  const receiver = boundUnix(t, undefined, { recvFds: true });
  const before = opened(dir);
  const heard: string[] = [];
  receiver.once("message", (message) => heard.push(String(message)));
  const sender = boundUnix(t);
  for (const [i, fd] of files.entries()) {
    sender.send(String(i), { path: receiver.address().path, fds: [fd] } as UnixSendOptions);
  }
  await until(() => heard.length === 1, "a message");
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(opened(dir), before);
  assertEquals(heard, ["0"]);
});

test("a listener that throws leaves no descriptor open", async (t) => {
  const dir = folder(t);
  const fds = openFiles(t, dir, 1);
  const server = boundUnix(t, undefined, { recvFds: true });
  const caught = new Promise((resolve) => {
    const emit = server.emit.bind(server) as (...values: unknown[]) => boolean;
    // What a listener throws goes on to the runtime, which would end the test.
    server.emit = ((...values: unknown[]) => {
      try {
        return emit(...values);
      } catch (error) {
        resolve((error as Error).message);
        return true;
      }
    }) as never;
  });
  server.on("message", () => {
    throw new Error("thrown by a listener");
  });
  await sentWith(unixSocket(t), { path: server.address().path, fds });
  assertEquals(await caught, "thrown by a listener");
  await turn();
  assertEquals(opened(dir), [join(dir, "0")]);
});

test("the sender may close its descriptors as soon as send() has returned, even if the message waits", async (t) => {
  const dir = folder(t);
  const { libc } = currentRuntime();
  const server = boundUnix(t, undefined, { recvFds: true });
  const { path } = server.address();
  const socket = unixSocket(t);
  const count = 50;
  const links: string[] = [];
  const done = new Promise<void>((resolve) => {
    server.on("message", (_, { fds }) => {
      const fd = fds!.take()!;
      links.push(linkOf(fd));
      libc.close(fd);
      if (links.length === count) resolve();
    });
  });
  const congestion = nextUnixEvent(socket, "congestion");
  for (let i = 0; i < count; i++) {
    writeFileSync(join(dir, `${i}`), "");
    const fd = openFile(join(dir, `${i}`));
    socket.send("x", { path, fds: [fd] });
    libc.close(fd);
  }
  await congestion;
  await done;
  assertEquals(links, Array.from({ length: count }, (_, i) => join(dir, `${i}`)));
  assertEquals(opened(dir), []);
});

test("what waits with a message is closed when the socket is, or when the peer has gone", async (t) => {
  const dir = folder(t);
  const fds = openFiles(t, dir, 1);
  for (const end of ["socket", "peer"]) {
    const peer = new IdlePeer(t, join(dir, `peer-${end}`));
    const socket = unixSocket(t);
    const outcomes: Promise<string>[] = [];
    for (let i = 0; i < 30; i++) {
      outcomes.push(sentWith(socket, { path: peer.path, fds }).then(() => "sent", (e) => e.code));
    }
    await nextUnixEvent(socket, "congestion");
    assert(opened(dir).length > 10);
    if (end === "peer") peer.close();
    else socket.close();
    assertEquals((await Promise.all(outcomes)).at(-1), end === "peer" ? "ECONNREFUSED" : "ECANCELED");
    // What had arrived at the peer is not in this process's table.
    assertEquals(opened(dir), [join(dir, "0")]);
  }
});

test(
  "as many descriptors as the kernel takes pass; more, bad ones and wrong ones are refused, and none stays",
  async (t) => {
    const dir = folder(t);
    const [fd] = openFiles(t, dir, 1);
    const server = boundUnix(t, undefined, { recvFds: true, recvCredentials: true });
    const { path } = server.address();
    const socket = unixSocket(t);
    const counting = nextWith(server, (fds) => fds.length);
    await sentWith(socket, { path, fds: new Array(253).fill(fd) });
    assertEquals(await counting, 253);
    const code = (call: () => unknown): string => (assertThrows(call) as { code: string }).code;
    assertEquals(code(() => socket.send("x", { path, fds: new Array(254).fill(fd) })), "ERR_OUT_OF_RANGE");
    assertEquals(code(() => socket.send("x", { path, fds: [-1] })), "ERR_OUT_OF_RANGE");
    assertEquals(code(() => socket.send("x", { path, fds: ["1"] as never })), "ERR_INVALID_ARG_TYPE");
    assertEquals(code(() => socket.send("x", { path, fds: 1 as never })), "ERR_INVALID_ARG_TYPE");
    assertEquals(code(() => socket.send("x", { path, credentials: { pid: 0, uid: 0, gid: 0 } })), "ERR_OUT_OF_RANGE");
    const failure = await sentWith(socket, { path, fds: [fd, 1_000_000] }).catch((error) => error.code);
    assertEquals(failure, "EBADF");
    assertEquals(opened(dir), [join(dir, "0")]);
  },
  { skip: linuxOnly("SO_PASSCRED") },
);

test("where the kernel could not give all descriptors, those it gave are closed", async (t) => {
  const dir = folder(t);
  const fds = openFiles(t, dir, 3);
  const faults = injectFaults(t);
  const server = boundUnix(t, undefined, { recvFds: true });
  // As when this process has too many open.
  faults.answer("recvmmsg", (real, fd, vector, count, flags) => {
    const result = real.recvmmsg(fd, vector, count, flags);
    const { msghdr } = real.abi.layouts;
    const { view } = vector.memory;
    if (result > 0) {
      view.setUint32(msghdr.msg_flags, view.getUint32(msghdr.msg_flags, true) | real.abi.constants.MSG_CTRUNC, true);
    }
    return result;
  });
  const arriving = nextWith(server, (fds) => fds.length);
  await sentWith(unixSocket(t), { path: server.address().path, fds });
  assertEquals(await arriving, 0);
  assertEquals(opened(dir).length, 3);
});

test("a UDP socket that is passed goes on in a socket of the receiver's", async (t) => {
  const { libc } = currentRuntime();
  const udp = Descriptor.open(libc, 4) as Descriptor;
  const [a, b] = socketpair({ recvFds: true });
  t.track(a), t.track(b);
  const adopting = nextWith(b, (fds) => t.track(createSocket({ fd: fds.take()! })));
  await sentWith(a, { fds: [udp.fd] });
  udp.close();
  const adopted = await adopting;
  await new Promise<void>((resolve) => adopted.bind(0, "127.0.0.1", resolve));
  const message = nextMessage(adopted);
  t.track(createSocket("udp4")).send("to the passed socket", adopted.address().port, "127.0.0.1");
  assertEquals((await message).text, "to the passed socket");
});

test("1,000 messages with descriptors, half of them taken, leave none behind", async (t) => {
  const dir = folder(t);
  const { libc } = currentRuntime();
  const fds = openFiles(t, dir, 2);
  const [a, b] = socketpair({ recvFds: true });
  t.track(a), t.track(b);
  let count = 0;
  const done = new Promise<void>((resolve) => {
    b.on("message", (_, { fds }) => {
      libc.close(fds!.take()!);
      if (++count === 1000) resolve();
    });
  });
  for (let i = 0; i < 1000; i++) a.send("x", { fds });
  await done;
  assertEquals(opened(dir), ["0", "1"].map((name) => join(dir, name)));
});

/** Who this process is. */
const own = () => ({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });

test("the kernel tells who sends: this process, another, and one with a name of its own", async (t) => {
  const server = boundUnix(t, join(folder(t), "server"), { recvCredentials: true, recvFds: true });
  const { path } = server.address();
  const next = () => new Promise<UnixRemoteInfo>((resolve) => server.once("message", (_, remote) => resolve(remote)));
  let arriving = next();
  unixSocket(t).send("x", path);
  assertEquals((await arriving).credentials, own());
  arriving = next();
  unixSocket(t).send("x", { path, credentials: own() });
  assertEquals((await arriving).credentials, own());
  arriving = next();
  const script = "import socket,sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', sys.argv[1])";
  const child = spawn("python3", ["-c", script, path], { stdio: ["ignore", "pipe", "pipe"] });
  assertEquals((await arriving).credentials, { ...own(), pid: child.pid! });
  await ended(child, 10_000);
  const refused = await sentWith(unixSocket(t), { path, credentials: { ...own(), pid: 0x7ffffff0 } })
    .catch((error) => error.code);
  assert(["EPERM", "ESRCH"].includes(refused as string), `${refused}`);
}, {
  skip: linuxOnly("SO_PASSCRED") ??
    (spawnSync("python3", ["--version"]).status === 0 ? undefined : "python3 is not installed"),
});

test("a pair knows who made it; other sockets do not know their peer that way", (t) => {
  const [a, b] = socketpair();
  t.track(a), t.track(b);
  assertEquals([a.getPeerCredentials(), b.getPeerCredentials()], [own(), own()]);
  const error = assertThrows(() => boundUnix(t).getPeerCredentials()) as Error & { code: string };
  assertEquals(error.code, "ERR_SOCKET_DGRAM_NOT_CONNECTED");
}, { skip: linuxOnly("SO_PEERCRED") });

test("sdNotify() hands the manager descriptors to keep, with who it is", async (t) => {
  const dir = folder(t);
  const fds = openFiles(t, dir, 2);
  const manager = boundUnix(t, join(dir, "notify"), { recvFds: true, recvCredentials: true });
  const seen = new Promise<unknown[]>((resolve) => {
    manager.once("message", (message, { fds, credentials }) => {
      const links = fds!.takeAll().map((fd) => {
        const link = linkOf(fd);
        currentRuntime().libc.close(fd);
        return link;
      });
      resolve([message.toString(), links, credentials]);
    });
  });
  assertEquals(await sdNotify(["FDSTORE=1", "FDNAME=logs"], { socket: join(dir, "notify"), fds }), true);
  assertEquals(await seen, ["FDSTORE=1\nFDNAME=logs", ["0", "1"].map((name) => join(dir, name)), own()]);
  assertEquals(opened(dir), ["0", "1"].map((name) => join(dir, name)));
}, { skip: linuxOnly("SO_PASSCRED") });
