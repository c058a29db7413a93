/**
 * Why an option could not be set or read, in words, from what the table of options knows (ffi/abi/socket_options.ts).
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { errnoName } from "../../ffi/libc/errno.ts";
import { knownOf } from "../../ffi/wire/sockopt.ts";

/**
 * A failed getsockopt(2), setsockopt(2) or ioctl(2).
 *
 * @example
 * ```ts
 * import type { OptionError } from "@dgram/ffi";
 *
 * try {
 *   socket.setsockopt("IPPROTO_IP", "IP_TTL", 256);
 * } catch (error) {
 *   const { code, syscall, option } = error as OptionError;
 *   console.log(code, syscall, option); // EINVAL setsockopt IP_TTL
 * }
 * ```
 */
export interface OptionError extends Error {
  /** The negative errno. */
  errno: number;
  /** Its name. */
  code: string;
  /** The call that failed. */
  syscall: string;
  /** The option's header name, or its number if it was given by number. */
  option: string;
}

/** What in a system's headers is no option by this name: then there is nothing to ask the kernel. */
export function missingOption(abi: Abi, call: string, option: string): OptionError {
  return make(abi, abi.errno.ENOPROTOOPT, call, option, `${systemName(abi)} has no such option`);
}

/**
 * The error of a call that failed, with what is known about the reason.
 *
 * @param errno The positive errno.
 * @param call `getsockopt`, `setsockopt` or `ioctl`.
 * @param option The header name, or the number as text.
 */
export function optionError(abi: Abi, errno: number, call: string, option: string): OptionError {
  return make(abi, errno, call, option, reasonFor(abi, errno, option));
}

function reasonFor(abi: Abi, errno: number, option: string): string | undefined {
  const { EPERM, EACCES, ENOPROTOOPT, ENOTSUP, EINVAL, ENOTCONN, ENOMEM, EDOM } = abi.errno;
  const { privilege, privileged = "it", refusal, since } = knownOf(option);
  switch (errno) {
    case EPERM:
    case EACCES:
      return privilege ? `${privileged} takes ${privilege}` : refusal;
    case ENOPROTOOPT:
    case ENOTSUP:
      return since && abi.linux
        ? `the kernel does not know it for this socket; Linux has it since ${since}`
        : "the kernel does not know it for this socket";
    case ENOTCONN:
      return "it takes a socket with a peer";
    case ENOMEM:
      return option.startsWith("SO_ATTACH_") ? "programs take no more memory than net.core.optmem_max" : undefined;
    case EINVAL:
    case EDOM:
      return "the kernel does not take this value or length";
  }
  return undefined;
}

function systemName({ linux }: Abi): string {
  return linux ? "Linux" : "macOS";
}

function make(abi: Abi, errno: number, call: string, option: string, reason: string | undefined): OptionError {
  const code = errnoName(abi, errno);
  const error = new Error(`${call} ${option} ${code}${reason ? `: ${reason}` : ""}`);
  return Object.assign(error, { errno: -errno, code, syscall: call, option });
}
