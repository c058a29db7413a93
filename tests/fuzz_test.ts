/**
 * The short form of tests/fuzz: the same attacks with few inputs, and each crash that a run has found.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";

import { createSocket, type FilterInstruction, type SendManyOptions } from "../mod.ts";
import { createSocket as createPromiseSocket } from "../promises.ts";
import type { Outcome, Subject } from "./fuzz/subject.ts";
import { SUBJECTS } from "./fuzz/subjects.ts";
import { nextMessage, test } from "./support/harness.ts";
import { testAlike } from "./support/reference.ts";
import { noNamespaces } from "./support/namespaces.ts";
import { commandFor, ended, entry, linuxOnly } from "./support/runtime.ts";

/** Why a subject cannot be attacked within the suite; undefined: it can. */
function reasonAgainst({ few, needsLinux }: Subject): string | undefined {
  return few === 0 ? "it needs another runtime" : needsLinux ? linuxOnly("what is attacked") : undefined;
}

/** Runs a command line where there is nothing but a loopback interface. */
const ISOLATED = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];

const SEED = 20_261_127;

for (const subject of SUBJECTS) {
  test(`made-up input: ${subject.name}`, async () => {
    const words = commandFor(entry("tests/fuzz/main"), [String(SEED), "0", String(subject.few), subject.name]);
    const [command, ...args] = noNamespaces ? words : [...ISOLATED, ...words];
    // In a process of its own, as exceptions may leave callbacks.
    const { code, stdout, stderr } = await ended(spawn(command!, args), 55_000);
    assertEquals([code, (JSON.parse(stdout) as Outcome).findings], [0, []], stdout + stderr);
  }, { skip: reasonAgainst(subject) });
}

test("a filter program is read by index, whatever its iterator gives", async (t) => {
  const socket = await t.bound("udp4");
  const end = { code: 6, jt: 0, jf: 0, k: 0xffff };
  const program = Object.assign([end], { [Symbol.iterator]: () => [][Symbol.iterator]() });
  assertEquals(socket.attachFilter(program), true);
  const disguised = Object.setPrototypeOf([end], Uint8Array.prototype);
  assertEquals(socket.attachFilter(disguised), true);
  const shrinking: FilterInstruction[] = [end, end];
  Object.defineProperty(shrinking, "0", { get: () => (shrinking.length = 1, end) });
  const error = assertThrows(() => socket.attachFilter(shrinking), TypeError);
  assertEquals((error as { code?: string }).code, "ERR_INVALID_ARG_TYPE");
}, { skip: linuxOnly("packet filters") });

testAlike(
  "bytes are those of the memory, whatever a view's prototype or a Buffer's properties say",
  async (t, create) => {
    const receiver = await t.bound("udp4");
    const { port } = receiver.address();
    const socket = t.track(create("udp4"));
    socket.bindSync({ address: "127.0.0.1" });
    const strange = Object.setPrototypeOf(Uint8Array.from([1, 2, 3]), null);
    const liar = Object.defineProperty(Buffer.from("liar"), "byteLength", { value: 2 });
    const float = Object.defineProperty(new Float32Array(2), "byteLength", { value: 0 });
    for (
      const [message, bytes] of [[strange, [1, 2, 3]], [[liar], [...Buffer.from("liar")]], [float, Array(8).fill(0)]]
    ) {
      const arriving = nextMessage(receiver);
      socket.send(message, port, "127.0.0.1");
      assertEquals([...(await arriving).message], bytes);
    }
  },
);

testAlike("bindSync() takes any address that is false for none, as Node does", (t, create) => {
  for (const address of [0, false, "", null, NaN]) {
    const socket = t.track(create("udp4"));
    assertEquals(socket.bindSync({ address: address as string }).address, "0.0.0.0");
  }
});

testAlike("an error shows 128 characters of a value, as Node's do", (t, create) => {
  const socket = t.track(create("udp4"));
  const error = assertThrows(() => socket.connectSync(9, "x".repeat(1000)), TypeError);
  assertEquals(error.message.split("Received ")[1], `'${"x".repeat(127)}...`);
});

test("a function among the options of sendMany() is no callback, so that the promise is settled", async (t) => {
  const socket = t.track(createPromiseSocket("udp4"));
  await socket.bind(0, "127.0.0.1");
  const noPort = (() => {}) as unknown as number;
  await assertRejects(() => socket.sendMany(["x"], noPort), RangeError, "Port should be");
  const options = { port: noPort } as SendManyOptions;
  assertThrows(() => socket.socket.sendMany(["x"], options, () => {}), RangeError, "Port should be");
});

test("a descriptor of a Unix socket's bind() is a number, and -0 is 0", (t) => {
  for (const fd of [NaN, 0.5, "1", -1, null]) {
    const socket = t.track(createSocket("unix_dgram"));
    const error = assertThrows(() => socket.bind({ fd: fd as number }), Error);
    assertEquals((error as { code?: string }).code?.slice(0, 4), "ERR_", String(fd));
  }
  const socket = t.track(createSocket("unix_dgram"));
  assertEquals((assertThrows(() => socket.bind({ fd: -0 }), Error) as { code?: string }).code, "ERR_INVALID_FD_TYPE");
  assertThrows(() => socket.getsockopt("SOL_SOCKET", -0, 4), Error, "ENOPROTOOPT");
}, { skip: linuxOnly("an option with the number 0") });

test("the bytes of an option are those of the memory, whatever a view's properties say", (t) => {
  const socket = t.socket("udp4");
  const bytes = new Uint8Array(Int32Array.of(9).buffer);
  const liar = Object.defineProperties(bytes, { byteLength: { value: 1e6 }, byteOffset: { value: 4096 } });
  assertEquals(socket.setsockopt("IPPROTO_IP", "IP_TTL", liar), true);
  assertEquals(socket.getsockopt("IPPROTO_IP", "IP_TTL").readInt32LE(), 9);
});

/** An object whose property is another value each time. */
function fickle<Key extends string>(key: Key, ...values: unknown[]): Record<Key, never> {
  let looks = 0;
  return Object.defineProperty({}, key, {
    enumerable: true,
    get: () => values[Math.min(looks++, values.length - 1)],
  }) as Record<Key, never>;
}

test("what was checked of a message's options is what is used, even if a property changes", async (t) => {
  const receiver = await t.bound({ type: "udp4", recvTTL: true, recvTOS: true });
  const { port } = receiver.address();
  const socket = await t.bound("udp4");
  for (
    const [options, expected] of [
      [fickle("address", "127.0.0.1", {}), {}],
      [fickle("ttl", 9, {}), { ttl: 9 }],
      [fickle("dscp", 8, "x"), { dscp: 8 }],
    ] as const
  ) {
    const arriving = nextMessage(receiver);
    const message = Object.defineProperties({ message: "x", port }, Object.getOwnPropertyDescriptors(options));
    socket.sendMany([message]);
    const { remote } = await arriving;
    assertEquals({ ...remote, ...expected }, remote);
  }
}, { skip: linuxOnly("IP_TTL for single datagrams") });

test("an object that is only like an AbortSignal has to have its methods, and may throw without harm", async (t) => {
  const promised = t.track(createPromiseSocket("udp4"));
  await promised.bind(0, "127.0.0.1");
  const plain = await t.bound("udp4");
  const path = t.track(createSocket("unix_dgram"));
  const where = { port: 9, address: "127.0.0.1" };
  const code = (error: unknown): unknown => (error as { code?: string }).code;
  for (const half of [{}, { addEventListener() {} }, { addEventListener: 5, removeEventListener() {} }]) {
    const signal = { aborted: false, ...half } as unknown as AbortSignal;
    for (
      const call of [
        () => createSocket({ type: "udp4", signal }),
        () => plain.send("x", { ...where, signal }),
        () => plain.sendMany(["x"], { ...where, signal }),
        () => path.send("x", { path: "@nobody", signal }),
      ]
    ) assertEquals(code(assertThrows(call, TypeError)), "ERR_INVALID_ARG_TYPE");
    assertEquals(
      code(await assertRejects(() => promised.request("x", { ...where, signal }), TypeError)),
      "ERR_INVALID_ARG_TYPE",
    );
  }
  const throwing = { aborted: false, addEventListener: () => throwThis(), removeEventListener() {} };
  const signal = throwing as unknown as AbortSignal;
  await assertRejects(() => promised.request("x", { ...where, signal }), RangeError, "no listeners");
  // Nothing is left of it that its end would stumble over.
  await promised.close();
}, { skip: linuxOnly("Unix sockets") });

function throwThis(): never {
  throw new RangeError("no listeners");
}
