/**
 * Options of the levels IPPROTO_IP and IPPROTO_IPV6 (ip(7), ipv6(7)), except multicast.
 *
 * @module
 */
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningUdpEndpoint, setOption } from "../endpoint/socket_state.ts";
import { invalidArgValue } from "../errors/node_errors.ts";
import { validateBoolean, validateInteger, validateNumber } from "../errors/validate.ts";
import { getBytes, getInt, setInt } from "./access.ts";

/** See {@linkcode Socket.setTTL}. */
export function setTTL(socket: AnySocket, ttl: number): number {
  return setHops(socket, "IP_TTL", "IPV6_UNICAST_HOPS", ttl, 1, "setTTL");
}

/** See {@linkcode Socket.setTOS}. */
export function setTOS(socket: AnySocket, tos: number): true {
  validateInteger(tos, "tos", 0, 255);
  return setForBoth(socket, "IP_TOS", "IPV6_TCLASS", tos);
}

/** See {@linkcode Socket.getTOS}. */
export function getTOS(socket: AnySocket): number {
  return getInt(socket, isIPv4(socket) ? "IP_TOS" : "IPV6_TCLASS");
}

/** See {@linkcode Socket.setDSCP}. */
export function setDSCP(socket: AnySocket, dscp: number): true {
  validateInteger(dscp, "dscp", 0, 63);
  return setTOS(socket, dscp << 2 | getTOS(socket) & 3);
}

/** See {@linkcode Socket.getDSCP}. */
export function getDSCP(socket: AnySocket): number {
  return getTOS(socket) >> 2;
}

/** See {@linkcode Socket.setECN}. */
export function setECN(socket: AnySocket, ecn: number): true {
  validateInteger(ecn, "ecn", 0, 3);
  return setTOS(socket, getTOS(socket) & ~3 | ecn);
}

/** See {@linkcode Socket.getECN}. */
export function getECN(socket: AnySocket): number {
  return getTOS(socket) & 3;
}

/** See {@linkcode Socket.setMTUDiscover}. */
export function setMTUDiscover(socket: AnySocket, mode: PathMtuDiscovery): true {
  if (!MODES.includes(mode)) throw invalidArgValue("mode", `must be one of ${MODES.join(", ")}`, mode);
  const { linux } = engineOf(socket).runtime.libc.abi;
  return setForBoth(socket, "IP_MTU_DISCOVER", "IPV6_MTU_DISCOVER", linux?.[`IP_PMTUDISC_${mode}`] ?? 0);
}

/** See {@linkcode Socket.getMTUDiscover}. */
export function getMTUDiscover(socket: AnySocket): PathMtuDiscovery {
  const value = getInt(socket, isIPv4(socket) ? "IP_MTU_DISCOVER" : "IPV6_MTU_DISCOVER");
  const { linux } = engineOf(socket).runtime.libc.abi;
  return MODES.find((mode) => linux![`IP_PMTUDISC_${mode}`] === value)!;
}

/** See {@linkcode Socket.setDontFragment}. */
export function setDontFragment(socket: AnySocket, flag: boolean): true {
  validateBoolean(flag, "flag");
  const { linux } = engineOf(socket).runtime.libc.abi;
  if (linux) return setMTUDiscover(socket, flag ? "DO" : "WANT");
  return setInt(socket, isIPv4(socket) ? "IP_DONTFRAG" : "IPV6_DONTFRAG", flag ? 1 : 0);
}

/** See {@linkcode Socket.getDontFragment}. */
export function getDontFragment(socket: AnySocket): boolean {
  const { linux } = engineOf(socket).runtime.libc.abi;
  if (linux) return ["DO", "PROBE"].includes(getMTUDiscover(socket));
  return getInt(socket, isIPv4(socket) ? "IP_DONTFRAG" : "IPV6_DONTFRAG") !== 0;
}

/** See {@linkcode Socket.getPathMTU}. */
export function getPathMTU(socket: AnySocket): number {
  if (isIPv4(socket)) return getInt(socket, "IP_MTU");
  const { linux, darwin } = engineOf(socket).runtime.libc.abi;
  const { size, ip6m_mtu } = (linux ?? darwin)!.ip6_mtuinfo;
  const info = getBytes(socket, "IPV6_PATHMTU", size);
  return new DataView(info.buffer).getUint32(ip6m_mtu, true);
}

/** See {@linkcode Socket.setFreebind}. */
export function setFreebind(socket: AnySocket, flag: boolean): true {
  validateBoolean(flag, "flag");
  return setInt(socket, isIPv4(socket) ? "IP_FREEBIND" : "IPV6_FREEBIND", flag ? 1 : 0);
}

/** See {@linkcode Socket.getFreebind}. */
export function getFreebind(socket: AnySocket): boolean {
  return getInt(socket, isIPv4(socket) ? "IP_FREEBIND" : "IPV6_FREEBIND") !== 0;
}

/** See {@linkcode Socket.setTransparent}. */
export function setTransparent(socket: AnySocket, flag: boolean): true {
  validateBoolean(flag, "flag");
  return setInt(socket, isIPv4(socket) ? "IP_TRANSPARENT" : "IPV6_TRANSPARENT", flag ? 1 : 0);
}

/** See {@linkcode Socket.getTransparent}. */
export function getTransparent(socket: AnySocket): boolean {
  return getInt(socket, isIPv4(socket) ? "IP_TRANSPARENT" : "IPV6_TRANSPARENT") !== 0;
}

/** See {@linkcode Socket.setRecvNetworkErrors}. */
export function setRecvNetworkErrors(socket: AnySocket, flag: boolean): true {
  validateBoolean(flag, "flag");
  setForBoth(socket, "IP_RECVERR", "IPV6_RECVERR", flag ? 1 : 0);
  const endpoint = runningUdpEndpoint(socket);
  endpoint.errorReceiver.takesNetworkErrors = flag;
  endpoint.updateSegments();
  return true;
}

/** See {@linkcode Socket.getRecvNetworkErrors}. */
export function getRecvNetworkErrors(socket: AnySocket): boolean {
  return getInt(socket, isIPv4(socket) ? "IP_RECVERR" : "IPV6_RECVERR") !== 0;
}

/** See {@linkcode Socket.getErrorQueueOverruns}. */
export function getErrorQueueOverruns(socket: AnySocket): number {
  return runningUdpEndpoint(socket).errorQueueOverruns;
}

/**
 * What happens to datagrams that are larger than the path's MTU. `DONT` fragments them and never sets the don't-fragment bit. `WANT`,
 * the default, sets the bit on those that fit, and fragments larger ones. `DO` sets it and refuses larger ones with EMSGSIZE. `PROBE`
 * sets it and ignores the path's MTU, to measure it. `INTERFACE` uses only the interface's MTU and refuses larger ones. `OMIT` does the
 * same, but fragments them.
 *
 * @example
 * ```ts
 * import type { PathMtuDiscovery } from "@dgram/ffi";
 *
 * const mode: PathMtuDiscovery = "PROBE";
 * socket.setMTUDiscover(mode);
 * console.log(socket.getMTUDiscover()); // PROBE
 * ```
 */
export type PathMtuDiscovery = "DONT" | "WANT" | "DO" | "PROBE" | "INTERFACE" | "OMIT";

const MODES: readonly PathMtuDiscovery[] = ["DONT", "WANT", "DO", "PROBE", "INTERFACE", "OMIT"];

function isIPv4(socket: AnySocket): boolean {
  return runningUdpEndpoint(socket).version === 4;
}

/** Sets an option of the socket's protocol. IPv6 sockets also send over IPv4, so there it is set for both if the system allows that. */
function setForBoth(socket: AnySocket, option4: OptionName, option6: OptionName, value: number): true {
  if (isIPv4(socket)) return setInt(socket, option4, value);
  setInt(socket, option6, value);
  try {
    setInt(socket, option4, value);
  } catch {
    // macOS has no IPv4 options on IPv6 sockets.
  }
  return true;
}

/** Sets a TTL or hop limit. @returns `ttl`. */
export function setHops(
  socket: AnySocket,
  option4: OptionName,
  option6: OptionName,
  ttl: number,
  least: number,
  method: string,
): number {
  validateNumber(ttl, "ttl");
  // A C int, as in Node. The kernel accepts -1 for the default, which Node (libuv) refuses.
  const hops = ttl | 0;
  const { version } = runningUdpEndpoint(socket);
  const { errors, runtime } = engineOf(socket);
  if (hops < least || hops > 255) throw errors.ofCall(runtime.libc.abi.errno.EINVAL, method);
  setOption(socket, version === 4 ? option4 : option6, hops, method);
  return ttl;
}
