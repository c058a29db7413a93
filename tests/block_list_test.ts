/**
 * `net.BlockList`: what is not delivered, and where nothing is sent.
 *
 * @module
 */
import { BlockList } from "node:net";
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { RemoteInfo, Socket } from "../mod.ts";
import { type Family, nextEvent, nextMessage, sent, type Tools } from "./support/harness.ts";
import { testAlike, testBothAlike } from "./support/reference.ts";

const nameOf = (family: Family): "ipv4" | "ipv6" => family.version === 4 ? "ipv4" : "ipv6";

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

/** Has `sender` send "blocked" and then somebody else "end"; gives what arrives, up to and with "end". */
async function whatArrives(t: Tools, receiver: Socket, send: () => unknown): Promise<string[]> {
  const { address, port } = receiver.address();
  const texts: string[] = [];
  const done = new Promise<void>((resolve) => {
    receiver.on("message", (message) => {
      texts.push(String(message));
      if (texts.at(-1) === "end") resolve();
    });
  });
  await send();
  await sent(t.socket(receiver.type), "end", port, address);
  await done;
  return texts;
}

testBothAlike("a blocked sender is not heard, others are", async (t, family, create) => {
  const receiveBlockList = new BlockList();
  const receiver = t.track(create({ type: family.type, receiveBlockList }));
  const { port } = receiver.bindSync({ address: family.loopback });
  const senders: RemoteInfo[] = [];
  receiver.on("message", (_message, remote) => senders.push(remote));
  const first = nextMessage(receiver);
  await sent(t.socket(family.type), "not blocked yet", port, family.loopback);
  await first;
  receiveBlockList.addAddress(family.loopback, nameOf(family));
  await sent(t.socket(family.type), "blocked", port, family.loopback);
  // Nothing can be waited for: so the list is lifted by what is delivered in the same order, an unblocked socket's datagram.
  const witness = await t.bound(family.type);
  assertEquals(await whatArrives(t, witness, () => sent(t.socket(family.type), "witness", witness.address().port)), [
    "witness",
    "end",
  ]);
  assertStrictEquals(senders.length, 1);
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
    const thrown = assertThrows(() => socket.connectSync(9, family.loopback));
    for (const error of [told, (await emitted)[0], thrown]) {
      assertStrictEquals((error as NodeJS.ErrnoException).code, "ERR_IP_BLOCKED");
    }
    assertThrows(() => socket.remoteAddress(), Error, "Not connected");
  },
);
