/**
 * The methods of a socket for options of the levels IPPROTO_IP and IPPROTO_IPV6 (ip(7), ipv6(7)), multicast apart.
 *
 * @module
 */
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { invalidArgValue } from "../errors/node_errors.ts";
import { getBytes, getInt, setInt } from "./access.ts";
import { PacketFilters } from "./packet_filters.ts";
import { engineOf, runningEndpoint, setOption, type SocketBase } from "../endpoint/socket_base.ts";
import { validateBoolean, validateInteger, validateNumber } from "../errors/validate.ts";

/** Options of IP. A part of {@linkcode Socket}. */
export abstract class IpLevel extends PacketFilters {
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

  /**
   * Sets the type of service of what is sent, in IPv6 called traffic class (IP_TOS, IPV6_TCLASS): the DSCP in the upper six bits
   * (RFC 2474) and the ECN in the lower two (RFC 3168). Node has it on sockets of `net` only. Linux sets {@linkcode Socket.setPriority} after it.
   *
   * @param tos 0 to 255.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   */
  setTypeOfService(tos: number): true {
    validateInteger(tos, "tos", 0, 255);
    return setForBoth(this, "IP_TOS", "IPV6_TCLASS", tos);
  }

  /** The type of service, or traffic class, of what is sent: 0 to 255. */
  getTypeOfService(): number {
    return getInt(this, isIPv4(this) ? "IP_TOS" : "IPV6_TCLASS");
  }

  /**
   * Sets the differentiated services codepoint of what is sent (RFC 2474): the upper six bits of {@linkcode Socket.setTypeOfService}, whose
   * other two stay. Not in Node.
   *
   * @param dscp 0 to 63: 46 is expedited forwarding (RFC 3246).
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   */
  setDSCP(dscp: number): true {
    validateInteger(dscp, "dscp", 0, 63);
    return this.setTypeOfService(dscp << 2 | this.getTypeOfService() & 3);
  }

  /** The differentiated services codepoint of what is sent: 0 to 63. Not in Node. */
  getDSCP(): number {
    return this.getTypeOfService() >> 2;
  }

  /**
   * Sets the explicit congestion notification of what is sent (RFC 3168): the lower two bits of {@linkcode Socket.setTypeOfService}, whose
   * other six stay. Not in Node.
   *
   * @param ecn 0: not capable of it; 1: ECT(1); 2: ECT(0); 3: congestion experienced.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   */
  setECN(ecn: number): true {
    validateInteger(ecn, "ecn", 0, 3);
    return this.setTypeOfService(this.getTypeOfService() & ~3 | ecn);
  }

  /** The explicit congestion notification of what is sent: 0 to 3. Not in Node. */
  getECN(): number {
    return this.getTypeOfService() & 3;
  }

  /**
   * Says what to do with datagrams that are larger than the path's MTU (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER; Linux). Not in Node.
   *
   * @param mode What stands behind IP_PMTUDISC_ in the header: {@linkcode PathMtuDiscovery}.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE.
   * @throws {Error} ENOPROTOOPT on macOS, where {@linkcode Socket.setDontFragment} is all there is.
   */
  setMTUDiscover(mode: PathMtuDiscovery): true {
    if (!MODES.includes(mode)) throw invalidArgValue("mode", `must be one of ${MODES.join(", ")}`, mode);
    const { linux } = engineOf(this).runtime.libc.abi;
    return setForBoth(this, "IP_MTU_DISCOVER", "IPV6_MTU_DISCOVER", linux?.[`IP_PMTUDISC_${mode}`] ?? 0);
  }

  /** What is done with datagrams that are larger than the path's MTU (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER; Linux). Not in Node. */
  getMTUDiscover(): PathMtuDiscovery {
    const value = getInt(this, isIPv4(this) ? "IP_MTU_DISCOVER" : "IPV6_MTU_DISCOVER");
    const { linux } = engineOf(this).runtime.libc.abi;
    return MODES.find((mode) => linux![`IP_PMTUDISC_${mode}`] === value)!;
  }

  /**
   * Forbids to fragment what is sent: the don't-fragment bit of IPv4, and no fragment header in IPv6. A datagram that is larger than
   * the path's MTU, as far as that is known, then fails with EMSGSIZE. The mode `DO` of {@linkcode Socket.setMTUDiscover}, or `WANT`
   * where `flag` is false; on macOS IP_DONTFRAG and IPV6_DONTFRAG. Not in Node.
   *
   * @returns True.
   */
  setDontFragment(flag: boolean): true {
    validateBoolean(flag, "flag");
    const { linux } = engineOf(this).runtime.libc.abi;
    if (linux) return this.setMTUDiscover(flag ? "DO" : "WANT");
    return setInt(this, isIPv4(this) ? "IP_DONTFRAG" : "IPV6_DONTFRAG", flag ? 1 : 0);
  }

  /** Whether what is sent must not be fragmented: the modes `DO` and `PROBE`. Not in Node. */
  getDontFragment(): boolean {
    const { linux } = engineOf(this).runtime.libc.abi;
    if (linux) return ["DO", "PROBE"].includes(this.getMTUDiscover());
    return getInt(this, isIPv4(this) ? "IP_DONTFRAG" : "IPV6_DONTFRAG") !== 0;
  }

  /**
   * The MTU of the path to the peer, as far as the kernel knows it (IP_MTU on Linux, IPV6_PATHMTU). Without a peer, ask for
   * `recvErrors`: its errors have the MTU. Not in Node.
   *
   * @returns Bytes, with the IP and UDP headers: 28 of IPv4 and 48 of IPv6 without options.
   * @throws {Error} ENOTCONN where there is no peer; ENOPROTOOPT for IPv4 on macOS.
   */
  getPathMTU(): number {
    if (isIPv4(this)) return getInt(this, "IP_MTU");
    const { linux, darwin } = engineOf(this).runtime.libc.abi;
    const { size, ip6m_mtu } = (linux ?? darwin)!.ip6_mtuinfo;
    const info = getBytes(this, "IPV6_PATHMTU", size);
    return new DataView(info.buffer).getUint32(ip6m_mtu, true);
  }

  /**
   * Lets `bind()` take an address that this host does not have, or not yet (IP_FREEBIND, IPV6_FREEBIND; Linux). Also an option of
   * `createSocket`. Not in Node.
   *
   * @returns True.
   */
  setFreebind(flag: boolean): true {
    validateBoolean(flag, "flag");
    return setInt(this, isIPv4(this) ? "IP_FREEBIND" : "IPV6_FREEBIND", flag ? 1 : 0);
  }

  /** Whether `bind()` takes an address that this host does not have (IP_FREEBIND, IPV6_FREEBIND; Linux). Not in Node. */
  getFreebind(): boolean {
    return getInt(this, isIPv4(this) ? "IP_FREEBIND" : "IPV6_FREEBIND") !== 0;
  }

  /**
   * Makes the socket a transparent proxy's (IP_TRANSPARENT, IPV6_TRANSPARENT; Linux): it can be bound to any address, and receives
   * what a rule of the system's packet filter (TPROXY) sends it. Also an option of `createSocket`. Not in Node.
   *
   * @returns True.
   * @throws {Error} EPERM without CAP_NET_ADMIN or CAP_NET_RAW.
   */
  setTransparent(flag: boolean): true {
    validateBoolean(flag, "flag");
    return setInt(this, isIPv4(this) ? "IP_TRANSPARENT" : "IPV6_TRANSPARENT", flag ? 1 : 0);
  }

  /** Whether the socket is a transparent proxy's (IP_TRANSPARENT, IPV6_TRANSPARENT; Linux). Not in Node. */
  getTransparent(): boolean {
    return getInt(this, isIPv4(this) ? "IP_TRANSPARENT" : "IPV6_TRANSPARENT") !== 0;
  }

  /**
   * Has the network's answers to datagrams that did not arrive come as `'networkError'` events, on a socket without a peer, too
   * (IP_RECVERR, IPV6_RECVERR; Linux). With a peer they come in place of the `'error'` that is ECONNREFUSED. No datagram is lost
   * by it: one that the kernel refuses for another one's sake is sent again. Errors wait in the receive buffer: if that is full, the
   * kernel drops them, of which {@linkcode Socket.getErrorQueueOverruns} tells. Also an option of `createSocket`. Not in Node.
   *
   * @returns True.
   * @throws {Error} ENOPROTOOPT on macOS.
   */
  setRecvErrors(flag: boolean): true {
    validateBoolean(flag, "flag");
    setForBoth(this, "IP_RECVERR", "IPV6_RECVERR", flag ? 1 : 0);
    runningEndpoint(this).errorReceiver.takesNetworkErrors = flag;
    return true;
  }

  /** Whether the network's errors come as `'networkError'` events (IP_RECVERR, IPV6_RECVERR; Linux). Not in Node. */
  getRecvErrors(): boolean {
    return getInt(this, isIPv4(this) ? "IP_RECVERR" : "IPV6_RECVERR") !== 0;
  }

  /**
   * How many times network errors or transmit timestamps may have been missed (Linux 4.12): so often there was no room in the receive
   * buffer when the error queue was read, or datagrams had been dropped since it was read before. The kernel drops what finds no room
   * for the error queue, and does not count it, not in {@linkcode Socket.getDropCount} either. So each time any number may be missing, or
   * none; and a lack of room that was over when the queue was read is not noticed. A larger buffer (`recvBufferSize`) helps. Not in Node.
   *
   * @returns From 0; always 0 if the system has no SO_MEMINFO.
   */
  getErrorQueueOverruns(): number {
    return runningEndpoint(this).errorQueueOverruns;
  }
}

/**
 * What to do with datagrams that are larger than the path's MTU: `DONT` fragments and never sets the don't-fragment bit; `WANT`, the
 * default, sets it and fragments where the path's MTU asks for it; `DO` sets it and refuses with EMSGSIZE; `PROBE` sets it and
 * disregards the path's MTU, for those who measure it; `INTERFACE` heeds the interface's MTU alone and refuses larger ones;
 * `OMIT` does, too, but fragments them.
 */
export type PathMtuDiscovery = "DONT" | "WANT" | "DO" | "PROBE" | "INTERFACE" | "OMIT";

const MODES: readonly PathMtuDiscovery[] = ["DONT", "WANT", "DO", "PROBE", "INTERFACE", "OMIT"];

function isIPv4(socket: SocketBase): boolean {
  return runningEndpoint(socket).version === 4;
}

/** Sets an option of the socket's own protocol. IPv6 sockets send over IPv4, too: there as well, where the system lets them. */
function setForBoth(socket: SocketBase, option4: OptionName, option6: OptionName, value: number): true {
  if (isIPv4(socket)) return setInt(socket, option4, value);
  setInt(socket, option6, value);
  try {
    setInt(socket, option4, value);
  } catch {
    // macOS has no IPv4 options on IPv6 sockets.
  }
  return true;
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
