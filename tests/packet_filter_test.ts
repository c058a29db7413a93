/**
 * Packet filters in the kernel: what they keep, which socket they choose, and programs that never reach the kernel.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { FilterInstruction, Socket } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextMessages, sent, test, testBoth, type Tools } from "./support/harness.ts";
import { kernelOption } from "./support/kernel.ts";
import { addressOf, noNamespaces, twoHosts } from "./support/namespaces.ts";
import { commandFor, fixture } from "./support/runtime.ts";

// <linux/bpf_common.h>: BPF_LD | BPF_B | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JA, BPF_RET | BPF_K, BPF_RET | BPF_A
const [LOAD_BYTE, JUMP_IF_EQUAL, JUMP, RETURN, RETURN_A] = [0x30, 0x15, 0x05, 0x06, 0x16];
const ALL = 0xffffffff;

const instruction = (code: number, k: number, jt = 0, jf = 0): FilterInstruction => ({ code, jt, jf, k });

/** Keeps datagrams that begin with a letter, whole or cut to some bytes of payload. */
function startsWith(letter: string, keep = ALL): FilterInstruction[] {
  return [
    // Behind the UDP header.
    instruction(LOAD_BYTE, 8),
    instruction(JUMP_IF_EQUAL, letter.charCodeAt(0), 0, 1),
    instruction(RETURN, keep),
    instruction(RETURN, 0),
  ];
}

/** Sends messages in one turn and gives those that came, up to the last one, which must come. */
async function passed(from: Socket, to: Socket, address: string, messages: readonly string[]): Promise<string[]> {
  const heard: string[] = [];
  const all = new Promise<void>((resolve) => {
    const onMessage = (message: Uint8Array): void => {
      heard.push(new TextDecoder().decode(message));
      if (heard.at(-1) !== messages.at(-1)) return;
      to.removeListener("message", onMessage);
      resolve();
    };
    to.on("message", onMessage);
  });
  await Promise.all(messages.map((message) => sent(from, message, to.address().port, address)));
  await all;
  return heard;
}

testBoth("a filter keeps only what it should, also of datagrams that were sent together", async (t, family) => {
  const receiver = t.socket(family.type);
  assertEquals(receiver.attachFilter(startsWith("k")), true);
  receiver.bindSync({ address: family.loopback });
  const sender = await t.bound(family.type);
  const messages = ["drop1", "keep1", "drop2", "drop3", "keep2", "keep3", "drop4", "keep4"];
  assertEquals(await passed(sender, receiver, family.loopback, messages), ["keep1", "keep2", "keep3", "keep4"]);
  assertEquals(receiver.getDropCount(), 4, "the counter has what the filter dropped");
});

testBoth("a filter can be attached to a socket that receives, replaced and taken away", async (t, family) => {
  const receiver = await t.bound(family.type);
  const { port } = receiver.address();
  const sender = await t.bound(family.type);
  const messages = ["a1", "b1", "c1", "a2", "b2", "c2"];
  const through = (last: string): Promise<string[]> =>
    passed(sender, receiver, family.loopback, [...messages, `${last}9`]);
  assertEquals(kernelOption(port, "UDP_GRO"), 1);
  receiver.attachFilter(startsWith("a"));
  assertEquals(kernelOption(port, "UDP_GRO"), 0, "a filter has to see each datagram");
  assertEquals(await through("a"), ["a1", "a2", "a9"]);
  receiver.attachFilter(startsWith("b"));
  assertEquals(await through("b"), ["b1", "b2", "b9"]);
  assertEquals(receiver.detachFilter(), true);
  assertEquals(kernelOption(port, "UDP_GRO"), 1);
  assertEquals(await through("x"), [...messages, "x9"]);
  const none = assertThrows(() => receiver.detachFilter()) as Error & { code: string };
  assertEquals([none.code, none.message], ["ENOENT", "setsockopt SO_DETACH_FILTER ENOENT"]);
});

testBoth("a filter says how many bytes of a datagram are kept", async (t, family) => {
  const receiver = await t.bound(family.type);
  receiver.attachFilter(startsWith("k", 8 + 3));
  const sender = await t.bound(family.type);
  assertEquals(await passed(sender, receiver, family.loopback, ["keep this", "kee"]), ["kee"]);
});

test("a locked filter stays, and the error says why", async (t) => {
  const receiver = await t.bound("udp4");
  receiver.attachFilter(startsWith("k"));
  assertEquals(receiver.lockFilter(), true);
  const locked = "EPERM: the filter is locked (SO_LOCK_FILTER)";
  assertThrows(() => receiver.attachFilter(startsWith("x")), Error, `setsockopt SO_ATTACH_FILTER ${locked}`);
  assertThrows(() => receiver.detachFilter(), Error, `setsockopt SO_DETACH_FILTER ${locked}`);
  const sender = await t.bound("udp4");
  assertEquals(await passed(sender, receiver, "127.0.0.1", ["x", "k"]), ["k"]);
});

test("a program of the greatest length is taken", async (t) => {
  const receiver = await t.bound("udp4");
  // Older kernels have less room for the longest.
  const length = Number(readFileSync("/proc/sys/net/core/optmem_max", "utf8")) >= 131_072 ? 4096 : 1024;
  const program = [
    instruction(JUMP, length - 96),
    ...Array.from({ length: length - 2 }, () => instruction(RETURN, 0)),
    instruction(RETURN, ALL),
  ];
  receiver.attachFilter(program);
  receiver.detachFilter();
  // The last that can be jumped to.
  program[0] = instruction(JUMP, length - 2);
  receiver.attachFilter(program);
  const sender = await t.bound("udp4");
  assertEquals(await passed(sender, receiver, "127.0.0.1", ["whole"]), ["whole"]);
});

test("a program that cannot be right is refused before it goes down", (t) => {
  const faults = injectFaults(t);
  const socket = t.socket("udp4");
  const ret = instruction(RETURN, 0);
  const wrong: [unknown, string, string][] = [
    [undefined, "ERR_INVALID_ARG_TYPE", "program"],
    [{ length: 1, 0: ret }, "ERR_INVALID_ARG_TYPE", "program"],
    [[], "ERR_OUT_OF_RANGE", "program.length"],
    [Array.from({ length: 4097 }, () => ret), "ERR_OUT_OF_RANGE", "program.length"],
    [[ret, null], "ERR_INVALID_ARG_TYPE", "program[1]"],
    [[, ret], "ERR_INVALID_ARG_TYPE", "program[0]"],
    [[{ ...ret, code: 65_536 }], "ERR_OUT_OF_RANGE", "program[0].code"],
    [[{ ...ret, jt: 256 }], "ERR_OUT_OF_RANGE", "program[0].jt"],
    [[{ ...ret, jf: -1 }], "ERR_OUT_OF_RANGE", "program[0].jf"],
    [[{ ...ret, k: 2 ** 32 }], "ERR_OUT_OF_RANGE", "program[0].k"],
    [[{ ...ret, k: 0.5 }], "ERR_OUT_OF_RANGE", "program[0].k"],
    [[{ ...ret, k: 1n }], "ERR_INVALID_ARG_TYPE", "program[0].k"],
    [[instruction(LOAD_BYTE, 8)], "ERR_INVALID_ARG_VALUE", "must end with a BPF_RET"],
    [[instruction(JUMP_IF_EQUAL, 1, 1, 0), ret], "ERR_INVALID_ARG_VALUE", "program[0]"],
    [[instruction(JUMP_IF_EQUAL, 1, 0, 1), ret], "ERR_INVALID_ARG_VALUE", "program[0]"],
    [[instruction(JUMP, 1), ret], "ERR_INVALID_ARG_VALUE", "must not jump out of the program"],
    [[instruction(JUMP, ALL), ret], "ERR_INVALID_ARG_VALUE", "must not jump out of the program"],
    // Its iterator gives other elements than it has.
    [Object.assign([null], { *[Symbol.iterator]() {} }), "ERR_INVALID_ARG_TYPE", "program[0]"],
  ];
  for (const attach of ["attachFilter", "attachReusePortFilter"] as const) {
    for (const [program, code, text] of wrong) {
      const error = assertThrows(() => socket[attach](program as FilterInstruction[]), Error, text);
      assertEquals((error as Error & { code: string }).code, code, text);
    }
  }
  assertEquals(faults.callsOf("setsockopt").length, 0);
});

test("what only the kernel can find wrong is its error", (t) => {
  const socket = t.socket("udp4");
  const unknown = [instruction(0xfff8, 0), instruction(RETURN, 0)];
  assertThrows(() => socket.attachFilter(unknown), Error, "setsockopt SO_ATTACH_FILTER EINVAL");
});

/** Sockets that share a port, in the order of their index. */
async function sharing(t: Tools, type: "udp4" | "udp6", count: number): Promise<Socket[]> {
  const first = await t.bound({ type, reusePort: true });
  const { address, port } = first.address();
  const others = Array.from({ length: count - 1 }, () => t.socket({ type, reusePort: true }));
  for (const socket of others) socket.bindSync({ address, port });
  // They are set up for receiving from the next turn of the event loop on.
  await new Promise((resolve) => setImmediate(resolve));
  return [first, ...others];
}

testBoth("a program steers datagrams among the sockets of a port", async (t, family) => {
  const sockets = await sharing(t, family.type, 3);
  const { port } = sockets[0].address();
  // The payload's first byte is the index.
  assertEquals(sockets[1].attachReusePortFilter([instruction(LOAD_BYTE, 0), instruction(RETURN_A, 0)]), true);
  const sender = await t.bound({ type: family.type, gso: false });
  const arriving = sockets.map((socket, i) => nextMessages(socket, i + 1));
  for (const index of [0, 1, 1, 2, 2, 2]) await sent(sender, new Uint8Array([index, 7]), port, family.loopback);
  const arrived = await Promise.all(arriving);
  assertEquals(arrived.map((messages) => messages.map(({ message }) => message[0])), [[0], [1, 1], [2, 2, 2]]);
  assertEquals(sockets[1].detachReusePortFilter(), true);
  const error = assertThrows(() => sockets[1].detachReusePortFilter()) as Error & { code: string };
  assert(["ENOENT", "EINVAL"].includes(error.code), error.code);
});

testBoth(
  "while a program chooses, no socket of the port takes datagrams together, a later one neither",
  async (t, family) => {
    const options = { type: family.type, reusePort: true };
    const sockets = await sharing(t, family.type, 2);
    const { address, port } = sockets[0].address();
    const together = (): number[] => sockets.map((socket) => socketOption(socket, "UDP_GRO"));
    assertEquals(together(), [1, 1]);
    sockets[1].attachReusePortFilter([instruction(LOAD_BYTE, 0), instruction(RETURN_A, 0)]);
    assertEquals(together(), [0, 0]);
    sockets.push(t.socket(options));
    sockets[2].bindSync({ address, port });
    await new Promise((resolve) => setImmediate(resolve));
    assertEquals(together(), [0, 0, 0]);
    sockets[0].attachFilter([instruction(RETURN, ALL)]);
    sockets[2].detachReusePortFilter();
    assertEquals(together(), [0, 1, 1]);
    sockets[0].detachFilter();
    assertEquals(together(), [1, 1, 1]);
    const elsewhere = await t.bound(options);
    sockets[0].attachReusePortFilter([instruction(RETURN, 0)]);
    assertEquals(socketOption(elsewhere, "UDP_GRO"), 1, "another port's");
  },
);

/** What the kernel has for a socket that shares its port with others. */
function socketOption(socket: Socket, name: "UDP_GRO"): number {
  return socket.getsockopt("IPPROTO_UDP", name).readInt32LE();
}

testBoth("a program sees each datagram that a device could put together with others", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  hosts.a.run(...commandFor(fixture("ethtool"), ["veth0", "tso", "off"]));
  hosts.b.run(...commandFor(fixture("ethtool"), ["veth0", "gro", "on"]));
  hosts.b.run("sh", "-c", "echo 20000000 > /sys/class/net/veth0/gro_flush_timeout");
  const options = { type: family.type, reusePort: true, recvBufferSize: 1 << 20 };
  const first = await b.bound(options, family.any);
  const receivers = [first, ...await Promise.all([1, 2, 3].map(() => b.bound(options, family.any, first.port)))];
  // The payload's first byte less that of "0" is the index.
  const SUBTRACT = 0x14;
  await receivers[1].call("attachReusePortFilter", [
    instruction(LOAD_BYTE, 0),
    instruction(SUBTRACT, 48),
    instruction(RETURN_A, 0),
  ]);
  const sender = await a.bound({ type: family.type, gso: false }, family.any);
  const texts = Array.from({ length: 400 }, (_, i) => `${i % 4} ${String(i).padStart(3, "0")}`);
  await sender.call("sendMany", texts, first.port, addressOf(family, 2));
  for (const [index, receiver] of receivers.entries()) {
    for (let i = index; i < 400; i += 4) assertEquals((await receiver.next()).text, texts[i]);
  }
}, { skip: noNamespaces });
