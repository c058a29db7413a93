/**
 * The short form of tests/fuzz: the same attacks with few inputs, and each crash that a run has found.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import type { FilterInstruction } from "../mod.ts";
import { attack } from "./fuzz/subject.ts";
import { SUBJECTS } from "./fuzz/subjects.ts";
import { test } from "./support/harness.ts";
import { linuxOnly } from "./support/runtime.ts";

const SEED = 20_261_127;

for (const subject of SUBJECTS) {
  test(`made-up input: ${subject.name}`, async () => {
    const { findings } = await attack(subject, { seed: SEED, from: 0, count: subject.few });
    assertEquals(findings, []);
  }, { skip: subject.needsLinux ? linuxOnly("what is attacked") : undefined });
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
