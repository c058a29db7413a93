/**
 * `net.BlockList`: what is not delivered, and where nothing is sent.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { BlockList } from "node:net";
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { Socket } from "../mod.ts";
import { FAMILIES, type Family, nextEvent, nextMessage, sent, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { testAlike, testBothAlike } from "./support/reference.ts";

const nameOf = (family: Family): "ipv4" | "ipv6" => family.version === 4 ? "ipv4" : "ipv6";

/** Bytes that wait in the kernel for a socket of this host. */
function receiveQueueOf(port: number, family: Family): number {
  const table = readFileSync(`/proc/self/net/udp${family.version === 6 ? "6" : ""}`, "utf8");
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const fields = table.split("\n").map((line) => line.trim().split(/\s+/)).find((fields) => fields[1]?.endsWith(end));
  return parseInt(fields![4].split(":")[1], 16);
}

/** Blocks the loopback address of a family. */
function blocked(family: Family): BlockList {
  const list = new BlockList();
  list.addAddress(family.loopback, nameOf(family));
  return list;
}

/** A list that blocks some other address. */
function unrelated(family: Family): BlockList {
  const list = new BlockList();
  list.addAddress(family.version === 4 ? "192.0.2.1" : "2001:db8::1", nameOf(family));
  return list;
}

/** What a socket gets from `send`, with an "end" behind it from a socket of the given type. */
async function whatArrives(t: Tools, receiver: Socket, send: () => unknown, type = receiver.type): Promise<string[]> {
  const { port } = receiver.address();
  const texts: string[] = [];
  const ended = new Promise<void>((resolve) => {
    receiver.on("message", (message) => {
      texts.push(String(message));
      if (texts.at(-1) === "end") resolve();
    });
  });
  await send();
  await sent(t.socket(type), "end", port);
  await ended;
  return texts;
}

testAlike("a blocked IPv4 address is not heard, another is", async (t, create) => {
  const receiveBlockList = new BlockList();
  receiveBlockList.addAddress("127.0.0.2", "ipv4");
  const receiver = t.track(create({ type: "udp4", receiveBlockList }));
  const { port } = receiver.bindSync();
  const sender = await t.bound("udp4", "127.0.0.2");
  assertEquals(await whatArrives(t, receiver, () => sent(sender, "blocked", port)), ["end"]);
});

testAlike("a blocked IPv6 address is not heard, another is", async (t, create) => {
  const receiver = t.track(create({ type: "udp6", receiveBlockList: blocked(FAMILIES[1]) }));
  const { port } = receiver.bindSync();
  const sender = t.socket("udp6");
  assertEquals(await whatArrives(t, receiver, () => sent(sender, "blocked", port), "udp4"), ["end"]);
});

testBothAlike("an address blocked later is not heard from then on", async (t, family, create) => {
  const receiveBlockList = new BlockList();
  const receiver = t.track(create({ type: family.type, receiveBlockList }));
  const { port } = receiver.bindSync();
  const heard: string[] = [];
  receiver.on("message", (message) => {
    heard.push(String(message));
    receiveBlockList.addAddress(family.loopback, nameOf(family));
  });
  const first = nextMessage(receiver);
  const sender = t.socket(family.type);
  await sent(sender, "first", port);
  await first;
  await sent(sender, "second", port);
  await until(() => receiveQueueOf(port, family) === 0, "the second datagram to be fetched");
  assertEquals(heard, ["first"]);
});

testBothAlike("a receiveBlockList with other addresses lets all through", async (t, family, create) => {
  const receiver = t.track(create({ type: family.type, receiveBlockList: unrelated(family) }));
  receiver.bindSync({ address: family.loopback });
  const { port } = receiver.address();
  const arriving = whatArrives(t, receiver, () => sent(t.socket(family.type), "heard", port, family.loopback));
  assertEquals(await arriving, ["heard", "end"]);
});

testAlike("a blocked IPv4 sender is not heard by a dual-stack socket under its mapped address", async (t, create) => {
  const receiveBlockList = new BlockList();
  receiveBlockList.addAddress("127.0.0.1", "ipv4");
  const receiver = t.track(create({ type: "udp6", receiveBlockList }));
  receiver.bindSync();
  const { port } = receiver.address();
  const arriving = nextMessage(receiver);
  await sent(t.socket("udp4"), "blocked", port, "127.0.0.1");
  await sent(t.socket("udp6"), "heard", port, "::1");
  assertStrictEquals((await arriving).text, "heard");
});

testBothAlike("sending to a blocked address fails in the callback, and nothing is sent", async (t, family, create) => {
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const socket = t.track(create({ type: family.type, sendBlockList: blocked(family) }));
  socket.bindSync();
  const error = await new Promise<unknown>((resolve) => socket.send("blocked", port, family.loopback, resolve));
  const { code, message } = error as NodeJS.ErrnoException;
  assertEquals([code, message], ["ERR_IP_BLOCKED", `IP(${family.loopback}) is blocked by net.BlockList`]);
  const arrived = await whatArrives(t, receiver, () => socket.send("blocked", port, family.loopback));
  assertEquals(arrived, ["end"]);
});

testBothAlike("a sendBlockList with other addresses lets all through", async (t, family, create) => {
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const socket = t.track(create({ type: family.type, sendBlockList: unrelated(family) }));
  const arrived = await whatArrives(t, receiver, () => sent(socket, "heard", port, family.loopback));
  assertEquals(arrived, ["heard", "end"]);
});

testBothAlike("a host name is blocked by the address it stands for", async (t, family, create) => {
  const socket = t.track(create({
    type: family.type,
    sendBlockList: blocked(family),
    lookup: (_name, _options, callback) => callback(null, family.loopback, family.version),
  }));
  socket.bindSync();
  const error = await new Promise<unknown>((resolve) => socket.send("x", 9, "name", resolve));
  assertStrictEquals((error as NodeJS.ErrnoException).code, "ERR_IP_BLOCKED");
});

testBothAlike(
  "connecting to a blocked address fails, by callback, 'error' and exception",
  async (t, family, create) => {
    const socket = t.track(create({ type: family.type, sendBlockList: blocked(family) }));
    socket.bindSync();
    const told = await new Promise<unknown>((resolve) => socket.connect(9, family.loopback, resolve));
    const emitted = nextEvent(socket, "error");
    socket.connect(9, family.loopback);
    const errors = [told, (await emitted)[0], assertThrows(() => socket.connectSync(9, family.loopback))];
    assertEquals(errors.map((error) => (error as NodeJS.ErrnoException).code), Array(3).fill("ERR_IP_BLOCKED"));
    assertThrows(() => socket.remoteAddress(), Error, "Not connected");
  },
);
