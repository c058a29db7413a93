/**
 * What the sockets of one JavaScript thread share: the runtime, the poll loop, and the memory for sending and receiving.
 *
 * @module
 */
import { currentRuntime } from "../ffi/load.ts";
import type { Runtime } from "../ffi/runtime.ts";
import { Inbox } from "./inbox.ts";
import { PollLoop } from "./loop.ts";
import { Outbox } from "./outbox.ts";

/** One thread's shared parts. */
export interface Engine {
  readonly runtime: Runtime;
  readonly loop: PollLoop;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
}

const engines = new WeakMap<Runtime, Engine>();

/** This thread's engine. Made, and libc opened, at the first call: importing the module does neither. */
export function currentEngine(): Engine {
  const runtime = currentRuntime();
  let engine = engines.get(runtime);
  if (!engine) {
    const { libc } = runtime;
    engine = { runtime, loop: new PollLoop(runtime), outbox: new Outbox(libc), inbox: new Inbox(libc) };
    engines.set(runtime, engine);
  }
  return engine;
}
