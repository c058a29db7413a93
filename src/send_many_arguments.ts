/**
 * The arguments of `sendMany`.
 *
 * @module
 */
import { invalidArgType, isConnected } from "./errors.ts";
import { MessageBatch } from "./message_batch.ts";
import type { Payload } from "./outbox.ts";
import { payloadOf } from "./send_arguments.ts";
import { type CheckedControls, checkSendControls } from "./send_controls.ts";
import type { SendControls } from "./types.ts";
import { validateIp, validatePort, validateString } from "./validate.ts";

/** Messages in a row that go to one destination, with the same wishes. */
export interface MessageGroup {
  readonly payloads: Payload[];
  /** Undefined on a connected socket. */
  readonly port: number | undefined;
  /** An IP address; undefined: the loopback one. */
  readonly address: string | undefined;
  /** What else was asked for: then it is one message. */
  readonly controls: CheckedControls | undefined;
}

/** Checks all before any is sent. */
export function parseSendManyArguments(
  connected: boolean,
  messages: unknown,
  port: unknown,
  address: unknown,
): readonly MessageGroup[] {
  if (connected && (port || address)) throw isConnected();
  if (address !== undefined && address !== null) checkAddress(address);
  const common: Destination = { port, address };
  const groups = new MessageGroups(connected);
  if (messages instanceof MessageBatch) {
    for (let i = 0; i < messages.length; i++) groups.add(messages.view(i), common);
    return groups.groups;
  }
  if (!Array.isArray(messages)) throw invalidArgType("messages", "an instance of Array or MessageBatch", messages);
  for (const message of messages as readonly unknown[]) {
    if (!isAddressed(message)) {
      groups.add(message, common);
      continue;
    }
    if (connected && (message.port || message.address)) throw isConnected();
    if (message.address !== undefined) checkAddress(message.address);
    groups.add(message.message, message, checkSendControls(message));
  }
  return groups.groups;
}

/** For messages that have to wait: what was given may change, and a batch's memory will. */
export function withOwnBytes(group: MessageGroup): MessageGroup {
  const copy = (payload: Payload): Payload =>
    payload instanceof Uint8Array ? payload.slice() : payload.map((piece) => piece.slice());
  return { ...group, payloads: group.payloads.map(copy) };
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

  add(message: unknown, destination: Destination, controls?: CheckedControls): void {
    const payload = message instanceof Uint8Array ? message : payloadOf(message);
    if (controls === undefined && destination === this.#destination) this.#last!.payloads.push(payload);
    else this.#begin(payload, destination, controls);
  }

  #begin(payload: Payload, destination: Destination, controls: CheckedControls | undefined): void {
    const port = this.#connected ? undefined : validatePort(destination.port, "Port", false);
    const address = (destination.address || undefined) as string | undefined;
    const last = this.#last;
    if (
      last && controls === undefined && last.controls === undefined && last.port === port && last.address === address
    ) {
      last.payloads.push(payload);
    } else {
      this.#last = { payloads: [payload], port, address, controls };
      this.groups.push(this.#last);
    }
    this.#destination = controls === undefined ? destination : undefined;
  }
}

function isAddressed(message: unknown): message is Destination & SendControls & { readonly message: unknown } {
  return message !== null && typeof message === "object" && !ArrayBuffer.isView(message) && "message" in message;
}

function checkAddress(address: unknown): void {
  validateString(address, "address");
  if (address !== "") validateIp(address, "address", "sendMany");
}
