/**
 * What {@linkcode NativeLibc} needs from a runtime's FFI.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Memory } from "./memory.ts";
import { type FunctionName, type Prototype, prototypesOf } from "./prototypes.ts";

/** A native function as the runtime returns it. A `long` result may be a bigint, and a pointer anything. */
// deno-lint-ignore no-explicit-any
export type NativeFunction = (...args: any[]) => any;

/** The C functions of the prototype table, by name. Those of other systems are missing. */
export type NativeFunctions =
  & Readonly<Record<Exclude<FunctionName, typeof TELLING>, NativeFunction>>
  & Partial<Record<typeof TELLING, NativeFunction>>;

/** One runtime's FFI, reduced to what differs. */
export interface Binding {
  /** The C functions of the prototype table. */
  readonly functions: NativeFunctions;
  /** The calling thread's errno. Valid only directly after the call that failed. */
  errno(): number;
  /** The address of a buffer. */
  addressOf(buffer: ArrayBuffer): bigint;
  /** An address as the runtime takes it for a pointer parameter. */
  pointerTo(memory: Memory, offset: number): unknown;
  /** NULL for such a parameter. */
  readonly nullPointer: unknown;
  /** A number as the runtime takes it for an `int`, `unsigned int`, `socklen_t` or `long` parameter. */
  toInt(this: void, value: number): unknown;
  /** A number as the runtime takes it for a `size_t` or `unsigned long` parameter. */
  toSizeT(value: number): unknown;
  /**
   * Opens functions that not every C library has.
   *
   * @param libraries Names of the library, which are tried in turn.
   * @throws If none of them has all of these functions.
   */
  open<Name extends string>(
    prototypes: Readonly<Record<Name, Prototype>>,
    libraries: readonly string[],
  ): Record<Name, NativeFunction>;
  /** The memory at a pointer that a function returned. It must last as long as the view is used. */
  view(pointer: unknown, length: number): ArrayBuffer;
}

/** Opens the C library under the first of its names that works. */
export function openFirst<Library>(abi: Pick<Abi, "libraries">, open: (name: string) => Library): Library {
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

/** Whether a permission is missing. Then no other file name can help. */
function isRefusal(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string };
  return name === "NotCapable" || name === "PermissionDenied" || code === "ERR_ACCESS_DENIED";
}

/** The functions that every socket calls. */
const EAGER_FUNCTIONS: ReadonlySet<string> = new Set([
  ...["socket", "bind", "getsockname", "setsockopt", "sendmsg", "sendmmsg", "recvmmsg", "close"],
  ...["epoll_create1", "epoll_ctl", "epoll_wait", "eventfd", "kqueue", "kevent"],
]);

/** A function that only some C libraries have. It identifies the library. */
const TELLING = "gnu_get_libc_version";

/**
 * Opens functions in two steps, as each takes time (in Deno a quarter of a millisecond): those that every socket calls at once, and
 * the others when the first of them is called.
 *
 * @param eager More functions to open at once.
 * @param open Opens functions under the given names.
 */
export function openLazily<Name extends string, Definition>(
  definitions: Readonly<Record<Name, Definition>>,
  eager: readonly NoInfer<Name>[],
  open: (definitions: Record<string, Definition>) => Record<string, NativeFunction>,
): Record<Name, NativeFunction> {
  const entries = Object.entries<Definition>(definitions);
  const more: ReadonlySet<string> = new Set(eager);
  const isEager = (name: string): boolean => EAGER_FUNCTIONS.has(name) || name === TELLING || more.has(name);
  const functions: Record<string, NativeFunction> = {
    ...openWhatIsThere(Object.fromEntries(entries.filter(([name]) => isEager(name))), open),
  };
  const late = Object.fromEntries(entries.filter(([name]) => !isEager(name)));
  for (const name of Object.keys(late)) {
    functions[name] = (...values) => {
      Object.assign(functions, open(late));
      return functions[name]!(...values);
    };
  }
  return functions as Record<Name, NativeFunction>;
}

/** Opens functions, and if that fails, without the one that tells. One call in glibc, as each takes its time. */
function openWhatIsThere<Definition>(
  definitions: Record<string, Definition>,
  open: (definitions: Record<string, Definition>) => Record<string, NativeFunction>,
): Record<string, NativeFunction> {
  const sure = Object.fromEntries(Object.entries(definitions).filter(([name]) => name !== TELLING));
  if (Object.keys(sure).length === Object.keys(definitions).length) return open(definitions);
  try {
    return open(definitions);
  } catch (error) {
    if (isRefusal(error)) throw error;
    return open(sure);
  }
}

/** Translates the whole prototype table of a platform with one function per entry. */
export function translatePrototypes<T>(abi: Abi, translate: (prototype: Prototype) => T): Record<FunctionName, T> {
  return translateAll(prototypesOf(abi.platform) as Record<FunctionName, Prototype>, translate);
}

/** Translates some prototypes. */
export function translateAll<Name extends string, T>(
  prototypes: Readonly<Record<Name, Prototype>>,
  translate: (prototype: Prototype) => T,
): Record<Name, T> {
  const entries = Object.entries<Prototype>(prototypes);
  return Object.fromEntries(entries.map(([name, prototype]) => [name, translate(prototype)])) as Record<Name, T>;
}
