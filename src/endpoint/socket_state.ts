/**
 * The state of a socket. The functions of the folders above find it by the public object.
 *
 * @module
 */
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { notRunning } from "../errors/node_errors.ts";
import type { DatagramEndpoint } from "./endpoint.ts";
import type { Engine } from "./engine.ts";
import type { AnySocket } from "./events.ts";
import type { UdpEndpoint } from "./udp_endpoint.ts";

/** What every socket has. */
export interface SocketState {
  /** What the socket shares with others of its thread. */
  readonly engine: Engine;
  /** Undefined once the socket is closed. */
  endpoint: DatagramEndpoint | undefined;
}

/**
 * The key of a socket's state. As in Node it is a property and not a private field. A private field would not be found
 * through a Proxy of the socket, in an object that inherits from it, or in an object that `Socket.call(this)` makes a
 * socket.
 */
const STATE = Symbol("state");

/** Gives a new socket its state. Assigned, as in Node: defining the property takes half a microsecond. */
export function attach(socket: object, state: SocketState): void {
  (socket as { [STATE]: SocketState })[STATE] = state;
}

/** A socket's state, as the class that attached it knows it. */
export function stateOf<State extends SocketState = SocketState>(socket: object): State {
  return (socket as { [STATE]: State })[STATE];
}

/** Undefined once the socket is closed. */
export function endpointOf(socket: object): DatagramEndpoint | undefined {
  return stateOf(socket).endpoint;
}

/** What the socket shares with others of its thread. */
export function engineOf(socket: object): Engine {
  return stateOf(socket).engine;
}

/** The endpoint. @throws {Error} ERR_SOCKET_DGRAM_NOT_RUNNING once the socket is closed. */
export function runningEndpoint(socket: object): DatagramEndpoint {
  const { endpoint } = stateOf(socket);
  if (!endpoint) throw notRunning();
  return endpoint;
}

/** Sets an integer option, for a method of Node. @returns True. @throws Node's error with the method's name. */
export function setOption(socket: AnySocket, option: OptionName, value: number, method: string): true {
  return engineOf(socket).errors.check(runningEndpoint(socket).setOption(option, value), method);
}

/** The endpoint of a UDP socket. @throws {Error} ERR_SOCKET_DGRAM_NOT_RUNNING once the socket is closed. */
export function runningUdpEndpoint(socket: object): UdpEndpoint {
  return runningEndpoint(socket) as UdpEndpoint;
}

/** Emits an event of a finished operation, unless the socket was closed meanwhile. */
export function emitIfOpen(socket: AnySocket, event: "listening" | "connect"): void {
  if (endpointOf(socket)) socket.emit(event);
}
