/**
 * Deno: `Deno.dlopen`.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { BoundedCache } from "../common/bounded_cache.ts";
import {
  type Binding,
  type NativeFunction,
  openFirst,
  openLazily,
  translateAll,
  translatePrototypes,
} from "../libc/binding.ts";
import { Memory } from "../libc/memory.ts";
import { type CType, POLL_PROTOTYPE, type Prototype } from "../libc/prototypes.ts";
import type { AsyncContexts, EventContext } from "./async_context.ts";
import { type NetworkPermission, UNCHANGING } from "./network_permission.ts";
import process from "./process.ts";

/** The parts of the `Deno` namespace that this module uses. */
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
  stdin: { isTerminal(): boolean };
  stderr: { isTerminal(): boolean };
  internal: symbol;
}

/** Deno updates it when the permission is requested or revoked. */
interface PermissionStatus {
  readonly state: string;
  /** Granted, except for what `--deny-net` names. */
  readonly partial: boolean;
  addEventListener(event: "change", listener: () => void): void;
}

interface DenoSymbol {
  readonly parameters: readonly string[];
  readonly result: string;
  readonly name?: string;
  readonly nonblocking?: boolean;
}

/** The address of a function. */
interface DenoStatic {
  readonly type: "pointer";
  readonly name: string;
}

// A 64-bit result would be a bigint. An ssize_t fits 32 bits here, as no call moves more than that.
const TYPES: Record<CType, string> = {
  "int": "i32",
  "unsigned int": "u32",
  // As a parameter always a number that is not negative.
  "long": "i32",
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

/** The `Deno` namespace, if it exists. */
export function denoNamespace(): DenoNamespace | undefined {
  const deno = (globalThis as unknown as { Deno?: DenoNamespace }).Deno;
  return typeof deno?.dlopen === "function" ? deno : undefined;
}

/** Functions of Deno's core. They are internal, so each may be missing in some version. */
export function denoCore<Functions>(deno: DenoNamespace): Partial<Functions> | undefined {
  return (deno as unknown as Record<symbol, { core?: Partial<Functions> } | undefined>)[deno.internal]?.core;
}

/** The functions of Deno's core on which its `AsyncLocalStorage` is based. */
interface ContextFunctions {
  getAsyncContext(): unknown;
  setAsyncContext(context: unknown): void;
}

/** Contexts without `AsyncResource`, which takes Deno half a microsecond to make and as long to use. Undefined if this version has none. */
export function denoAsyncContexts(deno: DenoNamespace): AsyncContexts | undefined {
  const { getAsyncContext, setAsyncContext } = denoCore<ContextFunctions>(deno) ?? {};
  if (typeof getAsyncContext !== "function" || typeof setAsyncContext !== "function") return undefined;
  const run: AsyncContexts["run"] = (context, call, first, second) => {
    const before = getAsyncContext();
    setAsyncContext(context);
    try {
      call(first, second);
    } finally {
      setAsyncContext(before);
    }
  };
  const open = (): EventContext => {
    const context = getAsyncContext();
    return { asyncId: () => 0, run: (call, first, second) => run(context, call, first, second), emitDestroy: () => {} };
  };
  return { open, capture: () => getAsyncContext(), run };
}

/**
 * If `ffi` is neither granted nor denied, lets Deno ask for all of it. If `dlopen("libc.so.6")` asked, the user would grant a file of
 * that name in the current folder. A part of `ffi` (`--allow-ffi=/lib64/libc.so.6`) is not enough to use addresses of memory.
 */
function askForFfi(deno: DenoNamespace): void {
  deno.permissions.requestSync({ name: "ffi" });
}

/** The parts of a standard stream that this module uses. */
interface Stream {
  isTerminal(): boolean;
}

/** Whether `ffi` is denied, or not granted and there is no terminal to ask on. */
export function isDenoFfiRefused(deno: DenoNamespace): boolean {
  const { state } = deno.permissions.querySync({ name: "ffi" });
  if (state !== "prompt") return state === "denied";
  const { stdin, stderr } = deno as unknown as { stdin: Stream; stderr: Stream };
  return !stdin.isTerminal() || !stderr.isTerminal();
}

/** Deno's function to run ticks and promise jobs, if this version has it. */
export function denoTicks(deno: DenoNamespace): (() => void) | undefined {
  const { runNextTicks } = denoCore<{ runNextTicks(): void }>(deno) ?? {};
  return typeof runNextTicks === "function" ? runNextTicks : undefined;
}

/** The parts of the global scope that this module uses. */
interface GlobalScope {
  addEventListener(type: string, listener: () => void): void;
  /** Only in a Web Worker. */
  close?: () => void;
}

/**
 * Runs an action before the program ends. Deno reports that in several ways: `'exit'` of `process`, `unload` after `Deno.exit()`,
 * `error` before an exception ends it. A Web Worker that calls `close()` gets no event, so `close()` is replaced there.
 */
export function denoBeforeEnd(action: () => void): void {
  const scope = globalThis as unknown as GlobalScope;
  process.on("exit", action);
  scope.addEventListener("unload", action);
  scope.addEventListener("error", action);
  const { close } = scope;
  const isWorker = "WorkerGlobalScope" in globalThis && typeof close === "function";
  if (!isWorker) return;
  replaceCalls(scope, "close", (call) => {
    action();
    return call();
  });
}

/**
 * Has each call of a method made by a function of ours. For what Deno gives no event of. In all else the method is as before: name, length,
 * `this`, results, exceptions, and whether it can be replaced or listed.
 */
function replaceCalls(holder: object, name: string, caller: (call: () => unknown) => unknown): void {
  const descriptor = Object.getOwnPropertyDescriptor(holder, name)!;
  const value = new Proxy(descriptor.value, {
    apply: (method, self, values) => caller(() => Reflect.apply(method, self, values)),
  });
  Object.defineProperty(holder, name, { ...descriptor, value });
}

/**
 * Calls a function when a program ends. That includes `--watch`, which starts it again, and the end of a file of `deno test`: both go
 * on in the same process, and neither always emits `'exit'`.
 */
export function denoProgramEnd(call: () => void): void {
  const { addEventListener } = globalThis as unknown as { addEventListener: EventTarget["addEventListener"] };
  addEventListener("unload", call, { once: true });
}

/** A binding that can also wait in `poll` on another thread. */
export interface DenoBinding extends Binding {
  /** `poll` on a thread of the runtime's pool. */
  pollElsewhere(fds: unknown, nfds: unknown, timeout: number): Promise<number>;
  /** Zeroed memory that lasts until it is freed. Such a call may outlive the Worker that made it. */
  allocateLasting(size: number): Memory;
  /** Frees it. */
  free(memory: Memory): void;
}

/**
 * Opens the C library, and closes Deno's handle of it again. Deno itself is linked with the library, so it stays loaded, and its
 * functions can still be called. An open handle is a resource that `deno test` would report as leaked by whichever test creates the
 * first socket. Only a non-blocking call needs the handle; so `poll` is called by its address.
 *
 * @throws {Deno.errors.NotCapable} without `--allow-ffi`.
 */
export function denoBinding(deno: DenoNamespace, abi: Abi): DenoBinding {
  const { UnsafePointer, UnsafePointerView } = deno;
  const definitions = {
    ...translatePrototypes<DenoSymbol | DenoStatic>(abi, symbolOf),
    pollAddress: { type: "pointer", name: "poll" },
    // void *calloc(size_t count, size_t size); void free(void *block);
    calloc: { parameters: ["u64", "u64"], result: "pointer" },
    free: { parameters: ["pointer"], result: "void" },
  } as const;
  const openIn = (
    libraries: readonly string[],
    some: Record<string, DenoSymbol | DenoStatic>,
  ): Record<string, NativeFunction> => {
    const library = openFirst({ libraries }, (name) => deno.dlopen(name, some));
    library.close();
    return library.symbols;
  };
  askForFfi(deno);
  const symbols = openLazily(
    definitions,
    [abi.errnoLocation, "pollAddress", "calloc", "free"],
    (some) => openIn(abi.libraries, some),
  );
  const pollElsewhere = new deno.UnsafeFnPointer(symbols.pollAddress, {
    ...symbolOf(POLL_PROTOTYPE),
    nonblocking: true,
  });
  const errno = new Int32Array(UnsafePointerView.getArrayBuffer(symbols[abi.errnoLocation](), 4));
  return {
    functions: symbols,
    errno: () => errno[0]!,
    addressOf: (buffer) => UnsafePointer.value(UnsafePointer.of(buffer)),
    pointerTo: (memory: Memory, offset) => UnsafePointer.create(memory.address + BigInt(offset)),
    nullPointer: null,
    // Deno refuses -0, which JavaScript takes for 0.
    toInt: (value) => value + 0,
    toSizeT: (value) => BigInt(value),
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

/** The maximum number of single grants. If there are more, all are forgotten. */
const MAX_REMEMBERED = 4096;

/** A variable of the environment, if this program may read it. The user is not asked for the permission. */
export function denoVariable(deno: DenoNamespace, variable: string): string | undefined {
  const { state } = deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? process.env[variable] : undefined;
}

/** A permission, as Deno's queries describe it. */
type PermissionDescriptor =
  | { name: "env"; variable: string }
  | { name: "ffi" }
  | { name: "net"; host?: string }
  | { name: "read" | "write"; path?: string };

/**
 * A permission descriptor that Deno does not keep. Deno stores an object for each host and each path that was ever queried, under a
 * key that it reads from the descriptor after the query. So the property has its value only as often as the query reads it; for the
 * key it has a value that is neither a host nor a path. If some Deno reads in another order, it rejects the query as malformed, and
 * never answers for something else.
 */
class PassingDescriptor {
  readonly name: "net" | "read" | "write";
  readonly #target: string;
  #reads: number;

  constructor({ name, target }: Question) {
    this.name = name;
    this.#target = target;
    // A path is read twice, as it may be a URL.
    this.#reads = name === "net" ? 1 : 2;
    const property = { get: () => this.#reads-- > 0 ? this.#target : MALFORMED[name], set() {}, enumerable: true };
    Object.defineProperty(this, name === "net" ? "host" : "path", property);
  }
}

/** What Deno accepts neither as a host nor as a path. */
const MALFORMED = { net: "!", read: "", write: "" } as const;

/** A query: whether a host with a port, or a path, may be used. */
interface Question {
  readonly name: "net" | "read" | "write";
  readonly target: string;
}

/**
 * Deno's permissions. Neither Deno's memory nor the time of a query grows with the number of queries.
 */
class DenoPermissions {
  readonly #deno: DenoNamespace;
  readonly #whole = new Map<string, PermissionStatus>();
  readonly #grants = { revision: 0 };
  readonly #granted = new BoundedCache<string, true>(MAX_REMEMBERED, this.#grants);
  readonly #changed: () => void;

  /** @param changed Called when something that was granted may have been revoked. */
  constructor(deno: DenoNamespace, changed: () => void) {
    this.#deno = deno;
    this.#changed = changed;
    hearRevocations(deno, () => {
      this.#grants.revision++;
      changed();
    });
  }

  /** Whether all of a permission is granted. Deno updates the status. */
  hasAll(name: "net" | "read" | "write"): boolean {
    let status = this.#whole.get(name);
    if (!status) {
      status = this.#deno.permissions.querySync({ name });
      status.addEventListener("change", this.#changed);
      this.#whole.set(name, status);
    }
    return status.state === "granted" && !status.partial;
  }

  /** The same, but asks the user if it is neither granted nor denied. */
  requestAll(name: "net"): boolean {
    if (this.hasAll(name)) return true;
    return this.#canPrompt() && this.#deno.permissions.requestSync({ name }).state === "granted";
  }

  /** Whether a permission is granted. If it is neither granted nor denied, the user is asked, as by Deno's own sockets: on a terminal. */
  has({ name, target }: Question): boolean {
    if (this.hasAll(name)) return true;
    const { permissions } = this.#deno;
    const state = this.#query({ name, target });
    if (state !== "prompt") return state === "granted";
    // Without a terminal it would be denied. Deno would store each denial, and search all of them from then on.
    if (!this.#canPrompt()) return false;
    return permissions.requestSync(descriptorOf({ name, target })).state === "granted";
  }

  /** Returns the error of a query. Grants are remembered. */
  remembered(key: string, ask: () => Error | undefined): Error | undefined {
    if (this.#granted.get(key)) return undefined;
    const refused = ask();
    if (refused) return refused;
    this.#granted.set(key, true);
  }

  #query(question: Question): string {
    const { permissions } = this.#deno;
    try {
      return permissions.querySync(new PassingDescriptor(question) as PermissionDescriptor).state;
    } catch {
      return permissions.querySync(descriptorOf(question)).state;
    }
  }

  #canPrompt(): boolean {
    const { stdin, stderr } = this.#deno;
    return stdin.isTerminal() && stderr.isTerminal();
  }
}

function descriptorOf({ name, target }: Question): PermissionDescriptor {
  return name === "net" ? { name, host: target } : { name, path: target };
}

/**
 * Calls back when the program has revoked a permission. The status of a permission has an event for that, but not if only a part of it
 * was granted, and Deno keeps every status that it was asked for: one for each destination would make it grow.
 */
function hearRevocations({ permissions }: DenoNamespace, heard: () => void): void {
  const prototype = Object.getPrototypeOf(permissions);
  for (const name of ["revoke", "revokeSync"] as const) {
    replaceCalls(prototype, name, (call) => {
      try {
        return call();
      } finally {
        heard();
      }
    });
  }
}

/**
 * Deno's `net` permission. In the state `prompt` Deno asks the user on a terminal, as its own sockets do. Grants are remembered until
 * the program revokes a permission (`Deno.permissions.revoke`).
 *
 * A Unix socket's path also requires `read` and `write`. An abstract path, which is not a file, requires all of `net`.
 */
export function denoNetworkPermission(deno: DenoNamespace): NetworkPermission {
  const permissions = new DenoPermissions(deno, () => network.revision++);
  const notCapable = (name: string, target: string): Error =>
    new deno.errors.NotCapable(
      `Requires ${name} access to "${target}", run again with the --allow-${name} flag`,
    );
  const refusal = (question: Question): Error | undefined =>
    permissions.has(question) ? undefined : notCapable(question.name, question.target);
  const abstractRefusal = (target: string): Error | undefined => {
    return permissions.requestAll("net") ? undefined : notCapable("net", target);
  };
  const fileRefusal = (path: string): Error | undefined => {
    const files = refusal({ name: "read", target: path }) ?? refusal({ name: "write", target: path });
    if (files || permissions.hasAll("net")) return files;
    const host = `unix:${process.getBuiltinModule("node:path").resolve(path)}`;
    return refusal({ name: "net", target: host });
  };
  // The revision is a plain number, as it is read for each message.
  const network = {
    revision: UNCHANGING + 1,
    refusal(host: string, port: number): Error | undefined {
      if (permissions.hasAll("net")) return undefined;
      const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
      return permissions.remembered(target, () => refusal({ name: "net", target }));
    },
    pathRefusal(path: string): Error | undefined {
      if (path.startsWith("\0")) return abstractRefusal(`unix:@${path.slice(1)}`);
      return permissions.remembered(`unix:${path}`, () => fileRefusal(path));
    },
  };
  return network;
}
