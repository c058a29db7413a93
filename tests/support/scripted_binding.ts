/**
 * A binding whose C functions a test writes: to see what reaches C on a system that is not this one.
 *
 * @module
 */
import type { Binding, NativeFunction, NativeFunctions } from "../../ffi/libc/binding.ts";
import type { Memory } from "../../ffi/libc/memory.ts";

/** What a pointer parameter is given: where it points, so that the scripted function can read and write there. */
export interface ScriptedPointer {
  readonly memory: Memory;
  readonly offset: number;
}

/** Those C functions that a test needs. */
export type ScriptedFunctions = Partial<NativeFunctions>;

/** A binding made of scripted functions. */
export class ScriptedBinding implements Binding {
  readonly functions: NativeFunctions;
  readonly nullPointer = null;
  /** What the next failing call leaves in errno. */
  errnoNow = 0;
  #nextAddress = 0x7000_0000_0000n;

  constructor(functions: ScriptedFunctions = {}) {
    // As in glibc, unless a test says otherwise.
    this.functions = { gnu_get_libc_version: () => null, ...functions } as ScriptedFunctions as NativeFunctions;
  }

  errno(): number {
    return this.errnoNow;
  }

  addressOf(buffer: ArrayBuffer): bigint {
    const address = this.#nextAddress;
    this.#nextAddress += BigInt(buffer.byteLength + 4096);
    return address;
  }

  pointerTo(memory: Memory, offset: number): ScriptedPointer {
    return { memory, offset };
  }

  toInt(this: void, value: number): number {
    return value;
  }

  toSizeT(value: number): bigint {
    return BigInt(value);
  }

  open(): Record<string, NativeFunction> {
    return this.functions;
  }

  view(_pointer: unknown, length: number): ArrayBuffer {
    return new ArrayBuffer(length);
  }

  /** Fails a scripted call, as C does it. */
  fail(errno: number): -1 {
    this.errnoNow = errno;
    return -1;
  }
}
