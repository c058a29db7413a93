/**
 * Checks the options of `createSocket()` for a Unix datagram socket.
 *
 * @module
 */
import { isUnixDatagram } from "../endpoint/adoption.ts";
import { currentEngine } from "../endpoint/engine.ts";
import { badSocketType, notUdp } from "../errors/node_errors.ts";
import { validateAbortSignal, validateBoolean, validateUint32 } from "../errors/validate.ts";
import { validateFd, validateSendQueueLimit } from "../socket/creation_options.ts";
import type { UnixSocketOptions } from "./types.ts";

/** The options of a Unix socket. */
const KNOWN = new Set([
  "type",
  "fd",
  "unlinkOnClose",
  "recvBufferSize",
  "sendBufferSize",
  "sendQueueLimit",
  "recvFds",
  "recvCredentials",
  "signal",
]);

/**
 * Checks the argument of `createSocket()`. An option for UDP sockets is refused and not ignored, unless its value is
 * falsy.
 */
export function checkUnixOptions(given: "unix_dgram" | Partial<UnixSocketOptions>): Partial<UnixSocketOptions> {
  const options: Partial<UnixSocketOptions> = typeof given === "string" ? { type: given } : given;
  const { type, fd, unlinkOnClose, recvFds, recvCredentials, recvBufferSize, sendBufferSize, signal } = options;
  if (type !== "unix_dgram" && (type !== undefined || fd === undefined)) throw badSocketType();
  for (const [name, value] of Object.entries(options)) {
    if (!KNOWN.has(name) && value) throw notUdp(`The option ${name}`);
  }
  if (unlinkOnClose !== undefined) validateBoolean(unlinkOnClose, "options.unlinkOnClose");
  if (recvFds !== undefined) validateBoolean(recvFds, "options.recvFds");
  if (recvCredentials !== undefined) validateBoolean(recvCredentials, "options.recvCredentials");
  if (recvBufferSize) validateUint32(recvBufferSize, "options.recvBufferSize");
  if (sendBufferSize) validateUint32(sendBufferSize, "options.sendBufferSize");
  if (options.sendQueueLimit !== undefined) validateSendQueueLimit(options.sendQueueLimit);
  if (signal !== undefined) validateAbortSignal(signal, "options.signal");
  if (fd !== undefined) validateFd(fd);
  return options;
}

/** Whether the options are for a Unix socket. With `fd` and no type, the descriptor determines it. */
export function isForUnix(options: unknown): options is "unix_dgram" | UnixSocketOptions {
  if (options === null || typeof options !== "object") return options === "unix_dgram";
  const { type, fd } = options as Partial<UnixSocketOptions>;
  // Invalid numbers are refused together with the other options.
  if (type !== undefined || fd !== (fd! | 0)) return type === "unix_dgram";
  return isUnixDatagram(currentEngine().runtime.libc, fd!);
}
