/**
 * The many forms of `send`'s arguments, brought into one.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { invalidArgType, isConnected, outOfBufferBounds } from "./errors.ts";
import type { Payload } from "./outbox.ts";
import { type CheckedControls, checkSendControls, isSendOptions } from "./send_controls.ts";
import type { SendCallback, SendOptions } from "./types.ts";
import { validatePort, validateString } from "./validate.ts";

const BYTES = "of type string or an instance of Buffer, TypedArray, or DataView";

/** What is to be sent, and where. */
export interface SendArguments {
  readonly payload: Payload;
  /** The payload's length in bytes. */
  readonly length: number;
  /** The destination's port; undefined on a connected socket. */
  readonly port: number | undefined;
  /** The destination's address or host name as it was given. */
  readonly address: string | undefined;
  readonly callback: SendCallback | undefined;
  /** What else was asked for. */
  readonly controls: CheckedControls | undefined;
}

/**
 * Tells the forms apart as Node does: `(msg, offset, length, port, address, callback)` with everything after `msg` optional,
 * where the offset and length are there if an address or a port stands behind them (or, on a connected socket, if the
 * length is a number).
 */
export function parseSendArguments(
  connected: boolean,
  message: unknown,
  offset: unknown,
  length: unknown,
  port: unknown,
  address: unknown,
  callback: unknown,
): SendArguments {
  if (isSendOptions(offset)) return parseSendOptions(connected, message, offset, length);
  if (!connected) {
    if (address || (port && typeof port !== "function")) message = sliceOf(message, offset, length);
    else [port, address, callback] = [offset, length, port];
  } else {
    if (typeof length === "number") {
      message = sliceOf(message, offset, length);
      if (typeof port === "function") [port, callback] = [undefined, port];
    } else {
      callback = offset;
    }
    if (port || address) throw isConnected();
  }
  const payload = payloadOf(message);
  const validPort = connected ? undefined : validatePort(port, "Port", false);
  if (typeof callback !== "function") callback = undefined;
  if (typeof address === "function") [callback, address] = [address, undefined];
  else if (address !== undefined && address !== null) validateString(address, "address");
  return {
    payload,
    length: lengthOf(payload),
    port: validPort,
    address: (address ?? undefined) as string | undefined,
    callback: callback as SendCallback | undefined,
    controls: undefined,
  };
}

/** `(msg, options, callback)`, which is not in Node. */
function parseSendOptions(
  connected: boolean,
  message: unknown,
  options: SendOptions,
  callback: unknown,
): SendArguments {
  const { port, address } = options;
  if (connected && (port || address)) throw isConnected();
  const payload = payloadOf(message);
  const validPort = connected ? undefined : validatePort(port, "Port", false);
  if (address !== undefined && address !== null) validateString(address, "address");
  return {
    payload,
    length: lengthOf(payload),
    port: validPort,
    address: address ?? undefined,
    callback: typeof callback === "function" ? callback as SendCallback : undefined,
    controls: checkSendControls(options),
  };
}

/** The part of a message that is to be sent, with Node's errors. */
export function sliceOf(message: unknown, offset: unknown, length: unknown): Uint8Array {
  const bytes = bytesOf(message);
  if (!bytes) throw invalidArgType("buffer", BYTES, message);
  const start = (offset as number) >>> 0;
  const size = (length as number) >>> 0;
  if (start > bytes.byteLength) throw outOfBufferBounds("offset");
  if (start + size > bytes.byteLength) throw outOfBufferBounds("length");
  return bytes.subarray(start, start + size);
}

/** The payload of a message, with Node's errors. */
export function payloadOf(message: unknown): Payload {
  if (!Array.isArray(message)) {
    const bytes = bytesOf(message);
    if (!bytes) throw invalidArgType("buffer", BYTES, message);
    return bytes;
  }
  return message.map((part) => {
    const bytes = bytesOf(part);
    if (!bytes) throw invalidArgType("buffer list arguments", BYTES, message);
    return bytes;
  });
}

/** A payload's length in bytes. */
export function lengthOf(payload: Payload): number {
  if (payload instanceof Uint8Array) return payload.byteLength;
  return payload.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** The bytes of a string or of any view, not copied. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : undefined;
}
