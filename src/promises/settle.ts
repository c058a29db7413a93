/**
 * Events and callbacks as promises that a signal rejects.
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import { aborted, notRunning } from "../errors/node_errors.ts";
import { validateAbortSignal, validateObject } from "../errors/validate.ts";

/** What every operation takes. */
export interface Abortable {
  /** Aborting it rejects the promise with an AbortError. */
  signal?: AbortSignal | undefined;
}

/** The signal of some options. @throws ERR_INVALID_ARG_TYPE if it is none. */
export function signalOf(options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined;
  validateObject(options, "options");
  const { signal } = options as Abortable;
  if (signal !== undefined) validateAbortSignal(signal, "options.signal");
  return signal;
}

/** Starts something, unless it is aborted before; what comes of it after the signal was aborted is not heard. */
export function abortable<Value>(
  signal: AbortSignal | undefined,
  start: (resolve: (value: Value) => void, reject: (error: unknown) => void) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const abort = (): void => reject(aborted(signal!));
    const over = (): void => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    const fail = (error: unknown): void => {
      over();
      reject(error);
    };
    try {
      start((value) => {
        over();
        resolve(value);
      }, fail);
    } catch (error) {
      fail(error);
    }
  });
}

/**
 * Starts what ends with an event, with an error (the callback's, or the next `'error'`), or with the socket. Listeners stay until then,
 * whatever a signal does: an error of what goes on is nobody else's.
 *
 * @param result What the promise is to give.
 */
export function untilEvent<Value>(
  socket: AnySocket,
  event: "listening" | "connect",
  signal: AbortSignal | undefined,
  start: (fail: (error: unknown) => void) => void,
  result: () => Value,
): Promise<Value> {
  return abortable<Value>(signal, (resolve, reject) => {
    const over = (): void => {
      socket.removeListener(event, done);
      socket.removeListener("error", fail);
      socket.removeListener("close", closed);
    };
    const done = (): void => {
      over();
      // At once: the next listener may close the socket.
      resolve(result());
    };
    const fail = (error: unknown): void => {
      over();
      reject(error);
    };
    const closed = (): void => fail(notRunning());
    socket.on(event, done);
    socket.on("error", fail);
    socket.on("close", closed);
    try {
      start(fail);
    } catch (error) {
      fail(error);
    }
  });
}
