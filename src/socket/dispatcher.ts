/**
 * The way from the checked arguments of `send()` to the endpoint: finds the destination and schedules the callback.
 *
 * @module
 */
import type { AsyncContexts } from "../../ffi/runtimes/async_context.ts";
import { UNCHANGING } from "../../ffi/runtimes/network_permission.ts";
import { nextTick } from "../../ffi/runtimes/process.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { LOOPBACK } from "../../ffi/wire/inet.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { AddressPolicy } from "../endpoint/address_policy.ts";
import { type Destinations, ZonedDestinations } from "../endpoint/destinations.ts";
import type { Engine } from "../endpoint/engine.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { aborted } from "../errors/node_errors.ts";
import { addressText, defaultLookup, type LookupFunction, needsNoLookup, resolve } from "../integration/lookup.ts";
import { AbortableRequest } from "../sending/abortable.ts";
import type { SendArguments } from "../sending/arguments.ts";
import {
  type GroupRequest,
  type ImmediateRequest,
  type OperationOwner,
  type SendCallbacks,
  SendManyOperation,
  SendOperation,
  type SendRequest,
} from "../sending/callbacks.ts";
import type { CheckedControls, SendControlsEncoder } from "../sending/controls.ts";
import { countMessages, type MessageGroup, messagesOf, type SendManyArguments } from "../sending/many_arguments.ts";
import { byteLength, isBytes, lengthOf, type Payload } from "../sending/payload.ts";
import type { Segments } from "../sending/segments.ts";
import type { SendCallback, SendManyCallback } from "../sending/types.ts";

/** What a dispatcher needs from its socket. */
export interface DispatchingSocket {
  /** Undefined once closed. */
  readonly endpoint: UdpEndpoint | undefined;
  /** For an error if there is no callback. */
  emitError(error: Error): void;
}

/** Where messages go, and with which control data. */
interface Route {
  /** Undefined for the peer of a connected socket. */
  readonly destination: EncodedAddress | undefined;
  readonly controls: EncodedControls | undefined;
}

/** Why they cannot be sent: an error, or a negative errno. */
type NoRoute = Error | number;

/** One socket's way from `send` to the kernel. */
export class Dispatcher implements OperationOwner {
  readonly #socket: DispatchingSocket;
  readonly #engine: Engine;
  readonly #lookup: LookupFunction;
  readonly #policy: AddressPolicy;
  readonly #destinations: Destinations;
  /** Made for the first destination with a zone. */
  #zonedDestinations: ZonedDestinations | undefined;
  /** Whether destinations that were used before need neither a lookup nor a check. */
  readonly #trustsKnown: boolean;
  /** For the operations. Nothing is sent by a socket that is closed. */
  readonly asyncId: number;
  /** For the operations. */
  readonly contexts: AsyncContexts;
  /** For the operations. */
  readonly callbacks: SendCallbacks;
  #encoder: SendControlsEncoder | undefined;
  /** The revision of the permissions under which the peer was last found to be permitted. */
  #peerRevision = UNCHANGING;

  constructor(socket: DispatchingSocket, engine: Engine, lookup: LookupFunction, policy: AddressPolicy) {
    this.#socket = socket;
    this.#engine = engine;
    this.#lookup = lookup;
    this.#policy = policy;
    this.#destinations = engine.destinations[socket.endpoint?.version ?? 4];
    this.#trustsKnown = lookup === defaultLookup && !policy.hasSendBlockList;
    this.asyncId = socket.endpoint?.asyncId ?? 0;
    this.contexts = engine.runtime.asyncContexts;
    this.callbacks = engine.sendCallbacks;
  }

  /** For the operations. */
  isOpen(): boolean {
    return this.#socket.endpoint !== undefined;
  }

  /** For the operations. */
  sendError(errno: number, address: string | undefined, port: number | undefined): Error {
    return this.#engine.errors.ofAddress(errno, "send", address, port);
  }

  /**
   * The fast path, for `send(bytes, port, address, callback?)` on a bound socket without a peer, to a destination that was used
   * before.
   *
   * @param rest The next argument, which must not be given.
   * @returns Whether the message was sent this way.
   */
  sendToKnown(message: unknown, port: unknown, address: unknown, callback: unknown, rest: unknown): boolean {
    const endpoint = this.#socket.endpoint;
    const canTake = endpoint !== undefined && isBytes(message) &&
      typeof port === "number" && typeof address === "string" &&
      (callback === undefined || typeof callback === "function") && !rest && this.#trustsKnown;
    if (!canTake) return false;
    const destination = this.#known(address, port);
    if (destination === undefined) return false;
    const operation = callback ? new SendOperation(this, callback as SendCallback, address, port) : undefined;
    operation?.scheduleAfterLookup();
    endpoint.collect(message, byteLength(message), destination, operation);
    return true;
  }

  /**
   * The fast path for `send(bytes, callback?)` on a connected socket.
   *
   * @param rest The next argument, which must not be given.
   * @returns Whether the message was sent this way.
   */
  sendToPeer(message: unknown, callback: unknown, rest: unknown): boolean {
    const endpoint = this.#socket.endpoint;
    const canTake = endpoint !== undefined && isBytes(message) &&
      (callback === undefined || typeof callback === "function") && rest === undefined &&
      this.#policy.network.revision === this.#peerRevision;
    if (!canTake) return false;
    const operation = callback ? new SendOperation(this, callback as SendCallback, undefined, undefined) : undefined;
    this.#schedule(operation);
    endpoint.send(message, byteLength(message), undefined, operation);
    return true;
  }

  /** Checks as much of a message's controls as can be checked before it is sent. @throws What {@linkcode Socket.send} throws. */
  check({ controls }: SendArguments | MessageGroup): void {
    if (controls) this.#encoderOf(this.#socket.endpoint!).check(controls);
  }

  /** @param connecting Whether `connect()` is under way: then the message waits for the lookup, and the socket may be connected by then. */
  send(message: SendArguments, connecting: boolean): void {
    const { payload, port, address = "", callback, controls, signal } = message;
    const operation = callback ? new SendOperation(this, callback, message.address, port) : undefined;
    const endpoint = this.#socket.endpoint!;
    if (signal?.aborted) return this.#finishAborted(operation, signal);
    if (port === undefined) {
      const route = this.#routeTo(endpoint, address, port, controls);
      this.#schedule(operation);
      hand(endpoint, payload, route, this.#requestOf(operation, signal, endpoint));
    } else if (!connecting && this.#needsNoLookup(endpoint, address, port)) {
      const ip = address || LOOPBACK[endpoint.version];
      const route = this.#routeTo(endpoint, ip, port, controls);
      operation?.scheduleAfterLookup();
      hand(endpoint, payload, route, this.#requestOf(operation, signal, endpoint));
    } else {
      resolve(this.#lookup, endpoint.version, address, (error, ip) => {
        if (error) {
          const report = callback as ((error: Error) => void) | undefined;
          nextTick(report ?? ((error: Error) => this.#socket.emitError(error)), error);
        } else if (this.#socket.endpoint === endpoint) {
          if (signal?.aborted) return this.#finishAborted(operation, signal);
          const route = this.#routeToAnswer(endpoint, ip, port, controls);
          this.#schedule(operation);
          hand(endpoint, payload, route, this.#requestOf(operation, signal, endpoint));
        }
      });
    }
  }

  /** Sends a message before it returns. @returns The number of bytes. @throws The error if it could not be sent. */
  sendSync({ payload, port, address, controls, signal }: SendArguments): number {
    const endpoint = this.#socket.endpoint!;
    if (signal?.aborted) throw aborted(signal);
    const route = this.#routeTo(endpoint, address || LOOPBACK[endpoint.version], port, controls);
    const result = typeof route === "number" || route instanceof Error
      ? route
      : endpoint.sendNow((request) => hand(endpoint, payload, route, request));
    if (result instanceof Error) throw result;
    if (result < 0) throw this.sendError(-result, address, port);
    return result;
  }

  /** Nothing is sent. */
  #finishAborted(operation: SendOperation | undefined, signal: AbortSignal): void {
    this.#schedule(operation);
    operation?.finish(aborted(signal));
  }

  #requestOf(
    operation: SendOperation | undefined,
    signal: AbortSignal | undefined,
    endpoint: UdpEndpoint,
  ): SendOperation | AbortableRequest | undefined {
    return signal ? new AbortableRequest(signal, operation, endpoint, this.#ECANCELED) : operation;
  }

  get #ECANCELED(): number {
    return this.#engine.runtime.libc.abi.errno.ECANCELED;
  }

  /** Sends several messages with one callback. Their addresses are IP addresses. */
  sendMany({ groups, callback, signal }: SendManyArguments): void {
    const endpoint = this.#socket.endpoint!;
    const operation = this.#manyOperation(endpoint, countMessages(groups), callback, signal);
    let index = 0;
    if (signal?.aborted) {
      const request = operation!.requestFrom(0, undefined, undefined);
      for (let i = countMessages(groups); i > 0; i--) request.finish(aborted(signal));
      return;
    }
    for (const group of groups) {
      const { messages, segments, port, controls } = group;
      const address = group.address ?? (port === undefined ? undefined : LOOPBACK[endpoint.version]);
      const route = this.#routeTo(endpoint, address ?? "", port, controls);
      if (operation && endpoint.limitsSendQueue) {
        // Messages may be refused before others that wait have left.
        for (const message of messagesOf(group)) {
          collect(endpoint, message, route, operation.requestFrom(index++, address, port));
        }
        continue;
      }
      const request = operation?.requestFrom(index, address, port);
      for (const message of messages) collect(endpoint, message, route, request);
      for (const part of segments) collectSegments(endpoint, part, route, request);
      index += countMessages([group]);
    }
    if (groups[0]?.port !== undefined) return;
    try {
      endpoint.leave();
    } catch {
      // They were taken: they leave at the end of the turn.
    }
  }

  #manyOperation(
    endpoint: UdpEndpoint,
    count: number,
    callback: SendManyCallback | undefined,
    signal: AbortSignal | undefined,
  ): SendManyOperation | undefined {
    if (!signal) return callback && new SendManyOperation(this, count, callback);
    const withdraw = (request: SendRequest): void => endpoint.withdraw(request, -this.#ECANCELED);
    return new SendManyOperation(this, count, callback ?? (() => {}), signal, withdraw);
  }

  /** Schedules the callback, after the messages leave at the end of the turn. */
  #schedule(operation: SendOperation | undefined): void {
    operation?.schedule(this.#engine.outbox);
  }

  /** Known destinations are IP addresses. */
  #needsNoLookup({ version }: UdpEndpoint, address: string, port: number): boolean {
    const isKnown = this.#lookup === defaultLookup && this.#known(address, port) !== undefined;
    return isKnown || needsNoLookup(this.#lookup, version, address);
  }

  #encoderOf(endpoint: UdpEndpoint): SendControlsEncoder {
    return this.#encoder ??= endpoint.controlsEncoder();
  }

  /** @param ip The lookup's answer, of any type. */
  #routeToAnswer(
    endpoint: UdpEndpoint,
    ip: unknown,
    port: number,
    controls: CheckedControls | undefined,
  ): Route | NoRoute {
    try {
      return this.#routeTo(endpoint, addressText(ip), port, controls);
    } catch (error) {
      return error as Error;
    }
  }

  /** @param port Undefined on a connected socket. */
  #routeTo(
    endpoint: UdpEndpoint,
    ip: string,
    port: number | undefined,
    controls: CheckedControls | undefined,
  ): Route | NoRoute {
    const destination = port === undefined ? this.#peerRefusal(endpoint) : this.#destinationOf(endpoint, ip, port);
    if (destination instanceof Error || typeof destination === "number") return destination;
    if (!controls) return { destination, controls: undefined };
    const encoded = this.#encoderOf(endpoint).encode(controls, endpoint.wireTo(destination));
    return typeof encoded === "number" ? encoded : { destination, controls: encoded };
  }

  /** The error if sending to the peer is no longer permitted. Checked if permissions may have changed since the last message. */
  #peerRefusal(endpoint: UdpEndpoint): Error | undefined {
    const { revision } = this.#policy.network;
    if (revision === this.#peerRevision) return undefined;
    const peer = endpoint.remoteAddress();
    const refused = typeof peer === "number" ? undefined : this.#policy.refused(peer.address, peer.port);
    if (!refused) this.#peerRevision = revision;
    return refused;
  }

  #known(address: string, port: number): EncodedAddress | undefined {
    return this.#destinations.get(address, port) ?? this.#zonedDestinations?.get(address, port);
  }

  get #zoned(): ZonedDestinations {
    return this.#zonedDestinations ??= new ZonedDestinations(this.#policy.network);
  }

  #destinationOf(endpoint: UdpEndpoint, ip: string, port: number): EncodedAddress | NoRoute {
    const blocked = this.#policy.blocked(ip);
    if (blocked) return blocked;
    const known = this.#known(ip, port);
    if (known) return known;
    const refused = this.#policy.refused(ip, port);
    if (refused) return refused;
    const encoded = endpoint.encode(ip, port);
    if (encoded && ip.includes("%")) this.#zoned.set(ip, port, encoded);
    else if (encoded) this.#destinations.set(ip, port, encoded);
    // No address of this family.
    return encoded ?? -this.#engine.runtime.libc.abi.errno.EINVAL;
  }
}

function hand(
  endpoint: UdpEndpoint,
  payload: Payload,
  route: Route | NoRoute,
  operation: SendOperation | AbortableRequest | ImmediateRequest | undefined,
): void {
  if (typeof route === "number" || route instanceof Error) operation?.finish(route);
  else endpoint.send(payload, lengthOf(payload), route.destination, operation, route.controls);
}

function collect(
  endpoint: UdpEndpoint,
  payload: Payload,
  route: Route | NoRoute,
  operation: GroupRequest | undefined,
): void {
  if (typeof route === "number" || route instanceof Error) operation?.finish(route);
  else endpoint.collect(payload, lengthOf(payload), route.destination, operation, route.controls);
}

function collectSegments(
  endpoint: UdpEndpoint,
  segments: Segments,
  route: Route | NoRoute,
  operation: GroupRequest | undefined,
): void {
  if (typeof route === "number" || route instanceof Error) {
    for (let i = 0; i < segments.count; i++) operation?.finish(route);
  } else {
    endpoint.collectSegments(segments, route.destination, operation, route.controls);
  }
}
