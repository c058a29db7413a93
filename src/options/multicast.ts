/**
 * The methods of a socket for multicast: how it is sent, and which groups are received (RFC 3678, RFC 4607).
 *
 * @module
 */
import type { SourceOperation } from "../../ffi/wire/membership.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { missingArg } from "../errors/node_errors.ts";
import { IpLevel, setHops } from "./ip.ts";
import { getInt, setInt } from "./access.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { engineOf, runningEndpoint, setOption, type SocketBase } from "../endpoint/socket_base.ts";
import { validateBoolean, validateString } from "../errors/validate.ts";

/** Options of multicast. A part of {@linkcode Socket}. */
export abstract class MulticastLevel extends IpLevel {
  /**
   * How many routers a multicast datagram may pass (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS).
   *
   * @param ttl 0 to 255; 0 keeps it on this host.
   * @returns `ttl`.
   * @throws {Error} EINVAL outside that range, EBADF before the socket is bound.
   */
  setMulticastTTL(ttl: number): number {
    return setHops(this, "IP_MULTICAST_TTL", "IPV6_MULTICAST_HOPS", ttl, 0, "setMulticastTTL");
  }

  /**
   * Whether multicast that is sent comes back to this host (IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP).
   *
   * @returns `flag`.
   * @throws {Error} EBADF before the socket is bound.
   */
  setMulticastLoopback(flag: boolean): boolean {
    const option = runningEndpoint(this).version === 4 ? "IP_MULTICAST_LOOP" : "IPV6_MULTICAST_LOOP";
    setOption(this, option, flag ? 1 : 0, "setMulticastLoopback");
    return flag;
  }

  /**
   * The interface that multicast leaves by (IP_MULTICAST_IF, IPV6_MULTICAST_IF).
   *
   * @param multicastInterface For IPv4 one of the interface's addresses, for IPv6 any address with `%` and the interface's name
   * or number behind it, or (unlike Node) the interface's name. `0.0.0.0` or `::`: the system's choice.
   * @returns True. (Node: nothing.)
   * @throws {Error} EINVAL if it is none of these (an address with a zone that names no interface is the system's choice, as in Node),
   * EBADF before the socket is bound, or what the kernel says, as ENOPROTOOPT
   * where an IPv4 socket is given an IPv6 address.
   */
  setMulticastInterface(multicastInterface: string): true {
    const endpoint = runningEndpoint(this);
    validateString(multicastInterface, "interfaceAddress");
    return check(this, endpoint.setMulticastInterface(multicastInterface), "setMulticastInterface");
  }

  /**
   * Joins a multicast group (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP). An unbound socket is bound first.
   *
   * @param multicastAddress The group. An IPv6 socket that is not `ipv6Only` can join IPv4 groups, too.
   * @param multicastInterface The interface, as in {@linkcode Socket.setMulticastInterface}; left out: the system's choice.
   * @returns True. (Node: nothing.)
   * @throws {Error} EINVAL for a bad address or a name that no interface has, EADDRINUSE if it is joined already, ENODEV for an
   * IPv4 address that no interface has.
   */
  addMembership(multicastAddress: string, multicastInterface?: string): true {
    return setMembership(this, true, multicastAddress, multicastInterface);
  }

  /**
   * Leaves a multicast group (IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP). Closing the socket does it, too.
   *
   * @param multicastAddress The group.
   * @param multicastInterface The interface; left out: over IPv4 the system's choice, as at joining; over IPv6 any one, of
   * several the one that was joined last. As in Node.
   * @returns True. (Node: nothing.)
   * @throws {Error} EADDRNOTAVAIL if it was not joined.
   */
  dropMembership(multicastAddress: string, multicastInterface?: string): true {
    return setMembership(this, false, multicastAddress, multicastInterface);
  }

  /**
   * Joins a source-specific channel: a group, but only what one host sends to it (IP_ADD_SOURCE_MEMBERSHIP,
   * MCAST_JOIN_SOURCE_GROUP; RFC 4607). An unbound socket is bound first.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * On Linux, of IPv6, the sources of one group that were joined on several interfaces are not told apart by interface: what was joined
   * last holds for all.
   *
   * @param multicastInterface The interface, as in {@linkcode Socket.setMulticastInterface}; left out: the system's choice.
   * @returns True. (Node: nothing.)
   */
  addSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return setSource(this, "join", sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Leaves a source-specific channel (IP_DROP_SOURCE_MEMBERSHIP, MCAST_LEAVE_SOURCE_GROUP).
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface; left out: the one that joined without one.
   * @returns True. (Node: nothing.)
   */
  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return setSource(this, "leave", sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Whether the socket gets what any socket of this host has joined (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL; Linux), as it does to begin
   * with, or the groups only that it has joined itself. Not in Node.
   *
   * @returns True.
   * @throws {Error} ENOPROTOOPT before Linux 2.6.31, for IPv6 before 4.20, and on macOS, where sockets get what they joined.
   */
  setMulticastAll(flag: boolean): true {
    validateBoolean(flag, "flag");
    return setInt(this, multicastAll(this), flag ? 1 : 0);
  }

  /** Whether the socket gets groups that it has not joined itself (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL; Linux). Not in Node. */
  getMulticastAll(): boolean {
    return getInt(this, multicastAll(this)) !== 0;
  }

  /**
   * Keeps out what one host sends to a group that was joined as a whole, by {@linkcode Socket.addMembership} (IP_BLOCK_SOURCE,
   * MCAST_BLOCK_SOURCE; RFC 3678). Not in Node.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface, as it was joined on.
   * @returns True.
   * @throws {Error} EINVAL where the group was not joined, EADDRNOTAVAIL where the source is blocked already.
   */
  blockSource(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return setSource(this, "block", sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Lets a blocked sender be heard again (IP_UNBLOCK_SOURCE, MCAST_UNBLOCK_SOURCE; RFC 3678). Not in Node.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface, as it was joined on.
   * @returns True.
   * @throws {Error} EADDRNOTAVAIL or EINVAL where it is not blocked.
   */
  unblockSource(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return setSource(this, "unblock", sourceAddress, groupAddress, multicastInterface);
  }
}

function setMembership(socket: SocketBase, join: boolean, group: string, interface_: string | undefined): true {
  const endpoint = runningEndpoint(socket);
  if (!group) throw missingArg("multicastAddress");
  checkImplicitBind(endpoint);
  const result = endpoint.setMembership(join, `${group}`, optionalText(interface_));
  return check(socket, result, join ? "addMembership" : "dropMembership");
}

/** The methods, as errors name them. */
const SOURCE_METHODS: Readonly<Record<SourceOperation, string>> = {
  join: "addSourceSpecificMembership",
  leave: "dropSourceSpecificMembership",
  block: "blockSource",
  unblock: "unblockSource",
};

function setSource(
  socket: SocketBase,
  operation: SourceOperation,
  source: string,
  group: string,
  interface_: string | undefined,
): true {
  const endpoint = runningEndpoint(socket);
  validateString(source, "sourceAddress");
  validateString(group, "groupAddress");
  checkImplicitBind(endpoint);
  const result = endpoint.setSource(operation, source, group, optionalText(interface_));
  return check(socket, result, SOURCE_METHODS[operation]);
}

/** An unbound socket is bound first, which takes the runtime's permission. @throws Its error where it is not given. */
function checkImplicitBind(endpoint: Endpoint): void {
  const refusal = endpoint.implicitBindRefusal();
  if (refusal) throw refusal;
}

function multicastAll(socket: SocketBase): OptionName {
  return runningEndpoint(socket).version === 4 ? "IP_MULTICAST_ALL" : "IPV6_MULTICAST_ALL";
}

function check(socket: SocketBase, result: number, method: string): true {
  return engineOf(socket).errors.check(result, method);
}

function optionalText(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : `${value}`;
}
