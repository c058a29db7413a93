/**
 * The entry `./promises`: operations as promises, and nothing left behind by any that ends.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Socket as EventSocket } from "../mod.ts";
import promises, { createSocket, Socket } from "../promises.ts";
import type { SocketOptions, SocketType } from "../src/socket/types.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { type Family, nextMessages, test, testBoth, type Tools } from "./support/harness.ts";
import { listenersOf } from "./support/leftovers.ts";
import { until } from "./support/process.ts";
import { isDarwin } from "./support/runtime.ts";

function socketOf(t: Tools, options: SocketType | SocketOptions): Socket {
  return t.track(createSocket(options));
}

async function boundOf(t: Tools, { type, loopback }: Family): Promise<Socket> {
  const socket = socketOf(t, type);
  await socket.bind(0, loopback);
  return socket;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

/** The code of what a promise is rejected with. */
async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

testBoth("bind, connect, send, receive and close give what they end with", async (t, family) => {
  const server = socketOf(t, family.type);
  const local = await server.bind(0, family.loopback);
  assertEquals(local, server.address());
  assertEquals([local.address, local.family], [family.loopback, family.name]);
  const client = socketOf(t, family.type);
  assertEquals(await client.connect(local.port, family.loopback), local);
  assertEquals(client.remoteAddress(), local);
  assertEquals(await client.send("hello"), 5);
  const [message, remote] = await server.receive();
  assertEquals([message.toString(), remote.port], ["hello", client.address().port]);
  // macOS has no IP_TTL of single datagrams.
  const ttl = isDarwin && family.version === 4 ? undefined : 3;
  assertEquals(await server.send(["a", "b"], { port: remote.port, address: remote.address, ttl }), 2);
  assertEquals((await client.receive())[0].toString(), "ab");
  assertEquals([listenersOf(server), listenersOf(client)], [0, 0]);
  await Promise.all([server.close(), client.close(), client.close()]);
  assertEquals(await client.close(), undefined);
  assertEquals([client.fd, server.socket instanceof EventSocket], [-1, true]);
});

testBoth("bind and connect take options", async (t, family) => {
  const server = socketOf(t, family.type);
  const { port } = await server.bind({ port: 0, address: family.loopback, signal: new AbortController().signal });
  const client = socketOf(t, family.type);
  assertEquals((await client.connect({ port, address: family.loopback })).port, port);
});

testBoth("what fails is a rejection, and nobody else's error", async (t, family) => {
  const taken = await boundOf(t, family);
  const { port } = taken.address();
  const socket = socketOf(t, family.type);
  assertEquals(await codeOf(socket.bind(port, family.loopback)), "EADDRINUSE");
  assertEquals(await codeOf(taken.bind(0)), "ERR_SOCKET_ALREADY_BOUND");
  assertEquals(await codeOf(socket.connect(0)), "ERR_SOCKET_BAD_PORT");
  assertEquals(await codeOf(socket.send("x", 0)), "ERR_SOCKET_BAD_PORT");
  assertEquals(await codeOf(socket.send(1 as never, port)), "ERR_INVALID_ARG_TYPE");
  assertEquals(await codeOf(socket.send("x", { port, signal: 1 as never })), "ERR_INVALID_ARG_TYPE");
  assertEquals(await codeOf(socket.send(new Uint8Array(70_000), port, family.loopback)), "EMSGSIZE");
  assertEquals(await codeOf(socket.sendMany(["x", 1 as never], port)), "ERR_INVALID_ARG_TYPE");
  await socket.close();
  assertEquals(await codeOf(socket.bind()), "ERR_SOCKET_DGRAM_NOT_RUNNING");
  assertEquals(await codeOf(socket.send("x", port)), "ERR_SOCKET_DGRAM_NOT_RUNNING");
  assertEquals(await codeOf(socket.receive()), "ERR_SOCKET_DGRAM_NOT_RUNNING");
  assertEquals([listenersOf(socket), listenersOf(taken)], [0, 0]);
});

testBoth("sendMany tells how many were sent, also if it is rejected", async (t, family) => {
  const receiver = await boundOf(t, family);
  const { port } = receiver.address();
  const sender = socketOf(t, family.type);
  const arriving = nextMessages(receiver.socket, 4);
  assertEquals(await sender.sendMany(["1", "22"], port, family.loopback), 2);
  const failing = sender.sendMany(["3", new Uint8Array(70_000), "4"], { port, address: family.loopback });
  const error = await failing.then(() => assert(false), (error) => error);
  assertEquals([error.code, error.index, error.sent], ["EMSGSIZE", 1, 2]);
  assertEquals((await arriving).map(({ text }) => text), ["1", "22", "3", "4"]);
});

testBoth("a message that is sent before close() leaves, and its promise is settled", async (t, family) => {
  const receiver = await boundOf(t, family);
  const sender = await boundOf(t, family);
  const sending = sender.send("last", receiver.address().port, family.loopback);
  const closing = sender.close();
  assertEquals(await sending, 4);
  await closing;
  assertEquals((await receiver.receive())[0].toString(), "last");
});

testBoth("the bytes are copied before send() returns, bound or not", async (t, family) => {
  const receiver = await boundOf(t, family);
  const sender = socketOf(t, family.type);
  const bytes = new TextEncoder().encode("as it was");
  const sending = [sender.send(bytes, receiver.address().port, family.loopback)];
  bytes.fill(0);
  await Promise.all(sending);
  bytes.set(new TextEncoder().encode("bound now"));
  sending.push(sender.send(bytes, receiver.address().port, family.loopback));
  bytes.fill(0);
  await Promise.all(sending);
  assertEquals((await receiver.receive())[0].toString(), "as it was");
  assertEquals((await receiver.receive())[0].toString(), "bound now");
});

testBoth("nothing is read while nobody wants datagrams, and nothing is lost in between", async (t, family) => {
  const receiver = await boundOf(t, family);
  const sender = await boundOf(t, family);
  await sender.sendMany(numbers(100), receiver.address().port, family.loopback);
  for (let i = 0; i < 20; i++) await turn();
  const texts: string[] = [];
  for (let i = 0; i < 10; i++) {
    texts.push((await receiver.receive())[0].toString());
    for (let turns = 0; turns < 3; turns++) await turn();
  }
  const several = await Promise.all([receiver.receive(), receiver.receive(), receiver.receive()]);
  texts.push(...several.map(([message]) => message.toString()));
  await turn();
  for await (const [message] of receiver) if (texts.push(message.toString()) === 50) break;
  for (let turns = 0; turns < 3; turns++) await turn();
  // 64 at most were in the iterator's queue, which `break` drops.
  receiver.socket.on("message", (message) => texts.push(message.toString()));
  await until(() => texts.at(-1) === "99", "the last");
  assertEquals(texts.slice(0, 50), numbers(50));
});

testBoth("a wait that is aborted leaves the datagram to others", async (t, family) => {
  const receiver = await boundOf(t, family);
  const sender = await boundOf(t, family);
  const stop = new AbortController();
  const waits = [receiver.receive({ signal: stop.signal }), receiver.receive()];
  stop.abort("reason");
  const error = await waits[0].then(() => assert(false), (error) => error);
  assertEquals([error.name, error.code, error.cause], ["AbortError", "ABORT_ERR", "reason"]);
  await sender.send("other's", receiver.address().port, family.loopback);
  assertEquals((await waits[1])[0].toString(), "other's");
  assertEquals(await codeOf(receiver.receive({ signal: AbortSignal.abort() })), "ABORT_ERR");
  assertEquals(listenersOf(receiver), 0);
});

testBoth("closing rejects those who wait, and ends an iteration", async (t, family) => {
  const socket = await boundOf(t, family);
  const waiting = [codeOf(socket.receive()), codeOf(socket.receive())];
  const steps = (async () => {
    let count = 0;
    for await (const _ of socket) count++;
    return count;
  })();
  await turn();
  await socket.close();
  assertEquals(await Promise.all(waiting), Array(2).fill("ERR_SOCKET_DGRAM_NOT_RUNNING"));
  assertEquals([await steps, listenersOf(socket)], [0, 0]);
});

testBoth("aborting ends what waits for a look-up, and its later error is nobody's", async (t, family) => {
  const answers: ((error: Error) => void)[] = [];
  const lookup = (_: string, __: unknown, callback: (error: Error) => void): void => void answers.push(callback);
  for (const operation of ["bind", "connect", "send"] as const) {
    const socket = socketOf(t, { type: family.type, lookup: lookup as never });
    if (operation !== "bind") socket.socket.bindSync();
    const stop = new AbortController();
    const options = { port: 9, address: "name.test", signal: stop.signal };
    const ending = codeOf({
      bind: () => socket.bind(options),
      connect: () => socket.connect(options),
      send: () => socket.send("x", options),
    }[operation]());
    await turn();
    stop.abort();
    assertEquals([operation, await ending], [operation, "ABORT_ERR"]);
    answers.pop()!(new Error("too late"));
    await turn();
    assertEquals([operation, listenersOf(socket)], [operation, 0]);
    await socket.close();
  }
});

testBoth("closing while the socket is being bound closes it, also if binding fails", async (t, family) => {
  const taken = await boundOf(t, family);
  const socket = socketOf(t, family.type);
  const binding = codeOf(socket.bind(0, family.loopback));
  await socket.close();
  assertEquals([await binding, socket.fd], ["ERR_SOCKET_DGRAM_NOT_RUNNING", -1]);
  const failing = socketOf(t, family.type);
  const codes = [codeOf(failing.bind(taken.address().port, family.loopback))];
  // Closing waits behind it.
  codes.push(codeOf(failing.sendMany(["x"], 9)));
  await failing.close();
  assertEquals([await Promise.all(codes), failing.fd], [["EADDRINUSE", "EADDRINUSE"], -1]);
});

testBoth("a message that waits for room is taken back by its signal", async (t, family) => {
  const faults = injectFaults(t);
  const sender = await boundOf(t, family);
  const fault = faults.fail("sendmmsg", "EAGAIN", Infinity, sender.fd);
  const stop = new AbortController();
  const sending = codeOf(sender.send("x", { port: 9, address: family.loopback, signal: stop.signal }));
  const many = codeOf(sender.sendMany(["x", "y"], { port: 9, address: family.loopback, signal: stop.signal }));
  await until(() => faults.callsOf("sendmmsg", sender.fd).length > 0, "an attempt");
  stop.abort();
  assertEquals(await Promise.all([sending, many]), ["ABORT_ERR", "ABORT_ERR"]);
  assertEquals(sender.socket.getSendQueueCount(), 0);
  faults.repair(fault);
});

test("await using closes it", async () => {
  let kept: Socket;
  {
    await using socket = createSocket("udp4");
    kept = socket;
    await socket.bind();
    assert(kept.fd >= 0);
  }
  assertEquals(kept.fd, -1);
});

test("the module as one object; createSocket's errors are thrown", () => {
  assertStrictEquals(promises.createSocket, createSocket);
  assertStrictEquals(promises.Socket, Socket);
  assertThrows(() => createSocket("udp5" as never), TypeError, "Bad socket type");
});

test("a send that waits for binding is rejected with binding's error", async (t) => {
  const taken = await boundOf(t, { type: "udp4", loopback: "127.0.0.1" } as Family);
  const socket = socketOf(t, "udp4");
  const binding = codeOf(socket.bind(taken.address().port, "127.0.0.1"));
  const [sending, many] = [codeOf(socket.send("x", 9)), codeOf(socket.sendMany(["x"], 9))];
  assertEquals(await Promise.all([binding, sending, many]), Array(3).fill("EADDRINUSE"));
  await assertRejects(() => socket.request("x"), Error, "Not connected");
  assertEquals(listenersOf(socket), 0);
});
