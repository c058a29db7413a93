/**
 * Which descriptors that were opened elsewhere can become a socket.
 *
 * @module
 */
import type { Stats } from "node:fs";
import { describeSocket } from "../../ffi/descriptor.ts";
import { errnoName } from "../../ffi/libc/errno.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import process from "../../ffi/runtimes/process.ts";
import type { IpVersion } from "../../ffi/wire/inet.ts";
import { errnoError, invalidFdType } from "../errors/node_errors.ts";

/**
 * The IP version of an open UDP socket.
 *
 * @throws {TypeError} ERR_INVALID_FD_TYPE if the descriptor is something else.
 * @throws {Error} EAFNOSUPPORT if it does not have the `wanted` version.
 */
export function adoptableVersion(libc: Libc, fd: number, wanted: IpVersion | undefined): IpVersion {
  const socket = describeSocket(libc, fd);
  if (typeof socket === "number") throw invalidFdType(typeOfNonSocket(fd));
  const { family, datagram } = socket;
  if (!datagram || family === undefined || family === "unix") {
    throw invalidFdType(family === 4 || family === 6 ? "TCP" : "PIPE");
  }
  if (wanted !== undefined && wanted !== family) {
    throw errnoError(libc.abi.errno.EAFNOSUPPORT, errnoName(libc.abi, libc.abi.errno.EAFNOSUPPORT), "open");
  }
  return family;
}

/** Whether an open descriptor is a Unix datagram socket. */
export function isUnixDatagram(libc: Libc, fd: number): boolean {
  const socket = describeSocket(libc, fd);
  return typeof socket !== "number" && socket.datagram && socket.family === "unix";
}

/**
 * Checks that an open descriptor is a Unix datagram socket.
 *
 * @throws {TypeError} ERR_INVALID_FD_TYPE if it is something else.
 * @throws {Error} EAFNOSUPPORT if it is a UDP socket.
 */
export function adoptableUnix(libc: Libc, fd: number): void {
  if (isUnixDatagram(libc, fd)) return;
  adoptableVersion(libc, fd, undefined);
  throw errnoError(libc.abi.errno.EAFNOSUPPORT, errnoName(libc.abi, libc.abi.errno.EAFNOSUPPORT), "open");
}

/** The type as libuv names it (`uv_guess_handle`). */
function typeOfNonSocket(fd: number): string {
  try {
    const stat = statOf(fd);
    if (stat.isFIFO()) return "PIPE";
    if (stat.isCharacterDevice()) return process.getBuiltinModule("node:tty").isatty(fd) ? "TTY" : "FILE";
    return stat.isFile() ? "FILE" : "UNKNOWN";
  } catch {
    return "UNKNOWN";
  }
}

/** Deno's `fstatSync` does not support inherited descriptors. */
function statOf(fd: number): Stats {
  const { fstatSync, statSync } = process.getBuiltinModule("node:fs");
  try {
    return fstatSync(fd);
  } catch {
    return statSync(`/dev/fd/${fd}`);
  }
}
