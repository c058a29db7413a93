/**
 * Unix datagram sockets whose peers do not read: messages wait, in order, and the processor rests.
 *
 * @module
 */
import { unlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { socketpair, type UnixSocket } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { test, type Tools, unixDescriptors } from "./support/harness.ts";
import { linesOf } from "./support/process.ts";
import { ended, linuxOnly, startFixture } from "./support/runtime.ts";
import { boundUnix, folder, IdlePeer, nextUnixEvent, received, unixSocket } from "./support/unix.ts";

/** More than any peer's queue takes. */
const MANY = 300;
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

/** Sends numbers, and collects how they fared. */
function sendNumbers(socket: UnixSocket, count: number, path?: string): Promise<(string | number)[]> {
  const results: (string | number)[] = [];
  return new Promise((resolve) => {
    const done = (error: Error | null, bytes: number): void => {
      results.push((error as { code?: string } | null)?.code ?? bytes);
      if (results.length === count) resolve(results);
    };
    for (const number of numbers(count)) {
      if (path === undefined) socket.send(number, done);
      else socket.send(number, path, done);
    }
  });
}

/** A peer that does not read, and a socket that sends to it. */
function idlePair(t: Tools): { peer: IdlePeer; socket: UnixSocket } {
  return { peer: new IdlePeer(t, join(folder(t), "peer")), socket: unixSocket(t) };
}

for (const connected of [false, true]) {
  const kind = connected ? "connected" : "unconnected";

  test(`what an idle peer has no room for waits, is counted, and arrives once it reads (${kind})`, async (t) => {
    const { peer, socket } = idlePair(t);
    if (connected) socket.connectSync(peer.path);
    const congestion = nextUnixEvent(socket, "congestion");
    const writable = nextUnixEvent(socket, "writable");
    const results = sendNumbers(socket, MANY, connected ? undefined : peer.path);
    assertEquals(await congestion, [peer.path]);
    const waiting = socket.getSendQueueCount();
    assert(waiting > MANY / 2 && waiting < MANY, `${waiting} wait`);
    const last = numbers(MANY).slice(-waiting).join("");
    assertEquals(socket.getSendQueueSize(), last.length);
    assertEquals(await peer.readAll(MANY), numbers(MANY));
    assertEquals(await results, numbers(MANY).map((text) => text.length));
    assertEquals(await writable, [peer.path]);
    assertEquals([socket.getSendQueueCount(), socket.getSendQueueSize()], [0, 0]);
  });

  test(`a message larger than any fails in its turn, and holds up none behind it (${kind})`, async (t) => {
    const { peer, socket } = idlePair(t);
    if (connected) socket.connectSync(peer.path);
    const to = connected ? [] : [peer.path] as const;
    const before = sendNumbers(socket, MANY, ...to);
    const huge = new Uint8Array(2 ** 20 + 1);
    const failing = new Promise<Error | null>((resolve) =>
      connected ? socket.send(huge, resolve) : socket.send(huge, peer.path, resolve)
    );
    const behind = sendNumbers(socket, 3, ...to);
    let isFailed = false;
    void failing.then(() => isFailed = true);
    await delay(20);
    assertEquals(isFailed, false);
    assertEquals((await peer.readAll(MANY + 3)).slice(MANY - 1), [`${MANY - 1}`, "0", "1", "2"]);
    assertEquals((await failing as { code?: string } | null)?.code, "EMSGSIZE");
    assertEquals([(await before).every((result) => typeof result === "number"), await behind], [true, [1, 1, 1]]);
    assertEquals([socket.getSendQueueCount(), socket.getSendQueueSize()], [0, 0]);
  });

  test(`a peer that reads one message at a time gets all in their order (${kind})`, async (t) => {
    const { peer, socket } = idlePair(t);
    if (connected) socket.connectSync(peer.path);
    const results = sendNumbers(socket, 100, connected ? undefined : peer.path);
    assertEquals(await peer.readAll(100, 1), numbers(100));
    await results;
  });

  test(`while a peer does not read, nothing is tried over and over (${kind})`, async (t) => {
    const faults = injectFaults(t);
    const { peer, socket } = idlePair(t);
    if (connected) socket.connectSync(peer.path);
    const results = sendNumbers(socket, MANY, connected ? undefined : peer.path);
    await nextUnixEvent(socket, "congestion");
    await delay(50);
    const [calls, { user, system }] = [faults.calls.length, process.cpuUsage()];
    await delay(400);
    assertEquals(faults.calls.slice(calls).filter(({ name }) => name === "sendmmsg").length, 0);
    const used = process.cpuUsage({ user, system });
    assert(used.user + used.system < 200_000, `${used.user + used.system} us of processor time in 400 ms`);
    await peer.readAll(MANY);
    await results;
  }, { skip: linuxOnly("an event when a full peer has read") });

  test(`messages that wait for a peer fail when it goes away (${kind})`, async (t) => {
    const { peer, socket } = idlePair(t);
    if (connected) socket.connectSync(peer.path);
    const results = sendNumbers(socket, 50, connected ? undefined : peer.path);
    await nextUnixEvent(socket, "congestion");
    const waiting = socket.getSendQueueCount();
    peer.close();
    const failed = (await results).filter((result) => typeof result === "string");
    assertEquals(failed.length, waiting);
    // The kernel takes the peer away from a connected socket with the first message that does not get through.
    assertEquals([...new Set(failed)], connected ? ["ECONNREFUSED", "ENOTCONN"] : ["ECONNREFUSED"]);
  });

  test(`what waits when the socket is closed fails with ECANCELED, and no descriptor stays (${kind})`, async (t) => {
    const { peer, socket } = idlePair(t);
    if (connected) socket.connectSync(peer.path);
    const before = unixDescriptors().length - (connected ? 1 : 0);
    const results = sendNumbers(socket, 50, connected ? undefined : peer.path);
    await nextUnixEvent(socket, "congestion");
    const waiting = socket.getSendQueueCount();
    socket.close();
    assertEquals((await results).filter((result) => result === "ECANCELED").length, waiting);
    assertEquals(unixDescriptors().length, before);
    assertEquals(peer.read(), numbers(50 - waiting));
  });
}

test("an idle peer does not keep messages from another", async (t) => {
  const { peer, socket } = idlePair(t);
  const other = boundUnix(t);
  const results = sendNumbers(socket, 100, peer.path);
  await nextUnixEvent(socket, "congestion");
  const datagrams = received(other, 101);
  // Between them, in the same turn, and afterwards.
  const more = [];
  for (const number of numbers(100)) {
    socket.send("more", peer.path);
    more.push("more");
    socket.send(number, other.address().path);
  }
  socket.send("100", other.address().path);
  assertEquals((await datagrams).map(({ text }) => text), numbers(101));
  assert(socket.getSendQueueCount() > 100);
  assertEquals(await peer.readAll(200), [...numbers(100), ...more]);
  await results;
});

test("a descriptor is held for a peer only as long as messages wait for it", async (t) => {
  const { peer, socket } = idlePair(t);
  socket.address();
  const before = unixDescriptors().length;
  const results = sendNumbers(socket, 50, peer.path);
  await nextUnixEvent(socket, "congestion");
  assertEquals(unixDescriptors().length, before + 1);
  await peer.readAll(50);
  await results;
  assertEquals(unixDescriptors().length, before);
}, { skip: linuxOnly("an event when a full peer has read") });

test("a socket's own full buffer is waited for, too", async (t) => {
  const { peer, socket } = idlePair(t);
  socket.setSendBufferSize(40_000);
  const [big, sent] = ["x".repeat(20_000), [] as number[]];
  const done = new Promise<void>((resolve) => {
    for (let i = 0; i < 20; i++) {
      socket.send(`${i} ${big}`, peer.path, (error, bytes) => {
        assertEquals(error, null);
        if (sent.push(bytes) === 20) resolve();
      });
    }
  });
  await nextUnixEvent(socket, "congestion");
  const messages = await peer.readAll(20, 1);
  assertEquals(messages.map((text) => text.split(" ")[0]), numbers(20));
  await done;
});

test("a pair whose reader is idle waits for its buffer, and loses nothing", async (t) => {
  const [a, b] = socketpair({ sendBufferSize: 20_000 });
  t.track(a), t.track(b);
  const datagrams = received(b, MANY);
  const results = sendNumbers(a, MANY);
  assertEquals((await datagrams).map(({ text }) => text), numbers(MANY));
  await results;
});

test("without memory (ENOBUFS) a message is sent a little later", async (t) => {
  const faults = injectFaults(t);
  const { peer, socket } = idlePair(t);
  faults.fail("sendmmsg", "ENOBUFS", 5);
  assertEquals(await sendNumbers(socket, 3, peer.path), [1, 1, 1]);
  assertEquals(peer.read(), numbers(3));
  faults.assertUsedUp();
});

test("where no descriptor can be had to wait with, a timer does", async (t) => {
  const faults = injectFaults(t);
  const { peer, socket } = idlePair(t);
  socket.address();
  const fault = faults.fail("socket", "EMFILE", Infinity);
  const results = sendNumbers(socket, 50, peer.path);
  await nextUnixEvent(socket, "congestion");
  assertEquals(await peer.readAll(50), numbers(50));
  await results;
  faults.repair(fault);
});

test("room that the kernel sees and a message does not find is not tried for ever", async (t) => {
  const faults = injectFaults(t);
  const { peer, socket } = idlePair(t);
  const fault = faults.fail("sendmmsg", "EAGAIN", Infinity);
  socket.send("x", peer.path);
  await nextUnixEvent(socket, "congestion");
  await delay(300);
  const { length } = faults.callsOf("sendmmsg");
  assert(length < 20, `${length} calls in 300 ms`);
  faults.repair(fault);
  assertEquals(await peer.readAll(1), ["x"]);
});

test("another socket that takes a peer's place gets what still waits", async (t) => {
  const dir = folder(t);
  const path = join(dir, "peer");
  const old = boundUnix(t, path, { unlinkOnClose: true });
  const idle = new IdlePeer(t, join(dir, "idle"));
  const socket = unixSocket(t);
  const results = sendNumbers(socket, 50, idle.path);
  await nextUnixEvent(socket, "congestion");
  const atOld = received(old, 1);
  socket.send("first", path);
  await atOld;
  old.close();
  const next = boundUnix(t, path);
  const atNext = received(next, 1);
  socket.send("second", path);
  assertEquals((await atNext)[0].text, "second");
  await idle.readAll(50);
  await results;
});

test("what waits for an idle peer goes to another socket that is bound to its path, though the first is open", async (t) => {
  const { peer, socket } = idlePair(t);
  const results = sendNumbers(socket, 50, peer.path);
  await nextUnixEvent(socket, "congestion");
  const waiting = socket.getSendQueueCount();
  unlinkSync(peer.path);
  const next = new IdlePeer(t, peer.path);
  assertEquals(await next.readAll(waiting), numbers(50).slice(-waiting));
  await results;
  assertEquals(peer.read(), numbers(50 - waiting));
});

test("messages that wait keep the process alive, also of an unreferenced socket that is not bound", async (t) => {
  const peer = new IdlePeer(t, join(folder(t), "peer"));
  const child = startFixture("unix_writer", [peer.path, "200", "unreferenced"]);
  t.cleanup(() => child.kill("SIGKILL"));
  const end = ended(child, 20_000);
  assertEquals(await linesOf(child)(), "sent");
  assertEquals(await peer.readAll(200, 20), numbers(200));
  assertEquals((await end).code, 0);
});

test("100,000 messages from one process to another that reads slowly: each comes once, in order", async (t) => {
  const path = join(folder(t), "reader");
  const reader = startFixture("unix_reader", [path, "100000"]);
  t.cleanup(() => reader.kill("SIGKILL"));
  const [lines, end] = [linesOf(reader), ended(reader, 50_000)];
  assertEquals(await lines(), "ready");
  const writer = startFixture("unix_writer", [path, "100000"]);
  t.cleanup(() => writer.kill("SIGKILL"));
  const written = ended(writer, 50_000);
  assertEquals(JSON.parse(await lines()), { received: 100_000, outOfOrder: 0, descriptors: [] });
  assertEquals([(await end).code, (await written).code], [0, 0]);
});
