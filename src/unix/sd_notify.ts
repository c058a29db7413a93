/**
 * Notifies systemd of changes of a service's state: sd_notify(3).
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";
import { invalidArgValue } from "../errors/node_errors.ts";
import { UnixSocket } from "./socket.ts";

/**
 * Options of {@linkcode sdNotify}.
 *
 * @example
 * ```ts
 * import { sdNotify, type SdNotifyOptions } from "@dgram/ffi";
 *
 * const options: SdNotifyOptions = { fds: [0] };
 * console.log(await sdNotify("FDSTORE=1\nFDNAME=input", options)); // false
 * ```
 */
export interface SdNotifyOptions {
  /** The path to send to. Default: the environment variable `NOTIFY_SOCKET`. */
  socket?: string | undefined;
  /** Descriptors for the manager to keep, with `FDSTORE=1` in the state. */
  fds?: readonly number[] | undefined;
}

/**
 * Notifies the service manager, by a datagram to the socket in the environment variable `NOTIFY_SOCKET`.
 *
 * @param state Assignments, one per line or per element: `READY=1`, `STATUS=...`, `WATCHDOG=1`, `STOPPING=1` and so on.
 * @param options Where to send it, and descriptors to send with it.
 * @returns True once the manager has the message. False if there is no manager: the program was not started as a
 * service of the type `notify`.
 * @throws {TypeError} ERR_INVALID_ARG_VALUE if `NOTIFY_SOCKET` is neither an absolute path nor an abstract one
 * (`@...`).
 * @throws {Error} The error of sending, such as ENOENT.
 *
 * @example
 * ```ts
 * import { sdNotify } from "@dgram/ffi";
 *
 * await sdNotify("READY=1\nSTATUS=Waiting for requests");
 * const period = Number(process.env.WATCHDOG_USEC ?? 0) / 2000;
 * if (period > 0) setInterval(() => sdNotify("WATCHDOG=1"), period);
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
