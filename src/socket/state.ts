/**
 * The state of a UDP socket.
 *
 * | `bindState` | what happens | becomes |
 * |---|---|---|
 * | unbound | `bind()`; `send()`, `sendMany()` or `connect()`, which call it | binding |
 * | unbound | `bindSync()` succeeds; `createSocket()` adopts a descriptor with a port | bound |
 * | unbound | `bindSync()` fails, and throws | unbound |
 * | binding | the descriptor is bound and receives: `'listening'` | bound |
 * | binding | the lookup, bind(2) or an option fails: `'error'` | unbound |
 * | binding | something throws before the lookup has answered, out of `bind()` | unbound |
 * | binding, bound | `bind()` or `bindSync()` throws ERR_SOCKET_ALREADY_BOUND | as before |
 *
 * Joining a multicast group binds the descriptor and leaves this at unbound, as in Node.
 *
 * | `connectState` | what happens | becomes |
 * |---|---|---|
 * | disconnected | `connect()` | connecting |
 * | disconnected | `connectSync()` succeeds; the adopted descriptor has a peer | connected |
 * | connecting | connect(2) succeeds: `'connect'` | connected |
 * | connecting | the lookup or connect(2) fails: the callback or `'error'` | disconnected |
 * | connecting | something throws before the lookup has answered | disconnected |
 * | connecting | binding fails: `'error'` | connecting, for good, as in Node |
 * | connected | `disconnect()` | disconnected |
 * | connecting, connected | `connect()` or `connectSync()` throws ERR_SOCKET_DGRAM_IS_CONNECTED | as before |
 *
 * What is called while binding waits in `queue`: it runs at `'listening'`, and is dropped at `'error'`. `close()` waits there as well,
 * if anything does. A closed socket has no endpoint; its other states no longer matter.
 *
 * @module
 */
import type { EventEmitter } from "node:events";
import type { AddressPolicy } from "../endpoint/address_policy.ts";
import type { Engine } from "../endpoint/engine.ts";
import type { SocketEvents } from "../endpoint/events.ts";
import { type SocketState, stateOf } from "../endpoint/socket_state.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import type { CheckedOptions } from "./creation_options.ts";
import { Dispatcher, type DispatchingSocket } from "./dispatcher.ts";
import type { AddressInfo, BindOptions, SocketType } from "./types.ts";

/** The parts of the public object that the functions of this folder use. */
export interface UdpSocket extends EventEmitter<SocketEvents> {
  readonly type: SocketType;
  address(): AddressInfo;
  /** Called as a method, as in Node: a program may have replaced it. */
  bind(options: BindOptions): unknown;
}

/** Whether a socket is bound. */
export type BindState = "unbound" | "binding" | "bound";

/** Whether a socket is connected. */
export type ConnectState = "disconnected" | "connecting" | "connected";

/** The state of a UDP socket: one object, which objects that inherit from the socket share. */
export class UdpState implements SocketState, DispatchingSocket {
  readonly socket: UdpSocket;
  readonly engine: Engine;
  endpoint: UdpEndpoint | undefined;
  readonly options: CheckedOptions;
  readonly policy: AddressPolicy;
  bindState: BindState = "unbound";
  connectState: ConnectState = "disconnected";
  /** Actions that wait until the socket is bound. */
  queue: (() => void)[] | undefined = undefined;
  /** Created when it is first used, as there may be ten thousand sockets that only receive. */
  dispatcher: Dispatcher | undefined = undefined;
  /** Whether a bound socket keeps the process alive. */
  isReferenced = false;

  constructor(
    socket: UdpSocket,
    engine: Engine,
    endpoint: UdpEndpoint,
    options: CheckedOptions,
    policy: AddressPolicy,
  ) {
    this.socket = socket;
    this.engine = engine;
    this.endpoint = endpoint;
    this.options = options;
    this.policy = policy;
  }

  /** For the dispatcher. */
  emitError(error: Error): void {
    this.socket.emit("error", error);
  }
}

/** A UDP socket's state. */
export function udpStateOf(socket: UdpSocket): UdpState {
  return stateOf<UdpState>(socket);
}

/** The dispatcher of a socket. */
export function dispatcherOf(socket: UdpSocket): Dispatcher {
  const state = udpStateOf(socket);
  return state.dispatcher ??= new Dispatcher(state, state.engine, state.options.lookup, state.policy);
}
