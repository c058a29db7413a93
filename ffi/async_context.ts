/**
 * Asynchronous contexts, which `AsyncLocalStorage` stands on: what is called later has that of its caller.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";

/** The runtime's way to keep contexts. */
export interface AsyncContexts {
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

/** With what every runtime has. */
export const resourceContexts: AsyncContexts = {
  // A trigger that is given spares Node the search for one, which takes as long as all else.
  capture: (triggerAsyncId) => new AsyncResource("UDPSENDWRAP", triggerAsyncId),
  run: (context, call, first, second) => (context as AsyncResource).runInAsyncScope(call, undefined, first, second),
};
