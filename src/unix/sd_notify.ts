/**
 * What a service tells systemd of itself: sd_notify(3).
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";
import { invalidArgValue } from "../errors/node_errors.ts";
import { UnixSocket } from "./socket.ts";

/** Options of {@linkcode sdNotify}. */
export interface SdNotifyOptions {
  /** Where to send it. Default: the environment's `NOTIFY_SOCKET`. */
  socket?: string | undefined;
  /** Descriptors for the manager to keep, with `FDSTORE=1` in the state. */
  fds?: readonly number[] | undefined;
}

/**
 * Tells the service manager something, by a datagram to the socket that `NOTIFY_SOCKET` names.
 *
 * @param state Assignments, one a line or one an element: `READY=1`, `STATUS=...`, `WATCHDOG=1`, `STOPPING=1` and so on.
 * @param options Where to send it, and what with it.
 * @returns True once the manager has the message; false where there is none: the program was not started as a service of the
 * type `notify`.
 * @throws {TypeError} ERR_INVALID_ARG_VALUE where `NOTIFY_SOCKET` is neither an absolute path nor an abstract one (`@...`).
 * @throws {Error} What sending says, such as ENOENT.
 *
 * @example
 * ```ts
 * await sdNotify("READY=1\nSTATUS=Waiting for requests");
 * setInterval(() => sdNotify("WATCHDOG=1"), Number(process.env.WATCHDOG_USEC) / 2000);
 * ```
 */
export async function sdNotify(state: string | readonly string[], options: SdNotifyOptions = {}): Promise<boolean> {
  const path = options.socket ?? process.env.NOTIFY_SOCKET;
  if (!path) return false;
  if (!/^[/@\0]/.test(path)) throw invalidArgValue("NOTIFY_SOCKET", "must be an absolute or an abstract path", path);
  const message = typeof state === "string" ? state : state.join("\n");
  const socket = new UnixSocket("unix_dgram");
  try {
    await new Promise<void>((resolve, reject) =>
      socket.send(message, { path, fds: options.fds }, (error) => error ? reject(error) : resolve())
    );
    return true;
  } finally {
    socket.close();
  }
}
