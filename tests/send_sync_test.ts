/**
 * Sending within the call, and the descriptor's number.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Socket, socketpair } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { closedPort, nextEvent, nextMessages, sent, test, testBoth } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { boundUnix, folder, received, unixSocket } from "./support/unix.ts";

const texts = (list: { text: string }[]): string[] => list.map(({ text }) => text);

/** The code of what is thrown. */
function codeOf(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

testBoth("the kernel has the datagram when sendSync returns its size", async (t, family) => {
  const faults = injectFaults(t);
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const sender = t.socket(family.type);
  const arriving = nextMessages(receiver, 4);
  assertEquals(sender.sendSync("first", port, family.loopback), 5);
  assertEquals(faults.callsOf("sendmmsg", sender.fd).length, 1);
  assertEquals(sender.sendSync(new Uint8Array([0x68, 0x69]), port), 2);
  assertEquals(sender.sendSync(["a", "", "bc"], { port, address: family.loopback }), 3);
  assertEquals(sender.sendSync("", port, family.loopback), 0);
  assertEquals([texts(await arriving), sender.getSendQueueCount()], [["first", "hi", "abc", ""], 0]);
});

testBoth("what send() was given before leaves first", async (t, family) => {
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const sender = await t.bound(family.type);
  const arriving = nextMessages(receiver, 3);
  sender.send("1", port, family.loopback);
  sender.sendSync("2", port, family.loopback);
  sender.send("3", port, family.loopback);
  assertEquals(texts(await arriving), ["1", "2", "3"]);
});

testBoth("to the peer of a connected socket; its error is thrown", async (t, family) => {
  const sender = await t.bound(family.type);
  const receiver = await t.bound(family.type);
  sender.connectSync(receiver.address().port, family.loopback);
  const arriving = nextMessages(receiver, 1);
  assertEquals(sender.sendSync("peer"), 4);
  assertEquals(texts(await arriving), ["peer"]);
  assertThrows(() => sender.sendSync("x", 1), Error, "Already connected");
  const lonely = await t.bound(family.type);
  lonely.connectSync(await closedPort(t, family), family.loopback);
  lonely.pause();
  lonely.sendSync("nobody");
  assertThrows(() => lonely.sendSync("hears"), Error, "send ECONNREFUSED");
  assertEquals(lonely.sendSync("this"), 4);
});

testBoth("if there is no room it throws EAGAIN, and nothing leaves later", async (t, family) => {
  const faults = injectFaults(t);
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const sender = await t.bound(family.type);
  let drains = 0;
  sender.on("drain", () => drains++);
  const full = faults.fail("sendmmsg", "EAGAIN", Infinity, sender.fd);
  assertEquals(codeOf(() => sender.sendSync("refused", port, family.loopback)), "EAGAIN");
  assertEquals([sender.getSendQueueCount(), sender.getSendQueueSize()], [0, 0]);
  const waiting = sent(sender, "waits", port, family.loopback);
  assertEquals(codeOf(() => sender.sendSync("overtakes", port, family.loopback)), "EAGAIN");
  assertEquals(sender.getSendQueueCount(), 1);
  faults.repair(full);
  const arriving = nextMessages(receiver, 2);
  await waiting;
  sender.sendSync("later", port, family.loopback);
  assertEquals(texts(await arriving), ["waits", "later"]);
  await until(() => drains > 0, "drain");
  assertEquals(drains, 1);
});

testBoth("what cannot be sent is thrown, with the destination", async (t, family) => {
  const sender = await t.bound(family.type);
  const { port } = sender.address();
  const error = codeOf(() => sender.sendSync(new Uint8Array(70_000), port, family.loopback));
  assertEquals(error, "EMSGSIZE");
  assertThrows(() => sender.sendSync("x", port, family.version === 4 ? "::1" : "127.0.0.1"), Error, "send E");
  assertThrows(() => sender.sendSync("x", port, "name.test"), TypeError, "address");
  assertThrows(() => sender.sendSync("x", 0), RangeError, "Port");
  assertThrows(() => sender.sendSync(1 as never, port), TypeError, "buffer");
  assertThrows(() => sender.sendSync("x", port, (() => {}) as never), TypeError, "address");
  assertThrows(() => sender.sendSync("x", (() => {}) as never), TypeError, "port");
  assertThrows(() => sender.sendSync("x", { port, signal: AbortSignal.abort() }), Error, "aborted");
  sender.close();
  assertThrows(() => sender.sendSync("x", port), Error, "Not running");
});

test("an unbound socket is bound by it, and says so; while it is being bound nothing is sent", async (t) => {
  const socket = t.socket("udp4");
  const receiver = await t.bound("udp4");
  const { port } = receiver.address();
  const listening = nextEvent(socket, "listening");
  socket.sendSync("bound", port, "127.0.0.1");
  assert(socket.address().port > 0);
  await listening;
  const binding = t.socket("udp4");
  binding.bind();
  assertEquals(codeOf(() => binding.sendSync("x", port)), "ERR_SOCKET_ALREADY_BOUND");
});

test("fd is the descriptor's number, and cannot be set", async (t) => {
  const faults = injectFaults(t);
  const socket: Socket = t.socket("udp4");
  assertEquals(socket.fd, -1);
  socket.bindSync();
  assertEquals(socket.fd, faults.lastSocket());
  assertThrows(() => (socket as { fd: number }).fd = 3, TypeError);
  socket.close();
  await nextEvent(socket, "close");
  assertEquals(socket.fd, -1);
  const [one, other] = socketpair().map((half) => t.track(half));
  assert(one.fd >= 0 && other.fd >= 0 && one.fd !== other.fd);
});

for (const connected of [false, true]) {
  const kind = connected ? "connected" : "unconnected";
  test(`a refused sendSync of a Unix socket is no congestion, as nothing waits (${kind})`, async (t) => {
    const receiver = boundUnix(t, `${folder(t)}/receiver`);
    const { path } = receiver.address();
    const sender = unixSocket(t);
    if (connected) sender.connectSync(path);
    const to = connected ? [] : [path] as const;
    receiver.pause();
    const events: string[] = [];
    for (const name of ["congestion", "writable", "drain"] as const) sender.on(name, () => events.push(name));
    let count = 0;
    for (; typeof codeOf(() => sender.sendSync(`${count}`, ...to)) === "number"; count++);
    assertEquals(codeOf(() => sender.sendSync("again", ...to)), "EAGAIN");
    await setImmediate();
    assertEquals(events, []);
    // What waits is one, also if a refused sendSync follows.
    const waiting = new Promise((resolve) =>
      connected ? sender.send("waits", resolve) : sender.send("waits", path, resolve)
    );
    await setImmediate();
    assertEquals([codeOf(() => sender.sendSync("again", ...to)), events], ["EAGAIN", ["congestion"]]);
    const arriving = received(receiver, count + 1);
    receiver.resume();
    assertEquals(await waiting, null);
    assertEquals((await arriving).at(-1)?.text, "waits");
    await until(() => events.includes("drain"), "drain");
    assertEquals(events, ["congestion", "writable", "drain"]);
  });
}

test("a Unix socket sends within the call, or throws EAGAIN while its peer is full", async (t) => {
  const receiver = boundUnix(t, `${folder(t)}/receiver`);
  const { path } = receiver.address();
  const sender = unixSocket(t);
  receiver.pause();
  let count = 0;
  let code: unknown;
  for (; typeof (code = codeOf(() => sender.sendSync(`${count}`, path))) === "number"; count++);
  assertEquals([code, sender.getSendQueueCount()], ["EAGAIN", 0]);
  const arriving = received(receiver, count);
  receiver.resume();
  assertEquals(texts(await arriving), Array.from({ length: count }, (_, i) => `${i}`));
  assertThrows(() => sender.sendSync("x", `${path}.none`), Error, "send ENOENT");
});
