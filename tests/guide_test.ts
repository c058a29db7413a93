/**
 * docs/guide.md: each row and each paragraph that states behaviour. What Node does otherwise is tried on its own module.
 *
 * @module
 */
import { spawn } from "node:child_process";
import builtin from "node:dgram";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { createSocket, type MessageBatch, type Socket, type SocketType } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextMessage, nextMessages, sent, test, type Tools } from "./support/harness.ts";
import { Network, noNamespaces } from "./support/namespaces.ts";
import { projectRoot } from "./support/project.ts";
import { type CreateSocket, testAlike } from "./support/reference.ts";
import { commandFor, ended, linuxOnly, runtime } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";
import { writeProgram } from "./support/snippets.ts";

const page = readFileSync(join(projectRoot, "docs/guide.md"), "utf8").replace(/\n +/g, " ");
/** What the page states: the rows of its table by their first cell, and its list items. */
const statements = [
  ...[...page.matchAll(/^\| ([^|]*?) +\|/gm)].map(([, cell]) => cell).filter((cell) => !/^(here|-+)$/.test(cell)),
  ...[...page.matchAll(/^- (.*)$/gm)].map(([, item]) => item),
];
const tested = new Set<string>();

/** Finds what a test is about in the page, by its beginning. */
function stated(beginning: string): string {
  const found = statements.filter((statement) => statement.startsWith(beginning));
  tested.add(found[0] ?? "");
  return beginning;
}

type Body = (t: Tools, create: CreateSocket) => unknown;

/** Declares the tests of a row: what comes of it here, and in Node. */
function difference(beginning: string, body: Body, here: unknown, inNode: unknown, skip?: string): void {
  const name = stated(beginning);
  test(name, async (t) => assertEquals(await body(t, createSocket), here), { skip });
  test(`${name} [node:dgram]`, async (t) => {
    assertEquals(await body(t, builtin.createSocket as unknown as CreateSocket), inNode);
  }, { skip: runtime === "node" ? skip : "run in Node 26" });
}

async function boundTo(t: Tools, create: CreateSocket, type: SocketType = "udp4"): Promise<Socket> {
  const socket = t.track(create(type));
  await new Promise<void>((resolve) => socket.bind(0, type === "udp4" ? "127.0.0.1" : "::1", resolve));
  return socket;
}

async function closedSocket(t: Tools, create: CreateSocket): Promise<Socket> {
  const socket = await boundTo(t, create);
  await new Promise<void>((resolve) => socket.close(resolve));
  return socket;
}

/** The code of what an action throws, or what it returns. */
function codeOf(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message;
  }
}

difference(
  "setters (`setBroadcast`",
  async (t, create) => {
    const socket = await boundTo(t, create);
    return [socket.setBroadcast(true), socket.setRecvBufferSize(65_536)];
  },
  [true, true],
  [undefined, undefined],
);

difference(
  "a method on a closed socket",
  async (t, create) => {
    const socket = await closedSocket(t, create);
    return String(codeOf(() => socket.setBroadcast(true))).replace(/ \(reading.*/, "");
  },
  "ERR_SOCKET_DGRAM_NOT_RUNNING",
  "Cannot read properties of null",
);

difference(
  "`connect()` on a closed socket",
  async (t, create) => {
    const socket = t.socket("udp4");
    socket.close();
    const other = create("udp4");
    other.close();
    const code = codeOf(() => other.connect(9, "127.0.0.1", () => {}));
    const repeated = codeOf(() => other.connect(9, "127.0.0.1", () => {}));
    await turn();
    return [code, repeated];
  },
  ["ERR_SOCKET_DGRAM_NOT_RUNNING", "ERR_SOCKET_DGRAM_NOT_RUNNING"],
  ["ERR_SOCKET_DGRAM_NOT_RUNNING", "ERR_SOCKET_DGRAM_IS_CONNECTED"],
);

difference(
  "a message that was sent in the turn of `close()`",
  async (t, create) => {
    const receiver = await t.bound("udp4");
    const { port } = receiver.address();
    const sender = await boundTo(t, create);
    const arriving = nextMessage(receiver);
    let calls = 0;
    sender.send("with close()", port, "127.0.0.1", () => calls++);
    await new Promise<void>((resolve) => sender.close(resolve));
    await sent(t.socket("udp4"), "later", port, "127.0.0.1");
    return [(await arriving).text, calls];
  },
  ["with close()", 0],
  ["later", 0],
);

difference(
  "a message that was sent before `connectSync()`",
  async (t, create) => {
    const [named, peer] = [await t.bound("udp4"), await t.bound("udp4")];
    const sender = await boundTo(t, create);
    const arriving = nextMessage(named);
    const outcome = new Promise((resolve) => {
      sender.send("to one", named.address().port, "127.0.0.1", (error) => resolve(error && "error"));
    });
    sender.connectSync(peer.address().port, "127.0.0.1");
    await outcome;
    await sent(t.socket("udp4"), "later", named.address().port, "127.0.0.1");
    return [await outcome, (await arriving).text];
  },
  [null, "to one"],
  ["error", "later"],
);

difference(
  "`getSendQueueSize()` and `getSendQueueCount()`",
  async (t, create) => {
    const sender = await boundTo(t, create);
    const { port } = sender.address();
    for (const text of ["12345", "123"]) sender.send(text, port, "127.0.0.1");
    return [sender.getSendQueueSize(), sender.getSendQueueCount()];
  },
  [8, 2],
  [0, 0],
);

difference(
  "an interface of multicast",
  async (t, create) => {
    const socket = await boundTo(t, create);
    return codeOf(() => socket.setMulticastInterface("lo"));
  },
  true,
  "EINVAL",
  linuxOnly("an interface called lo"),
);

difference(
  "a membership on what is no interface",
  (t, create) => {
    const socket = t.track(create("udp4"));
    const code = codeOf(() => socket.addMembership("239.255.37.2", "nosuch0"));
    return [code, codeOf(() => socket.address().family)];
  },
  ["EINVAL", "EBADF"],
  ["EINVAL", "IPv4"],
);

/** Joins a group in a namespace, and prints which protocol the socket then has. */
async function familyOf(t: Tools, module: string): Promise<string> {
  const code = `import { createSocket } from "${module}";
    const socket = createSocket("udp6");
    socket.addMembership("239.255.37.2", "127.0.0.1");
    console.log(socket.address().family);
    socket.close();`;
  const words = commandFor(writeProgram(scratch(t, {}), "join", code));
  const [command, ...args] = new Network(t).host("guide").command(...words);
  const { stdout, stderr } = await ended(spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] }), 20_000);
  return stdout.trim() + stderr;
}

difference(
  "an unbound socket that joins a group of the other protocol",
  (t, create) => familyOf(t, create === createSocket ? "@dgram/ffi" : "node:dgram"),
  "IPv6",
  "IPv4",
  noNamespaces,
);

// The paragraph below the table.

test("the bytes of a message are copied before send() returns; Node reads them later", async (t) => {
  const outcomeOf = async (create: CreateSocket): Promise<string> => {
    const receiver = await t.bound("udp4");
    const sender = await boundTo(t, create);
    const bytes = new TextEncoder().encode("as it was");
    const arriving = nextMessage(receiver);
    sender.send(bytes, receiver.address().port, "127.0.0.1");
    bytes.fill(0x78);
    return (await arriving).text;
  };
  assertEquals(await outcomeOf(createSocket), "as it was");
  if (runtime === "node") {
    assertEquals(await outcomeOf(builtin.createSocket as unknown as CreateSocket), "xxxxxxxxx");
  }
});

test(
  "messages of one turn leave together at its end; on a connected socket the first leaves within send()",
  async (t) => {
    const receiver = await t.bound("udp4");
    const { port } = receiver.address();
    const arriving = nextMessages(receiver, 10);
    const sender = await t.bound("udp4");
    for (let i = 0; i < 10; i++) sender.send(`${i}`, port, "127.0.0.1");
    assertEquals(sender.getStatistics().sent.datagrams, 0);
    assertEquals((await arriving).map(({ text }) => text).join(""), "0123456789");
    assertEquals([sender.getStatistics().sent.datagrams, sender.getStatistics().sent.systemCalls], [10, 1]);
    const connected = await t.bound("udp4");
    connected.connectSync(port, "127.0.0.1");
    for (let i = 0; i < 10; i++) connected.send(`${i}`);
    assertEquals(connected.getStatistics().sent.datagrams, 1);
  },
  { skip: linuxOnly("sendmmsg") },
);

// Whose memory.

test(stated("A received message has an ArrayBuffer to itself"), async (t) => {
  const receiver = await t.bound("udp4");
  const arriving = nextMessages(receiver, 3);
  t.socket("udp4").sendMany(["one", "two", "three"], receiver.address().port, "127.0.0.1");
  const messages = (await arriving).map(({ message }) => message);
  assertEquals(messages.map(({ byteOffset, buffer }) => [byteOffset, buffer.byteLength]), [[0, 3], [0, 3], [0, 5]]);
  const moved = structuredClone(messages[0].buffer, { transfer: [messages[0].buffer as ArrayBuffer] });
  messages[1].fill(0);
  assertEquals([new TextDecoder().decode(moved), messages[0].length, `${messages[2]}`], ["one", 0, "three"]);
});

test(stated("`rinfo` is an object of its own"), async (t) => {
  const receiver = await t.bound("udp4");
  const arriving = nextMessages(receiver, 2);
  t.socket("udp4").sendMany(["one", "two"], receiver.address().port, "127.0.0.1");
  const [one, two] = await arriving;
  assert(one.remote !== two.remote);
  assertEquals({ ...one.remote }, { ...two.remote });
});

test(stated("A batch of `'messages'` is lent"), async (t) => {
  const receiver = await t.bound("udp4");
  const arriving = new Promise<[MessageBatch, number]>((resolve) => {
    receiver.once("messages", (batch) => resolve([batch, batch.length]));
  });
  await sent(t.socket("udp4"), "hello", receiver.address().port, "127.0.0.1");
  const [batch, length] = await arriving;
  assertEquals([length, batch.length, batch.bytes.length], [1, 0, 0]);
});

// When things happen.

for (const isConnected of [false, true]) {
  const kind = isConnected ? "connected" : "unconnected";
  testAlike(`${stated("The callback of `send()` comes")} (${kind})`, async (t, create) => {
    const receiver = await t.bound("udp4");
    const { port } = receiver.address();
    const sender = await boundTo(t, create);
    if (isConnected) await new Promise<void>((resolve) => sender.connect(port, "127.0.0.1", () => resolve()));
    await turn();
    const record = await new Promise<string[]>((resolve) => {
      const order: string[] = [];
      const callback = (): void => void order.push("callback");
      // The program's own ticks, which follow each other.
      const tick = (n: number): void => {
        order.push(`tick ${n}`);
        if (n < 4) process.nextTick(tick, n + 1);
        else resolve(order);
      };
      if (isConnected) sender.send("x", callback);
      else sender.send("x", port, "127.0.0.1", callback);
      process.nextTick(tick, 1);
    });
    const at = record.indexOf("callback");
    assertEquals(at, isConnected ? 0 : 1, record.join());
  });
}

test("if the kernel has no room, the callback of send() comes when there was", async (t) => {
  const faults = injectFaults(t);
  const receiver = await t.bound("udp4");
  const sender = await t.bound("udp4");
  const full = faults.fail("sendmmsg", "EAGAIN", Infinity, sender.fd);
  let isCalled = false;
  const sending = sent(sender, "waits", receiver.address().port, "127.0.0.1").then(() => isCalled = true);
  for (let i = 0; i < 20; i++) await turn();
  assertEquals([isCalled, sender.getSendQueueCount()], [false, 1]);
  const arriving = nextMessage(receiver);
  faults.repair(full);
  await sending;
  assertEquals((await arriving).text, "waits");
});

testAlike(stated("Each message is an event with ticks and promise jobs of its own"), async (t, create) => {
  const receiver = await boundTo(t, create);
  const record: string[] = [];
  const over = new Promise<void>((resolve) => {
    receiver.on("message", (message) => {
      record.push(`${message}`);
      process.nextTick(() => record.push("tick"));
      Promise.resolve().then(() => record.push("job"));
      if (`${message}` === "2") setTimeout(resolve, 0);
    });
  });
  t.socket("udp4").sendMany(["1", "2"], receiver.address().port, "127.0.0.1");
  await over;
  assertEquals(record, ["1", "tick", "job", "2", "tick", "job"]);
});

/** A socket that finds as many datagrams when it is resumed. */
async function flooded(t: Tools, total: number): Promise<Socket> {
  const receiver = await t.bound({ type: "udp4", recvBufferSize: 1 << 20, gro: false });
  receiver.pause();
  const { port } = receiver.address();
  await new Promise<void>((resolve) => {
    t.socket("udp4").sendMany(Array<string>(total).fill("x"), port, "127.0.0.1", () => resolve());
  });
  return receiver;
}

test(stated("A flooded socket gives way"), async (t) => {
  const sockets = [await flooded(t, 2000), await flooded(t, 2000)];
  const order: number[] = [];
  const all = new Promise<void>((resolve) => {
    for (const [i, socket] of sockets.entries()) {
      socket.on("message", () => {
        if (order.push(i) === 4000) resolve();
      });
    }
  });
  for (const socket of sockets) socket.resume();
  await all;
  const [first] = order;
  const taken = order.findIndex((i) => i !== first);
  // A slow machine takes 5 ms for less.
  assert(taken > 0 && taken <= 512, `${taken} of one socket`);
  // Of listeners that take 2 ms three fit in a turn, or four.
  const slow = await flooded(t, 20);
  const count = await new Promise<number>((resolve) => {
    let count = 0;
    slow.on("message", () => {
      if (++count === 1) setTimeout(() => resolve(count), 0);
      for (const start = performance.now(); performance.now() - start < 2;);
    });
    slow.resume();
  });
  assert(count <= 8, `${count} before a timer`);
}, { skip: linuxOnly("UDP_GRO") });

test("beside other sockets a socket gives way after 32 datagrams once a call has found no more", async (t) => {
  const [busy, other, client] = [await t.bound("udp4"), await t.bound("udp4"), await t.bound("udp4")];
  let count = 0;
  const countBefore = new Promise<number>((resolve) => other.once("message", () => resolve(count)));
  // Each datagram brings the next one, so a call finds no more than one.
  busy.on("message", () => {
    count++;
    client.sendSync("again", busy.address().port, "127.0.0.1");
  });
  client.sendSync("first", busy.address().port, "127.0.0.1");
  client.sendSync("the other's", other.address().port, "127.0.0.1");
  const before = await countBefore;
  busy.close();
  assert(before <= 33, `${before} before the other's`);
});

for (const end of ["return", "process.exit()", 'throw new Error("the end")']) {
  test(`${stated("Before the program ends")} (${end})`, async (t) => {
    const receiver = await t.bound("udp4");
    const arriving = nextMessage(receiver);
    const code = `import { createSocket } from "@dgram/ffi";
      import process from "node:process";
      function main() {
        const socket = createSocket("udp4").unref();
        socket.bindSync();
        socket.send("last words", ${receiver.address().port}, "127.0.0.1");
        ${end};
      }
      main();`;
    const [command, ...args] = commandFor(writeProgram(scratch(t, {}), "main", code));
    await ended(spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] }), 20_000);
    assertEquals((await arriving).text, "last words");
  });
}

test("every statement of the guide has a test", () => {
  const references = ["[architecture.md](architecture.md) has the tables"];
  const untested = statements.filter((statement) => !tested.has(statement))
    .filter((statement) => !references.some((reference) => statement.startsWith(reference)));
  assertEquals(untested, []);
  assertEquals([tested.has(""), tested.size], [false, 9 + 3 + 4]);
});
