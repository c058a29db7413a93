/**
 * Node 26.1 and later: `node:ffi`, which Node calls experimental.
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
import { type NetworkPermission, UNRESTRICTED } from "./network_permission.ts";
import process from "./process.ts";

/** The parts of `node:ffi` that this module uses. */
export interface NodeFfi {
  dlopen<Name extends string>(name: string | null, symbols: Readonly<Record<Name, NodeSymbol>>): NodeLibrary<Name>;
  getRawPointer(buffer: ArrayBuffer): bigint;
  toArrayBuffer(pointer: bigint, length: number, copy: boolean): ArrayBuffer;
  /** Since Node 26.6. */
  getCurrentEventLoop?(): bigint;
}

/** An opened library. */
export interface NodeLibrary<Name extends string> {
  readonly functions: Record<Name, NativeFunction>;
  readonly lib: {
    registerCallback(signature: NodeSymbol, callback: NativeFunction): bigint;
    unregisterCallback(pointer: bigint): void;
  };
}

interface NodeSymbol {
  readonly arguments: readonly string[];
  readonly return: string;
}

/**
 * Every parameter is declared as a pointer, which takes a bigint, whatever it is in C: an argument fills a register either way, and of
 * an `int`'s register the callee reads the lower half. Node returns a function of two to six such parameters as it is, and V8 calls it
 * directly (5 ns). If one parameter is an integer type, Node wraps the function in JavaScript that checks ranges, which V8 seldom sees
 * through (100 to 280 ns).
 */
const PARAMETER = "pointer";

const RESULTS: Record<CType, string> = {
  "int": "i32",
  "unsigned int": "u32",
  "long": "i32",
  "unsigned long": "u64",
  "socklen_t": "u32",
  "size_t": "u64",
  "ssize_t": "i32",
  "pointer": "u64",
};

const symbolOf = ({ parameters, result }: Prototype): NodeSymbol => ({
  arguments: parameters.map(() => PARAMETER),
  return: RESULTS[result],
});

/** `node:ffi`, if it exists. */
export function nodeFfi(): NodeFfi | undefined {
  return process.getBuiltinModule("node:ffi") as unknown as NodeFfi | undefined;
}

/** Whether this Node has `node:ffi`. It is not loaded, as that prints a warning. */
export function hasNodeFfi(): boolean {
  return process.getBuiltinModule("node:module").isBuiltin("node:ffi");
}

/** Node's function to run ticks and promise jobs, if this version has it. */
export function nodeTicks(): (() => void) | undefined {
  const { _tickCallback } = process as { _tickCallback?: () => void };
  return typeof _tickCallback === "function" ? _tickCallback : undefined;
}

/**
 * Opens the C library.
 *
 * @throws {Error} ERR_ACCESS_DENIED under the permission model without `--allow-ffi`.
 */
export function nodeBinding(ffi: NodeFfi, abi: Abi): Binding {
  const definitions = translatePrototypes(abi, symbolOf);
  const openIn = (libraries: readonly string[], some: Record<string, NodeSymbol>): Record<string, NativeFunction> =>
    openFirst({ libraries }, (name) => ffi.dlopen(name, some)).functions;
  const functions = openLazily(definitions, [abi.errnoLocation], (some) => openIn(abi.libraries, some));
  // Mapped once. Calling __errno_location after a failure is too late, as the first call of any function changes errno.
  const errno = new Int32Array(ffi.toArrayBuffer(functions[abi.errnoLocation](), 4, false));
  return {
    functions,
    errno: () => errno[0]!,
    addressOf: (buffer) => ffi.getRawPointer(buffer),
    pointerTo: (memory, offset) => memory.address + BigInt(offset),
    nullPointer: 0n,
    // A negative number would be refused as a pointer.
    toInt: (value) => BigInt(value >>> 0),
    toSizeT: (value) => BigInt(value),
    open: (prototypes, libraries) => openIn(libraries, translateAll(prototypes, symbolOf)),
    view: (pointer, length) => ffi.toArrayBuffer(pointer as bigint, length, false),
  };
}

/** The parts of `process.permission` that this module uses. It exists only under `--permission`. */
interface NodePermission {
  has(scope: string, reference?: string): boolean;
}

const nodePermission = (): NodePermission | undefined => (process as { permission?: NodePermission }).permission;

/** Whether the permission model denies `node:ffi`. */
export function isNodeFfiRefused(): boolean {
  return nodePermission()?.has("ffi") === false;
}

/**
 * The `net` scope of Node's permission model (`--permission`), which is all or nothing. A program may drop it
 * (`process.permission.drop`). Node 20 to 24 have the model without this scope, and return `false` for it as for any unknown word;
 * so it exists only if Node knows the flag that grants it.
 */
export function nodeNetworkPermission(): NetworkPermission {
  const permission = nodePermission();
  if (!permission || !process.allowedNodeEnvironmentFlags.has("--allow-net")) return UNRESTRICTED;
  const refusal = (resource: string): Error | undefined => {
    if (permission.has("net")) return undefined;
    const error = new Error("Access to this API has been restricted. Use --allow-net to manage permissions.");
    return Object.assign(error, { code: "ERR_ACCESS_DENIED", permission: "Net", resource });
  };
  return {
    get revision() {
      return permission.has("net") ? 1 : 2;
    },
    refusal,
    pathRefusal: refusal,
  };
}
