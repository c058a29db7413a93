/**
 * What the sockets of one JavaScript thread share: the runtime, the poll loop, and the memory for sending and
 * receiving.
 *
 * @module
 */
import { currentRuntime } from "../../ffi/load.ts";
import type { Runtime } from "../../ffi/runtime.ts";
import { ErrorQueue } from "../../ffi/wire/error_queue.ts";
import type { IpVersion } from "../../ffi/wire/inet.ts";
import { SystemErrors } from "../errors/system_errors.ts";
import { ActiveResources } from "../loop/active_resources.ts";
import { PollLoop } from "../loop/loop.ts";
import { Inbox } from "../receiving/inbox.ts";
import { SendCallbacks } from "../sending/callbacks.ts";
import { Outbox } from "../sending/outbox.ts";
import { Destinations } from "./destinations.ts";
import { ReusePortGroups } from "./reuse_port_groups.ts";

/** Something that must end with the program. */
export interface Ending {
  /** Called when the program ends and its process continues. */
  end(): void;
}

/** The shared parts of one thread. */
export interface Engine {
  readonly runtime: Runtime;
  readonly loop: PollLoop;
  readonly outbox: Outbox;
  readonly sendCallbacks: SendCallbacks;
  readonly inbox: Inbox;
  readonly errors: SystemErrors;
  readonly errorQueue: ErrorQueue;
  readonly resources: ActiveResources;
  readonly reusePortGroups: ReusePortGroups;
  readonly destinations: Readonly<Record<IpVersion, Destinations>>;
  /** The endpoints with a descriptor, if a program can end before its thread: see {@linkcode Runtime.onProgramEnd}. */
  readonly endpoints: Set<Ending> | undefined;
}

const engines = new WeakMap<Runtime, Engine>();

/** This thread's engine. The first call creates it and opens libc; importing the module does neither. */
export function currentEngine(): Engine {
  const runtime = currentRuntime();
  let engine = engines.get(runtime);
  if (!engine) {
    const { libc } = runtime;
    const outbox = new Outbox(libc);
    engine = {
      runtime,
      loop: new PollLoop(runtime),
      outbox,
      sendCallbacks: new SendCallbacks(outbox),
      inbox: new Inbox(runtime),
      errors: new SystemErrors(libc.abi),
      errorQueue: new ErrorQueue(libc),
      resources: new ActiveResources(runtime.listsSockets),
      reusePortGroups: new ReusePortGroups(),
      destinations: { 4: new Destinations(runtime.network), 6: new Destinations(runtime.network) },
      endpoints: runtime.onProgramEnd && new Set(),
    };
    engines.set(runtime, engine);
    sendBeforeEnd(engine);
    endWithProgram(engine);
  }
  return engine;
}

/** This thread's outboxes. Only tests have more than one. */
let outboxes: WeakRef<Outbox>[] | undefined;

/** Messages that were passed to `send()` before the program ends must not be lost. */
function sendBeforeEnd({ outbox, runtime }: Engine): void {
  if (!outboxes) runtime.beforeEnd(() => outboxes!.forEach((outbox) => outbox.deref()?.sendLast()));
  outboxes = [...(outboxes ?? []).filter((outbox) => outbox.deref()), new WeakRef(outbox)];
}

/**
 * Descriptors belong to the process. Those that a program leaves open would stay open for the next program in its
 * thread.
 */
function endWithProgram({ endpoints, loop, outbox, runtime }: Engine): void {
  runtime.onProgramEnd?.(() => {
    outbox.flush();
    for (const endpoint of endpoints!) endpoint.end();
    endpoints!.clear();
    loop.closeSets();
  });
}
