/**
 * getsockopt(2) and setsockopt(2) for any option, by its header name or number.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Abi } from "../../ffi/abi/abi.ts";
import { holdsAddress, isOptionName, levelsOf } from "../../ffi/wire/sockopt.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningEndpoint } from "../endpoint/socket_state.ts";
import { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { invalidArgType, invalidArgValue } from "../errors/node_errors.ts";
import { validateInteger } from "../errors/validate.ts";
import { bytesOfView } from "../sending/payload.ts";
import { missingOption, optionError } from "./errors.ts";

/** The longest value of an option, in bytes. */
const MAX_LENGTH = 65_536;

/** See {@linkcode Socket.getsockopt}. */
export function getsockopt(
  socket: AnySocket,
  level: string | number,
  name: string | number,
  length = 4,
): Buffer<ArrayBuffer> {
  const endpoint = runningEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  validateInteger(length, "length", 0, MAX_LENGTH);
  const option = find(abi, level, name, "getsockopt");
  const value = endpoint.getRawOption(option.level, option.number, length);
  if (typeof value === "number") throw optionError(abi, -value, "getsockopt", `${name}`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** See {@linkcode Socket.setsockopt}. */
export function setsockopt(
  socket: AnySocket,
  level: string | number,
  name: string | number,
  value: number | boolean | NodeJS.ArrayBufferView,
): true {
  const endpoint = runningEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  const option = find(abi, level, name, "setsockopt");
  const result = endpoint.setRawOption({ level: option.level, name: option.number, value: bytesOf(value) });
  if (result < 0) throw optionError(abi, -result, "setsockopt", `${name}`);
  if (endpoint instanceof UdpEndpoint) noteFilter(endpoint, abi, option);
  return true;
}

/** eBPF filters have to see each datagram, as those of attachFilter(). Also notes when a filter is detached. */
function noteFilter(endpoint: UdpEndpoint, { levels, options }: Abi, { level, number }: LevelAndNumber): void {
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
  const levels: Readonly<Record<string, number>> = abi.levels;
  const levelNumber = typeof level === "string" ? levels[level] : level;
  if (typeof level === "string" && !Object.hasOwn(levels, level)) {
    throw invalidArgValue("level", `must be one of ${Object.keys(levels).join(", ")}, or a number`, level);
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
  const number = abi.options[name];
  if (number === undefined) throw missingOption(abi, call, name);
  return number;
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
  const bytes = bytesOfView(value);
  validateInteger(bytes.byteLength, "value.byteLength", 0, MAX_LENGTH);
  return bytes.slice();
}
