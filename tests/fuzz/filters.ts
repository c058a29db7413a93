/**
 * BPF programs: what the module refuses, the kernel refuses too, and what it takes is what the kernel gets.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Descriptor } from "../../ffi/descriptor.ts";
import { currentRuntime } from "../../ffi/load.ts";
import { type FilterInstruction, withProgram } from "../../ffi/wire/packet_filter.ts";
import { createSocket } from "../../mod.ts";
import type { Random } from "./random.ts";
import type { Attack, Subject } from "./subject.ts";
import { isExpectedError, madeUpValue, Mischief } from "./values.ts";

/** BPF_LD, BPF_LDX, BPF_ST, BPF_STX, BPF_ALU, BPF_JMP, BPF_RET, BPF_MISC with the modifiers that exist, and others. */
const CODES = [
  ...[0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60],
  ...[0x01, 0x81, 0x61, 0xb1, 0x02, 0x03],
  ...[0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x54, 0x64, 0x74, 0x84, 0x94, 0x9c, 0xa4, 0xac],
  ...[0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d],
  ...[0x06, 0x16, 0x07, 0x87],
];

function madeUpInstruction(random: Random, length: number): FilterInstruction {
  const jump = (): number => random.oneIn(10) ? random.below(256) : random.below(Math.max(length, 1));
  return {
    code: random.oneIn(20) ? random.below(0x10000) : random.pick(CODES),
    jt: jump(),
    jf: jump(),
    k: random.oneIn(2) ? random.below(16) : random.word(),
  };
}

function madeUpProgram(random: Random): FilterInstruction[] {
  const length = random.oneIn(500) ? random.pick([4095, 4096, 4097]) : 1 + random.below(12);
  const program = Array.from({ length }, (_, i) => madeUpInstruction(random, length - i));
  if (!random.oneIn(8)) program[length - 1] = { code: 0x06, jt: 0, jf: 0, k: random.pick([0, 0xffff, 0xffffffff]) };
  return program;
}

/** A program in which something is not what it should be. */
function spoilt(random: Random, program: FilterInstruction[], mischief: Mischief): unknown {
  const target = random.oneIn(4) ? program : program[random.below(program.length)]!;
  const key = target === program ? random.pick(["length", "0"]) : random.pick(["code", "jt", "jf", "k"]);
  if (random.oneIn(6)) return madeUpValue(random, mischief);
  if (key === "length") return Object.setPrototypeOf({ ...program, length: random.word() }, Array.prototype);
  const value = madeUpValue(random, mischief);
  if (random.oneIn(3)) Object.defineProperty(target, key, { get: () => random.oneIn(3) ? mischief.thrown() : value });
  else (target as unknown as Record<string, unknown>)[key] = value;
  return random.oneIn(4) ? new Proxy(program, {}) : program;
}

/** BPF programs. */
export const filters: Subject = {
  name: "filters",
  few: 3000,
  needsLinux: true,
  prepare(): Attack {
    const { libc } = currentRuntime();
    const { SOL_SOCKET } = libc.abi.levels;
    const { SO_ATTACH_FILTER } = libc.abi.linux!.options;
    const socket = createSocket("udp4");
    const { port } = socket.bindSync({ address: "127.0.0.1" });
    const other = Descriptor.open(libc, 4);
    assert(typeof other === "object");
    const received: string[] = [];
    socket.on("message", (message) => received.push(message.toString()));
    const byKernel = (program: FilterInstruction[]): number =>
      withProgram(libc, program, (fprog, size) => libc.setsockopt(other.fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog, size));
    const ours = (program: unknown): unknown => {
      try {
        return socket.attachFilter(program as FilterInstruction[]);
      } catch (error) {
        return error;
      }
    };
    /** The socket receives again once the filter is gone. */
    const checkAlive = async (number: number): Promise<number> => {
      ours([{ code: 0x06, jt: 0, jf: 0, k: 1 }]);
      assertEquals(socket.detachFilter(), true);
      const arrived = new Promise((resolve) => socket.once("message", resolve));
      socket.send(String(number), port, "127.0.0.1");
      await arrived;
      assertEquals(received.splice(0).at(-1), String(number));
      return 1;
    };
    return {
      tryCase(random, number) {
        if (number % 1000 === 0) return checkAlive(number);
        const program = madeUpProgram(random);
        const mischief = new Mischief();
        if (random.oneIn(4)) {
          const result = ours(spoilt(random, program, mischief));
          assert(result === true || isExpectedError(result), String((result as Error)?.stack ?? result));
          return;
        }
        const result = ours(program);
        const expected = program.length > 4096 ? -1 : byKernel(program);
        assertEquals(result === true, expected >= 0, `${JSON.stringify(program)}: ${result}, the kernel ${expected}`);
        if (result !== true) assert(isExpectedError(result), String(result));
      },
      async end() {
        other.close();
        await socket[Symbol.asyncDispose]();
      },
    };
  },
};
