/**
 * What the rest of the module needs of the runtime it finds itself in.
 *
 * @module
 */
import type { AsyncContexts } from "./async_context.ts";
import type { BufferPart } from "./buffer_part.ts";
import type { Libc } from "./libc.ts";
import type { NetworkPermission } from "./network_permission.ts";
import type { WaiterFactory } from "./poll/waiter.ts";

/** The ways to call C that this module knows. */
export type BindingName = "deno" | "bun" | "node:ffi" | "koffi";

/** One runtime, its C library opened. */
export interface Runtime {
  /** Which FFI is in use. */
  readonly binding: BindingName;
  /** The C library. */
  readonly libc: Libc;
  /** The runtime's network sandbox. */
  readonly network: NetworkPermission;
  /** The fast way to keep an asynchronous context. */
  readonly asyncContexts: AsyncContexts;
  /** The fast way to a part of a Buffer. */
  readonly bufferPart: BufferPart;
  /** Makes the runtime's kind of waiter. */
  readonly createWaiter: WaiterFactory;
  /**
   * Has a function called when the program ends, where its thread may run another one afterwards. Undefined where the thread ends with
   * its program: see {@linkcode Libc.owner}.
   */
  readonly onProgramEnd?: (call: () => void) => void;
}
