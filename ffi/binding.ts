/**
 * What a runtime's FFI has to offer so that {@linkcode NativeLibc} can stand on it.
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";
import type { Memory } from "./memory.ts";
import { type FunctionName, type Prototype, prototypesOf } from "./prototypes.ts";

/** A native function as the runtime hands it out. A `long` result may come as a bigint, a pointer as anything. */
// deno-lint-ignore no-explicit-any
export type NativeFunction = (...args: any[]) => any;

/** One runtime's FFI, reduced to what differs. */
export interface Binding {
  /** The C functions of the prototype table. */
  readonly functions: Readonly<Record<string, NativeFunction>>;
  /** The calling thread's errno. Only right directly after the call that failed. */
  errno(): number;
  /** Where a buffer lies. */
  addressOf(buffer: ArrayBuffer): bigint;
  /** An address in the form that a pointer parameter takes. */
  pointerTo(memory: Memory, offset: number): unknown;
  /** NULL in that form. */
  readonly nullPointer: unknown;
  /** A number in the form that a `size_t` or `unsigned long` parameter takes. */
  word(value: number): unknown;
}

/** Opens the C library under the first of its names that works. */
export function openFirst<Library>(abi: Abi, open: (name: string) => Library): Library {
  const failures: unknown[] = [];
  for (const name of abi.libraries) {
    try {
      return open(name);
    } catch (error) {
      if (isRefusal(error)) throw error;
      failures.push(error);
    }
  }
  throw new Error(`Cannot open the C library, tried ${abi.libraries.join(", ")}`, { cause: failures });
}

/** A permission that is missing is the user's to grant: no other file name can help. */
function isRefusal(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string };
  return name === "NotCapable" || name === "PermissionDenied" || code === "ERR_ACCESS_DENIED";
}

/** Translates the whole prototype table of a platform with one function per entry. */
export function translatePrototypes<T>(abi: Abi, translate: (prototype: Prototype) => T): Record<string, T> {
  const prototypes = prototypesOf(abi.platform);
  const names = Object.keys(prototypes) as FunctionName[];
  return Object.fromEntries(names.map((name) => [name, translate(prototypes[name]!)]));
}
