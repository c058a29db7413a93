/**
 * Sets and gets options that Node does not have: errors say what is missing (errors.ts), and there need not be a descriptor yet.
 *
 * @module
 */
import { type OptionName, optionOf } from "../../ffi/wire/sockopt.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningEndpoint } from "../endpoint/socket_state.ts";
import { missingOption, optionError } from "./errors.ts";

/** Sets an integer option. @returns True. */
export function setInt(socket: AnySocket, name: OptionName, value: number): true {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return setBytes(socket, name, bytes);
}

/** Sets an option. @returns True. */
function setBytes(socket: AnySocket, name: OptionName, value: Uint8Array<ArrayBuffer>): true {
  const endpoint = runningEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  const option = optionOf(abi, name);
  if (!option) throw missingOption(abi, "setsockopt", name);
  const result = endpoint.setRawOption({ ...option, value });
  if (result < 0) throw optionError(abi, -result, "setsockopt", name);
  return true;
}

/** The value of an integer option, as a signed int. */
export function getInt(socket: AnySocket, name: OptionName): number {
  const bytes = getBytes(socket, name, 4);
  const view = new DataView(bytes.buffer);
  return bytes.length >= 4 ? view.getInt32(0, true) : bytes.length > 0 ? view.getUint8(0) : 0;
}

/** The value of an option, at most `length` bytes. */
export function getBytes(socket: AnySocket, name: OptionName, length: number): Uint8Array<ArrayBuffer> {
  const endpoint = runningEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  const option = optionOf(abi, name);
  if (!option) throw missingOption(abi, "getsockopt", name);
  const value = endpoint.getRawOption(option.level, option.name, length);
  if (typeof value === "number") throw optionError(abi, -value, "getsockopt", name);
  return value;
}
