/**
 * Segmentation and receive offload: what the wire carries and what arrives is the same with and without.
 *
 * @module
 */
import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Libc } from "../ffi/libc/libc.ts";
import { currentRuntime, replaceLibc } from "../ffi/load.ts";
import type { MessageBatch, Socket } from "../mod.ts";
import { runningUdpEndpoint } from "../src/endpoint/socket_state.ts";
import { Inbox } from "../src/receiving/inbox.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { type Family, nextMessages, sent, test, testBoth, type Tools } from "./support/harness.ts";
import { Network, noNamespaces } from "./support/namespaces.ts";
import {
  commandFor,
  ended,
  entry,
  isDarwin,
  linuxOnly,
  preloading,
  runFixture,
  startFixture,
} from "./support/runtime.ts";

/** Sizes that begin, extend and end runs: equal, shorter, longer, empty, and the border of a payload. */
const SIZES: Record<string, number[]> = {
  "of one size": Array(200).fill(64),
  "of one size but the last": [...Array(30).fill(1200), 7],
  "that grow": Array.from({ length: 100 }, (_, i) => i),
  "that shrink": Array.from({ length: 100 }, (_, i) => 100 - i),
  "with empty ones between": [64, 64, 0, 64, 0, 0, 64, 64, 64],
  "that fill a payload to the last byte": [...Array(6).fill(10_000), 5_507, 10_000],
  "as large as they can be": [65_507, 65_507, 3],
};

/** Messages of macOS may be as large as the send buffer: 9,216 bytes at first. */
const roomToSend = isDarwin ? { sendBufferSize: 1 << 20 } : {};

/** Sends messages of these sizes in one turn and compares what arrives. */
async function exchange(t: Tools, family: Family, sizes: number[], gso: boolean, gro: boolean): Promise<void> {
  const receiver = await t.bound({ type: family.type, gro, recvBufferSize: 4 << 20 });
  const sender = await t.bound({ type: family.type, gso, ...roomToSend });
  const messages = sizes.map((size, index) => Uint8Array.from({ length: size }, (_, i) => (index * 7 + i) % 256));
  const arriving = nextMessages(receiver, messages.length);
  const sizesSent: number[] = [];
  const { port } = receiver.address();
  await Promise.all(messages.map(async (message, index) => {
    sizesSent[index] = await sent(sender, message, port, family.loopback);
  }));
  assertEquals(sizesSent, sizes);
  const arrived = await arriving;
  assertEquals(arrived.map(({ message }) => new Uint8Array(message)), messages);
  for (const { message, remote } of arrived) {
    assertEquals(remote, {
      address: family.loopback,
      family: family.name,
      port: sender.address().port,
      size: message.length,
    });
  }
}

for (const [name, sizes] of Object.entries(SIZES)) {
  for (const [gso, gro] of [[true, true], [true, false], [false, true], [false, false]]) {
    testBoth(`messages ${name} arrive as they were sent with gso ${gso} and gro ${gro}`, (t, family) => {
      return exchange(t, family, sizes, gso, gro);
    });
  }
}

testBoth("a small datagram of a large burst keeps no more than 16 KiB alive", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = await t.bound(family.type);
  const arriving = nextMessages(receiver, 64);
  for (let i = 0; i < 64; i++) sender.send(new Uint8Array(1000), receiver.address().port, family.loopback);
  for (const { message } of await arriving) assert(message.buffer.byteLength <= 16_384, `${message.buffer.byteLength}`);
});

testBoth("datagrams that arrived together can be changed without touching each other", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = await t.bound(family.type);
  const arriving = nextMessages(receiver, 10);
  for (let i = 0; i < 10; i++) sender.send(Uint8Array.of(i, i), receiver.address().port, family.loopback);
  const messages = (await arriving).map(({ message }) => message);
  messages[4].fill(99);
  assertEquals(messages.map(([byte]) => byte), [0, 1, 2, 3, 99, 5, 6, 7, 8, 9]);
});

/** A kernel that takes no segmented payload: like a real one, it sends what stands before. */
function refusing(libc: Libc, errnoName: string, calls: { segmented: number }): Libc {
  const { mmsghdr, msghdr } = libc.abi.layouts;
  return new Proxy(libc, {
    get(target, property) {
      if (property !== "sendmmsg") {
        const value = target[property as keyof Libc];
        return typeof value === "function" ? (value as CallableFunction).bind(target) : value;
      }
      const sendmmsg: Libc["sendmmsg"] = (fd, msgvec, vlen, flags) => {
        const { view } = msgvec.memory;
        const first = msgvec.memory.size - msgvec.room;
        const isSegmented = (slot: number): boolean =>
          view.getUint32(first + slot * mmsghdr.size + msghdr.msg_controllen, true) > 0;
        const segmented = Array.from({ length: vlen }, (_, slot) => slot).findIndex(isSegmented);
        if (segmented === 0) {
          calls.segmented++;
          return -libc.abi.errno[errnoName];
        }
        return target.sendmmsg(fd, msgvec, segmented < 0 ? vlen : segmented, flags);
      };
      return sendmmsg;
    },
  });
}

for (const errno of ["EINVAL", "EIO", "EMSGSIZE", "ENOPROTOOPT"]) {
  test(`where the kernel refuses segments with ${errno}, each message is sent singly, once, in order`, async (t) => {
    const calls = { segmented: 0 };
    t.cleanup(replaceLibc((libc) => refusing(libc, errno, calls)));
    const receiver = await t.bound({ type: "udp4", recvBufferSize: 4 << 20 });
    const sender = await t.bound("udp4");
    const { port } = receiver.address();
    for (let turn = 0; turn < 3; turn++) {
      const arriving = nextMessages(receiver, 50);
      const texts = Array.from({ length: 50 }, (_, i) => `${turn}:${String(i).padStart(3, "0")}`);
      await Promise.all(texts.map((text) => sent(sender, text, port, "127.0.0.1")));
      assertEquals((await arriving).map(({ text }) => text), texts);
    }
    assertEquals(calls.segmented, 1, "it was tried once and remembered");
  }, { skip: linuxOnly("UDP_SEGMENT") });
}

test("where the kernel takes 64 segments only, none is lost and later payloads have no more", async (t) => {
  const faulty = injectFaults(t);
  const receiver = await t.bound({ type: "udp4", recvBufferSize: 4 << 20 });
  const sender = await t.bound("udp4");
  const { port } = receiver.address();
  const payloadsOfTurn = async (turn: number): Promise<number> => {
    const before = faulty.callsOf("sendmmsg").length;
    const arriving = nextMessages(receiver, 200);
    const texts = Array.from({ length: 200 }, (_, i) => `${turn}:${String(i).padStart(3, "0")}`);
    await Promise.all(texts.map((text) => sent(sender, text, port, "127.0.0.1")));
    assertEquals((await arriving).map(({ text }) => text), texts);
    return faulty.callsOf("sendmmsg").slice(before).reduce((sum, { result }) => sum + Math.max(result, 0), 0);
  };
  faulty.fail("sendmmsg", "EINVAL", 1);
  await payloadsOfTurn(0);
  assertEquals(await payloadsOfTurn(1), 4);
}, { skip: linuxOnly("UDP_SEGMENT") });

test("an error of a segmented payload fails its first message only", async (t) => {
  let failures = 1;
  t.cleanup(replaceLibc((libc) =>
    new Proxy(libc, {
      get(target, property) {
        const value = target[property as keyof Libc];
        if (property === "sendmmsg" && failures-- > 0) return () => -libc.abi.errno.ECONNREFUSED;
        return typeof value === "function" ? (value as CallableFunction).bind(target) : value;
      },
    })
  ));
  const receiver = await t.bound("udp4");
  const sender = await t.bound("udp4");
  const arriving = nextMessages(receiver, 9);
  const { port } = receiver.address();
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, i) => sent(sender, String(i), port, "127.0.0.1")),
  );
  assertEquals((await arriving).map(({ text }) => text), ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  assertEquals(results.map(({ status }) => status), ["rejected", ...Array(9).fill("fulfilled")]);
});

test("gso and gro must be booleans", (t) => {
  for (const name of ["gso", "gro"]) {
    const error = assertThrows(() => t.socket({ type: "udp4", [name]: 1 }), TypeError);
    assertEquals((error as { code?: string }).code, "ERR_INVALID_ARG_TYPE");
  }
});

test("DGRAM_FFI_OFFLOAD=off turns offload off for a process, whatever its sockets ask for", async () => {
  const run = async (value: string): Promise<unknown> => {
    const { stdout, stderr } = await runFixture("offload", [], { env: { ...process.env, DGRAM_FFI_OFFLOAD: value } });
    assertEquals(stderr, "");
    return JSON.parse(stdout);
  };
  assertEquals(await run("off"), { gro: 0, payloads: 10 });
  assertEquals(await run(""), { gro: 1, payloads: 1 });
}, { skip: linuxOnly("UDP_SEGMENT and UDP_GRO to read back") });

test("DGRAM_FFI_OFFLOAD=off holds for a program that has this module as its dgram", async () => {
  const run = async (value: string): Promise<unknown> => {
    const env = { ...process.env, DGRAM_FFI_OFFLOAD: value };
    const child = startFixture("offload", ["registered"], { env }, preloading(entry("register")));
    const { stdout, stderr } = await ended(child, 20_000);
    assertEquals(stderr, "");
    return JSON.parse(stdout);
  };
  assertEquals(await run("off"), { gro: 0, payloads: 10 });
  assertEquals(await run(""), { gro: 1, payloads: 1 });
}, { skip: linuxOnly("UDP_SEGMENT and UDP_GRO to read back") });

test("an adopted socket for ICMP's echo requests sends each as it is: examples/ping.ts", (t) => {
  const host = new Network(t).host("a");
  host.run("sh", "-c", "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range");
  const answers = host.run(...commandFor(entry("examples/ping"), ["127.0.0.1"])).trim().split("\n");
  assertEquals(
    answers.map((line) => line.replace(/ time=.*/, "")),
    [0, 1, 2, 3, 4].map((number) => `64 bytes from 127.0.0.1: seq=${number} ttl=64`),
  );
}, { skip: noNamespaces });

/** A socket whose descriptor another reader has, too, who knows nothing of UDP_GRO: `read` gives the sizes of what waits there. */
async function shared(t: Tools, family: Family) {
  const receiver = await t.bound(family.type);
  const { libc } = currentRuntime();
  const fd = runningUdpEndpoint(receiver).duplicate();
  t.cleanup(() => libc.close(fd));
  const inbox = new Inbox(currentRuntime());
  const read = (): number[] => {
    const received = inbox.receive(fd);
    return typeof received === "number" ? [] : received.map(({ length }) => length);
  };
  return { receiver, read };
}

testBoth("who shares a descriptor and knows nothing of UDP_GRO gets datagrams one by one", async (t, family) => {
  const { receiver, read } = await shared(t, family);
  const sender = await t.bound(family.type);
  const { port } = receiver.address();
  // The callback comes before the next look at who is ready: nothing has been read here.
  const sizes = await new Promise<number[]>((resolve, reject) => {
    const messages = Array(20).fill("x".repeat(100));
    sender.sendMany(messages, port, family.loopback, (error) => error ? reject(error) : resolve(read()));
  });
  assertEquals(sizes, Array(20).fill(100));
}, { skip: linuxOnly("UDP_GRO") });

testBoth("from a shared descriptor one payload is taken at a time, so that others get theirs", async (t, family) => {
  const faults = injectFaults(t);
  const receiver = await t.bound(family.type);
  const [fd, own] = [faults.lastSocket(), runningUdpEndpoint(receiver).duplicate()];
  t.cleanup(() => currentRuntime().libc.close(own));
  const sender = await t.bound(family.type);
  const arriving = nextMessages(receiver, 5);
  for (let i = 0; i < 5; i++) sender.send(`message ${i}`.padEnd(20 + i), receiver.address().port, family.loopback);
  await arriving;
  const calls = faults.callsOf("recvmmsg", fd);
  assertEquals(calls.filter(({ result }) => result > 0).map(({ args }) => args[2]), [1, 1, 1, 1, 1]);
}, { skip: linuxOnly("recvmmsg") });

/** A program that accepts every datagram whole; as one that selects a socket: the first. */
const ret = (k: number): [{ code: number; jt: number; jf: number; k: number }] => [{ code: 6, jt: 0, jf: 0, k }];

/** What makes the kernel deliver each datagram on its own from then on. */
const APART: Record<string, (socket: Socket) => unknown> = {
  "setRecvDropCount()": (socket) => socket.setRecvDropCount(true),
  "attachFilter()": (socket) => socket.attachFilter(ret(0xffffffff)),
  "attachReusePortFilter()": (socket) => socket.attachReusePortFilter(ret(0)),
  "sharing the descriptor": (socket) => currentRuntime().libc.close(runningUdpEndpoint(socket).duplicate()),
};

const GRO = linuxOnly("UDP_GRO");

/** Messages of a burst: the kernel coalesces them, but the last is shorter. */
const burst = (first: number): string[] =>
  Array.from({ length: 21 }, (_, i) => `${first + i}`.padEnd(i === 20 ? 10 : 50, "."));

for (const [what, disable] of Object.entries(APART)) {
  testBoth(`datagrams that were coalesced before ${what} are told apart`, async (t, family) => {
    const receiver = await t.bound({ type: family.type, reusePort: true });
    const sender = await t.bound(family.type);
    const { port } = receiver.address();
    const send = (messages: string[]): Promise<unknown> =>
      Promise.all(messages.map((message) => sent(sender, message, port, family.loopback)));
    receiver.pause();
    for (const first of [100, 200, 300]) await send(burst(first));
    disable(receiver);
    await send(burst(400));
    const all = [100, 200, 300, 400].flatMap(burst);
    const arriving = nextMessages(receiver, all.length);
    receiver.resume();
    assertEquals((await arriving).map(({ text }) => text), all);
  }, { skip: GRO });
}

testBoth("a listener of 'messages' that has datagrams come one by one keeps its batch", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = await t.bound(family.type);
  const { port } = receiver.address();
  const heard: string[] = [];
  const text = (batch: MessageBatch): string[] =>
    Array.from({ length: batch.length }, (_, i) => new TextDecoder().decode(batch.view(i)));
  const all = [100, 200, 300].flatMap(burst);
  const arrived = new Promise<void>((resolve) => {
    receiver.on("messages", (batch) => {
      const before = text(batch);
      if (heard.length === 0) {
        for (const message of [...burst(200), ...burst(300)]) sender.sendSync(message, port, family.loopback);
        receiver.setRecvDropCount(true);
        assertEquals(text(batch), before);
      }
      heard.push(...before);
      if (heard.length >= all.length) resolve();
    });
  });
  for (const message of burst(100)) sender.send(message, port, family.loopback);
  await arrived;
  assertEquals(heard, all);
}, { skip: GRO });
