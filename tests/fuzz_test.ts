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
