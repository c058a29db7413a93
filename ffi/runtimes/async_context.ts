/**
 * Asynchronous contexts, which `AsyncLocalStorage` stands on: what is called later has that of its caller.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";

/** The context of a socket's events: that of whoever made the socket. */
export interface EventContext {
  /** For async_hooks: the socket. 0 if the runtime has no numbers for it. */
  asyncId(): number;
  /** Calls a function in the context. What it does to the context ends with it. */
  run<First, Second>(call: (first: First, second: Second) => void, first: First, second: Second): void;
  /** For async_hooks: the socket is closed. */
  emitDestroy(): void;
}

/** The runtime's way to keep contexts. */
export interface AsyncContexts {
  /** The context of whoever calls, for the events of a new socket. */
  open(): EventContext;
  /**
   * The context of whoever calls.
   *
   * @param triggerAsyncId For async_hooks: what causes the later call.
   */
  capture(triggerAsyncId: number): unknown;
  /** Calls a function in a context. What it does to the context ends with it. */
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

/** With what every runtime has. */
export const resourceContexts: AsyncContexts = {
  open: () => new ResourceContext("UDPWRAP"),
  // A trigger that is given spares Node the search for one, which takes as long as all else.
  capture: (triggerAsyncId) => new AsyncResource("UDPSENDWRAP", triggerAsyncId),
  run: (context, call, first, second) => (context as AsyncResource).runInAsyncScope(call, undefined, first, second),
};
