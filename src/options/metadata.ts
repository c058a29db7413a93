/**
 * Metadata of datagrams: control messages of recvmsg(2) and sendmsg(2).
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningUdpEndpoint } from "../endpoint/socket_state.ts";
import { unavailable } from "../errors/node_errors.ts";
import { validateBoolean } from "../errors/validate.ts";
import type { DetailName } from "../receiving/details.ts";
import type { ClockName } from "../sending/types.ts";
import { clockNumber } from "./clock_time.ts";

/** See {@linkcode Socket.setRecvLocalAddress}. */
export function setRecvLocalAddress(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "destination", flag, "setRecvLocalAddress");
}

/** See {@linkcode Socket.setRecvOriginalAddress}. */
export function setRecvOriginalAddress(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "originalDestination", flag, "setRecvOriginalAddress");
}

/** See {@linkcode Socket.setRecvTTL}. */
export function setRecvTTL(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "ttl", flag, "setRecvTTL");
}

/** See {@linkcode Socket.setRecvTOS}. */
export function setRecvTOS(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "tos", flag, "setRecvTOS");
}

/** See {@linkcode Socket.setRecvTimestamp}. */
export function setRecvTimestamp(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "timestamp", flag, "setRecvTimestamp");
}

/** See {@linkcode Socket.setRecvTruncated}. */
export function setRecvTruncated(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "truncated", flag, "setRecvTruncated");
}

/** See {@linkcode Socket.setRecvSegmentSize}. */
export function setRecvSegmentSize(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "segmentSize", flag, "setRecvSegmentSize");
}

/** See {@linkcode Socket.setRecvDropCount}. */
export function setRecvDropCount(socket: AnySocket, flag: boolean): true {
  return setDetail(socket, "dropCount", flag, "setRecvDropCount");
}

/** See {@linkcode Socket.setSendTimestamp}. */
export function setSendTimestamp(socket: AnySocket, flag: boolean): true {
  const endpoint = runningUdpEndpoint(socket);
  validateBoolean(flag, "flag");
  const { errors, runtime } = engineOf(socket);
  const { linux, platform } = runtime.libc.abi;
  if (!linux) throw unavailable("SO_TIMESTAMPING", platform);
  return errors.check(endpoint.ancillaryData.setSendTimestamps(flag), "setSendTimestamp");
}

/** See {@linkcode Socket.setTxTimeClock}. */
export function setTxTimeClock(socket: AnySocket, clock: ClockName): true {
  const endpoint = runningUdpEndpoint(socket);
  const { errors, runtime } = engineOf(socket);
  const number = clockNumber(runtime.libc.abi, clock);
  if (!runtime.libc.abi.linux) throw unavailable("SO_TXTIME", runtime.libc.abi.platform);
  return errors.check(endpoint.ancillaryData.setTxTimeClock(number), "setTxTimeClock");
}

function setDetail(socket: AnySocket, detail: DetailName, flag: unknown, method: string): true {
  const endpoint = runningUdpEndpoint(socket);
  validateBoolean(flag, "flag");
  return engineOf(socket).errors.check(endpoint.ancillaryData.setDetail(detail, flag), method);
}
