/**
 * Parses the forms that the arguments of `send()` can have into one.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { invalidArgType, isConnected, outOfBufferBounds } from "../errors/node_errors.ts";
import { validateAbortSignal, validateIp, validatePort, validateString } from "../errors/validate.ts";
import { type CheckedControls, checkSendControls, isSendOptions } from "./controls.ts";
import { bytesOfView, isBytes, lengthOf, type Payload } from "./payload.ts";
import type { SendCallback, SendOptions } from "./types.ts";

const BYTES = "of type string or an instance of Buffer, TypedArray, or DataView";

/** A message and its destination. */
export interface SendArguments {
  readonly payload: Payload;
  /** The payload's length in bytes. */
  readonly length: number;
  /** The destination's port; undefined on a connected socket. */
  readonly port: number | undefined;
  /** The destination's address or host name as it was given. */
  readonly address: string | undefined;
  readonly callback: SendCallback | undefined;
  /** The further options of the message. */
  readonly controls: CheckedControls | undefined;
  /** Cancels the message if it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Distinguishes the forms as Node does: `(msg, offset, length, port, address, callback)`, where everything after `msg`
 * is optional. The offset and the length are present if an address or a port follows them, or, on a connected socket,
 * if the length is a number.
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
  const validPort = connected ? undefined : validatePort(port, "Port");
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

/** `(msg, options, callback)`. Not in Node. */
function parseSendOptions(
  connected: boolean,
  message: unknown,
  options: SendOptions,
  callback: unknown,
): SendArguments {
  const { port, address, signal } = options;
  if (signal !== undefined) validateAbortSignal(signal, "options.signal");
  if (connected && (port || address)) throw isConnected();
  const payload = payloadOf(message);
  const validPort = connected ? undefined : validatePort(port, "Port");
  if (address !== undefined && address !== null) validateString(address, "address");
  return {
    payload,
    length: lengthOf(payload),
    port: validPort,
    address: address ?? undefined,
    callback: typeof callback === "function" ? callback as SendCallback : undefined,
    controls: checkSendControls(options),
    signal,
  };
}

/** `(msg, port, address)` and `(msg, options)` of `sendSync`. */
export function parseSendSyncArguments(
  connected: boolean,
  message: unknown,
  port: unknown,
  address: unknown,
): SendArguments {
  if (typeof port === "function") throw invalidArgType("port", "of type number", port);
  if (typeof address === "function") throw invalidArgType("address", "of type string", address);
  if (connected && (isSendOptions(port) ? address : port || address)) throw isConnected();
  const parsed = parseSendArguments(connected, message, port, address, undefined, undefined, undefined);
  if (parsed.address) validateIp(parsed.address, "address", "sendSync");
  return parsed;
}

/** The part of a message from `offset` on, `length` bytes long. Throws Node's errors. */
export function sliceOf(message: unknown, offset: unknown, length: unknown): Uint8Array {
  const view = typeof message === "string" ? Buffer.from(message) : message;
  if (!ArrayBuffer.isView(view)) throw invalidArgType("buffer", BYTES, message);
  const start = (offset as number) >>> 0;
  const size = (length as number) >>> 0;
  if (start > view.byteLength) throw outOfBufferBounds("offset");
  if (start + size > view.byteLength) throw outOfBufferBounds("length");
  return Buffer.from(view.buffer, view.byteOffset + start, size);
}

/** The payload of a message. Throws Node's errors. */
export function payloadOf(message: unknown): Payload {
  if (typeof message === "string") return Buffer.from(message);
  if (isBytes(message)) return message;
  if (ArrayBuffer.isView(message)) return bytesOfView(message);
  if (!Array.isArray(message)) throw invalidArgType("buffer", BYTES, message);
  return piecesOf(message);
}

/**
 * As in Node, a piece other than a Buffer is as long as its `byteLength` says, and its memory must exist. A hole of the
 * array is not a piece.
 */
function piecesOf(message: readonly unknown[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < message.length; i++) {
    const piece = message[i];
    if (typeof piece === "string") pieces.push(Buffer.from(piece));
    else if (piece instanceof Buffer && ArrayBuffer.isView(piece)) pieces.push(piece);
    else if (!ArrayBuffer.isView(piece)) throw invalidArgType("buffer list arguments", BYTES, message);
    else pieces.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
  }
  return pieces;
}
