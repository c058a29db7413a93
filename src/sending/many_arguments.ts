/**
 * Parses the arguments of `sendMany()`.
 *
 * @module
 */
import { invalidArgType, invalidArgValue, isConnected } from "../errors/node_errors.ts";
import { validateAbortSignal, validateFunction, validateIp, validatePort, validateString } from "../errors/validate.ts";
import { MessageBatch, payloadsOf } from "../receiving/message_batch.ts";
import { payloadOf } from "./arguments.ts";
import { type CheckedControls, checkSendControls } from "./controls.ts";
import { isBytes, ownCopy, type Payload } from "./payload.ts";
import { Segments } from "./segments.ts";
import type { SendControls, SendManyCallback, SendManyOptions } from "./types.ts";

/** Consecutive messages with one destination and the same options. */
export interface MessageGroup {
  readonly messages: Payload[];
  /** The messages of a batch that is forwarded, coalesced as they arrived. Either this or `messages` is empty. */
  readonly segments: readonly Segments[];
  /** Undefined on a connected socket. */
  readonly port: number | undefined;
  /** An IP address; undefined: the loopback address. */
  readonly address: string | undefined;
  /** The further options. If there are any, the group is one message. */
  readonly controls: CheckedControls | undefined;
}

/** The messages, and the callback, which may be given instead of the port or the address. */
export interface SendManyArguments {
  readonly groups: readonly MessageGroup[];
  readonly callback: SendManyCallback | undefined;
  /** Cancels the messages if it is aborted. */
  readonly signal: AbortSignal | undefined;
}

/** Checks all messages before any is sent. */
export function parseSendManyArguments(
  connected: boolean,
  messages: unknown,
  port: unknown,
  address: unknown,
  callback: unknown,
): SendManyArguments {
  let signal: AbortSignal | undefined;
  if (port !== null && typeof port === "object") {
    callback = address;
    ({ port, address, signal } = port as SendManyOptions);
    if (signal !== undefined) validateAbortSignal(signal, "options.signal");
  } else if (typeof port === "function") [port, address, callback] = [undefined, undefined, port];
  else if (typeof address === "function") [address, callback] = [undefined, address];
  const groups = parseMessages(connected, messages, port, address);
  if (callback !== undefined) validateFunction(callback, "callback");
  return { groups, callback: callback as SendManyCallback | undefined, signal };
}

function parseMessages(
  connected: boolean,
  messages: unknown,
  port: unknown,
  address: unknown,
): readonly MessageGroup[] {
  if (connected && (port || address)) throw isConnected();
  if (address !== undefined && address !== null) checkAddress(address);
  const common: Destination = { port, address };
  if (messages instanceof MessageBatch) return groupOf(connected, messages, common);
  if (!Array.isArray(messages)) throw invalidArgType("messages", "an instance of Array or MessageBatch", messages);
  const groups = new MessageGroups(connected);
  for (const message of messages as readonly unknown[]) {
    if (!isAddressed(message)) {
      groups.add(checked(message), common);
      continue;
    }
    // Read once: the next time a property may have another value, which nothing has checked.
    const { port, address } = message;
    if (connected && (port || address)) throw isConnected();
    refuseSignal(message);
    if (address !== undefined) checkAddress(address);
    const hasNone = port === undefined && address === undefined;
    groups.add(checked(message.message), hasNone ? common : { port, address }, checkSendControls(message));
  }
  return groups.groups;
}

/**
 * Copies messages that have to wait: the caller may change the bytes, and the next receive overwrites a batch's memory.
 */
export function withOwnBytes(group: MessageGroup): MessageGroup {
  return { ...group, messages: group.messages.map(ownCopy), segments: group.segments.map((part) => part.copy()) };
}

/** The number of messages in all groups. */
export function countMessages(groups: readonly MessageGroup[]): number {
  let total = 0;
  for (const { messages, segments } of groups) {
    total += messages.length;
    for (const { count } of segments) total += count;
  }
  return total;
}

/** Each message of a group. */
export function* messagesOf({ messages, segments }: MessageGroup): Generator<Payload, void, undefined> {
  yield* messages;
  for (const part of segments) yield* part.messages();
}

/** A whole batch: one group, or none if it is empty. */
function groupOf(connected: boolean, batch: MessageBatch, destination: Destination): readonly MessageGroup[] {
  if (batch.length === 0) return [];
  const segments = payloadsOf(batch).map(({ start, length, segmentSize, count }) =>
    new Segments(batch.bytes.subarray(start, start + length), segmentSize, count)
  );
  return [{ messages: [], segments, ...checkedDestination(connected, destination), controls: undefined }];
}

function checkedDestination(
  connected: boolean,
  { port, address }: Destination,
): Pick<MessageGroup, "port" | "address"> {
  return {
    port: connected ? undefined : validatePort(port, "Port"),
    address: (address || undefined) as string | undefined,
  };
}

interface Destination {
  readonly port: unknown;
  readonly address?: unknown;
}

/** Groups messages in the order they are added. */
class MessageGroups {
  readonly groups: MessageGroup[] = [];
  readonly #connected: boolean;
  #last: MessageGroup | undefined;
  /** The destination of the last one as it was given. */
  #destination: Destination | undefined;

  constructor(connected: boolean) {
    this.#connected = connected;
  }

  add(message: Payload, destination: Destination, controls?: CheckedControls): void {
    if (controls === undefined && destination === this.#destination) this.#last!.messages.push(message);
    else this.#begin(message, destination, controls);
  }

  #begin(message: Payload, destination: Destination, controls: CheckedControls | undefined): void {
    const { port, address } = checkedDestination(this.#connected, destination);
    const last = this.#last;
    if (
      last && controls === undefined && last.controls === undefined && last.port === port && last.address === address
    ) {
      last.messages.push(message);
    } else {
      this.#last = { messages: [message], segments: [], port, address, controls };
      this.groups.push(this.#last);
    }
    this.#destination = controls === undefined ? destination : undefined;
  }
}

/** A single message of several cannot be canceled. */
export function refuseSignal(message: object): void {
  const { signal } = message as { readonly signal?: unknown };
  if (signal !== undefined) {
    throw invalidArgValue("message.signal", "is for all messages: an option of sendMany()", signal);
  }
}

function checked(message: unknown): Payload {
  return isBytes(message) ? message : payloadOf(message);
}

function isAddressed(message: unknown): message is Destination & SendControls & { readonly message: unknown } {
  return message !== null && typeof message === "object" && !ArrayBuffer.isView(message) && "message" in message;
}

function checkAddress(address: unknown): void {
  validateString(address, "address");
  if (address !== "") validateIp(address, "address", "sendMany");
}
