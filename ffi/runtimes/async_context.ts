/**
 * Asynchronous contexts, on which `AsyncLocalStorage` is based: a later call runs in the context of its caller.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";

/** The context of a socket's events: that in which the socket was created. */
export interface EventContext {
  /** The socket's id in async_hooks; 0 if the runtime has none. */
  asyncId(): number;
  /** Calls a function in the context. Changes to the context end with the call. */
  run<First, Second>(call: (first: First, second: Second) => void, first: First, second: Second): void;
  /** Reports to async_hooks that the socket is closed. */
  emitDestroy(): void;
}

/** How the runtime keeps contexts. */
export interface AsyncContexts {
  /** The context of the caller, for the events of a new socket. */
  open(): EventContext;
  /**
   * The context of the caller.
   *
   * @param triggerAsyncId What causes the later call, for async_hooks.
   */
  capture(triggerAsyncId: number): unknown;
  /** Calls a function in a context. Changes to the context end with the call. */
  run<First, Second>(
    context: unknown,
    call: (first: First, second: Second) => void,
    first: First,
    second: Second,
  ): void;
}

class ResourceContext extends AsyncResource implements EventContext {
  run<First, Second>(call: (first: First, second: Second) => void, first: First, second: Second): void {
    this.runInAsyncScope(call, undefined, first, second);
  }
}

/** Contexts by `AsyncResource`, which every runtime has. */
export const resourceContexts: AsyncContexts = {
  open: () => new ResourceContext("UDPWRAP"),
  // With a given trigger Node need not look for one, which would take as long as everything else.
  capture: (triggerAsyncId) => new AsyncResource("UDPSENDWRAP", triggerAsyncId),
  run: (context, call, first, second) => (context as AsyncResource).runInAsyncScope(call, undefined, first, second),
};
