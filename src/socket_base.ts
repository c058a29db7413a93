/**
 * What every part of a socket stands on: its endpoint, which the classes of this folder reach and nobody else does.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import type { OptionName } from "../ffi/sockopt.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Engine } from "./engine.ts";
import { notRunning } from "./errors.ts";
import type { SocketEvents } from "./types.ts";

/** A socket with whatever events. */
// deno-lint-ignore no-explicit-any
export type AnySocket = SocketBase<any>;

/** What each event has for its listeners. */
export type EventMap<Events> = Record<keyof Events, unknown[]>;

/** Gives a new socket what it stands on. */
export let attach: (socket: AnySocket, engine: Engine, endpoint: Endpoint) => void;
/** Takes the endpoint away: the socket is closed. */
export let detach: (socket: AnySocket) => void;
/** Undefined once the socket is closed. */
export let endpointOf: (socket: AnySocket) => Endpoint | undefined;
/** What the socket shares with others of its thread. */
export let engineOf: (socket: AnySocket) => Engine;

/** The foot of all sockets: events, and an endpoint in private. */
export abstract class SocketBase<Events extends EventMap<Events> = SocketEvents> extends EventEmitter<Events> {
  #engine: Engine | undefined;
  #endpoint: Endpoint | undefined;

  static {
    attach = (socket, engine, endpoint) => {
      socket.#engine = engine;
      socket.#endpoint = endpoint;
    };
    detach = (socket) => void (socket.#endpoint = undefined);
    endpointOf = (socket) => socket.#endpoint;
    engineOf = (socket) => socket.#engine!;
  }
}

/** The endpoint. @throws {Error} ERR_SOCKET_DGRAM_NOT_RUNNING once the socket is closed. */
export function runningEndpoint(socket: AnySocket): Endpoint {
  const endpoint = endpointOf(socket);
  if (!endpoint) throw notRunning();
  return endpoint;
}

/** Sets an integer option for a method of Node's. @returns True. @throws Node's error, which has the method's name. */
export function setOption(socket: AnySocket, option: OptionName, value: number, method: string): true {
  return engineOf(socket).errors.check(runningEndpoint(socket).setOption(option, value), method);
}
