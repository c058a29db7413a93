/**
 * Why an option could not be set or read, in words: the one place that knows what privilege an option takes and since when
 * Linux has it.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { errnoName } from "../../ffi/libc/errno.ts";

/** A failed getsockopt(2), setsockopt(2) or ioctl(2). */
export interface OptionError extends Error {
  /** The negative errno. */
  errno: number;
  /** Its name. */
  code: string;
  /** The call that failed. */
  syscall: string;
  /** The option's header name, or its number where it was given by number. */
  option: string;
}

/** What there is to say about an option. */
interface Note {
  /** What refusal for want of a privilege (EPERM, EACCES) means. */
  readonly privilege?: string;
  /** The least version of Linux. */
  readonly since?: string;
}

const NET_ADMIN = "it takes CAP_NET_ADMIN";
const ADMIN_OR_RAW = "it takes CAP_NET_ADMIN or CAP_NET_RAW";

const NOTES: Readonly<Record<string, Note>> = {
  SO_DEBUG: { privilege: NET_ADMIN },
  SO_SNDBUFFORCE: { privilege: NET_ADMIN, since: "2.6.14" },
  SO_RCVBUFFORCE: { privilege: NET_ADMIN, since: "2.6.14" },
  SO_PRIORITY: { privilege: "a priority above 6 takes CAP_NET_ADMIN" },
  SO_BINDTODEVICE: { privilege: "changing an interface that is set takes CAP_NET_RAW" },
  SO_MARK: { privilege: "it takes CAP_NET_ADMIN, or CAP_NET_RAW since Linux 5.17", since: "2.6.25" },
  SO_RXQ_OVFL: { since: "2.6.33" },
  SO_PEEK_OFF: { since: "3.4" },
  SO_ATTACH_FILTER: { privilege: "the filter is locked (SO_LOCK_FILTER)" },
  SO_DETACH_FILTER: { privilege: "the filter is locked (SO_LOCK_FILTER)" },
  SO_LOCK_FILTER: { privilege: "a lock cannot be taken away again", since: "3.9" },
  SO_BUSY_POLL: { privilege: "a longer time than net.core.busy_read takes CAP_NET_ADMIN", since: "3.11" },
  SO_MAX_PACING_RATE: { since: "3.13" },
  SO_INCOMING_CPU: { since: "3.19" },
  SO_ATTACH_REUSEPORT_CBPF: { since: "4.5" },
  SO_ATTACH_REUSEPORT_EBPF: { since: "4.5" },
  SO_MEMINFO: { since: "4.12" },
  SO_COOKIE: { since: "4.12" },
  SO_TXTIME: { privilege: NET_ADMIN, since: "4.19" },
  SO_DETACH_REUSEPORT_BPF: { since: "5.3" },
  SO_PREFER_BUSY_POLL: { privilege: NET_ADMIN, since: "5.11" },
  SO_BUSY_POLL_BUDGET: { privilege: NET_ADMIN, since: "5.11" },
  SO_NETNS_COOKIE: { since: "5.14" },
  SO_BUF_LOCK: { since: "5.15" },
  SO_RESERVE_MEM: { privilege: NET_ADMIN, since: "5.16" },
  SO_RCVMARK: { privilege: ADMIN_OR_RAW, since: "5.19" },
  IP_TRANSPARENT: { privilege: ADMIN_OR_RAW, since: "2.6.24" },
  IP_MULTICAST_ALL: { since: "2.6.31" },
  IP_MINTTL: { since: "2.6.34" },
  IP_UNICAST_IF: { since: "3.4" },
  IP_BIND_ADDRESS_NO_PORT: { since: "4.2" },
  IP_RECVERR_RFC4884: { since: "5.9" },
  IP_LOCAL_PORT_RANGE: { since: "6.3" },
  IPV6_TRANSPARENT: { privilege: ADMIN_OR_RAW, since: "2.6.37" },
  IPV6_UNICAST_IF: { since: "3.4" },
  IPV6_FREEBIND: { since: "4.15" },
  IPV6_MULTICAST_ALL: { since: "4.20" },
  IPV6_RECVERR_RFC4884: { since: "5.9" },
  UDP_SEGMENT: { since: "4.18" },
  UDP_GRO: { since: "5.0" },
};

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
  const { privilege, since } = NOTES[option] ?? {};
  switch (errno) {
    case EPERM:
    case EACCES:
      return privilege;
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
