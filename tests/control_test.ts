/**
 * Control data as bytes: what is written is read again, and nothing that a kernel (or a scripted one) gives leads the reader
 * outside of it.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { currentRuntime } from "../ffi/load.ts";
import { type ControlMessage, ControlReader, controlSpace, encodeControls, intData } from "../ffi/wire/control.ts";
import { MessageVector } from "../ffi/wire/message_vector.ts";
import { test } from "./support/harness.ts";
import { randomIntegers } from "./support/random.ts";
import { linuxOnly } from "./support/runtime.ts";

const ABIS = [["Linux", linuxAbi("x64")], ["macOS", DARWIN]] as const;

/** All messages that the reader finds. */
function readAll(reader: ControlReader): ControlMessage[] {
  const found: ControlMessage[] = [];
  while (reader.next()) {
    const data = new Uint8Array(reader.view.buffer, reader.view.byteOffset + reader.at, reader.size);
    found.push({ level: reader.level, type: reader.type, data: data.slice() });
  }
  return found;
}

const MESSAGES: readonly ControlMessage[] = [
  { level: 1, type: 2, data: Uint8Array.of(1) },
  { level: -7, type: 0x7fffffff, data: new Uint8Array() },
  { level: 41, type: 50, data: Uint8Array.from({ length: 20 }, (_, i) => i) },
  { level: 0, type: 1, data: intData(-2) },
];

for (const [name, abi] of ABIS) {
  test(`control messages of any length are read as they were written (${name})`, () => {
    const bytes = encodeControls(abi, MESSAGES);
    assertEquals(bytes.length, MESSAGES.reduce((sum, { data }) => sum + controlSpace(abi, data.length), 0));
    const reader = new ControlReader(abi);
    // Between other bytes that look like messages, too.
    const memory = new Uint8Array(bytes.length * 3);
    for (let i = 0; i < 3; i++) memory.set(bytes, i * bytes.length);
    reader.open(new DataView(memory.buffer), bytes.length, bytes.length);
    assertEquals(readAll(reader), [...MESSAGES]);
    assertEquals(reader.next(), false);
  });

  test(`a last message may lack its padding, and one that was cut ends the reading (${name})`, () => {
    const bytes = encodeControls(abi, MESSAGES.slice(2));
    const view = new DataView(bytes.buffer);
    const reader = new ControlReader(abi);
    const first = controlSpace(abi, 20);
    const header = controlSpace(abi, 0);
    reader.open(view, 0, first + header + 4);
    assertEquals(readAll(reader).length, 2);
    for (let length = 0; length < first + header + 4; length++) {
      reader.open(view, 0, length);
      // macOS cuts the last message, and says its whole length: it is read as far as it goes.
      const [least, second] = abi.linux ? [header + 20, Infinity] : [header, first + header];
      assertEquals(readAll(reader).length, length >= second ? 2 : length >= least ? 1 : 0, String(length));
    }
  });

  test(`lengths that cannot be end the reading (${name})`, () => {
    const bytes = encodeControls(abi, MESSAGES);
    const view = new DataView(bytes.buffer);
    const reader = new ControlReader(abi);
    for (const length of [0, 1, controlSpace(abi, 0) - 1, bytes.length + 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
      view.setUint32(0, length, true);
      reader.open(view, 0, bytes.length);
      const isCut = !abi.linux && length > bytes.length;
      const whole = bytes.length - controlSpace(abi, 0);
      assertEquals(readAll(reader).map(({ data }) => data.length), isCut ? [whole] : [], String(length));
    }
    if (!abi.linux) return;
    view.setUint32(0, controlSpace(abi, 0) + 1, true);
    view.setUint32(4, 1, true);
    reader.open(view, 0, bytes.length);
    assertEquals(readAll(reader), [], "the upper half of a size_t");
  });

  test(`whatever the bytes are, nothing outside of them is read, and the reading ends (${name})`, () => {
    const random = randomIntegers(6);
    const reader = new ControlReader(abi);
    for (let round = 0; round < 20_000; round++) {
      const size = random(120);
      const memory = new Uint8Array(size + 32);
      for (let i = 0; i < memory.length; i++) memory[i] = random(256);
      // Small numbers where lengths may be: others end it at once.
      for (let at = 16; at + 8 <= 16 + size; at += 4) if (random(3) > 0) memory.set([random(48), 0, 0, 0], at);
      reader.open(new DataView(memory.buffer), 16, size);
      let steps = 0;
      for (let end = 16; reader.next(); end = reader.at + reader.size) {
        assert(++steps <= size, "no end");
        assert(reader.at >= end && reader.size >= 0 && reader.at + reader.size <= 16 + size, `round ${round}`);
      }
    }
  });
}

test("a reader believes no length beyond its memory", () => {
  const [, abi] = ABIS[0];
  const bytes = encodeControls(abi, MESSAGES);
  const reader = new ControlReader(abi);
  reader.open(new DataView(bytes.buffer), 0, 2 ** 31);
  assertEquals(readAll(reader).length, MESSAGES.length);
});

test("a control message that does not fit is not written", () => {
  const [, abi] = ABIS[0];
  const vector = new MessageVector(currentRuntime().libc, 2, 64);
  assertThrows(() => encodeControls(abi, [{ level: 1, type: 1, data: { length: -64 } as Uint8Array }]), RangeError);
  vector.setOutgoing(0, 0, 1, undefined, 0, encodeControls(abi, MESSAGES));
  assertEquals(readAll(vector.controlsAt(0)), [...MESSAGES]);
}, { skip: linuxOnly("the layout that it reads with") });

test("a slot used again has nothing left of other control data", () => {
  const { libc } = currentRuntime();
  const vector = new MessageVector(libc, 1, 64);
  const garbage = encodeControls(libc.abi, [{ level: 1, type: 2, data: new Uint8Array(40).fill(0xff) }]);
  vector.setOutgoing(0, 0, 1, undefined, 0, garbage);
  vector.setOutgoing(0, 0, 1, undefined, 9, encodeControls(libc.abi, [{ level: 3, type: 4, data: intData(5) }]));
  assertEquals(readAll(vector.controlsAt(0)).map(({ data }) => [...data]), [[5, 0, 0, 0], [9, 0]]);
}, { skip: linuxOnly("UDP_SEGMENT") });

test("a vector whose room for control data grows keeps what its slots have", () => {
  const { libc } = currentRuntime();
  const vector = new MessageVector(libc, 3, 64);
  const small = encodeControls(libc.abi, [{ level: 1, type: 2, data: Uint8Array.of(3) }]);
  const large = encodeControls(libc.abi, [{ level: 4, type: 5, data: new Uint8Array(1000).fill(6) }]);
  vector.setOutgoing(0, 0, 1, undefined, 0, small);
  vector.setOutgoing(1, 1, 1, undefined, 0, large);
  vector.setOutgoing(2, 2, 1, undefined, 512, small);
  assertEquals(readAll(vector.controlsAt(0)).map(({ level }) => level), [1]);
  assertEquals(readAll(vector.controlsAt(1)).map(({ data }) => data.length), [1000]);
  assertEquals(readAll(vector.controlsAt(2)).map(({ data }) => [...data]), [[3], [0, 2]]);
}, { skip: linuxOnly("UDP_SEGMENT") });
