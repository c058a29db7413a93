/**
 * Unix datagram sockets: addresses, states, argument forms, what they refuse.
 *
 * @module
 */
import { existsSync, readFileSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { BlockList } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { Descriptor } from "../ffi/descriptor.ts";
import { currentRuntime } from "../ffi/load.ts";
import { encodePath } from "../ffi/wire/sockaddr_un.ts";
import { createSocket, Socket, socketpair, UnixSocket } from "../mod.ts";
import { test, type Tools, unixDescriptors } from "./support/harness.ts";
import { linesOf } from "./support/process.ts";
import { ended, runFixture, startFixture } from "./support/runtime.ts";
import { sendOne } from "./support/single_messages.ts";
import { boundUnix, folder, nextUnixEvent, received, sentUnix, unixSocket } from "./support/unix.ts";

/** The code and message of what a call throws. */
function thrown(call: () => unknown): { code: string; message: string } {
  const { code, message } = assertThrows(call) as Error & { code: string };
  return { code, message };
}

async function rejected(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const { code, message } = await assertRejects(() => promise) as Error & { code: string };
  return { code, message };
}

/** Opens a Unix datagram socket without this module's Socket. */
function openDescriptor(path?: string): number {
  const { libc } = currentRuntime();
  const descriptor = Descriptor.open(libc, "unix") as Descriptor;
  if (path !== undefined) assertEquals(descriptor.bind(encodePath(libc.abi, path)!), 0);
  return descriptor.fd;
}

test("a message to a path arrives with the sender's path, and the answer goes there", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, join(dir, "server"));
  server.on("message", (message, { path }) => server.send(`answer to ${message}`, path));
  const client = boundUnix(t, join(dir, "client"));
  const answers = received(client, 1);
  client.send("question", join(dir, "server"));
  assertEquals(await answers, [
    { text: "answer to question", remote: { family: "unix", path: join(dir, "server"), size: 18 } },
  ]);
});

test("an unbound socket sends without being bound, and its messages have an empty path", async (t) => {
  const server = boundUnix(t);
  const client = unixSocket(t);
  const datagrams = received(server, 1);
  assertEquals(await sentUnix(client, "hello", server.address().path), 5);
  assertEquals((await datagrams)[0].remote, { family: "unix", path: "", size: 5 });
  assertEquals(client.address(), { family: "unix", path: "" });
});

test("the file at the path is a socket, and address() is the path", async (t) => {
  const path = join(folder(t), "socket");
  const socket = unixSocket(t);
  assertEquals(socket.bind(path), socket);
  await nextUnixEvent(socket, "listening");
  assert(statSync(path).isSocket());
  assertEquals(socket.address(), { family: "unix", path });
  assert(readFileSync("/proc/net/unix", "utf8").includes(` ${path}\n`));
});

test("bind(path, callback), bind({ path }, callback), bindSync({ path }) and bindSync(path) bind", async (t) => {
  const dir = folder(t);
  const [a, b, c, d] = [unixSocket(t), unixSocket(t), unixSocket(t), unixSocket(t)];
  await new Promise<void>((resolve) => a.bind(join(dir, "a"), resolve));
  await new Promise<void>((resolve) => b.bind({ path: join(dir, "b") }, resolve));
  assertEquals(c.bindSync({ path: join(dir, "c") }), { family: "unix", path: join(dir, "c") });
  const listening = nextUnixEvent(d, "listening");
  assertEquals(d.bindSync(join(dir, "d")), { family: "unix", path: join(dir, "d") });
  await listening;
  assertEquals([a, b].map((socket) => socket.address().path), [join(dir, "a"), join(dir, "b")]);
});

test("without a path the system chooses an abstract one, which can be sent to", async (t) => {
  const server = unixSocket(t);
  await new Promise<void>((resolve) => server.bind(resolve));
  const { path } = server.address();
  assertMatch(path, /^\0[0-9a-f]{5}$/);
  const datagrams = received(server, 1);
  unixSocket(t).send("found", path);
  assertEquals((await datagrams)[0].text, "found");
});

test("an abstract path is written with NUL or @, shown with NUL, and all its bytes count", async (t) => {
  const name = `dgram-ffi-${process.pid}`;
  const [server, other] = [boundUnix(t, `@${name}`), boundUnix(t, `\0${name}\0`)];
  assertEquals(server.address().path, `\0${name}`);
  assertEquals(other.address().path, `\0${name}\0`);
  const client = boundUnix(t, `\0${name}é`);
  const both = Promise.all([received(server, 2), received(other, 1)]);
  for (const path of [`@${name}`, `\0${name}`, `\0${name}\0`]) client.send(path, path);
  const [first, second] = await both;
  assertEquals(first.map(({ text }) => text), [`@${name}`, `\0${name}`]);
  assertEquals(second.map(({ text }) => text), [`\0${name}\0`]);
  assertEquals(first[0].remote.path, `\0${name}é`);
});

test("senders whose paths begin alike, of all lengths, are told apart", async (t) => {
  const server = boundUnix(t);
  const paths = Array.from({ length: 12 }, (_, i) => `\0dgram-ffi-${process.pid}-${"x".repeat(i)}`);
  const datagrams = received(server, 24);
  for (const round of [1, 2]) {
    for (const path of round === 1 ? paths : [...paths].reverse()) {
      const sender = boundUnix(t, path);
      await sentUnix(sender, path, server.address().path);
      sender.close();
    }
  }
  for (const { text, remote } of await datagrams) assertEquals(remote.path, text);
});

test("the longest path is taken, and one byte more is ENAMETOOLONG with the limit in its message", async (t) => {
  const dir = folder(t);
  const longest = join(dir, "x".repeat(107 - dir.length - 1));
  const server = boundUnix(t, longest);
  assertEquals(server.address().path, longest);
  const datagrams = received(server, 1);
  unixSocket(t).send("far", longest);
  await datagrams;
  const abstract = `@${"y".repeat(107)}`;
  assertEquals(boundUnix(t, abstract).address().path.length, 108);
  const socket = unixSocket(t);
  const calls: Record<string, () => unknown> = {
    bind: () => socket.bind(`${longest}x`),
    connect: () => socket.connect(`${longest}x`),
    send: () => socket.send("x", `${longest}x`),
  };
  for (const [name, call] of Object.entries(calls)) {
    const message = `${name} ENAMETOOLONG ${longest}x: the path has 108 bytes, sun_path holds 107`;
    assertEquals(thrown(call), { code: "ENAMETOOLONG", message });
  }
  assertMatch(thrown(() => socket.bind(`${abstract}z`)).message, /has 109 bytes, sun_path holds 108/);
  // Characters are not bytes.
  assertMatch(thrown(() => socket.bind("é".repeat(60))).message, /has 120 bytes/);
});

test("a path with a NUL inside, an empty one and one that is no text are refused", (t) => {
  const socket = unixSocket(t);
  assertEquals(thrown(() => socket.bind("/tmp/a\0b")).code, "ERR_INVALID_ARG_VALUE");
  assertEquals(thrown(() => socket.send("x", "/tmp/a\0b")).code, "ERR_INVALID_ARG_VALUE");
  assertEquals(thrown(() => socket.send("x", "")).code, "ERR_INVALID_ARG_VALUE");
  assertEquals(thrown(() => socket.connect("")).code, "ERR_INVALID_ARG_VALUE");
  assertEquals(thrown(() => socket.connect(7 as never)).code, "ERR_INVALID_ARG_TYPE");
  assertEquals(thrown(() => socket.send("x")).code, "ERR_INVALID_ARG_TYPE");
  assertEquals(thrown(() => socket.send("x", () => {})).code, "ERR_INVALID_ARG_TYPE");
  assertEquals(thrown(() => socket.bind(7 as never)).code, "ERR_INVALID_ARG_TYPE");
  assertEquals(thrown(() => socket.send({} as never, "/tmp/a")).code, "ERR_INVALID_ARG_TYPE");
});

test("binding to a path that is taken is EADDRINUSE, and the socket can be bound elsewhere afterwards", async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, "file"), "");
  const socket = unixSocket(t);
  socket.bind(join(dir, "file"), () => assert(false, "it is bound"));
  const [error] = await nextUnixEvent(socket, "error") as [Error & { code: string }];
  assertEquals([error.code, error.message], ["EADDRINUSE", `bind EADDRINUSE ${join(dir, "file")}`]);
  assertEquals(thrown(() => socket.bindSync({ path: join(dir, "file") })).code, "EADDRINUSE");
  assertEquals(thrown(() => socket.bindSync({ path: join(dir, "none/at/all") })).code, "ENOENT");
  socket.bindSync({ path: join(dir, "free") });
  assertEquals(thrown(() => socket.bind(join(dir, "again"))).code, "ERR_SOCKET_ALREADY_BOUND");
});

test("a connected socket sends without a path, and hears its peer only", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, join(dir, "server"));
  const client = boundUnix(t, join(dir, "client"));
  await new Promise<void>((resolve) => client.connect(join(dir, "server"), () => resolve()));
  assertEquals(client.remoteAddress(), { family: "unix", path: join(dir, "server") });
  const atServer = received(server, 2);
  client.send("one");
  client.send(new TextEncoder().encode("a two b"), 2, 3);
  assertEquals((await atServer).map(({ text }) => text), ["one", "two"]);
  assertEquals(thrown(() => client.send("x", join(dir, "server"))).code, "ERR_SOCKET_DGRAM_IS_CONNECTED");
  assertEquals(thrown(() => client.connect(join(dir, "server"))).code, "ERR_SOCKET_DGRAM_IS_CONNECTED");
  assertEquals((await rejected(sentUnix(unixSocket(t), "x", join(dir, "client")))).code, "EPERM");
  const atClient = received(client, 1);
  server.send("from the peer", join(dir, "client"));
  assertEquals((await atClient)[0].text, "from the peer");
  client.disconnect();
  assertEquals(thrown(() => client.disconnect()).code, "ERR_SOCKET_DGRAM_NOT_CONNECTED");
  assertEquals(thrown(() => client.remoteAddress()).code, "ERR_SOCKET_DGRAM_NOT_CONNECTED");
  const again = received(client, 1);
  unixSocket(t).send("from anyone", join(dir, "client"));
  assertEquals((await again)[0].text, "from anyone");
});

test("connecting to nothing goes to the callback, or to 'error', and connectSync() throws", async (t) => {
  const dir = folder(t);
  const [nothing, gone, file] = [join(dir, "nothing"), join(dir, "gone"), join(dir, "file")];
  boundUnix(t, gone).close();
  writeFileSync(file, "");
  const socket = unixSocket(t);
  const error = await new Promise<Error | undefined>((resolve) => socket.connect(nothing, resolve));
  assertEquals(error?.message, `connect ENOENT ${nothing}`);
  socket.connect(gone);
  const [emitted] = await nextUnixEvent(socket, "error") as [Error];
  assertEquals(emitted.message, `connect ECONNREFUSED ${gone}`);
  assertEquals(thrown(() => socket.connectSync(file)).code, "ECONNREFUSED");
  const server = boundUnix(t);
  const connected = nextUnixEvent(socket, "connect");
  socket.connectSync(server.address().path);
  await connected;
});

test("sending to nothing goes to the callback with the path, and closes nothing", async (t) => {
  const path = join(folder(t), "nothing");
  const socket = unixSocket(t);
  assertEquals(await rejected(sentUnix(socket, "x", path)), { code: "ENOENT", message: `send ENOENT ${path}` });
  assertMatch((await rejected(sentUnix(socket, "x", "@dgram-ffi-nobody"))).message, /^send ECONNREFUSED @dgram/);
  socket.send("without a callback", path);
  const server = boundUnix(t, path);
  const datagrams = received(server, 1);
  await sentUnix(socket, "x", path);
  await datagrams;
});

test("all forms of send: text, views, pieces, parts, an empty message, options", async (t) => {
  const server = boundUnix(t);
  const { path } = server.address();
  const socket = unixSocket(t);
  const datagrams = received(server, 8);
  const bytes = new TextEncoder().encode("0123456789");
  socket.send("text", path);
  socket.send(bytes, path);
  socket.send(new DataView(bytes.buffer, 3, 2), path);
  socket.send(["a", bytes.subarray(0, 2), "z"], path);
  socket.send(bytes, 4, 3, path);
  socket.send("", path);
  socket.send("options", { path });
  socket.send(bytes, 1, 1, { path }, () => {});
  assertEquals((await datagrams).map(({ text }) => text), [
    ...["text", "0123456789", "34", "a01z", "456", "", "options", "1"],
  ]);
  assertEquals(thrown(() => socket.send(bytes, 8, 3, path)).code, "ERR_BUFFER_OUT_OF_BOUNDS");
});

test("the bytes are copied before send() returns", async (t) => {
  const server = boundUnix(t);
  const bytes = new TextEncoder().encode("before");
  const datagrams = received(server, 1);
  unixSocket(t).send(bytes, server.address().path);
  bytes.fill(0x58);
  assertEquals((await datagrams)[0].text, "before");
});

test("sendMany() sends to one path or to several, with one callback and the first error", async (t) => {
  const dir = folder(t);
  const [a, b] = [boundUnix(t, join(dir, "a")), boundUnix(t, join(dir, "b"))];
  const socket = unixSocket(t);
  const both = Promise.all([received(a, 3), received(b, 1)]);
  const result = new Promise((resolve) => {
    const messages = ["1", { message: "to b", path: join(dir, "b") }, "2", { message: "x", path: join(dir, "c") }, "3"];
    socket.sendMany(messages, join(dir, "a"), (error, sent) => resolve([(error as { code?: string })?.code, sent]));
  });
  assertEquals((await both).map((list) => list.map(({ text }) => text)), [["1", "2", "3"], ["to b"]]);
  assertEquals(await result, ["ENOENT", 4]);
  assertEquals(thrown(() => socket.sendMany(["x"])).code, "ERR_INVALID_ARG_TYPE");
  await new Promise<void>((resolve) => socket.connect(join(dir, "a"), () => resolve()));
  const connected = received(a, 2);
  socket.sendMany(["4", "5"]);
  assertEquals((await connected).map(({ text }) => text), ["4", "5"]);
});

test("'messages' gives batches with paths, and sendMany() passes them on", async (t) => {
  const [relay, end] = [boundUnix(t), boundUnix(t)];
  const client = boundUnix(t);
  const seen: unknown[] = [];
  relay.on("messages", (batch) => {
    for (let i = 0; i < batch.length; i++) seen.push([batch.address(i), batch.family(i), batch.port(i), batch.size(i)]);
    relay.sendMany(batch, end.address().path);
  });
  const datagrams = received(end, 3);
  client.sendMany(["a", "bb", ""], relay.address().path);
  assertEquals((await datagrams).map(({ text }) => text), ["a", "bb", ""]);
  const { path } = client.address();
  assertEquals(seen, [[path, "unix", 0, 1], [path, "unix", 0, 2], [path, "unix", 0, 0]]);
});

test("a message as large as the send buffer allows arrives whole; a larger one is EMSGSIZE", async (t) => {
  const server = boundUnix(t);
  const socket = unixSocket(t, { sendBufferSize: 400_000 });
  const size = socket.getSendBufferSize();
  const bytes = new Uint8Array(size - 4096).map((_, i) => i % 251);
  const message = new Promise<Uint8Array>((resolve) => server.once("message", resolve));
  assertEquals(await sentUnix(socket, bytes, server.address().path), bytes.length);
  assertEquals(Uint8Array.from(await message), bytes);
  assertEquals((await rejected(sentUnix(socket, new Uint8Array(size), server.address().path))).code, "EMSGSIZE");
  assertEquals((await rejected(sentUnix(socket, new Uint8Array(2 ** 21), server.address().path))).code, "EMSGSIZE");
});

test("a message that is larger than any of ours arrives cut, and says so", async (t) => {
  const server = boundUnix(t);
  const peer = t.track(new UnixSocket({ type: "unix_dgram", sendBufferSize: 2 ** 21 }));
  if (peer.getSendBufferSize() <= 2 ** 21) return console.log("not provoked: net.core.wmem_max is too low");
  const { libc } = currentRuntime();
  const size = 2 ** 20 + 1;
  const [bytes, fd] = [libc.allocate(size), openDescriptor()];
  t.cleanup(() => libc.close(fd));
  const own = Descriptor.adopt(libc, fd);
  own.setOption("SO_SNDBUF", 2 ** 21);
  own.connect(encodePath(libc.abi, server.address().path)!);
  const datagrams = received(server, 2);
  assertEquals(sendOne(libc, fd, libc.pointer(bytes), size), size);
  assertEquals(sendOne(libc, fd, libc.pointer(bytes), size - 1), size - 1);
  assertEquals((await datagrams).map(({ remote }) => remote), [
    { family: "unix", path: "", size: 2 ** 20, truncated: true },
    { family: "unix", path: "", size: 2 ** 20 },
  ]);
});

test("the file stays when the socket is closed; with unlinkOnClose it is removed, but not another in its place", (t) => {
  const dir = folder(t);
  const [stays, goes, replaced] = [join(dir, "stays"), join(dir, "goes"), join(dir, "replaced")];
  boundUnix(t, stays).close();
  assert(existsSync(stays));
  const socket = boundUnix(t, goes, { unlinkOnClose: true });
  assert(existsSync(goes));
  socket.close();
  assert(!existsSync(goes));
  const first = boundUnix(t, replaced, { unlinkOnClose: true });
  unlinkSync(replaced);
  boundUnix(t, replaced);
  first.close();
  assert(existsSync(replaced));
  boundUnix(t, `@dgram-ffi-unlink-${process.pid}`, { unlinkOnClose: true }).close();
});

test("what UDP sockets have and Unix sockets do not throws ERR_SOCKET_DGRAM_NOT_UDP", (t) => {
  const socket = boundUnix(t) as unknown as Record<string, (...values: unknown[]) => unknown>;
  for (const name of ["setTTL", "setBroadcast", "addMembership", "setMulticastTTL", "bindToDevice", "sendto"]) {
    assertEquals(thrown(() => socket[name](1)), {
      code: "ERR_SOCKET_DGRAM_NOT_UDP",
      message: `${name}() is for UDP sockets; this is a Unix datagram socket`,
    });
  }
  for (const option of [{ reuseAddr: true }, { sendBlockList: new BlockList() }, { lookup: () => {} }, { gro: true }]) {
    const call = () => createSocket({ type: "unix_dgram", ...option } as never);
    assertEquals(thrown(call).code, "ERR_SOCKET_DGRAM_NOT_UDP");
  }
  // Whatever a UDP socket has, a Unix socket has it too or says so.
  for (let part = Socket.prototype; part !== null; part = Object.getPrototypeOf(part)) {
    for (const name of Object.getOwnPropertyNames(part)) assert(name in socket, name);
  }
});

test("wrong options are refused as a UDP socket's", () => {
  const wrong: [unknown, string][] = [
    [{ type: "unix_stream" }, "ERR_SOCKET_BAD_TYPE"],
    ["unix", "ERR_SOCKET_BAD_TYPE"],
    [{ type: "unix_dgram", fd: "3" }, "ERR_INVALID_ARG_TYPE"],
    [{ type: "unix_dgram", fd: -1 }, "ERR_OUT_OF_RANGE"],
    [{ type: "unix_dgram", unlinkOnClose: 1 }, "ERR_INVALID_ARG_TYPE"],
    [{ type: "unix_dgram", recvBufferSize: "1" }, "ERR_INVALID_ARG_TYPE"],
    [{ type: "unix_dgram", signal: {} }, "ERR_INVALID_ARG_TYPE"],
  ];
  for (const [options, code] of wrong) assertEquals(thrown(() => createSocket(options as never)).code, code);
});

test("buffer sizes can be set and read, before the socket is bound, too", (t) => {
  const socket = unixSocket(t, { recvBufferSize: 40_000, sendBufferSize: 50_000 });
  assertEquals([socket.getRecvBufferSize(), socket.getSendBufferSize()], [80_000, 100_000]);
  const other = unixSocket(t);
  other.setSendBufferSize(30_000);
  assertEquals(other.getSendBufferSize(), 60_000);
});

test("a closed socket says so, and its descriptor is gone", async (t) => {
  const before = unixDescriptors().length;
  const socket = boundUnix(t);
  assertEquals(unixDescriptors().length, before + 1);
  const closed = new Promise<void>((resolve) => socket.close(resolve));
  assertEquals(unixDescriptors().length, before);
  await closed;
  for (
    const call of [() => socket.send("x", "@x"), () => socket.bind(), () => socket.connect("@x"), () => socket.close()]
  ) {
    assertEquals(thrown(call).code, "ERR_SOCKET_DGRAM_NOT_RUNNING");
  }
});

test("aborting the signal closes the socket", async (t) => {
  const controller = new AbortController();
  const socket = unixSocket(t, { signal: controller.signal });
  socket.bindSync();
  const closed = nextUnixEvent(socket, "close");
  controller.abort();
  await closed;
  assertEquals(thrown(() => socket.address()).code, "ERR_SOCKET_DGRAM_NOT_RUNNING");
});

test("socketpair() gives two sockets that hear each other, and no descriptor stays", async (t) => {
  const before = unixDescriptors().length;
  const [a, b] = socketpair({ recvBufferSize: 50_000 });
  t.track(a), t.track(b);
  assertEquals(unixDescriptors().length, before + 2);
  assertEquals([a.getRecvBufferSize(), b.getRecvBufferSize()], [100_000, 100_000]);
  assertEquals([a.address(), a.remoteAddress()], [{ family: "unix", path: "" }, { family: "unix", path: "" }]);
  const both = Promise.all([received(a, 1), received(b, 1)]);
  a.send("to b");
  b.send("to a");
  assertEquals((await both).map(([{ text }]) => text), ["to a", "to b"]);
  a.close();
  assertEquals((await rejected(sentUnix(b, "x"))).code, "ECONNREFUSED");
});

test("an open descriptor is taken over, by its family, by its type and by bind()", async (t: Tools) => {
  const dir = folder(t);
  const byFamily = createSocket({ fd: openDescriptor(join(dir, "a")) }) as unknown as UnixSocket;
  const byType = createSocket({ type: "unix_dgram", fd: openDescriptor(join(dir, "b")) });
  const byBind = unixSocket(t);
  for (const socket of [byFamily, byType]) t.track(socket);
  assert(byFamily instanceof UnixSocket);
  await Promise.all([nextUnixEvent(byFamily, "listening"), nextUnixEvent(byType, "listening")]);
  const listening = nextUnixEvent(byBind, "listening");
  byBind.bind({ fd: openDescriptor(join(dir, "c")) });
  await listening;
  const all = Promise.all([byFamily, byType, byBind].map((socket) => received(socket, 1)));
  for (const name of ["a", "b", "c"]) byType.send(name, join(dir, name));
  assertEquals((await all).map(([{ text, remote }]) => [text, remote.path]), [
    ...[["a", join(dir, "b")], ["b", join(dir, "b")], ["c", join(dir, "b")]],
  ]);
});

test("a descriptor that is no Unix datagram socket is refused", (t) => {
  const { libc } = currentRuntime();
  const udp = Descriptor.open(libc, 4) as Descriptor;
  t.cleanup(() => udp.close());
  assertEquals(thrown(() => createSocket({ type: "unix_dgram", fd: udp.fd })).code, "EAFNOSUPPORT");
  assertEquals(thrown(() => unixSocket(t).bind({ fd: udp.fd })).code, "EAFNOSUPPORT");
  assertEquals(thrown(() => createSocket({ type: "unix_dgram", fd: 1 })).code, "ERR_INVALID_FD_TYPE");
  const unix = openDescriptor();
  t.cleanup(() => libc.close(unix));
  assertEquals(thrown(() => createSocket({ type: "udp4", fd: unix })).code, "ERR_INVALID_FD_TYPE");
});

test("a bound socket keeps its process alive until it is closed; one that is unreferenced does not", async (t) => {
  const child = startFixture("unix_service", ["idle"]);
  t.cleanup(() => child.kill("SIGKILL"));
  const end = ended(child, 20_000);
  const name = await linesOf(child)();
  const unreferenced = await runFixture("unix_service", ["idle", "unref"]);
  assertEquals([unreferenced.code, unreferenced.signal, unreferenced.stderr], [0, null, ""]);
  assertEquals(child.exitCode, null);
  await sentUnix(unixSocket(t), "end", `@${name}`);
  assertEquals((await end).code, 0);
});

test("a path through a symbolic link reaches the socket", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, join(dir, "server"));
  symlinkSync("server", join(dir, "link"));
  const datagrams = received(server, 1);
  unixSocket(t).send("through", join(dir, "link"));
  assertEquals((await datagrams)[0].text, "through");
});
