/**
 * What the sockets of one JavaScript thread share: the runtime, the poll loop, and the memory for sending and receiving.
 *
 * @module
 */
import { ErrorQueue } from "../ffi/error_queue.ts";
import { currentRuntime } from "../ffi/load.ts";
import type { Runtime } from "../ffi/runtime.ts";
import type { Endpoint } from "./endpoint.ts";
import { Inbox } from "./inbox.ts";
import { PollLoop } from "./loop.ts";
import { Outbox } from "./outbox.ts";
import { SendCallbacks } from "./send_callbacks.ts";
import { SystemErrors } from "./system_errors.ts";

/** One thread's shared parts. */
export interface Engine {
  readonly runtime: Runtime;
  readonly loop: PollLoop;
  readonly outbox: Outbox;
  readonly sendCallbacks: SendCallbacks;
  readonly inbox: Inbox;
  readonly errors: SystemErrors;
  readonly errorQueue: ErrorQueue;
  /** Those with a descriptor, where a program can end without its thread: see {@linkcode Runtime.onProgramEnd}. Elsewhere nobody has to know. */
  readonly endpoints: Set<Endpoint> | undefined;
}

const engines = new WeakMap<Runtime, Engine>();

/** This thread's engine. Made, and libc opened, at the first call: importing the module does neither. */
export function currentEngine(): Engine {
  const runtime = currentRuntime();
  let engine = engines.get(runtime);
  if (!engine) {
    const { libc } = runtime;
    engine = {
      runtime,
      loop: new PollLoop(runtime),
      outbox: new Outbox(libc),
      sendCallbacks: new SendCallbacks(),
      inbox: new Inbox(runtime),
      errors: new SystemErrors(libc.abi),
      errorQueue: new ErrorQueue(libc),
      endpoints: runtime.onProgramEnd && new Set(),
    };
    engines.set(runtime, engine);
    endWithProgram(engine);
  }
  return engine;
}

/** Descriptors belong to the process: what a program that ends has not closed would stay open for the next one in its thread. */
function endWithProgram({ endpoints, loop, outbox, runtime }: Engine): void {
  runtime.onProgramEnd?.(() => {
    outbox.flush();
    for (const endpoint of endpoints!) endpoint.end();
    endpoints!.clear();
    loop.closeSets();
  });
}
