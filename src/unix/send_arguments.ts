/**
 * Parses the forms that the arguments of `send()` and `sendMany()` can have on a Unix socket into one.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import { invalidArgType, isConnected } from "../errors/node_errors.ts";
import { validateAbortSignal, validateFunction, validateNumber } from "../errors/validate.ts";
import { MessageBatch } from "../receiving/message_batch.ts";
import { payloadOf, sliceOf } from "../sending/arguments.ts";
import { refuseSignal } from "../sending/many_arguments.ts";
import { lengthOf, type Payload } from "../sending/payload.ts";
import type { UnixDestinations } from "./destinations.ts";
import { type CheckedPassed, checkPassed, type Passed } from "./outgoing_ancillary.ts";

/** A message and its destination. */
export interface UnixSendArguments {
  readonly payload: Payload;
  /** The payload's length in bytes. */
  readonly length: number;
  /** The encoded path, or the error if it must not be used; undefined on a connected socket. */
  readonly destination: EncodedAddress | Error | undefined;
  /** The ancillary data. */
  readonly passed: CheckedPassed | undefined;
  /** The path as it was given. */
  readonly path: string | undefined;
}

/** The destination and the ancillary data, as they were given. */
interface Destination extends Passed {
  readonly path?: unknown;
  readonly signal?: unknown;
}

/**
 * Parses `(message, [offset, length], [path | options], [callback])`.
 *
 * @param destinations Undefined on a connected socket.
 */
export function parseUnixSend<Callback>(
  libc: Libc,
  destinations: UnixDestinations | undefined,
  values: readonly unknown[],
): UnixSendArguments & { readonly callback: Callback | undefined; readonly signal: AbortSignal | undefined } {
  let [message, ...rest] = values;
  if (typeof rest[0] === "number") {
    validateNumber(rest[1], "length");
    message = sliceOf(message, rest[0], rest[1]);
    rest = rest.slice(2);
  }
  if (typeof rest[0] === "function") rest = [undefined, ...rest];
  const [where, callback] = rest;
  if (callback !== undefined && callback !== null) validateFunction(callback, "callback");
  const destination = isOptions(where) ? where : { path: where ?? undefined };
  const { signal } = destination;
  if (signal !== undefined) validateAbortSignal(signal, "options.signal");
  const parsed = unixMessage(libc, destinations, message, destination);
  return { ...parsed, callback: (callback ?? undefined) as Callback | undefined, signal };
}

/** Parses the messages of `sendMany()`. Checks all before any is sent. */
export function parseUnixSendMany(
  libc: Libc,
  destinations: UnixDestinations | undefined,
  messages: unknown,
  path: unknown,
): readonly UnixSendArguments[] {
  const common: Destination = { path };
  if (messages instanceof MessageBatch) {
    const views = Array.from({ length: messages.length }, (_, i) => messages.view(i));
    return views.map((message) => unixMessage(libc, destinations, message, common));
  }
  if (!Array.isArray(messages)) throw invalidArgType("messages", "an instance of Array or MessageBatch", messages);
  return messages.map((given: unknown) => {
    if (!isAddressed(given)) return unixMessage(libc, destinations, given, common);
    refuseSignal(given);
    return unixMessage(libc, destinations, given.message, given.path === undefined ? { ...given, path } : given);
  });
}

function unixMessage(
  libc: Libc,
  destinations: UnixDestinations | undefined,
  message: unknown,
  { path, fds, credentials }: Destination,
): UnixSendArguments {
  const payload = payloadOf(message);
  if (!destinations && path !== undefined) throw isConnected();
  const destination = destinations?.find(path);
  return {
    payload,
    length: lengthOf(payload),
    destination,
    passed: checkPassed(libc, { fds, credentials }),
    path: path as string | undefined,
  };
}

function isOptions(value: unknown): value is Destination {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function isAddressed(value: unknown): value is Destination & { readonly message: unknown } {
  return isOptions(value) && "message" in value;
}
