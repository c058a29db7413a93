/**
 * Bun: `bun:ffi`.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import {
  type Binding,
  type NativeFunction,
  openFirst,
  openLazily,
  translateAll,
  translatePrototypes,
} from "../libc/binding.ts";
import type { CType, Prototype } from "../libc/prototypes.ts";
import process from "./process.ts";

/** The parts of `bun:ffi` that this module uses. */
export interface BunFfi {
  dlopen(name: string, symbols: Record<string, BunSymbol>): { symbols: Record<string, NativeFunction> };
  ptr(buffer: ArrayBuffer): number;
  toArrayBuffer(pointer: number, byteOffset: number, byteLength: number): ArrayBuffer;
}

interface BunSymbol {
  readonly args: readonly string[];
  readonly returns: string;
}

// u64_fast takes and returns a number if the value fits.
const TYPES: Record<CType, string> = {
  "int": "i32",
  "unsigned int": "u32",
  // As a parameter always a number that is not negative.
  "long": "i32",
  "unsigned long": "u64_fast",
  "socklen_t": "u32",
  "size_t": "u64_fast",
  "ssize_t": "i32",
  "pointer": "ptr",
};

const symbolOf = ({ parameters, result }: Prototype): BunSymbol => ({
  args: parameters.map(([type]) => TYPES[type]),
  returns: TYPES[result],
});

/** `bun:ffi`, if it exists. It is not a static import, as no other runtime could load the module then. */
export function bunFfi(): BunFfi | undefined {
  if (!process.versions.bun) return undefined;
  return process.getBuiltinModule("bun:ffi") as unknown as BunFfi | undefined;
}

/** Bun's function to run promise jobs and then ticks, if this version has it. */
export function bunDrain(): (() => void) | undefined {
  const jsc = process.getBuiltinModule("bun:jsc") as unknown as { drainMicrotasks?(): void } | undefined;
  return typeof jsc?.drainMicrotasks === "function" ? jsc.drainMicrotasks : undefined;
}

/** The parts of a socket of Bun's that this module uses. */
export interface BunSocket {
  ref(): void;
  unref(): void;
  terminate(): void;
}

/**
 * Makes a socket of Bun's on a descriptor, which belongs to it.
 *
 * @param data Called with what was read.
 * @returns Undefined if Bun does not do so at once.
 */
export type BunConnect = (fd: number, data: () => void) => BunSocket | undefined;

interface BunNamespace {
  connect?(options: { fd: number; socket: { open(socket: BunSocket): void; data(): void } }): Promise<BunSocket>;
}

/** `Bun.connect({ fd })`. */
export const bunConnect: BunConnect = (fd, data) => {
  const { Bun } = globalThis as { Bun?: BunNamespace };
  let opened: BunSocket | undefined;
  const open = (socket: BunSocket): void => void (opened = socket);
  try {
    Bun?.connect?.({ fd, socket: { open, data } }).then((late) => opened ?? late.terminate(), () => {});
  } catch {
    // Not with this Bun.
  }
  return opened;
};

/** Whether this is `bun test`, which says so to programs in this way. */
export function isBunTest(): boolean {
  return process.env.NODE_ENV === "test";
}

/** Opens the C library. */
export function bunBinding(ffi: BunFfi, abi: Abi): Binding {
  const definitions = translatePrototypes(abi, symbolOf);
  const openIn = (libraries: readonly string[], some: Record<string, BunSymbol>): Record<string, NativeFunction> =>
    openFirst({ libraries }, (name) => ffi.dlopen(name, some)).symbols;
  const symbols = openLazily(definitions, [abi.errnoLocation], (some) => openIn(abi.libraries, some));
  const errno = new Int32Array(ffi.toArrayBuffer(symbols[abi.errnoLocation](), 0, 4));
  return {
    functions: symbols,
    errno: () => errno[0]!,
    addressOf: (buffer) => BigInt(ffi.ptr(buffer)),
    pointerTo: (memory, offset) => Number(memory.address) + offset,
    nullPointer: null,
    toInt: (value) => value,
    toSizeT: (value) => value,
    open: (prototypes, libraries) => openIn(libraries, translateAll(prototypes, symbolOf)),
    view: (pointer, length) => ffi.toArrayBuffer(pointer as number, 0, length),
  };
}
