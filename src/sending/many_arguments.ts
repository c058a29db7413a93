/**
 * The arguments of `sendMany`.
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

/** Messages in a row that go to one destination, with the same options. */
export interface MessageGroup {
  readonly messages: Payload[];
  /** The same as they came, of a batch that is passed on. Either is empty. */
  readonly segments: readonly Segments[];
  /** Undefined on a connected socket. */
  readonly port: number | undefined;
  /** An IP address; undefined: the loopback one. */
  readonly address: string | undefined;
  /** What else was asked for: then it is one message. */
  readonly controls: CheckedControls | undefined;
}

/** The messages, and the callback, which may stand in the place of the port or the address. */
export interface SendManyArguments {
  readonly groups: readonly MessageGroup[];
  readonly callback: SendManyCallback | undefined;
  /** What takes them back. */
  readonly signal: AbortSignal | undefined;
}

/** Checks all before any is sent. */
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
  }
  if (typeof port === "function") [port, address, callback] = [undefined, undefined, port];
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
    if (connected && (message.port || message.address)) throw isConnected();
    refuseSignal(message);
    const { port, address } = message;
    if (address !== undefined) checkAddress(address);
    const hasNone = port === undefined && address === undefined;
    groups.add(checked(message.message), hasNone ? common : message, checkSendControls(message));
  }
  return groups.groups;
}

/** For messages that have to wait: what was given may change, and a batch's memory will. */
export function withOwnBytes(group: MessageGroup): MessageGroup {
  return { ...group, messages: group.messages.map(ownCopy), segments: group.segments.map((part) => part.copy()) };
}

/** How many messages there are in all. */
export function countMessages(groups: readonly MessageGroup[]): number {
  let total = 0;
  for (const { messages, segments } of groups) {
    total += messages.length;
    for (const { count } of segments) total += count;
  }
  return total;
}

/** Each of them. */
export function* messagesOf({ messages, segments }: MessageGroup): Generator<Payload, void, undefined> {
  yield* messages;
  for (const part of segments) yield* part.messages();
}

/** A batch, whole: one group, or none where it is empty. */
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

/** Puts messages together as they come. */
class MessageGroups {
  readonly groups: MessageGroup[] = [];
  readonly #connected: boolean;
  #last: MessageGroup | undefined;
  /** The last one's destination as it was given. */
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

/** One message of several cannot be taken back. */
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
