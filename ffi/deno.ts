/**
 * Deno: `Deno.dlopen`.
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";
import type { AsyncContexts } from "./async_context.ts";
import {
  type Binding,
  type NativeFunction,
  openFirst,
  openInSteps,
  translateAll,
  translatePrototypes,
} from "./binding.ts";
import { Memory } from "./memory.ts";
import type { NetworkPermission } from "./network_permission.ts";
import process from "./process.ts";
import { COMMON_PROTOTYPES, type CType, type Prototype } from "./prototypes.ts";

/** As much of the `Deno` namespace as this module uses. */
export interface DenoNamespace {
  dlopen(
    name: string,
    symbols: Record<string, DenoSymbol | DenoStatic>,
  ): { symbols: Record<string, NativeFunction>; close(): void };
  UnsafeFnPointer: new (pointer: unknown, definition: DenoSymbol) => { readonly call: NativeFunction };
  UnsafePointer: {
    of(buffer: ArrayBuffer): unknown;
    value(pointer: unknown): bigint;
    create(address: bigint): unknown;
  };
  UnsafePointerView: { getArrayBuffer(pointer: unknown, length: number): ArrayBuffer };
  permissions: {
    querySync(descriptor: PermissionDescriptor): PermissionStatus;
    requestSync(descriptor: PermissionDescriptor): PermissionStatus;
  };
  errors: { NotCapable: new (message: string) => Error };
  internal: symbol;
}

/** Deno keeps it up to date when the permission is requested or revoked. */
interface PermissionStatus {
  readonly state: string;
  /** Granted, but for something that `--deny-net` names. */
  readonly partial: boolean;
}

interface DenoSymbol {
  readonly parameters: readonly string[];
  readonly result: string;
  readonly name?: string;
  readonly nonblocking?: boolean;
}

/** Not a function but its address. */
interface DenoStatic {
  readonly type: "pointer";
  readonly name: string;
}

// Node and Bun want 64-bit results as bigint; an ssize_t fits 32 bits here, as no datagram is larger than 64 KiB.
const TYPES: Record<CType, string> = {
  "int": "i32",
  "unsigned int": "u32",
  "unsigned long": "u64",
  "socklen_t": "u32",
  "size_t": "u64",
  "ssize_t": "i32",
  "pointer": "pointer",
};

const symbolOf = ({ parameters, result }: Prototype): DenoSymbol => ({
  parameters: parameters.map(([type]) => TYPES[type]),
  result: TYPES[result],
});

/** The `Deno` namespace, where there is one. */
export function denoNamespace(): DenoNamespace | undefined {
  const deno = (globalThis as unknown as { Deno?: DenoNamespace }).Deno;
  return typeof deno?.dlopen === "function" ? deno : undefined;
}

/** Functions of Deno's core, which are internal: each may be missing in some version. */
export function denoCore<Functions>(deno: DenoNamespace): Partial<Functions> | undefined {
  return (deno as unknown as Record<symbol, { core?: Partial<Functions> } | undefined>)[deno.internal]?.core;
}

/** Of Deno's core: what `AsyncLocalStorage` stands on there. */
interface ContextFunctions {
  getAsyncContext(): unknown;
  setAsyncContext(context: unknown): void;
}

/** Contexts without an `AsyncResource`, which takes Deno half a microsecond to make and as long to use; where there are some. */
export function denoAsyncContexts(deno: DenoNamespace): AsyncContexts | undefined {
  const { getAsyncContext, setAsyncContext } = denoCore<ContextFunctions>(deno) ?? {};
  if (typeof getAsyncContext !== "function" || typeof setAsyncContext !== "function") return undefined;
  return {
    capture: () => getAsyncContext(),
    run(context, call, first, second) {
      const before = getAsyncContext();
      setAsyncContext(context);
      try {
        call(first, second);
      } finally {
        setAsyncContext(before);
      }
    },
  };
}

/**
 * Has a function called when a program ends: also when `--watch` is about to start it again, and at the end of a file of `deno test`. Both go
 * on in the same process, and neither is always a `'exit'`.
 */
export function denoProgramEnd(call: () => void): void {
  const { addEventListener } = globalThis as unknown as { addEventListener: EventTarget["addEventListener"] };
  addEventListener("unload", call, { once: true });
}

/** A binding that can also wait in `poll` on another thread. */
export interface DenoBinding extends Binding {
  /** `poll` on a thread of the runtime's pool. */
  pollElsewhere(fds: unknown, nfds: unknown, timeout: number): Promise<number>;
  /** Zeroed memory that lasts until it is freed: such a call may outlive the Worker that made it. */
  allocateLasting(size: number): Memory;
  /** Frees it. */
  free(memory: Memory): void;
}

/**
 * Opens the C library, and closes it again as far as Deno is concerned: Deno itself is linked with it, so that it stays where it is
 * and its functions, which Deno does not ask the library for again, can be called. Left open it would be a resource that
 * `deno test` finds leaked by whichever test makes the first socket. Only a non-blocking call would need the library:
 * hence `poll` is called by its address.
 *
 * @throws {Deno.errors.NotCapable} without `--allow-ffi`.
 */
export function denoBinding(deno: DenoNamespace, abi: Abi): DenoBinding {
  const { UnsafePointer, UnsafePointerView } = deno;
  const definitions: Record<string, DenoSymbol | DenoStatic> = {
    ...translatePrototypes(abi, symbolOf),
    pollAddress: { type: "pointer", name: "poll" },
    // void *calloc(size_t count, size_t size); void free(void *block);
    calloc: { parameters: ["u64", "u64"], result: "pointer" },
    free: { parameters: ["pointer"], result: "void" },
    [abi.errnoLocation]: { parameters: [], result: "pointer" },
  };
  const openIn = (
    libraries: readonly string[],
    some: Record<string, DenoSymbol | DenoStatic>,
  ): Record<string, NativeFunction> => {
    const library = openFirst({ libraries }, (name) => deno.dlopen(name, some));
    library.close();
    return library.symbols;
  };
  const symbols = openInSteps(
    definitions,
    [abi.errnoLocation, "pollAddress", "calloc", "free"],
    (some) => openIn(abi.libraries, some),
  );
  const pollElsewhere = new deno.UnsafeFnPointer(symbols.pollAddress, {
    ...symbolOf(COMMON_PROTOTYPES.poll),
    nonblocking: true,
  });
  const errno = new Int32Array(UnsafePointerView.getArrayBuffer(symbols[abi.errnoLocation](), 4));
  return {
    functions: symbols,
    errno: () => errno[0],
    addressOf: (buffer) => UnsafePointer.value(UnsafePointer.of(buffer)),
    pointerTo: (memory: Memory, offset) => UnsafePointer.create(memory.address + BigInt(offset)),
    nullPointer: null,
    word: (value) => BigInt(value),
    open: (prototypes, libraries) => openIn(libraries, translateAll(prototypes, symbolOf)),
    view: (pointer, length) => UnsafePointerView.getArrayBuffer(pointer, length),
    pollElsewhere: (fds, nfds, timeout) => pollElsewhere.call(fds, nfds, timeout) as Promise<number>,
    allocateLasting: (size) => {
      const block = symbols.calloc(1n, BigInt(size));
      return new Memory(UnsafePointerView.getArrayBuffer(block, size), UnsafePointer.value(block));
    },
    free: (memory) => symbols.free(UnsafePointer.create(memory.address)),
  };
}

/** How many single grants are remembered. */
const MAX_REMEMBERED = 4096;

/** A permission, as Deno's queries describe it. */
type PermissionDescriptor = { name: "net"; host?: string } | { name: "read" | "write"; path: string };

/**
 * Deno's `net` permission. A state of `prompt` is asked for as Deno's own sockets would: on a terminal Deno asks the user.
 * That all of it is granted, for as long as it is, and single grants are remembered.
 *
 * A Unix socket's path takes `read` and `write` as well; an abstract one, which is no file, all of `net`.
 */
export function denoNetworkPermission(deno: DenoNamespace): NetworkPermission {
  const granted = new Set<string>();
  let everything: PermissionStatus | undefined;
  const hasEverything = (): boolean => {
    everything ??= deno.permissions.querySync({ name: "net" });
    return everything.state === "granted" && !everything.partial;
  };
  const refusal = (target: string, wanted: PermissionDescriptor): Error | undefined => {
    if (deno.permissions.requestSync(wanted).state === "granted") return undefined;
    return new deno.errors.NotCapable(
      `Requires ${wanted.name} access to "${target}", run again with the --allow-${wanted.name} flag`,
    );
  };
  const remembered = (target: string, ask: () => Error | undefined): Error | undefined => {
    if (granted.has(target)) return undefined;
    const refused = ask();
    if (!refused && granted.size < MAX_REMEMBERED) granted.add(target);
    return refused;
  };
  return {
    refusal(host, port) {
      if (hasEverything()) return undefined;
      const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
      return remembered(target, () => refusal(target, { name: "net", host: target }));
    },
    pathRefusal(path) {
      if (path.startsWith("\0")) {
        return hasEverything() ? undefined : refusal(`unix:@${path.slice(1)}`, { name: "net" });
      }
      return remembered(`unix:${path}`, () => {
        const files = refusal(path, { name: "read", path }) ?? refusal(path, { name: "write", path });
        if (files || hasEverything()) return files;
        const host = `unix:${process.getBuiltinModule("node:path").resolve(path)}`;
        return refusal(host, { name: "net", host });
      });
    },
  };
}
