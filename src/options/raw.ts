/**
 * getsockopt(2) and setsockopt(2) for any option, by its header name or number.
 *
 * @module
 */
import type { SocketEvents } from "../endpoint/events.ts";
import { Buffer } from "node:buffer";
import type { Abi } from "../../ffi/abi/abi.ts";
import { holdsAddress, isOptionName, levelsOf } from "../../ffi/wire/sockopt.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { invalidArgType, invalidArgValue } from "../errors/node_errors.ts";
import { missingOption, optionError } from "./errors.ts";
import { engineOf, type EventMap, runningEndpoint, SocketBase } from "../endpoint/socket_base.ts";
import { validateInteger } from "../errors/validate.ts";

/** The longest value of an option, in bytes. */
const MAX_LENGTH = 65_536;

/** Any option of the system's. A part of {@linkcode Socket}. */
export abstract class RawOptions<Events extends EventMap<Events> = SocketEvents> extends SocketBase<Events> {
  /**
   * Reads any option of the socket (getsockopt(2)). Not in Node. Makes the descriptor if there is none yet.
   *
   * @example
   * ```ts
   * socket.getsockopt("SOL_SOCKET", "SO_RCVLOWAT").readInt32LE();
   * ```
   *
   * @param level The level: `SOL_SOCKET`, `IPPROTO_IP`, `IPPROTO_IPV6`, `IPPROTO_UDP` (or `SOL_IP` and so on), or its number.
   * @param name The option's header name, as `SO_RCVLOWAT`, or its number on this system.
   * @param length The most bytes to read, 0 to 65536. Default: 4, an int.
   * @returns The value in the system's byte order, which is little-endian on all that are supported; shorter than `length` where the
   * option is.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE for a name that no header has (newer options go by number) or that is of another
   * level, and for a filter or what belongs to the firewall, whose value holds an address ({@linkcode Socket.attachFilter}).
   * @throws {Error} ENOPROTOOPT for another system's option, or what else the kernel says; the message has the option's name.
   */
  getsockopt(level: string | number, name: string | number, length = 4): Buffer<ArrayBuffer> {
    const endpoint = runningEndpoint(this);
    const { abi } = engineOf(this).runtime.libc;
    validateInteger(length, "length", 0, MAX_LENGTH);
    const option = find(abi, level, name, "getsockopt");
    const value = endpoint.getRawOption(option.level, option.number, length);
    if (typeof value === "number") throw optionError(abi, -value, "getsockopt", `${name}`);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }

  /**
   * Sets any option of the socket (setsockopt(2)). Not in Node. Makes the descriptor if there is none yet.
   *
   * What this module sets itself had better be left alone: UDP_GRO, UDP_SEGMENT, IP_RECVERR.
   *
   * @example
   * ```ts
   * socket.setsockopt("SOL_SOCKET", "SO_RCVLOWAT", 1);
   * ```
   *
   * @param level The level, as in {@linkcode Socket.getsockopt}.
   * @param name The option's header name, or its number on this system.
   * @param value An integer from -2147483648 to 4294967295, which is passed as an int; a boolean, as 0 or 1; or the value's bytes,
   * at most 65536.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE as in {@linkcode Socket.getsockopt}; ERR_INVALID_ARG_TYPE for any other value.
   * @throws {RangeError} ERR_OUT_OF_RANGE for a number that is no int, and for too many bytes.
   * @throws {Error} ENOPROTOOPT for another system's option; EPERM where it takes a privilege, which the message names where
   * it is known; or what else the kernel says.
   */
  setsockopt(level: string | number, name: string | number, value: number | boolean | NodeJS.ArrayBufferView): true {
    const endpoint = runningEndpoint(this);
    const { abi } = engineOf(this).runtime.libc;
    const option = find(abi, level, name, "setsockopt");
    const result = endpoint.setRawOption({ level: option.level, name: option.number, value: bytesOf(value) });
    if (result < 0) throw optionError(abi, -result, "setsockopt", `${name}`);
    noteFilter(endpoint, abi, option);
    return true;
  }
}

/** Filters by descriptor (eBPF), and filters that are taken away: as attachFilter() and its counterparts, they see each datagram. */
function noteFilter(endpoint: Endpoint, { levels, options }: Abi, { level, number }: LevelAndNumber): void {
  if (level !== levels.SOL_SOCKET || number === undefined) return;
  if (number === options.SO_ATTACH_BPF) endpoint.keepApart("filter", true);
  else if (number === options.SO_DETACH_FILTER) endpoint.keepApart("filter", false);
  else if (number === options.SO_ATTACH_REUSEPORT_EBPF) endpoint.setPortFiltered(true);
  else if (number === options.SO_DETACH_REUSEPORT_BPF) endpoint.setPortFiltered(false);
}

interface LevelAndNumber {
  readonly level: number;
  readonly number: number;
}

/** The numbers of a level and an option. */
function find(abi: Abi, level: unknown, name: unknown, call: string): LevelAndNumber {
  const levelNumber = typeof level === "string" ? abi.levels[level] : level;
  if (typeof level === "string" && !Object.hasOwn(abi.levels, level)) {
    throw invalidArgValue("level", `must be one of ${Object.keys(abi.levels).join(", ")}, or a number`, level);
  }
  checkNumber(levelNumber, "level");
  const number = typeof name === "string" ? numberOf(abi, levelNumber, name, call) : name;
  checkNumber(number, "name");
  if (holdsAddress(abi, levelNumber, number)) {
    throw invalidArgValue("name", "must not be a filter, whose value holds an address: use attachFilter()", name);
  }
  return { level: levelNumber, number };
}

function checkNumber(value: unknown, name: string): asserts value is number {
  if (typeof value !== "number") throw invalidArgType(name, "of type string or number", value);
  validateInteger(value, name, 0, 0x7fffffff);
}

function numberOf(abi: Abi, level: number, name: string, call: string): number {
  const levels = levelsOf(name);
  if (!isOptionName(name)) {
    throw invalidArgValue("name", "must be the header name of a socket option, as SO_RCVLOWAT, or a number", name);
  }
  if (!levels.some((other) => abi.levels[other] === level)) {
    throw invalidArgValue("name", `must be an option of that level; this one is of ${levels.join(" and ")}`, name);
  }
  if (!Object.hasOwn(abi.options, name)) throw missingOption(abi, call, name);
  return abi.options[name];
}

function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  if (typeof value === "boolean" || typeof value === "number") {
    validateInteger(Number(value), "value", -(2 ** 31), 2 ** 32 - 1);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, Number(value), true);
    return bytes;
  }
  if (!ArrayBuffer.isView(value)) {
    throw invalidArgType("value", "of type number or boolean, or an instance of Buffer, TypedArray or DataView", value);
  }
  validateInteger(value.byteLength, "value.byteLength", 0, MAX_LENGTH);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
}
