/**
 * What can be seen of a socket: what consoles print, and what it has done.
 *
 * @module
 */
import process from "node:process";
import { inspect } from "node:util";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Socket, socketpair, type Statistics, UnixSocket } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextEvent, nextMessages, sent, test, testBoth } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { linuxOnly, runFixture, runtime } from "./support/runtime.ts";

/** Without line breaks, and with one kind of quotes. */
const line = (text: string): string => text.replace(/\s+/g, " ").replaceAll('"', "'");

testBoth("util.inspect shows type, state, addresses, descriptor, and what waits", async (t, family) => {
  const faults = injectFaults(t);
  const socket = t.socket(family.type);
  assertEquals(line(inspect(socket)), `Socket { type: '${family.type}', state: 'unbound' }`);
  const { port } = socket.bindSync({ address: family.loopback });
  const host = family.version === 4 ? "127.0.0.1" : "[::1]";
  const bound = `type: '${family.type}', state: 'bound', address: '${host}:${port}', fd: ${socket.fd}`;
  assertEquals(line(inspect(socket)), `Socket { ${bound} }`);
  faults.fail("sendmmsg", "EAGAIN", Infinity, socket.fd);
  socket.send("waits", port, family.loopback);
  socket.pause();
  const waits = "sendQueue: { messages: 1, bytes: 5 }, paused: true";
  assertEquals(line(inspect(socket)), `Socket { ${bound}, ${waits} }`);
  Object.assign(socket, { note: "the program's own" });
  assertStringIncludes(line(inspect(socket)), "the program's own");
  assertEquals(inspect({ a: { b: { c: { socket } } } }, { depth: 2 }).includes("state"), false);
  const peer = t.socket(family.type);
  peer.connectSync(port, family.loopback);
  assertStringIncludes(line(inspect(peer)), "state: 'connected'");
  assertStringIncludes(line(inspect(peer)), `peer: '${host}:${port}'`);
  socket.close();
  await nextEvent(socket, "close");
  assertStringIncludes(line(inspect(socket)), `Socket { type: '${family.type}', state: 'closed'`);
});

test("the prototype, and what only inherits from it, can be printed, too", () => {
  for (const Class of [Socket, UnixSocket]) {
    inspect(Class.prototype);
    inspect(Object.create(Class.prototype));
    inspect(Class);
  }
});

test("a Unix socket shows its path", (t) => {
  const [one] = socketpair().map((socket) => t.track(socket));
  assertEquals(line(inspect(one)).startsWith("UnixSocket { type: 'unix_dgram', state: 'connected'"), true);
  assertStringIncludes(inspect(one), `fd: ${one.fd}`);
});

test("the runtime's own console prints the same", async () => {
  const { stdout, stderr } = await runFixture("printed");
  assertEquals(stderr, "");
  const texts = stdout.trim().split("\n--\n").map(line);
  assert(texts.length >= 1);
  for (const text of texts) assertEquals(text, "Socket { type: 'udp4', state: 'unbound' }");
});

testBoth("getStatistics() counts datagrams, bytes, calls and segments", async (t, family) => {
  const [receiver, sender] = [await t.bound(family.type), t.socket(family.type)];
  const nothing = { datagrams: 0, bytes: 0, systemCalls: 0 };
  assertEquals(sender.getStatistics(), {
    received: nothing,
    sent: { ...nothing, segments: 0, segmentedPayloads: 0 },
    failed: 0,
    dropped: 0,
    fallbacks: [],
  });
  const { port } = receiver.address();
  await sent(sender, "alone", port, family.loopback);
  const arriving = nextMessages(receiver, 20);
  for (let i = 0; i < 20; i++) sender.send("together", port, family.loopback);
  await arriving;
  const { sent: outgoing, failed } = sender.getStatistics();
  assertEquals([outgoing.datagrams, outgoing.bytes, failed], [21, 165, 0]);
  assert(outgoing.systemCalls >= 2 && outgoing.systemCalls <= 21);
  const { received } = receiver.getStatistics();
  assertEquals([received.datagrams, received.bytes], [21, 165]);
  assert(received.systemCalls > 0);
  sender.close();
  assertThrows(() => sender.getStatistics(), Error, "Not running");
});

testBoth("segments and payloads are counted, and so is what the kernel refuses, by its reason", async (t, family) => {
  const faults = injectFaults(t);
  const receiver = await t.bound(family.type);
  const sender = await t.bound(family.type);
  const { port } = receiver.address();
  const send = async (): Promise<Statistics> => {
    const arriving = nextMessages(receiver, 10);
    for (let i = 0; i < 10; i++) sender.send("segment", port, family.loopback);
    await arriving;
    return sender.getStatistics();
  };
  const { sent: first, fallbacks: none } = await send();
  assertEquals([first.segments, first.segmentedPayloads, first.systemCalls, none], [10, 1, 1, []]);
  faults.fail("sendmmsg", "EIO", 1, sender.fd);
  const { sent: second, fallbacks, failed } = await send();
  assertEquals([second.datagrams, second.segments, failed], [20, 10, 0]);
  assertEquals(fallbacks, [{ what: "UDP_SEGMENT", code: "EIO", count: 1 }]);
}, { skip: linuxOnly("UDP_SEGMENT") });

testBoth("failures and the kernel's drops are counted", async (t, family) => {
  const receiver = await t.bound(family.type);
  receiver.setRecvBufferSize(4096);
  receiver.pause();
  const sender = await t.bound(family.type);
  const { port } = receiver.address();
  const results: unknown[] = [];
  sender.send(new Uint8Array(70_000), port, family.loopback, (error) => results.push(error));
  await until(() => results.length === 1, "the failure");
  assertEquals(sender.getStatistics().failed, 1);
  for (let i = 0; i < 200; i++) await sent(sender, "x".repeat(500), port, family.loopback);
  assertEquals(receiver.getStatistics().dropped, receiver.getDropCount());
  assert(receiver.getDropCount() > 0);
}, { skip: linuxOnly("SO_MEMINFO") });

test("a kernel without UDP_GRO is said to be one", async (t) => {
  const faults = injectFaults(t);
  faults.fail("setsockopt", "ENOPROTOOPT", Infinity);
  const socket = await t.bound("udp4");
  assertEquals(socket.getStatistics().fallbacks, [{ what: "UDP_GRO", code: "ENOPROTOOPT", count: 1 }]);
}, { skip: linuxOnly("UDP_GRO") });

test("a Unix socket counts, too", async (t) => {
  const [one, other] = socketpair().map((socket) => t.track(socket));
  let count = 0;
  other.on("message", () => count++);
  for (let i = 0; i < 100; i++) one.send("four");
  await until(() => count === 100, "the messages");
  const [{ sent: outgoing }, { received }] = [one.getStatistics(), other.getStatistics()];
  assertEquals([outgoing.datagrams, outgoing.bytes, received.datagrams, received.bytes], [100, 400, 100, 400]);
});

test("NODE_DEBUG=dgram-ffi tells what was chosen, and each fallback once", async () => {
  const run = async (value: string): Promise<string[]> => {
    const { stdout, stderr } = await runFixture("debugged", [], { env: { ...process.env, NODE_DEBUG: value } });
    assertEquals(stdout.trim(), "received 20");
    return stderr.split("\n").filter((text) => text.startsWith("DGRAM-FFI ")).map((text) =>
      text.replace(/^\S+ \d+: /, "")
    );
  };
  const lines = await run("http,DGRAM-*");
  assertEquals(lines.length, 4, lines.join("; "));
  assertStringIncludes(lines[0], `by ${{ deno: "deno", bun: "bun", node: "node:ffi", koffi: "koffi" }[runtime]},`);
  assertStringIncludes(lines[1], "is tried");
  assertStringIncludes(lines[2], "recvmmsg and sendmmsg");
  assertEquals(lines[3], "UDP_SEGMENT: the kernel says EIO; datagrams leave in smaller payloads");
  assertEquals(await run("dgram"), []);
}, { skip: linuxOnly("UDP_SEGMENT") });
