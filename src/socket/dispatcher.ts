/**
 * From checked arguments of `send` to the endpoint: finds the destination, and has the callback called when it is due.
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
import type { Engine } from "../endpoint/engine.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { addressText, defaultLookup, type LookupFunction, needsNoLookup, resolve } from "../integration/lookup.ts";
import type { SendArguments } from "../sending/arguments.ts";
import {
  type GroupRequest,
  type OperationOwner,
  type SendCallbacks,
  SendManyOperation,
  SendOperation,
} from "../sending/callbacks.ts";
import type { CheckedControls, SendControlsEncoder } from "../sending/controls.ts";
import { countMessages, type MessageGroup } from "../sending/many_arguments.ts";
import { byteLength, isBytes, lengthOf, type Payload } from "../sending/payload.ts";
import type { Segments } from "../sending/segments.ts";
import type { SendCallback, SendManyCallback } from "../sending/types.ts";
import { Destinations } from "./destinations.ts";

/** What a dispatcher needs of its socket. */
export interface DispatchingSocket {
  /** Undefined once closed. */
  readonly endpoint: UdpEndpoint | undefined;
  /** For an error that no callback hears of. */
  emitError(error: Error): void;
}

/** How messages leave. */
interface Route {
  /** Undefined: to the peer. */
  readonly destination: EncodedAddress | undefined;
  readonly controls: EncodedControls | undefined;
}

/** Why they cannot: an error, or a negative errno. */
type NoRoute = Error | number;

/** One socket's way from `send` to the kernel. */
export class Dispatcher implements OperationOwner {
  readonly #socket: DispatchingSocket;
  readonly #engine: Engine;
  readonly #lookup: LookupFunction;
  readonly #policy: AddressPolicy;
  readonly #destinations: Destinations;
  /** For the operations. Nothing is sent by a socket that is closed. */
  readonly asyncId: number;
  #encoder: SendControlsEncoder | undefined;
  /** With which permissions the peer was found to be permitted last. */
  #peerRevision = UNCHANGING;

  constructor(socket: DispatchingSocket, engine: Engine, lookup: LookupFunction, policy: AddressPolicy) {
    this.#socket = socket;
    this.#engine = engine;
    this.#lookup = lookup;
    this.#policy = policy;
    this.#destinations = new Destinations(policy.network);
    this.asyncId = socket.endpoint?.asyncId ?? 0;
  }

  /** For the operations. */
  get contexts(): AsyncContexts {
    return this.#engine.runtime.asyncContexts;
  }

  /** For the operations. */
  get callbacks(): SendCallbacks {
    return this.#engine.sendCallbacks;
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
   * The short way, for `send(bytes, port, address, callback?)` on a bound socket without a peer, to a destination that was sent
   * to before.
   *
   * @param rest What stands behind, which must not be there.
   * @returns Whether it could be taken.
   */
  sendToKnown(message: unknown, port: unknown, address: unknown, callback: unknown, rest: unknown): boolean {
    const endpoint = this.#socket.endpoint;
    const canTake = endpoint !== undefined && isBytes(message) &&
      typeof port === "number" && typeof address === "string" &&
      (callback === undefined || typeof callback === "function") && !rest &&
      !this.#policy.hasSendBlockList && this.#lookup === defaultLookup;
    if (!canTake) return false;
    const destination = this.#destinations.get(address, port);
    if (destination === undefined) return false;
    const operation = callback ? new SendOperation(this, callback as SendCallback, address, port) : undefined;
    operation?.scheduleAfterLookup();
    endpoint.send(message, byteLength(message), destination, operation);
    return true;
  }

  /** Checks what can be told of a message's controls before it is sent. @throws What {@linkcode Socket.send} throws. */
  check({ controls }: SendArguments | MessageGroup): void {
    if (controls) this.#encoderOf(this.#socket.endpoint!).check(controls);
  }

  /** @param connecting Whether `connect()` is under way: then what it does to the socket comes before this message. */
  send(message: SendArguments, connecting: boolean): void {
    const { payload, port, address = "", callback, controls } = message;
    const operation = callback ? new SendOperation(this, callback, message.address, port) : undefined;
    const endpoint = this.#socket.endpoint!;
    if (port === undefined) {
      const route = this.#routeTo(endpoint, address, port, controls);
      this.#schedule(operation);
      hand(endpoint, payload, route, operation);
    } else if (!connecting && this.#needsNoLookup(endpoint, address, port)) {
      const ip = address || LOOPBACK[endpoint.version];
      const route = this.#routeTo(endpoint, ip, port, controls);
      operation?.scheduleAfterLookup();
      hand(endpoint, payload, route, operation);
    } else {
      resolve(this.#lookup, endpoint.version, address, (error, ip) => {
        if (error) {
          const report = callback as ((error: Error) => void) | undefined;
          nextTick(report ?? ((error: Error) => this.#socket.emitError(error)), error);
        } else if (this.#socket.endpoint === endpoint) {
          const route = this.#routeToAnswer(endpoint, ip, port, controls);
          this.#schedule(operation);
          hand(endpoint, payload, route, operation);
        }
      });
    }
  }

  /** Sends several messages with one callback. Their addresses are IP addresses. */
  sendMany(groups: readonly MessageGroup[], callback: SendManyCallback | undefined): void {
    const endpoint = this.#socket.endpoint!;
    const operation = callback ? new SendManyOperation(this, countMessages(groups), callback) : undefined;
    let index = 0;
    for (const group of groups) {
      const { messages, segments, port, controls } = group;
      const address = group.address ?? (port === undefined ? undefined : LOOPBACK[endpoint.version]);
      const route = this.#routeTo(endpoint, address ?? "", port, controls);
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

  /** At the end of the turn the messages leave first. */
  #schedule(operation: SendOperation | undefined): void {
    if (!operation) return;
    this.#engine.outbox.schedule();
    operation.schedule();
  }

  /** What was sent to before is an IP address. */
  #needsNoLookup({ version }: UdpEndpoint, address: string, port: number): boolean {
    const isKnown = this.#lookup === defaultLookup && this.#destinations.get(address, port) !== undefined;
    return isKnown || needsNoLookup(this.#lookup, version, address);
  }

  #encoderOf(endpoint: UdpEndpoint): SendControlsEncoder {
    return this.#encoder ??= endpoint.controlsEncoder();
  }

  /** @param ip What a lookup gave, of any type. */
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

  /** Why nothing may be sent to the peer any more. Asked if permissions may have changed since the last message. */
  #peerRefusal(endpoint: UdpEndpoint): Error | undefined {
    const { revision } = this.#policy.network;
    if (revision === this.#peerRevision) return undefined;
    const peer = endpoint.remoteAddress();
    const refused = typeof peer === "number" ? undefined : this.#policy.refused(peer.address, peer.port);
    if (!refused) this.#peerRevision = revision;
    return refused;
  }

  #destinationOf(endpoint: UdpEndpoint, ip: string, port: number): EncodedAddress | NoRoute {
    const blocked = this.#policy.blocked(ip);
    if (blocked) return blocked;
    const known = this.#destinations.get(ip, port);
    if (known) return known;
    const refused = this.#policy.refused(ip, port);
    if (refused) return refused;
    const encoded = endpoint.encode(ip, port);
    if (encoded) this.#destinations.set(ip, port, encoded);
    // No address of this family.
    return encoded ?? -this.#engine.runtime.libc.abi.errno.EINVAL;
  }
}

function hand(
  endpoint: UdpEndpoint,
  payload: Payload,
  route: Route | NoRoute,
  operation: SendOperation | undefined,
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
