/**
 * The arguments of `sendMany`.
 *
 * @module
 */
import { invalidArgType, isConnected } from "./errors.ts";
import { MessageBatch } from "./message_batch.ts";
import type { Payload } from "./outbox.ts";
import { lengthOf, payloadOf } from "./send_arguments.ts";
import { type CheckedControls, checkSendControls } from "./send_controls.ts";
import type { SendControls } from "./types.ts";
import { validateIp, validatePort, validateString } from "./validate.ts";

/** One message. */
export interface SendManyItem {
  readonly payload: Payload;
  readonly length: number;
  /** Undefined on a connected socket. */
  readonly port: number | undefined;
  /** An IP address; undefined: the loopback one. */
  readonly address: string | undefined;
  /** What else was asked for. */
  readonly controls: CheckedControls | undefined;
}

/** Checks all before any is sent. */
export function parseSendManyArguments(
  connected: boolean,
  messages: unknown,
  port: unknown,
  address: unknown,
): readonly SendManyItem[] {
  if (connected && (port || address)) throw isConnected();
  if (address !== undefined && address !== null) checkAddress(address);
  const common: Destination = { port, address: address ?? undefined };
  if (messages instanceof MessageBatch) {
    return Array.from({ length: messages.length }, (_, i) => item(connected, messages.view(i), common));
  }
  if (!Array.isArray(messages)) throw invalidArgType("messages", "an instance of Array or MessageBatch", messages);
  return messages.map((message: unknown) => {
    if (!isAddressed(message)) return item(connected, message, common);
    if (connected && (message.port || message.address)) throw isConnected();
    if (message.address !== undefined) checkAddress(message.address);
    return item(connected, message.message, message, checkSendControls(message));
  });
}

/** For messages that have to wait: what was given may change, and a batch's memory will. */
export function withOwnBytes(message: SendManyItem): SendManyItem {
  const { payload } = message;
  return {
    ...message,
    payload: payload instanceof Uint8Array ? payload.slice() : payload.map((piece) => piece.slice()),
  };
}

interface Destination {
  readonly port: unknown;
  readonly address?: unknown;
}

function item(
  connected: boolean,
  message: unknown,
  { port, address }: Destination,
  controls?: CheckedControls,
): SendManyItem {
  const payload = payloadOf(message);
  return {
    payload,
    length: lengthOf(payload),
    port: connected ? undefined : validatePort(port, "Port", false),
    address: (address || undefined) as string | undefined,
    controls,
  };
}

function isAddressed(message: unknown): message is Destination & SendControls & { readonly message: unknown } {
  return message !== null && typeof message === "object" && !ArrayBuffer.isView(message) && "message" in message;
}

function checkAddress(address: unknown): void {
  validateString(address, "address");
  if (address !== "") validateIp(address, "address", "sendMany");
}
