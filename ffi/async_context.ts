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
  run<Argument>(context: unknown, call: (argument: Argument) => void, argument: Argument): void;
}

/** With what every runtime has. */
export const resourceContexts: AsyncContexts = {
  // A trigger that is given spares Node the search for one, which takes as long as all else.
  capture: (triggerAsyncId) => new AsyncResource("UDPSENDWRAP", triggerAsyncId),
  run: (context, call, argument) => (context as AsyncResource).runInAsyncScope(call, undefined, argument),
};
