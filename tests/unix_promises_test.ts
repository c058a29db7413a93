/**
 * Unix sockets of the entry `./promises`: operations as promises, and nothing left behind by any that ends.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { socketpair, UnixSocket as UnixEventSocket, type UnixSocketOptions } from "../mod.ts";
import { createSocket, Socket, UnixSocket } from "../promises.ts";
import { test, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { scratch } from "./support/scratch.ts";

function unixSocket(t: Tools, options: "unix_dgram" | UnixSocketOptions = "unix_dgram"): UnixSocket {
  return t.track(createSocket(options));
}

/** A bound socket, and its path. */
async function bound(t: Tools): Promise<[UnixSocket, string]> {
  const [socket, path] = [unixSocket(t), join(scratch(t, {}), "sock")];
  await socket.bind(path);
  return [socket, path];
}

/** The code of what a promise is rejected with. */
async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

const EVENTS = ["message", "messages", "error", "close", "listening", "connect", "writable", "drain"] as const;

/** All listeners that operations add. */
function listeners({ socket }: UnixSocket): number {
  return EVENTS.reduce((count, event) => count + socket.listenerCount(event), 0);
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

test("bind, connect, send, receive and close give what they end with", async (t) => {
  const [server, path] = [unixSocket(t), join(scratch(t, {}), "server")];
  assertEquals(await server.bind({ path }), { family: "unix", path });
  const client = unixSocket(t);
  const own = join(scratch(t, {}), "client");
  await client.bind(own);
  assertEquals([await client.connect(path), client.remoteAddress().path], [{ family: "unix", path }, path]);
  assertEquals(await client.send(["hé", "llo"]), 6);
  const [message, remote] = await server.receive();
  assertEquals([message.toString(), remote.path], ["héllo", own]);
  assertEquals(await server.send("answer", { path: remote.path }), 6);
  assertEquals((await client.receive())[0].toString(), "answer");
  assertEquals([listeners(server), listeners(client)], [0, 0]);
  await Promise.all([server.close(), client.close(), client.close()]);
  assertEquals([client.fd, server.socket instanceof UnixEventSocket], [-1, true]);
});

test("the type decides which socket it is; a descriptor's own if it is omitted", (t) => {
  assert(unixSocket(t) instanceof UnixSocket);
  assert(t.track(createSocket("udp4")) instanceof Socket);
  const [one] = socketpair().map((socket) => t.track(socket));
  // It belongs to another socket, but it is a Unix one.
  assertThrows(() => createSocket({ fd: one.fd }), Error, "EEXIST");
  assertThrows(() => createSocket({ fd: 1e9 }), TypeError);
  assertThrows(() => createSocket({ type: "unix_dgram", reuseAddr: true } as never), TypeError, "reuseAddr");
});

test("what fails is a rejection, and nobody else's error", async (t) => {
  const [taken, path] = await bound(t);
  const socket = unixSocket(t);
  const missing = join(scratch(t, {}), "missing");
  assertEquals(await codeOf(socket.bind(path)), "EADDRINUSE");
  assertEquals(await codeOf(taken.bind(missing)), "ERR_SOCKET_ALREADY_BOUND");
  assertEquals(await codeOf(socket.connect(missing)), "ENOENT");
  assertEquals(await codeOf(socket.send("x", missing)), "ENOENT");
  assertEquals(await codeOf(socket.send(1 as never, path)), "ERR_INVALID_ARG_TYPE");
  assertEquals(await codeOf(socket.send("x", 1 as never)), "ERR_INVALID_ARG_TYPE");
  assertEquals(await codeOf(socket.send("x")), "ERR_INVALID_ARG_TYPE");
  assertEquals(await codeOf(socket.send("x", { path, signal: 1 as never })), "ERR_INVALID_ARG_TYPE");
  assertEquals(await codeOf(socket.receive({ signal: AbortSignal.abort() })), "ABORT_ERR");
  const many = socket.sendMany(["1", { message: "2", path: missing }, "3"], path);
  const error = await many.then(() => assert(false), (error) => error);
  assertEquals([error.code, error.index, error.sent], ["ENOENT", 1, 2]);
  assertEquals([(await taken.receive())[0].toString(), (await taken.receive())[0].toString()], ["1", "3"]);
  await socket.close();
  assertEquals(await codeOf(socket.bind()), "ERR_SOCKET_DGRAM_NOT_RUNNING");
  assertEquals(await codeOf(socket.send("x", path)), "ERR_SOCKET_DGRAM_NOT_RUNNING");
  assertEquals(await codeOf(socket.receive()), "ERR_SOCKET_DGRAM_NOT_RUNNING");
  assertEquals([listeners(socket), listeners(taken)], [0, 0]);
});

test("nothing is read while nobody asks; senders wait, in order, and nothing is lost", async (t) => {
  const [server, path] = await bound(t);
  const client = unixSocket(t);
  let sent = 0;
  const sending = Promise.all(numbers(100).map((text) => client.send(text, path).then(() => sent++)));
  for (let i = 0; i < 20; i++) await turn();
  assert(sent < 100 && client.socket.getSendQueueCount() > 0, `${sent} sent`);
  const texts = [(await server.receive())[0].toString()];
  for await (const [message] of server) if (texts.push(message.toString()) === 100) break;
  await sending;
  assertEquals(texts, numbers(100));
  assertEquals([sent, listeners(server), listeners(client)], [100, 0, 0]);
});

test("a message that waits for room is canceled by its signal, or by close()", async (t) => {
  const [, path] = await bound(t);
  const client = unixSocket(t);
  const stop = new AbortController();
  const filling = numbers(50).map((text) => codeOf(client.send(text, path)));
  let left = 0;
  for (const sending of filling) sending.then(() => left++);
  await until(() => left > 0, "some that found room");
  const waiting = client.socket.getSendQueueCount();
  const canceled = codeOf(client.send("x", { path, signal: stop.signal }));
  const many = codeOf(client.sendMany(["x", "y"], { path, signal: stop.signal }));
  stop.abort();
  assertEquals([await canceled, await many], ["ABORT_ERR", "ABORT_ERR"]);
  assertEquals(client.socket.getSendQueueCount(), waiting);
  await client.close();
  const outcomes = await Promise.all(filling);
  assertEquals(outcomes.filter((outcome) => outcome === "ECANCELED").length, waiting);
});

test("closing rejects those who wait, and ends an iteration; the file goes if that was asked for", async (t) => {
  const path = join(scratch(t, {}), "sock");
  const socket = unixSocket(t, { type: "unix_dgram", unlinkOnClose: true });
  await socket.bind(path);
  const waiting = codeOf(socket.receive());
  const steps = (async () => {
    for await (const _ of socket);
    return "over";
  })();
  await turn();
  assert(existsSync(path));
  await socket.close();
  assertEquals([await waiting, await steps], ["ERR_SOCKET_DGRAM_NOT_RUNNING", "over"]);
  assertEquals([existsSync(path), listeners(socket)], [false, 0]);
  await using disposed = createSocket("unix_dgram");
  assertEquals(disposed.fd, -1);
});

test("a wait that is aborted leaves the message to others", async (t) => {
  const [server, path] = await bound(t);
  const client = unixSocket(t);
  const stop = new AbortController();
  const waits = [codeOf(server.receive({ signal: stop.signal })), server.receive()] as const;
  stop.abort();
  assertEquals(await waits[0], "ABORT_ERR");
  await client.send("other's", path);
  assertEquals((await waits[1])[0].toString(), "other's");
  assertEquals(listeners(server), 0);
});
