/**
 * The methods of a socket for what goes with each datagram: control messages of recvmsg(2) and sendmsg(2).
 *
 * @module
 */
import type { ClockName } from "../sending/types.ts";
import { clockNumber } from "./clock_time.ts";
import { unavailable } from "../errors/node_errors.ts";
import { MulticastLevel } from "./multicast.ts";
import type { DetailName } from "../receiving/details.ts";
import { engineOf, runningEndpoint, type SocketBase } from "../endpoint/socket_base.ts";
import { validateBoolean } from "../errors/validate.ts";

/**
 * What goes with each datagram. A part of {@linkcode Socket}.
 *
 * None of it is in Node. Each `setRecv` can be called at any time, also before `bind()`, and is an option of
 * {@linkcode createSocket}, too; all is off by default. It applies to datagrams received from then on. What was asked for is in
 * `rinfo` ({@linkcode ReceiveDetails}) and in {@linkcode MessageBatch.details}. Each throws ERR_INVALID_ARG_TYPE where `flag` is
 * no boolean, and the failed call's errno. What is sent with a datagram is an option of `send()`: {@linkcode SendControls}.
 */
export abstract class ControlLevel extends MulticastLevel {
  /**
   * The address each datagram was sent to, and the interface it came by: `localAddress`, `interfaceIndex`, `interfaceName`
   * (IP_PKTINFO, IPV6_RECVPKTINFO).
   *
   * @returns True.
   */
  setRecvDestination(flag: boolean): true {
    return setDetail(this, "destination", flag, "setRecvDestination");
  }

  /**
   * The address and port that each datagram's sender gave: `originalAddress`, `originalPort` (IP_RECVORIGDSTADDR,
   * IPV6_RECVORIGDSTADDR; Linux 2.6.29). A transparent proxy ({@linkcode Socket.setTransparent}) learns from it where the datagram was to
   * go, for its own address tells only the rule that brought it here.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setRecvOriginalDestination(flag: boolean): true {
    return setDetail(this, "originalDestination", flag, "setRecvOriginalDestination");
  }

  /**
   * How many routers each datagram might still have passed: `ttl` (IP_RECVTTL, IPV6_RECVHOPLIMIT).
   *
   * @returns True.
   */
  setRecvTTL(flag: boolean): true {
    return setDetail(this, "ttl", flag, "setRecvTTL");
  }

  /**
   * The type of service or traffic class of each datagram: `tos`, `dscp`, `ecn` (IP_RECVTOS, IPV6_RECVTCLASS).
   *
   * @returns True.
   */
  setRecvTOS(flag: boolean): true {
    return setDetail(this, "tos", flag, "setRecvTOS");
  }

  /**
   * When the kernel received each datagram: `timestamp`, and `hardwareTimestamp` where the device makes them (SO_TIMESTAMPNS,
   * SO_TIMESTAMPING; on macOS SO_TIMESTAMP, in whole microseconds). A device makes them once it is told to, as with
   * `hwstamp_ctl` of linuxptp.
   *
   * @returns True.
   */
  setRecvTimestamp(flag: boolean): true {
    return setDetail(this, "timestamp", flag, "setRecvTimestamp");
  }

  /**
   * Whether each datagram was cut, or what was to be told of it: `truncated`, `controlTruncated` (MSG_TRUNC, MSG_CTRUNC).
   *
   * @returns True.
   */
  setRecvTruncated(flag: boolean): true {
    return setDetail(this, "truncated", flag, "setRecvTruncated");
  }

  /**
   * The size of the datagrams that the kernel handed over together: `segmentSize` (UDP_GRO).
   *
   * @returns True.
   */
  setRecvSegmentSize(flag: boolean): true {
    return setDetail(this, "segmentSize", flag, "setRecvSegmentSize");
  }

  /**
   * How many datagrams the socket had lost when each one came in: `dropped` (SO_RXQ_OVFL, Linux). So that each one counts, the kernel
   * hands over no datagrams together (`gro`) meanwhile.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setRecvDropCount(flag: boolean): true {
    return setDetail(this, "dropCount", flag, "setRecvDropCount");
  }

  /**
   * Has `'timestamp'` events ({@linkcode TransmitTimestamp}) say when each datagram left (SO_TIMESTAMPING, Linux), by number.
   * Meanwhile messages go to the kernel one by one. Times wait in the receive buffer for this process to fetch them: where
   * it is full, one may be missing.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setSendTimestamp(flag: boolean): true {
    const endpoint = runningEndpoint(this);
    validateBoolean(flag, "flag");
    const { errors, runtime } = engineOf(this);
    const { linux, platform } = runtime.libc.abi;
    if (!linux) throw unavailable("SO_TIMESTAMPING", platform);
    return errors.check(endpoint.setSendTimestamps(flag), "setSendTimestamp");
  }

  /**
   * Chooses the clock of `txTime` in {@linkcode SendControls} (SO_TXTIME, Linux 4.19). Not an option of `createSocket`.
   *
   * @param clock What the queueing discipline goes by: for `fq` it is `monotonic`, for `etf` mostly `tai`.
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS; ERR_INVALID_ARG_VALUE.
   * @throws {Error} EPERM for another clock than `monotonic` without CAP_NET_ADMIN.
   */
  setTxTimeClock(clock: ClockName): true {
    const endpoint = runningEndpoint(this);
    const { errors, runtime } = engineOf(this);
    const number = clockNumber(runtime.libc.abi, clock);
    if (!runtime.libc.abi.linux) throw unavailable("SO_TXTIME", runtime.libc.abi.platform);
    return errors.check(endpoint.setTxTimeClock(number), "setTxTimeClock");
  }
}

function setDetail(socket: SocketBase, detail: DetailName, flag: unknown, method: string): true {
  const endpoint = runningEndpoint(socket);
  validateBoolean(flag, "flag");
  return engineOf(socket).errors.check(endpoint.setDetail(detail, flag), method);
}
