/**
 * The state of a UDP socket.
 *
 * @module
 */
import { Dispatcher, type DispatchingSocket } from "./dispatcher.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Engine } from "../endpoint/engine.ts";
import type { CheckedOptions } from "./creation_options.ts";
import type { Permissions } from "../endpoint/address_policy.ts";
import type { Socket } from "./socket.ts";
import { type SocketState, stateOf } from "../endpoint/socket_base.ts";

/** How far a socket is with binding. */
export type BindState = "unbound" | "binding" | "bound";

/** How far a socket is with its peer. */
export type ConnectState = "disconnected" | "connecting" | "connected";

/** What a UDP socket is. One object, which all that inherits from the socket has in common with it. */
export class UdpState implements SocketState, DispatchingSocket {
  readonly socket: Socket;
  readonly engine: Engine;
  endpoint: Endpoint | undefined;
  readonly options: CheckedOptions;
  readonly permissions: Permissions;
  bindState: BindState = "unbound";
  connectState: ConnectState = "disconnected";
  /** What waits until the socket is bound. */
  queue: (() => void)[] | undefined = undefined;
  /** Made when it is first used: there may be ten thousand sockets that only receive. */
  dispatcher: Dispatcher | undefined = undefined;
  /** Whether a bound socket keeps the process alive. Set once the socket is made. */
  isReferenced = false;

  constructor(
    socket: Socket,
    engine: Engine,
    endpoint: Endpoint,
    options: CheckedOptions,
    permissions: Permissions,
  ) {
    this.socket = socket;
    this.engine = engine;
    this.endpoint = endpoint;
    this.options = options;
    this.permissions = permissions;
  }

  /** For the dispatcher. */
  emitError(error: Error): void {
    this.socket.emit("error", error);
  }
}

/** A UDP socket's state. */
export function udpStateOf(socket: Socket): UdpState {
  return stateOf<UdpState>(socket);
}

/** What sends for a socket. */
export function dispatcherOf(socket: Socket): Dispatcher {
  const state = udpStateOf(socket);
  return state.dispatcher ??= new Dispatcher(state, state.engine, state.options.lookup, state.permissions);
}

/** Emits an event of an operation that has ended, unless the socket was closed meanwhile. */
export function emitIfOpen(socket: Socket, event: "listening" | "connect"): void {
  if (udpStateOf(socket).endpoint) socket.emit(event);
}
