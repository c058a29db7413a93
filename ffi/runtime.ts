/**
 * What the rest of the module needs of the runtime it finds itself in.
 *
 * @module
 */
import type { Libc } from "./libc/libc.ts";
import type { WaiterFactory } from "./poll/waiter.ts";
import type { AsyncContexts } from "./runtimes/async_context.ts";
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
  /** Whether payloads of several datagrams may be used at all: not if the environment says `DGRAM_FFI_OFFLOAD=off`. */
  readonly offload: boolean;
  /** The runtime's network sandbox. */
  readonly network: NetworkPermission;
  /** Whether sockets of the runtime's own are in `process.getActiveResourcesInfo()`. */
  readonly listsSockets: boolean;
  /** The fast way to keep an asynchronous context. */
  readonly asyncContexts: AsyncContexts;
  /** Delivers one event after the other, as the event loop would. */
  readonly runSteps: RunSteps;
  /**
   * Has something done when this thread's program is about to end, in whatever way it hears of: the last time that code runs, perhaps.
   * It may be done more than once, and the program may go on.
   */
  readonly beforeEnd: (action: () => void) => void;
  /** Makes the runtime's kind of waiter. */
  readonly createWaiter: WaiterFactory;
  /**
   * Has a function called when the program ends, where its thread may run another one afterwards. Undefined where the thread ends with
   * its program: see {@linkcode Libc.owner}.
   */
  readonly onProgramEnd?: (call: () => void) => void;
}
