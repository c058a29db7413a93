/**
 * What the rest of the module needs from the runtime.
 *
 * @module
 */
import type { Libc } from "./libc/libc.ts";
import type { WaiterFactory } from "./poll/waiter.ts";
import type { AsyncContexts } from "./runtimes/async_context.ts";
import type { Debug } from "./runtimes/debug.ts";
import type { NetworkPermission } from "./runtimes/network_permission.ts";
import type { RunSteps } from "./runtimes/turns.ts";

/** The ways to call C that this module knows. */
export type BindingName = "deno" | "bun" | "node:ffi" | "koffi";

/** One runtime, its C library opened. */
export interface Runtime {
  /** Which FFI is in use. */
  readonly binding: BindingName;
  /** The C library. */
  readonly libc: Libc;
  /** Whether payloads of several datagrams may be used: not with `DGRAM_FFI_OFFLOAD=off` in the environment. */
  readonly offload: boolean;
  /** Tells what is done otherwise than at best, and why; undefined if nobody asked (`NODE_DEBUG=dgram-ffi`). */
  readonly debug?: Debug | undefined;
  /** The runtime's network sandbox. */
  readonly network: NetworkPermission;
  /** Whether `process.getActiveResourcesInfo()` lists the runtime's own sockets. */
  readonly listsSockets: boolean;
  /** The fastest way to keep an asynchronous context. */
  readonly asyncContexts: AsyncContexts;
  /** Delivers one event after the other, as the event loop would. */
  readonly runSteps: RunSteps;
  /**
   * Runs an action when this thread's program is about to end, by any end that the runtime reports. It may be the last code that
   * runs. It may also run more than once, and the program may go on.
   */
  readonly beforeEnd: (action: () => void) => void;
  /** Creates a waiter of the runtime's kind. */
  readonly createWaiter: WaiterFactory;
  /**
   * Calls a function when the program ends and its thread may run another one. Undefined if the thread ends with its program: see
   * {@linkcode Libc.owner}.
   */
  readonly onProgramEnd?: (call: () => void) => void;
}
