/**
 * Node 20 to 25: the npm package koffi, an optional peer dependency.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { type Binding, type NativeFunction, openFirst, openLazily, translatePrototypes } from "../libc/binding.ts";
import type { CType, Prototype } from "../libc/prototypes.ts";
import process from "./process.ts";

/** The parts of koffi that this module uses. */
export interface Koffi {
  load(name: string): { func(name: string, result: string, parameters: string[]): NativeFunction };
  address(buffer: ArrayBuffer): bigint;
  view(pointer: unknown, length: number): ArrayBuffer;
  errno(): number;
}

const TYPES: Record<CType, string> = {
  "int": "int",
  "unsigned int": "uint32_t",
  // As a parameter always a number that is not negative.
  "long": "int",
  "unsigned long": "uint64_t",
  "socklen_t": "uint32_t",
  "size_t": "size_t",
  "ssize_t": "int",
  "pointer": "void *",
};

/** The URL of this module. The npm package's entries add theirs, which differ if a bundler has moved them. */
export const moduleUrls: string[] = [import.meta.url];

let found: string | undefined;

/** The file from which koffi is loaded, as resolved from this module and then from the program; or undefined. */
export function koffiPath(): string | undefined {
  return found ??= findKoffi();
}

function findKoffi(): string | undefined {
  for (const base of [...moduleUrls, process.argv[1], `${process.cwd()}/`]) {
    if (!base) continue;
    try {
      return requireFrom(base).resolve("koffi");
    } catch {
      // Not installed for this base.
    }
  }
  return undefined;
}

function requireFrom(base: string): NodeJS.Require {
  return process.getBuiltinModule("node:module").createRequire(base);
}

/** Loads koffi from its file. */
export function loadKoffi(path: string): Koffi {
  return requireFrom(path)(path) as Koffi;
}

/** Opens the C library. */
export function koffiBinding(koffi: Koffi, abi: Abi): Binding {
  type Library = ReturnType<Koffi["load"]>;
  const declare = (library: Library, some: Readonly<Record<string, Prototype>>): Record<string, NativeFunction> =>
    Object.fromEntries(
      Object.entries(some).map(([name, { result, parameters }]) => [
        name,
        library.func(name, TYPES[result], parameters.map(([type]) => TYPES[type])),
      ]),
    );
  const library = openFirst(abi, (name) => koffi.load(name));
  const functions = openLazily(
    translatePrototypes(abi, (prototype) => prototype),
    [],
    (some) => declare(library, some),
  );
  return {
    functions,
    errno: () => koffi.errno(),
    addressOf: (buffer) => koffi.address(buffer),
    pointerTo: (memory, offset) => memory.address + BigInt(offset),
    nullPointer: null,
    toInt: (value) => value,
    toSizeT: (value) => value,
    open: (prototypes, libraries) => openFirst({ libraries }, (name) => declare(koffi.load(name), prototypes)),
    view: (pointer, length) => koffi.view(pointer, length),
  };
}
