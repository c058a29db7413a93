/**
 * Events and callbacks as promises that a signal can reject.
 *
 * @module
 */
import { nextTick } from "../../ffi/runtimes/process.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { endpointOf } from "../endpoint/socket_state.ts";
import { aborted, notRunning } from "../errors/node_errors.ts";
import { validateAbortSignal, validateObject } from "../errors/validate.ts";

/**
 * The option of every operation.
 *
 * @example
 * ```ts
 * import type { Abortable } from "@dgram/ffi/promises";
 *
 * const options: Abortable = { signal: AbortSignal.timeout(10) };
 * await socket.bind();
 * try {
 *   await socket.receive(options);
 * } catch (error) {
 *   console.log((error as Error).name); // AbortError
 * }
 * ```
 */
export interface Abortable {
  /** Rejects the promise with an AbortError if it is aborted. */
  signal?: AbortSignal | undefined;
}

/** The signal in an argument. @throws ERR_INVALID_ARG_TYPE if it is not a signal. */
export function signalOf(options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined;
  validateObject(options, "options");
  const { signal } = options as Abortable;
  if (signal !== undefined) validateAbortSignal(signal, "options.signal");
  return signal;
}

/** Starts an operation, which calls one of both when it ends. */
export type Start<Value> = (resolve: (value: Value) => void, reject: (error: unknown) => void) => void;

/**
 * Starts an operation, unless the signal is already aborted. If it is aborted later, the operation's outcome is
 * ignored.
 *
 * @param over Called when the operation has ended or the signal was aborted.
 */
export function abortable<Value>(
  signal: AbortSignal | undefined,
  start: Start<Value>,
  over: () => void = () => {},
): Promise<Value> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const abort = (): void => fail(aborted(signal!));
    const end = (): void => {
      signal?.removeEventListener("abort", abort);
      over();
    };
    signal?.addEventListener("abort", abort);
    const fail = (error: unknown): void => {
      end();
      reject(error);
    };
    try {
      start((value) => {
        end();
        resolve(value);
      }, fail);
    } catch (error) {
      fail(error);
    }
  });
}

/**
 * Like {@linkcode abortable}, for an operation of a bound socket. It also ends with the socket's `'error'`, and when the
 * socket is closed.
 */
export function whileOpen<Value>(
  socket: AnySocket,
  signal: AbortSignal | undefined,
  start: Start<Value>,
  over: () => void = () => {},
): Promise<Value> {
  let fail: (error: unknown) => void;
  const onError = (error: unknown): void => fail(error);
  const onClose = (): void => fail(notRunning());
  return abortable<Value>(signal, (resolve, reject) => {
    fail = reject;
    socket.on("error", onError);
    socket.on("close", onClose);
    start(resolve, reject);
  }, () => {
    socket.removeListener("error", onError);
    socket.removeListener("close", onClose);
    over();
  });
}

/**
 * Starts an operation that ends with an event, with an error (the callback's, or the next `'error'`), or when the
 * socket is closed. The listeners stay until then, even if the signal is aborted: an error of the operation must not
 * become an unhandled `'error'`.
 *
 * @param result The value of the promise.
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
      // At once, as the next listener may close the socket.
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

/** Closes a socket, if it is open. If the signal is aborted later, only the wait ends. */
export function closing(
  socket: AnySocket & { close(): unknown },
  options: Abortable | undefined,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    abortable<void>(signalOf(options), (done) => {
      if (!endpointOf(socket)) return done();
      // If binding fails, so does the `close()` that waits for it.
      const again = (): void => nextTick(() => void (endpointOf(socket) && socket.close()));
      socket.on("error", again);
      socket.once("close", () => {
        socket.removeListener("error", again);
        done();
      });
      socket.close();
    }).then(resolve, reject);
  });
}
