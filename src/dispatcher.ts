/**
 * From checked arguments of `send` to the endpoint: finds the destination, and has the callback called when it is due.
 *
 * @module
 */
import process from "../ffi/process.ts";
import type { EncodedControls } from "../ffi/control.ts";
import type { EncodedAddress } from "../ffi/sockaddr.ts";
import { Destinations } from "./destinations.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Engine } from "./engine.ts";
import { isDefaultLookup, LOOPBACK, needsNoLookup, resolve } from "./lookup.ts";
import type { Permissions } from "./permissions.ts";
import type { CheckedControls, SendControlsEncoder } from "./send_controls.ts";
import type { SendArguments } from "./send_arguments.ts";
import type { SendManyItem } from "./send_many_arguments.ts";
import { SendManyOperation } from "./send_many_operation.ts";
import { type OperationOwner, SendOperation } from "./send_operation.ts";
import type { LookupFunction, SendCallback, SendManyCallback } from "./types.ts";

/** What a dispatcher needs of its socket. */
export interface DispatchingSocket {
  /** Undefined once closed. */
  endpoint(): Endpoint | undefined;
  /** For an error that no callback hears of. */
  emitError(error: Error): void;
}

/** One socket's way from `send` to the kernel. */
export class Dispatcher {
  readonly #socket: DispatchingSocket;
  readonly #lookup: LookupFunction;
  readonly #permissions: Permissions;
  readonly #destinations = new Destinations();
  readonly #operations: OperationOwner;
  readonly #EINVAL: number;
  #encoder: SendControlsEncoder | undefined;

  constructor(socket: DispatchingSocket, engine: Engine, lookup: LookupFunction, permissions: Permissions) {
    this.#socket = socket;
    this.#lookup = lookup;
    this.#permissions = permissions;
    this.#EINVAL = engine.runtime.libc.abi.errno.EINVAL;
    this.#operations = {
      // Nothing is sent by a socket that is closed.
      asyncId: socket.endpoint()?.asyncId ?? 0,
      contexts: engine.runtime.asyncContexts,
      callbacks: engine.sendCallbacks,
      isOpen: () => socket.endpoint() !== undefined,
      sendError: (errno, address, port) => engine.errors.ofAddress(errno, "send", address, port),
    };
  }

  /**
   * The short way, for `send(bytes, port, address, callback?)` on a bound socket without a peer, to a destination that was sent
   * to before.
   *
   * @param rest What stands behind, which must not be there.
   * @returns Whether it could be taken.
   */
  sendToKnown(message: unknown, port: unknown, address: unknown, callback: unknown, rest: unknown): boolean {
    const endpoint = this.#socket.endpoint();
    const canTake = endpoint !== undefined && message instanceof Uint8Array &&
      typeof port === "number" && typeof address === "string" &&
      (callback === undefined || typeof callback === "function") && !rest &&
      !this.#permissions.hasSendBlockList && isDefaultLookup(this.#lookup);
    if (!canTake) return false;
    const destination = this.#destinations.find(address, port);
    if (destination === undefined) return false;
    const operation = callback
      ? new SendOperation(this.#operations, callback as SendCallback, address, port)
      : undefined;
    endpoint.send(message, message.byteLength, destination, operation);
    operation?.scheduleAfterLookup();
    return true;
  }

  /** Checks what can be told of a message's controls before it is sent. @throws What {@linkcode Socket.send} throws. */
  check({ controls }: SendArguments | SendManyItem): void {
    if (controls) this.#encoderOf(this.#socket.endpoint()!).check(controls);
  }

  /** @param connecting Whether `connect()` is under way: then what it does to the socket comes before this message. */
  send(message: SendArguments, connecting: boolean): void {
    const { port, address = "", callback } = message;
    const operation = callback ? new SendOperation(this.#operations, callback, message.address, port) : undefined;
    const endpoint = this.#socket.endpoint()!;
    if (port === undefined) {
      this.#hand(endpoint, message, undefined, operation);
      operation?.schedule();
    } else if (!connecting && this.#needsNoLookup(address, port)) {
      this.#sendTo(endpoint, message, address || LOOPBACK[endpoint.version], port, operation);
      operation?.scheduleAfterLookup();
    } else {
      resolve(this.#lookup, endpoint.version, address, (error, ip) => {
        if (error) {
          const report = callback as ((error: Error) => void) | undefined;
          process.nextTick(report ?? ((error: Error) => this.#socket.emitError(error)), error);
        } else if (this.#socket.endpoint() === endpoint) {
          this.#sendTo(endpoint, message, ip, port, operation);
          operation?.schedule();
        }
      });
    }
  }

  /** Sends several messages with one callback. Their addresses are IP addresses. */
  sendMany(messages: readonly SendManyItem[], callback: SendManyCallback | undefined): void {
    const endpoint = this.#socket.endpoint()!;
    const operation = callback ? new SendManyOperation(this.#operations, messages.length, callback) : undefined;
    // Most have their predecessor's destination.
    let last: SendManyItem | undefined;
    let destination: EncodedAddress | Error | undefined;
    for (const message of messages) {
      const { port, address = LOOPBACK[endpoint.version] } = message;
      if (port === undefined) {
        this.#hand(endpoint, message, undefined, operation);
        continue;
      }
      if (last === undefined || last.port !== port || last.address !== message.address) {
        destination = this.#destinationOf(endpoint, address, port);
        last = message;
      }
      this.#handTo(endpoint, message, destination, operation);
    }
    operation?.schedule();
  }

  /** What was sent to before is an IP address. */
  #needsNoLookup(address: string, port: number): boolean {
    const isKnown = isDefaultLookup(this.#lookup) && this.#destinations.find(address, port) !== undefined;
    return isKnown || needsNoLookup(this.#lookup, address);
  }

  /** Gives a message to the endpoint, with its control data. */
  #hand(
    endpoint: Endpoint,
    { payload, length, controls }: SendArguments | SendManyItem,
    destination: EncodedAddress | undefined,
    operation: SendOperation | SendManyOperation | undefined,
  ): void {
    if (!controls) return endpoint.send(payload, length, destination, operation);
    const encoded = this.#encode(endpoint, controls, destination);
    if (typeof encoded === "number") operation?.finish(encoded);
    else endpoint.send(payload, length, destination, operation, encoded);
  }

  #encode(
    endpoint: Endpoint,
    controls: CheckedControls,
    destination: EncodedAddress | undefined,
  ): EncodedControls | undefined | number {
    return this.#encoderOf(endpoint).encode(controls, endpoint.wireTo(destination));
  }

  #encoderOf(endpoint: Endpoint): SendControlsEncoder {
    return this.#encoder ??= endpoint.controlsEncoder();
  }

  #sendTo(
    endpoint: Endpoint,
    message: SendArguments | SendManyItem,
    ip: string,
    port: number,
    operation: SendOperation | SendManyOperation | undefined,
  ): void {
    this.#handTo(endpoint, message, this.#destinationOf(endpoint, ip, port), operation);
  }

  #handTo(
    endpoint: Endpoint,
    message: SendArguments | SendManyItem,
    destination: EncodedAddress | Error | undefined,
    operation: SendOperation | SendManyOperation | undefined,
  ): void {
    if (destination instanceof Error) operation?.finish(destination);
    else if (destination) this.#hand(endpoint, message, destination, operation);
    else operation?.finish(-this.#EINVAL);
  }

  /** @returns The encoded address; why it must not be sent to; or undefined where the text is no address of this family. */
  #destinationOf(endpoint: Endpoint, ip: string, port: number): EncodedAddress | Error | undefined {
    const blocked = this.#permissions.blocked(ip);
    if (blocked) return blocked;
    const known = this.#destinations.find(ip, port);
    if (known) return known;
    const refused = this.#permissions.refused(ip, port);
    if (refused) return refused;
    const encoded = endpoint.encode(ip, port);
    if (encoded) this.#destinations.remember(ip, port, encoded);
    return encoded;
  }
}
