/**
 * `sendMany` and `'messages'`: datagrams in batches.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Buffer } from "node:buffer";
import { BlockList } from "node:net";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { AddressedMessage, Bytes, MessageBatch, Socket } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { closed, type Family, nextMessages, test, testBoth, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { linuxOnly, runFixture } from "./support/runtime.ts";
import { numbered, type SystemError, textsOf } from "./support/values.ts";

type Messages = Parameters<Socket["sendMany"]>[0];
type SendMany = (...values: unknown[]) => void;

/** What a `sendMany` callback was called with: the error's code, and the number of messages. */
type Outcome = [code: string | null, sent: number];

/** `sendMany` as a promise of what its callback is told. */
function sentMany(socket: Socket, messages: Messages, port?: number, address?: string): Promise<Outcome> {
  return new Promise((resolve) => {
    socket.sendMany(messages, port, address, (error, sent) => resolve([error && (error as SystemError).code, sent]));
  });
}

/** A datagram out of a batch, copied. */
interface Copied {
  readonly text: string;
  readonly size: number;
  readonly address: string;
  readonly port: number;
  readonly family: string;
}

function copied(batch: MessageBatch, index: number): Copied {
  return {
    text: String(batch.copy(index)),
    size: batch.size(index),
    address: batch.address(index),
    port: batch.port(index),
    family: batch.family(index),
  };
}

/** The next `count` datagrams, out of batches. */
function nextOfBatches(socket: Socket, count: number): Promise<Copied[]> {
  return new Promise((resolve) => {
    const datagrams: Copied[] = [];
    const onMessages = (batch: MessageBatch): void => {
      for (let i = 0; i < batch.length; i++) datagrams.push(copied(batch, i));
      if (datagrams.length < count) return;
      socket.removeListener("messages", onMessages);
      resolve(datagrams);
    };
    socket.on("messages", onMessages);
  });
}

/** What a function makes of the next batch, while it is valid. */
function ofNextBatch<T>(socket: Socket, look: (batch: MessageBatch) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    socket.once("messages", (batch) => {
      try {
        resolve(look(batch));
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** A receiver with much room, its port, and a bound sender. */
async function pair(t: Tools, { type }: Family) {
  const receiver = await t.bound({ type, recvBufferSize: 1 << 20 });
  return { receiver, port: receiver.address().port, sender: await t.bound(type) };
}

const codeOf = (call: () => unknown): string => (assertThrows(call) as SystemError).code;
const blocklistName = ({ version }: Family): "ipv4" | "ipv6" => version === 4 ? "ipv4" : "ipv6";

testBoth("sendMany() takes every form of bytes, and each message is a datagram", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const memory = Uint8Array.from({ length: 16 }, (_, i) => i).buffer;
  const messages: Bytes[] = [
    "ä€",
    Buffer.from("buffer"),
    new Uint16Array(memory, 4, 3),
    new DataView(memory, 7, 2),
    "",
  ];
  const addressed: AddressedMessage = {
    message: ["pieces ", new Uint8Array([97, 98])],
    port,
    address: family.loopback,
  };
  const arriving = nextMessages(receiver, 6);
  assertEquals(await sentMany(sender, [...messages, addressed], port, family.loopback), [null, 6]);
  assertEquals((await arriving).map(({ message }) => [...message]), [
    [...Buffer.from("ä€")],
    [...Buffer.from("buffer")],
    [4, 5, 6, 7, 8, 9],
    [7, 8],
    [],
    [...Buffer.from("pieces ab")],
  ]);
});

for (const count of [1, 64, 65, 1025, 3000]) {
  testBoth(`${count} messages of one sendMany() arrive once each, in order`, async (t, family) => {
    const { receiver, port, sender } = await pair(t, family);
    receiver.setRecvBufferSize(4 << 20);
    const arriving = nextOfBatches(receiver, count);
    assertEquals(await sentMany(sender, numbered(count), port, family.loopback), [null, count]);
    assertEquals(textsOf(await arriving), numbered(count));
  });
}

testBoth("send() and sendMany() keep the order of their calls", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const arriving = nextMessages(receiver, 6);
  sender.send("1", port, family.loopback);
  sender.sendMany(["2", "3"], port, family.loopback);
  sender.send("4", port, family.loopback);
  sender.sendMany(["5"], port, family.loopback);
  sender.send("6", port, family.loopback);
  assertEquals(textsOf(await arriving), ["1", "2", "3", "4", "5", "6"]);
});

testBoth("sendMany() sends to many peers, and to the common destination what names none", async (t, family) => {
  const sender = await t.bound(family.type);
  const receivers = await Promise.all(Array.from({ length: 20 }, () => t.bound(family.type)));
  const ports = receivers.map((receiver) => receiver.address().port);
  const arriving = Promise.all(receivers.map((receiver) => nextMessages(receiver, 3)));
  const messages = [0, 1, 2].flatMap((turn) => ports.map((port, i) => ({ message: `${i}: ${turn}`, port })));
  // Without an address it is the loopback one.
  const common = messages.map((message) => message.port === ports[0] ? message.message : message);
  assertEquals(await sentMany(sender, common, ports[0]), [null, 60]);
  assertEquals((await arriving).map(textsOf), ports.map((_, i) => [`${i}: 0`, `${i}: 1`, `${i}: 2`]));
});

testBoth("sendMany() on an unbound socket binds it, and sends what the bytes were at the call", async (t, family) => {
  const { receiver, port } = await pair(t, family);
  const sender = t.socket(family.type);
  const bytes = new TextEncoder().encode("as it was");
  const arriving = nextMessages(receiver, 3);
  const sending = sentMany(sender, [bytes], port, family.loopback);
  sender.sendMany([{ message: [bytes, "!"], port, address: family.loopback }, "text"], port, family.loopback);
  bytes.fill(0);
  assertEquals(await sending, [null, 1]);
  assertEquals(textsOf(await arriving), ["as it was", "as it was!", "text"]);
  assert(sender.address().port > 0);
});

testBoth("sendMany() on a bound socket has copied the bytes when it returns", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const bytes = new TextEncoder().encode("as it was");
  const arriving = nextMessages(receiver, 1);
  sender.sendMany([bytes], port, family.loopback);
  bytes.fill(0);
  assertEquals(textsOf(await arriving), ["as it was"]);
});

testBoth("sendMany() on a connected socket sends to the peer, and takes no other destination", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  sender.connectSync(port, family.loopback);
  const arriving = nextMessages(receiver, 2);
  for (
    const call of [
      () => sender.sendMany(["x"], port),
      () => sender.sendMany(["x"], undefined, family.loopback),
      () => sender.sendMany(["x", { message: "x", port }]),
    ]
  ) assertEquals(codeOf(call), "ERR_SOCKET_DGRAM_IS_CONNECTED");
  assertEquals(await sentMany(sender, ["a", "b"]), [null, 2]);
  assertEquals(textsOf(await arriving), ["a", "b"]);
});

testBoth("sendMany() of nothing calls back in a later tick", async (t, family) => {
  const sender = await t.bound(family.type);
  let returned = false;
  const outcome = await new Promise<unknown[]>((resolve) => {
    sender.sendMany([], 1, family.loopback, (...values) => resolve([returned, ...values]));
    returned = true;
  });
  assertEquals(outcome, [true, null, 0]);
});

testBoth("sendMany() checks all its arguments before anything is sent", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const { loopback } = family;
  const calls: [string, unknown[]][] = [
    ["ERR_INVALID_ARG_TYPE", ["text", port, loopback]],
    ["ERR_INVALID_ARG_TYPE", [undefined, port, loopback]],
    ["ERR_INVALID_ARG_TYPE", [["good", 7], port, loopback]],
    ["ERR_INVALID_ARG_TYPE", [["good", null], port, loopback]],
    ["ERR_INVALID_ARG_TYPE", [new Array(1), port, loopback]],
    ["ERR_INVALID_ARG_TYPE", [["good", { message: "bad", port, address: 7 }], port, loopback]],
    ["ERR_INVALID_ARG_TYPE", [["good"], port, 7]],
    ["ERR_INVALID_ARG_TYPE", [["good"], port, loopback, "no function"]],
    ["ERR_INVALID_ARG_VALUE", [["good"], port, "localhost"]],
    ["ERR_INVALID_ARG_VALUE", [["good", { message: "bad", port, address: "localhost" }], port, loopback]],
    ["ERR_SOCKET_BAD_PORT", [["good"]]],
    ["ERR_SOCKET_BAD_PORT", [["good"], 0, loopback]],
    ["ERR_SOCKET_BAD_PORT", [["good"], 65_536, loopback]],
    ["ERR_SOCKET_BAD_PORT", [["good", { message: "bad", address: loopback }], port, loopback]],
    ["ERR_SOCKET_BAD_PORT", [[{ message: "good", port }, { message: "bad", ttl: 9 }], () => {}]],
    ["ERR_SOCKET_BAD_PORT", [[{ message: "good", port }, "bad"], undefined, loopback]],
  ];
  const arriving = nextMessages(receiver, 1);
  for (const [code, values] of calls) assertEquals(codeOf(() => (sender.sendMany as SendMany)(...values)), code);
  await sentMany(sender, ["the first"], port, loopback);
  assertEquals(textsOf(await arriving), ["the first"]);
  await closed(sender);
  assertEquals(codeOf(() => sender.sendMany(["x"], port, loopback)), "ERR_SOCKET_DGRAM_NOT_RUNNING");
});

testBoth("sendMany() takes its callback in the place of the port or the address", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const arriving = nextMessages(receiver, 5);
  const told = (...values: unknown[]): Promise<unknown[]> =>
    new Promise((resolve) => (sender.sendMany as SendMany)(...values, (...outcome: unknown[]) => resolve(outcome)));
  const to = { port, address: family.loopback };
  assertEquals(await told([{ message: "1", ...to }, { message: "2", ...to }]), [null, 2]);
  assertEquals(await told(["3"], port), [null, 1]);
  assertEquals(codeOf(() => (sender.sendMany as SendMany)(["x"], () => {})), "ERR_SOCKET_BAD_PORT");
  await new Promise<void>((resolve) => sender.connect(port, family.loopback, () => resolve()));
  assertEquals(await told(["4", "5"]), [null, 2]);
  assertEquals(textsOf(await arriving), ["1", "2", "3", "4", "5"]);
});

testBoth("messages that say how, but not where, go where sendMany() says", async (t, family) => {
  const { port, sender } = await pair(t, family);
  const receiver = await t.bound({ type: family.type, recvTTL: true });
  const arriving = nextMessages(receiver, 3);
  const messages = [{ message: "a", ttl: 9 }, "b", { message: "c" }];
  assertEquals(await sentMany(sender, messages, receiver.address().port, family.loopback), [null, 3]);
  assertEquals((await arriving).map(({ text, remote }) => [text, remote.ttl]), [["a", 9], ["b", 64], ["c", 64]]);
  assert(port !== receiver.address().port);
}, { skip: linuxOnly("IP_TOS of single datagrams") });

testBoth("the error of sendMany() names the message that failed first, by its place", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, port, sender } = await pair(t, family);
  const fd = faults.lastSocket();
  const other = family.version === 4 ? "::1" : "127.0.0.1";
  const failed = (messages: Messages): Promise<unknown[]> =>
    new Promise((resolve) =>
      sender.sendMany(messages, port, family.loopback, (error, sent) => {
        const { code, message, index, address, port } = error as SystemError;
        resolve([code, message, index, address, port, sent]);
      })
    );
  const arriving = nextMessages(receiver, 3);
  // The last one fails at once, one before it when it comes to the kernel.
  faults.answer("sendmmsg", (real, fd, at, _, flags) => real.sendmmsg(fd, at, 1, flags), 1, fd);
  faults.fail("sendmmsg", "EPERM", 1, fd);
  const where = family.version === 4 ? `127.0.0.1:${port}` : `::1:${port}`;
  assertEquals(await failed(["1", "22", "333", { message: "4444", port: 9, address: other }]), [
    "EPERM",
    `send EPERM ${where}`,
    1,
    family.loopback,
    port,
    2,
  ]);
  assertEquals(await failed(["5", { message: "x", port: 9, address: other }]), [
    "EINVAL",
    `send EINVAL ${other}:9`,
    1,
    other,
    9,
    1,
  ]);
  assertEquals(textsOf(await arriving), ["1", "333", "5"]);
});

testBoth("what cannot be sent is the callback's error, and the rest of sendMany() arrives", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, port, sender } = await pair(t, family);
  const fd = faults.lastSocket();
  const arriving = nextMessages(receiver, 3);
  // The first call sends two, the next one fails on the third.
  faults.answer("sendmmsg", (real, fd, at, _, flags) => real.sendmmsg(fd, at, 2, flags), 1, fd);
  faults.fail("sendmmsg", "EPERM", 1, fd);
  // Different sizes, growing: each is a message of its own for the kernel.
  const texts = ["1", "22", "333", "4444"];
  assertEquals(await sentMany(sender, texts, port, family.loopback), ["EPERM", 3]);
  assertEquals(textsOf(await arriving), ["1", "22", "4444"]);
  faults.assertUsedUp();
});

testBoth("the callback is told of the first error of several", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const arriving = nextMessages(receiver, 2);
  const otherFamily = family.version === 4 ? "::1" : "127.0.0.1";
  const messages = [
    "a",
    { message: "no address of this family", port, address: otherFamily },
    new Uint8Array(70_000),
    "b",
  ];
  const outcomes: Outcome[] = [];
  sender.sendMany(messages, port, family.loopback, (error, sent) => {
    outcomes.push([error && (error as SystemError).code, sent]);
  });
  assertEquals(textsOf(await arriving), ["a", "b"]);
  await until(() => outcomes.length > 0, "the callback");
  assertEquals(outcomes, [["EINVAL", 2]]);
});

testBoth("the callback comes once the last message has found room", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, port, sender } = await pair(t, family);
  const fd = faults.lastSocket();
  faults.answer("sendmmsg", (real, fd, at, _, flags) => real.sendmmsg(fd, at, 1, flags), 1, fd);
  const full = faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  const outcomes: unknown[][] = [];
  const arriving = nextMessages(receiver, 3);
  sender.sendMany(["1", "22", "333"], port, family.loopback, (...values) => outcomes.push(values));
  await until(() => faults.callsOf("sendmmsg", fd).length > 3, "attempts to send");
  assertEquals([outcomes, sender.getSendQueueCount(), sender.getSendQueueSize()], [[], 2, 5]);
  faults.repair(full);
  assertEquals(textsOf(await arriving), ["1", "22", "333"]);
  await until(() => outcomes.length > 0, "the callback");
  assertEquals(outcomes, [[null, 3]]);
});

testBoth("closing while messages wait calls back with ECANCELED and the number that left", async (t, family) => {
  const faults = injectFaults(t);
  const { port, sender } = await pair(t, family);
  const fd = faults.lastSocket();
  faults.answer("sendmmsg", (real, fd, at, _, flags) => real.sendmmsg(fd, at, 1, flags), 1, fd);
  faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  const sending = sentMany(sender, ["1", "22", "333"], port, family.loopback);
  await until(() => sender.getSendQueueCount() === 2, "one message to leave");
  await closed(sender);
  assertEquals(await sending, ["ECANCELED", 1]);
});

testBoth("sendMany() sends nothing to a blocked address, and everything else", async (t, family) => {
  const { receiver, port } = await pair(t, family);
  const blocked = family.version === 4 ? "192.0.2.1" : "2001:db8::1";
  const sendBlockList = new BlockList();
  sendBlockList.addAddress(blocked, blocklistName(family));
  const sender = t.socket({ type: family.type, sendBlockList });
  const arriving = nextMessages(receiver, 2);
  const messages = ["a", { message: "blocked", port, address: blocked }, "b"];
  assertEquals(await sentMany(sender, messages, port, family.loopback), ["ERR_IP_BLOCKED", 2]);
  assertEquals(textsOf(await arriving), ["a", "b"]);
});

for (const bound of [true, false]) {
  test(`sendMany()'s callback has its caller's asynchronous context on a ${bound ? "bound" : "unbound"} socket`, async (t) => {
    const receiver = await t.bound("udp4");
    const sender = bound ? await t.bound("udp4") : t.socket("udp4");
    const storage = new AsyncLocalStorage<string>();
    const send = (): Promise<string | undefined> =>
      new Promise((resolve) => {
        sender.sendMany(["x", "yy"], receiver.address().port, "127.0.0.1", () => resolve(storage.getStore()));
      });
    assertEquals(await Promise.all(["a", "b"].map((name) => storage.run(name, send))), ["a", "b"]);
  });
}

for (const gro of [true, false]) {
  testBoth(`a batch tells of each datagram what it is and whose, with gro ${gro}`, async (t, family) => {
    const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20, gro });
    const { port } = receiver.address();
    const senders = await Promise.all([0, 1, 2].map(() => t.bound(family.type)));
    // Runs of one size, a shorter one at the end, empty ones, and single ones.
    const texts = ["aaaa", "bbbb", "cc", "", "", "dddddddd", "e", "ffffff", "gggggg"];
    const looking = ofNextBatch(receiver, (batch) => {
      assertEquals(batch.length, 27);
      assertEquals(batch.totalSize, 3 * texts.join("").length);
      return Array.from({ length: batch.length }, (_, i) => {
        const view = batch.view(i);
        assertEquals(batch.bytes.subarray(batch.start(i), batch.start(i) + batch.size(i)), view);
        assertEquals(new Uint8Array(batch.copy(i)), view);
        return { ...copied(batch, i), text: new TextDecoder().decode(view) };
      });
    });
    for (const sender of senders) sender.sendMany(texts, port, family.loopback);
    const expected = senders.flatMap((sender) =>
      texts.map((text) => ({
        text,
        size: text.length,
        address: family.loopback,
        port: sender.address().port,
        family: family.name,
      }))
    );
    assertEquals(await looking, expected);
  });
}

testBoth("a batch's datagrams can be asked for in any order", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const texts = ["aaaa", "bbbb", "cc", "d", "eeee", "ffff", "gg", "", "hhh"];
  const looking = ofNextBatch(receiver, (batch) => {
    assertEquals(batch.length, texts.length);
    const orders = [[8, 7, 6, 5, 4, 3, 2, 1, 0], [4, 4, 0, 8, 1, 7, 2, 6, 3, 5, 5]];
    return orders.map((order) => order.every((i) => String(batch.copy(i)) === texts[i]));
  });
  sender.sendMany(texts, port, family.loopback);
  assertEquals(await looking, [true, true]);
});

testBoth("an index that a batch does not have is a RangeError", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const looking = ofNextBatch(receiver, (batch) => {
    for (const index of [-1, 2, 0.5, NaN, Infinity, "0", undefined] as number[]) {
      for (const method of ["start", "size", "address", "port", "family", "view", "copy"] as const) {
        assertThrows(() => batch[method](index), RangeError, "in a batch of 2");
      }
    }
    return [batch.size(0), batch.size(1)];
  });
  sender.sendMany(["a", "bb"], port, family.loopback);
  assertEquals(await looking, [1, 2]);
});

testBoth("after the call a batch is empty, and copies stay as they were", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const looking = ofNextBatch(receiver, (batch) => ({ batch, copy: batch.copy(0) }));
  sender.sendMany(["first", "second"], port, family.loopback);
  const { batch, copy } = await looking;
  assertEquals([batch.length, batch.totalSize, batch.bytes.length], [0, 0, 0]);
  assertThrows(() => batch.view(0), RangeError, "in a batch of 0");
  const arriving = nextOfBatches(receiver, 2);
  sender.sendMany(["XXXXX", "YYYYYY"], port, family.loopback);
  assertEquals(textsOf(await arriving), ["XXXXX", "YYYYYY"]);
  assertEquals(String(copy), "first");
});

testBoth("listeners for 'message' and for 'messages' both get every datagram", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const texts = numbered(200);
  const arriving = Promise.all([nextOfBatches(receiver, 200), nextMessages(receiver, 200)]);
  sender.sendMany(texts, port, family.loopback);
  assertEquals((await arriving).map(textsOf), [texts, texts]);
});

testBoth("a batch is passed on whole by sendMany()", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const [middle, out] = [await t.bound({ type: family.type, recvBufferSize: 1 << 20 }), await t.bound(family.type)];
  const outcomes: Outcome[] = [];
  middle.on("messages", (batch) => {
    out.sendMany(batch, port, family.loopback, (error, sent) => outcomes.push([error && error.message, sent]));
  });
  const texts = [...numbered(300), "", "the end"];
  const arriving = nextMessages(receiver, texts.length);
  sender.sendMany(texts, middle.address().port, family.loopback);
  assertEquals(textsOf(await arriving), texts);
  await until(() => outcomes.reduce((sum, [, sent]) => sum + sent, 0) === texts.length, "callbacks for all");
  assert(outcomes.every(([error]) => error === null));
});

testBoth("a batch passed to a socket that is not bound yet leaves as it was", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const [middle, out] = [await t.bound(family.type), t.socket(family.type)];
  const looking = ofNextBatch(middle, (batch) => out.sendMany(batch, port, family.loopback));
  const arriving = nextMessages(receiver, 2);
  sender.sendMany(["first", "second"], middle.address().port, family.loopback);
  await looking;
  assertEquals(textsOf(await arriving), ["first", "second"]);
});

testBoth("closing in a 'messages' listener ends delivery, and the batch stays until it returns", async (t, family) => {
  const { receiver, port, sender } = await pair(t, family);
  const heard: string[] = [];
  receiver.on("message", (message) => heard.push(`message ${message}`));
  const looking = new Promise<void>((resolve) => {
    receiver.on("messages", (batch) => {
      receiver.close(() => resolve());
      for (let i = 0; i < batch.length; i++) heard.push(String(batch.copy(i)));
    });
  });
  sender.sendMany(["a", "b"], port, family.loopback);
  await looking;
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals(heard, ["a", "b"]);
});

testBoth("datagrams from a blocked address are in no batch", async (t, family) => {
  const receiveBlockList = new BlockList();
  receiveBlockList.addAddress(family.loopback, blocklistName(family));
  const receiver = await t.bound({ type: family.type, receiveBlockList }, family.any);
  const { port } = receiver.address();
  const blocked = await t.bound(family.type);
  // IPv6 has one loopback address only, so what is not blocked comes over IPv4 there.
  const other = await t.bound("udp4", "127.0.0.2");
  const texts: string[] = [];
  receiver.on("messages", (batch) => {
    assert(batch.length > 0, "an empty batch");
    for (let i = 0; i < batch.length; i++) texts.push(`${batch.copy(i)}`);
  });
  const arriving = nextMessages(receiver, 2);
  await sentMany(blocked, ["blocked", "blocked too"], port, family.loopback);
  await sentMany(other, ["heard"], port, "127.0.0.2");
  await sentMany(blocked, ["blocked again"], port, family.loopback);
  await sentMany(other, ["heard as well"], port, "127.0.0.2");
  assertEquals(textsOf(await arriving), ["heard", "heard as well"]);
  assertEquals(texts, ["heard", "heard as well"]);
});

test("a 'messages' listener that throws loses no datagram, not for those of 'message' either", async () => {
  const { code, stdout, stderr } = await runFixture("throwing_listener", ["messages"]);
  assertEquals([code, stderr], [0, ""]);
  const { heard, thrown } = JSON.parse(stdout);
  assertEquals(heard, Array.from({ length: 200 }, (_, i) => i));
  assert(thrown.length > 0);
});
