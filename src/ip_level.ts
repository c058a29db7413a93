/**
 * The methods of a socket for options of the levels IPPROTO_IP and IPPROTO_IPV6 (ip(7), ipv6(7)), multicast apart.
 *
 * @module
 */
import type { OptionName } from "../ffi/sockopt.ts";
import { engineOf, runningEndpoint, setOption, type SocketBase } from "./socket_base.ts";
import { SocketLevel } from "./socket_level.ts";
import { validateNumber } from "./validate.ts";

/** Options of IP. A part of {@linkcode Socket}. */
export abstract class IpLevel extends SocketLevel {
  /**
   * How many routers a datagram may pass (IP_TTL, IPV6_UNICAST_HOPS).
   *
   * @param ttl 1 to 255.
   * @returns `ttl`.
   * @throws {Error} EINVAL outside that range, EBADF before the socket is bound.
   */
  setTTL(ttl: number): number {
    return setHops(this, "IP_TTL", "IPV6_UNICAST_HOPS", ttl, 1, "setTTL");
  }
}

/** Sets how many routers datagrams may pass. @returns `ttl`. */
export function setHops(
  socket: SocketBase,
  option4: OptionName,
  option6: OptionName,
  ttl: number,
  least: number,
  method: string,
): number {
  validateNumber(ttl, "ttl");
  // As in Node, a C int; but the kernel takes -1 as "the default", which Node (libuv) does not let through.
  const hops = ttl | 0;
  const { version } = runningEndpoint(socket);
  const { errors, runtime } = engineOf(socket);
  if (hops < least || hops > 255) throw errors.ofCall(runtime.libc.abi.errno.EINVAL, method);
  setOption(socket, version === 4 ? option4 : option6, hops, method);
  return ttl;
}
