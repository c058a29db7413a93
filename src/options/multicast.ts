/**
 * Multicast: how datagrams are sent, and which groups are received (RFC 3678, RFC 4607).
 *
 * @module
 */
import {
  encodeMembership,
  encodeMulticastInterface,
  encodeSourceMembership,
  type SourceOperation,
} from "../../ffi/wire/membership.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningUdpEndpoint, setOption } from "../endpoint/socket_state.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { missingArg } from "../errors/node_errors.ts";
import { validateBoolean, validateString } from "../errors/validate.ts";
import { getInt, setInt } from "./access.ts";
import { setHops } from "./ip.ts";

/** See {@linkcode Socket.setMulticastTTL}. */
export function setMulticastTTL(socket: AnySocket, ttl: number): number {
  return setHops(socket, "IP_MULTICAST_TTL", "IPV6_MULTICAST_HOPS", ttl, 0, "setMulticastTTL");
}

/** See {@linkcode Socket.setMulticastLoopback}. */
export function setMulticastLoopback(socket: AnySocket, flag: boolean): boolean {
  const option = runningUdpEndpoint(socket).version === 4 ? "IP_MULTICAST_LOOP" : "IPV6_MULTICAST_LOOP";
  setOption(socket, option, flag ? 1 : 0, "setMulticastLoopback");
  return flag;
}

/** See {@linkcode Socket.setMulticastInterface}. */
export function setMulticastInterface(socket: AnySocket, multicastInterface: string): true {
  const endpoint = runningUdpEndpoint(socket);
  const { libc } = engineOf(socket).runtime;
  validateString(multicastInterface, "interfaceAddress");
  return check(
    socket,
    endpoint.setEncodedOption(encodeMulticastInterface(libc, endpoint.version, multicastInterface)),
    "setMulticastInterface",
  );
}

/** See {@linkcode Socket.addMembership}. */
export function addMembership(socket: AnySocket, multicastAddress: string, multicastInterface?: string): true {
  return setMembership(socket, "join", multicastAddress, multicastInterface);
}

/** See {@linkcode Socket.dropMembership}. */
export function dropMembership(socket: AnySocket, multicastAddress: string, multicastInterface?: string): true {
  return setMembership(socket, "leave", multicastAddress, multicastInterface);
}

/** See {@linkcode Socket.addSourceSpecificMembership}. */
export function addSourceSpecificMembership(
  socket: AnySocket,
  sourceAddress: string,
  groupAddress: string,
  multicastInterface?: string,
): true {
  return setSource(socket, "join", sourceAddress, groupAddress, multicastInterface);
}

/** See {@linkcode Socket.dropSourceSpecificMembership}. */
export function dropSourceSpecificMembership(
  socket: AnySocket,
  sourceAddress: string,
  groupAddress: string,
  multicastInterface?: string,
): true {
  return setSource(socket, "leave", sourceAddress, groupAddress, multicastInterface);
}

/** See {@linkcode Socket.setMulticastAll}. */
export function setMulticastAll(socket: AnySocket, flag: boolean): true {
  validateBoolean(flag, "flag");
  return setInt(socket, multicastAll(socket), flag ? 1 : 0);
}

/** See {@linkcode Socket.getMulticastAll}. */
export function getMulticastAll(socket: AnySocket): boolean {
  return getInt(socket, multicastAll(socket)) !== 0;
}

/** See {@linkcode Socket.blockSource}. */
export function blockSource(
  socket: AnySocket,
  sourceAddress: string,
  groupAddress: string,
  multicastInterface?: string,
): true {
  return setSource(socket, "block", sourceAddress, groupAddress, multicastInterface);
}

/** See {@linkcode Socket.unblockSource}. */
export function unblockSource(
  socket: AnySocket,
  sourceAddress: string,
  groupAddress: string,
  multicastInterface?: string,
): true {
  return setSource(socket, "unblock", sourceAddress, groupAddress, multicastInterface);
}

function setMembership(socket: AnySocket, operation: "join" | "leave", group: string, iface: string | undefined): true {
  const endpoint = runningUdpEndpoint(socket);
  const { libc } = engineOf(socket).runtime;
  if (!group) throw missingArg("multicastAddress");
  checkImplicitBind(endpoint);
  const result = endpoint.setMembership(encodeMembership(libc, operation, `${group}`, optionalText(iface)));
  return check(socket, result, operation === "join" ? "addMembership" : "dropMembership");
}

/** The methods, as errors name them. */
const SOURCE_METHODS: Readonly<Record<SourceOperation, string>> = {
  join: "addSourceSpecificMembership",
  leave: "dropSourceSpecificMembership",
  block: "blockSource",
  unblock: "unblockSource",
};

function setSource(
  socket: AnySocket,
  operation: SourceOperation,
  source: string,
  group: string,
  iface: string | undefined,
): true {
  const endpoint = runningUdpEndpoint(socket);
  const { libc } = engineOf(socket).runtime;
  validateString(source, "sourceAddress");
  validateString(group, "groupAddress");
  checkImplicitBind(endpoint);
  const result = endpoint.setMembership(
    encodeSourceMembership(libc, operation, source, group, optionalText(iface)),
  );
  return check(socket, result, SOURCE_METHODS[operation]);
}

/** Joining binds an unbound socket, which requires the runtime's permission. @throws The runtime's error if it is missing. */
function checkImplicitBind(endpoint: UdpEndpoint): void {
  const refusal = endpoint.implicitBindRefusal();
  if (refusal) throw refusal;
}

function multicastAll(socket: AnySocket): OptionName {
  return runningUdpEndpoint(socket).version === 4 ? "IP_MULTICAST_ALL" : "IPV6_MULTICAST_ALL";
}

function check(socket: AnySocket, result: number, method: string): true {
  return engineOf(socket).errors.check(result, method);
}

function optionalText(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : `${value}`;
}
