/**
 * The methods of a socket for options of the level SOL_SOCKET: those that any protocol has (socket(7)).
 *
 * @module
 */
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { BufferSizes } from "./buffer_sizes.ts";
import { decodeMemoryInfo, MEMORY_INFO_SIZE, type MemoryInfo } from "./memory_info.ts";
import { getBytes, getInt, setInt } from "./access.ts";
import { optionError } from "./errors.ts";
import { engineOf, runningEndpoint, setOption, type SocketBase } from "../endpoint/socket_base.ts";
import { validateInteger, validateString } from "../errors/validate.ts";

/** Options that any protocol has. A part of {@linkcode Socket}. */
export abstract class SocketLevel extends BufferSizes {
  /**
   * Allows sending to broadcast addresses (SO_BROADCAST).
   *
   * @returns True. (Node: nothing.)
   * @throws {Error} EBADF before the socket is bound.
   */
  setBroadcast(flag: boolean): true {
    return setOption(this, "SO_BROADCAST", flag ? 1 : 0, "setBroadcast");
  }

  /**
   * Has the socket use one interface only (SO_BINDTODEVICE; IP_BOUND_IF and IPV6_BOUND_IF on macOS). Best called before
   * `bind()`. Not in Node.
   *
   * @param device The interface's name; left out, null or empty: any interface again.
   * @returns True.
   * @throws {Error} ENODEV without such an interface; EPERM where the system wants a privilege (Linux: CAP_NET_RAW, to change
   * an interface that is set).
   */
  bindToDevice(device?: string | null): true {
    const endpoint = runningEndpoint(this);
    if (device !== undefined && device !== null) validateString(device, "device");
    const { errors, runtime } = engineOf(this);
    const { abi } = runtime.libc;
    const result = endpoint.bindToDevice(device ?? "");
    if (result === -abi.errno.EPERM) throw optionError(abi, -result, "bindToDevice", "SO_BINDTODEVICE");
    return errors.check(result, "bindToDevice");
  }

  /**
   * Sets the priority of what is sent (SO_PRIORITY, Linux), by which the device's queueing discipline sorts packets, and which
   * becomes the priority of a VLAN's frames. Not in Node. {@linkcode Socket.setTypeOfService} changes it, too.
   *
   * @param priority 0 to 6; with CAP_NET_ADMIN up to 2147483647.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EPERM above 6 without the privilege.
   */
  setPriority(priority: number): true {
    validateInteger(priority, "priority", 0, MAX_INT);
    return setInt(this, "SO_PRIORITY", priority);
  }

  /** The priority of what is sent (SO_PRIORITY, Linux). Not in Node. */
  getPriority(): number {
    return getInt(this, "SO_PRIORITY");
  }

  /**
   * Marks what is sent (SO_MARK, Linux): routing rules (`ip rule add fwmark`) and packet filters tell packets by it. Not in Node.
   *
   * @param mark 0 to 4294967295; 0: none.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EPERM without CAP_NET_ADMIN or (since Linux 5.17) CAP_NET_RAW.
   */
  setMark(mark: number): true {
    validateInteger(mark, "mark", 0, MAX_UINT);
    return setInt(this, "SO_MARK", mark);
  }

  /** The mark of what is sent (SO_MARK, Linux). Not in Node. */
  getMark(): number {
    return getInt(this, "SO_MARK") >>> 0;
  }

  /**
   * Has the kernel look into the device's queue itself for a while, when there is nothing to receive, instead of waiting for an
   * interrupt (SO_BUSY_POLL, Linux 3.11): less delay for more load. It takes a device that can do it. Not in Node.
   *
   * @param microseconds For how long, 0 to 2147483647; 0: not at all.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EPERM for more than net.core.busy_read without CAP_NET_ADMIN.
   */
  setBusyPoll(microseconds: number): true {
    validateInteger(microseconds, "microseconds", 0, MAX_INT);
    return setInt(this, "SO_BUSY_POLL", microseconds);
  }

  /** For how many microseconds the kernel looks into the device's queue itself (SO_BUSY_POLL, Linux 3.11). Not in Node. */
  getBusyPoll(): number {
    return getInt(this, "SO_BUSY_POLL");
  }

  /**
   * What the kernel's buffers of the socket hold (SO_MEMINFO, Linux 4.12). Not in Node.
   *
   * @throws {Error} ENOPROTOOPT where the system has no such option.
   */
  getMemoryInfo(): MemoryInfo {
    return decodeMemoryInfo(engineOf(this).runtime.libc.abi, getBytes(this, "SO_MEMINFO", MEMORY_INFO_SIZE));
  }

  /**
   * How many datagrams the kernel has dropped that were for this socket, since it was made: for want of room in its receive buffer,
   * for a wrong checksum, or by a filter (SO_MEMINFO, Linux 4.12). Not in Node.
   *
   * Datagrams that the kernel hands over together (`gro`) and drops together count once; with `gro: false` the count is exact.
   *
   * @returns 0 to 4294967295, after which it starts again.
   * @throws {Error} ENOPROTOOPT where the system has no such option.
   */
  getDropCount(): number {
    return this.getMemoryInfo().drops;
  }

  /**
   * The size in bytes of the datagram that waits to be received first (SIOCINQ; SO_NREAD on macOS); 0 where none waits, or an empty
   * one. Not in Node.
   */
  getInputQueueSize(): number {
    return readQueue(this, "SIOCINQ", "SO_NREAD");
  }

  /**
   * The bytes that the kernel has taken and the device has not sent yet, on Linux with the kernel's own overhead for each packet
   * (SIOCOUTQ; SO_NWRITE on macOS). Not in Node. What the kernel has not taken yet is {@linkcode Socket.getSendQueueSize}.
   */
  getOutputQueueSize(): number {
    return readQueue(this, "SIOCOUTQ", "SO_NWRITE");
  }
}

const MAX_INT = 0x7fffffff;
const MAX_UINT = 0xffffffff;

function readQueue(socket: SocketBase, request: "SIOCINQ" | "SIOCOUTQ", option: OptionName): number {
  const endpoint = runningEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  if (!abi.linux) return getInt(socket, option);
  const result = endpoint.readInt(abi.linux[request]);
  if (result < 0) throw optionError(abi, -result, "ioctl", request);
  return result;
}
