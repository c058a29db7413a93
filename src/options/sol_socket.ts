/**
 * Options of the level SOL_SOCKET, which all protocols have (socket(7)).
 *
 * @module
 */
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningUdpEndpoint, setOption } from "../endpoint/socket_state.ts";
import { validateInteger, validateString } from "../errors/validate.ts";
import { getBytes, getInt, setInt } from "./access.ts";
import { optionError } from "./errors.ts";
import { decodeMemoryInfo, MEMORY_INFO_SIZE, type MemoryInfo } from "../../ffi/wire/memory_info.ts";

/** See {@linkcode Socket.setBroadcast}. */
export function setBroadcast(socket: AnySocket, flag: boolean): true {
  return setOption(socket, "SO_BROADCAST", flag ? 1 : 0, "setBroadcast");
}

/** See {@linkcode Socket.bindToDevice}. */
export function bindToDevice(socket: AnySocket, device?: string | null): true {
  const endpoint = runningUdpEndpoint(socket);
  if (device !== undefined && device !== null) validateString(device, "device");
  const { errors, runtime } = engineOf(socket);
  const { abi } = runtime.libc;
  const result = endpoint.bindToDevice(device ?? "");
  if (result === -abi.errno.EPERM) throw optionError(abi, -result, "bindToDevice", "SO_BINDTODEVICE");
  return errors.check(result, "bindToDevice");
}

/** See {@linkcode Socket.setPriority}. */
export function setPriority(socket: AnySocket, priority: number): true {
  validateInteger(priority, "priority", 0, MAX_INT);
  return setInt(socket, "SO_PRIORITY", priority);
}

/** See {@linkcode Socket.getPriority}. */
export function getPriority(socket: AnySocket): number {
  return getInt(socket, "SO_PRIORITY");
}

/** See {@linkcode Socket.setMark}. */
export function setMark(socket: AnySocket, mark: number): true {
  validateInteger(mark, "mark", 0, MAX_UINT);
  return setInt(socket, "SO_MARK", mark);
}

/** See {@linkcode Socket.getMark}. */
export function getMark(socket: AnySocket): number {
  return getInt(socket, "SO_MARK") >>> 0;
}

/** See {@linkcode Socket.setBusyPoll}. */
export function setBusyPoll(socket: AnySocket, microseconds: number): true {
  validateInteger(microseconds, "microseconds", 0, MAX_INT);
  return setInt(socket, "SO_BUSY_POLL", microseconds);
}

/** See {@linkcode Socket.getBusyPoll}. */
export function getBusyPoll(socket: AnySocket): number {
  return getInt(socket, "SO_BUSY_POLL");
}

/** See {@linkcode Socket.getMemoryInfo}. */
export function getMemoryInfo(socket: AnySocket): MemoryInfo {
  return decodeMemoryInfo(engineOf(socket).runtime.libc.abi, getBytes(socket, "SO_MEMINFO", MEMORY_INFO_SIZE));
}

/** See {@linkcode Socket.getDropCount}. */
export function getDropCount(socket: AnySocket): number {
  return getMemoryInfo(socket).drops;
}

/** See {@linkcode Socket.getNextDatagramSize}. */
export function getNextDatagramSize(socket: AnySocket): number {
  return readQueue(socket, "SIOCINQ", "SO_NREAD");
}

/** See {@linkcode Socket.getOutputQueueSize}. */
export function getOutputQueueSize(socket: AnySocket): number {
  return readQueue(socket, "SIOCOUTQ", "SO_NWRITE");
}

const MAX_INT = 0x7fffffff;
const MAX_UINT = 0xffffffff;

function readQueue(socket: AnySocket, request: "SIOCINQ" | "SIOCOUTQ", option: OptionName): number {
  const endpoint = runningUdpEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  if (!abi.linux) return getInt(socket, option);
  const result = endpoint.readInt(abi.linux[request]);
  if (result < 0) throw optionError(abi, -result, "ioctl", request);
  return result;
}
