/**
 * Binding of a UDP socket: by bind(2), by adopting a descriptor, or with one that a cluster's primary opened. Whatever fails or
 * throws leaves the socket as it was, so `bind()` can be called again.
 *
 * @module
 */
import { errorMonitor } from "node:events";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { ANY } from "../../ffi/wire/inet.ts";
import { adoptableVersion } from "../endpoint/adoption.ts";
import type { AnySocket } from "../endpoint/events.ts";
import type { SharedDescriptor } from "../endpoint/shared_descriptor.ts";
import { emitIfOpen, runningUdpEndpoint } from "../endpoint/socket_state.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { alreadyBound } from "../errors/node_errors.ts";
import { validateIp, validateObject, validatePortOrZero, validateString } from "../errors/validate.ts";
import { descriptorOfHandle } from "../integration/child_processes.ts";
import { isClusterWorker, shareDescriptor, type WantedAddress } from "../integration/cluster.ts";
import { addressText, resolve } from "../integration/lookup.ts";
import * as bufferSizes from "../options/buffer_sizes.ts";
import * as ip from "../options/ip.ts";
import * as solSocket from "../options/sol_socket.ts";
import { type UdpSocket, udpStateOf } from "./state.ts";
import type { BindSyncOptions } from "./types.ts";

/** Where to bind, as the caller gave it: of any type. */
interface Wanted {
  /** A descriptor to take over. */
  readonly fd: number | undefined;
  readonly port: unknown;
  readonly address: unknown;
  readonly exclusive: boolean;
}

/**
 * See {@linkcode Socket.bind}.
 *
 * @param leastFd A smaller descriptor is ignored. Node ignores 0; `jsre` takes it.
 */
export function bind(socket: UdpSocket, values: readonly unknown[], leastFd: 0 | 1 = 1): void {
  const endpoint = runningUdpEndpoint(socket);
  const state = udpStateOf(socket);
  if (state.bindState !== "unbound") throw alreadyBound();
  const shared = descriptorOfHandle(values[0]);
  const wanted = shared ? undefined : wantedOf(values, leastFd);
  const last = values.at(-1);
  state.bindState = "binding";
  const forget = typeof last === "function" ? onceListening(socket, last as () => void) : NOTHING;
  const giveUp = (): void => {
    state.bindState = "unbound";
    forget();
  };
  if (shared) receiveFromShared(socket, endpoint, shared);
  else if (wanted!.fd !== undefined) bindDescriptor(socket, endpoint, wanted!.fd, wanted!.exclusive, giveUp);
  else bindAddress(socket, endpoint, wanted!, giveUp);
}

const NOTHING = (): void => {};

/** See {@linkcode Socket.bindSync}. */
export function bindSync(socket: UdpSocket, options: BindSyncOptions): void {
  const endpoint = runningUdpEndpoint(socket);
  const state = udpStateOf(socket);
  validateObject(options, "options");
  if (state.bindState !== "unbound") throw alreadyBound();
  const port = validatePortOrZero(options.port ?? 0, "options.port");
  const given = options.address;
  // As in Node, any value that is false counts as none.
  if (given) {
    validateString(given, "options.address");
    validateIp(given, "options.address", "bindSync");
  }
  const failure = bindNow(socket, endpoint, given || ANY[endpoint.version], port);
  if (failure) throw failure;
  nowBound(socket, () => nextTick(emitIfOpen, socket, "listening"));
}

/** Binds to a port that the system chooses, unless the socket is bound or being bound. */
export function bindIfUnbound(socket: UdpSocket): void {
  if (udpStateOf(socket).bindState === "unbound") socket.bind({ port: 0, exclusive: true });
}

/** Runs an action when the socket is bound. If binding fails, all waiting actions are dropped, as in Node. */
export function enqueue(socket: UdpSocket, action: () => void): void {
  const state = udpStateOf(socket);
  if (!state.queue) {
    state.queue = [];
    (socket as AnySocket).on(errorMonitor, takeQueue);
    socket.on("listening", runQueue);
  }
  state.queue.push(action);
}

// The same listeners for all sockets: `once` and closures would cost a short-lived socket as much as everything else here.
function takeQueue(this: object): readonly (() => void)[] {
  const state = udpStateOf(this as UdpSocket);
  const { socket, queue } = state;
  (socket as AnySocket).removeListener(errorMonitor, takeQueue);
  socket.removeListener("listening", runQueue);
  state.queue = undefined;
  return queue ?? [];
}

function runQueue(this: object): void {
  for (const action of takeQueue.call(this)) action();
}

/** Takes over the descriptor that `createSocket()` was given. It starts to receive if it has a port. */
export function adoptAtCreation(socket: UdpSocket, endpoint: UdpEndpoint, fd: number): void {
  takeOver(socket, endpoint, fd);
  if (typeof endpoint.remoteAddress() !== "number") udpStateOf(socket).connectState = "connected";
  const local = endpoint.localAddress();
  if (typeof local === "number" || local.port === 0) return endpoint.settle();
  receiveFromAdopted(socket, endpoint);
  nowBound(socket, () => nextTick(emitIfOpen, socket, "listening"));
}

/** Sets the options that apply before `bind()`. Must be called for each descriptor. */
export function applyOptions(socket: UdpSocket): void {
  const { freebind, transparent, mark, recvNetworkErrors } = udpStateOf(socket).options;
  if (freebind) ip.setFreebind(socket, true);
  if (transparent) ip.setTransparent(socket, true);
  if (mark !== undefined) solSocket.setMark(socket, mark);
  if (recvNetworkErrors) ip.setRecvNetworkErrors(socket, true);
}

/** Returns what an action throws, or undefined. */
function thrownBy(action: () => void): Error | undefined {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
}

/** Takes over a descriptor. If an option cannot be set on it, it is given back. */
function takeOver(socket: UdpSocket, endpoint: UdpEndpoint, fd: number): void {
  const failure = thrownBy(() => {
    endpoint.adopt(fd);
    applyOptions(socket);
  });
  if (!failure) return;
  endpoint.release();
  throw failure;
}

function receiveFromAdopted(socket: UdpSocket, endpoint: UdpEndpoint): void {
  const { errors } = udpStateOf(socket).engine;
  let result = 0;
  const failure = thrownBy(() => result = endpoint.startReceivingAdopted());
  if (!failure && result >= 0) return endpoint.settle();
  endpoint.release();
  throw failure ?? errors.ofCall(-result, "open");
}

/** Adds the callback of `bind()`. @returns A function that removes it. */
function onceListening(socket: UdpSocket, callback: () => void): () => void {
  const forget = (): void => {
    (socket as AnySocket).removeListener(errorMonitor, forget);
    socket.removeListener("listening", listening);
  };
  const listening = (): void => {
    forget();
    callback.call(socket);
  };
  (socket as AnySocket).on(errorMonitor, forget);
  socket.on("listening", listening);
  return forget;
}

/** In a cluster worker the number is the primary's, unless the socket is exclusive. */
function bindDescriptor(
  socket: UdpSocket,
  endpoint: UdpEndpoint,
  fd: number,
  exclusive: boolean,
  giveUp: () => void,
): void {
  if (exclusive || !isClusterWorker()) return adopt(socket, endpoint, fd, giveUp);
  const { errors, runtime } = udpStateOf(socket).engine;
  share(socket, endpoint, fd, (result) => {
    if (result === -runtime.libc.abi.errno.ENOTSUP) adopt(socket, endpoint, fd, giveUp);
    else bindingOver(socket, result < 0 ? errors.ofCall(-result, "open") : undefined);
  });
}

function adopt(socket: UdpSocket, endpoint: UdpEndpoint, fd: number, giveUp: () => void): void {
  const failure = thrownBy(() => {
    adoptableVersion(udpStateOf(socket).engine.runtime.libc, fd, endpoint.version);
    takeOver(socket, endpoint, fd);
    receiveFromAdopted(socket, endpoint);
  });
  if (failure) {
    giveUp();
    throw failure;
  }
  nowBound(socket, () => socket.emit("listening"));
}

/** Binds a socket that was sent to this process by `child_process`. */
function receiveFromShared(socket: UdpSocket, endpoint: UdpEndpoint, shared: SharedDescriptor): void {
  const { errors } = udpStateOf(socket).engine;
  const result = takeShared(socket, endpoint, shared);
  if (typeof result !== "number") bindingOver(socket, result);
  else bindingOver(socket, result < 0 ? errors.ofCall(-result, "open") : undefined);
}

/** Receives from a shared descriptor. If it fails, the descriptor is given back. @returns 0, a negative errno, or an option's error. */
function takeShared(socket: UdpSocket, endpoint: UdpEndpoint, shared: SharedDescriptor): number | Error {
  let result = 0;
  const failure = thrownBy(() => {
    result = endpoint.share(shared);
    if (result >= 0) applyOptions(socket);
  });
  if (failure) endpoint.giveBackShared();
  else if (result >= 0) endpoint.settle();
  return failure ?? result;
}

function bindAddress(socket: UdpSocket, endpoint: UdpEndpoint, wanted: Wanted, giveUp: () => void): void {
  const state = udpStateOf(socket);
  const { lookup, reusePort } = state.options;
  let answered = false;
  try {
    resolve(lookup, endpoint.version, (wanted.address || ANY[endpoint.version]) as string, (error, ip) => {
      answered = true;
      // Closed in the meantime.
      if (state.endpoint !== endpoint) return;
      const isShared = !wanted.exclusive && !reusePort && isClusterWorker();
      if (isShared && !error) bindShared(socket, endpoint, ip, wanted.port);
      else bindingOver(socket, error ?? bindNow(socket, endpoint, ip, wanted.port));
    });
  } catch (error) {
    if (!answered) giveUp();
    throw error;
  }
}

function bindingOver(socket: UdpSocket, failure: Error | undefined): void {
  if (!failure) return nowBound(socket, () => socket.emit("listening"));
  udpStateOf(socket).bindState = "unbound";
  socket.emit("error", failure);
}

/** The workers of a cluster share a descriptor; if the runtime does not support that, a port, by SO_REUSEPORT. */
function bindShared(socket: UdpSocket, endpoint: UdpEndpoint, ip: unknown, port: unknown): void {
  const { engine: { errors, runtime }, options: { reuseAddr, ipv6Only }, policy } = udpStateOf(socket);
  let wanted: WantedAddress | undefined;
  const failure = thrownBy(() => {
    wanted = { address: addressText(ip), port: lowBits(port), reuseAddr, ipv6Only };
  }) ?? policy.refused(wanted!.address, wanted!.port);
  if (failure) return bindingOver(socket, failure);
  share(socket, endpoint, wanted!, (result) => {
    const alone = result === -runtime.libc.abi.errno.ENOTSUP;
    // macOS has no SO_REUSEPORT that spreads datagrams: there the first worker has the port.
    const sharesPort = runtime.libc.abi.linux !== undefined;
    if (alone) bindingOver(socket, bindNow(socket, endpoint, ip, port, sharesPort));
    else bindingOver(socket, result < 0 ? errors.ofAddress(-result, "bind", ip, port) : undefined);
  });
}

/** Receives from a descriptor that the cluster's primary opened. @param done Called with 0, or with a negative errno. */
function share(
  socket: UdpSocket,
  endpoint: UdpEndpoint,
  wanted: WantedAddress | number,
  done: (result: number) => void,
): void {
  const state = udpStateOf(socket);
  const { ENOTSUP } = state.engine.runtime.libc.abi.errno;
  const isOpen = (): boolean => state.endpoint === endpoint;
  shareDescriptor(socket, wanted, ENOTSUP, { isOpen, onClosed: () => endpoint.abandon() }, (shared) => {
    if (!isOpen()) return typeof shared === "number" ? undefined : shared.close();
    const result = typeof shared === "number" ? shared : takeShared(socket, endpoint, shared);
    if (typeof result === "number") done(result);
    else bindingOver(socket, result);
  });
}

/**
 * @param ip The lookup's answer, of any type.
 * @param port The port as the caller gave it. Only its low 16 bits count, as in Node.
 * @returns The error, if it fails.
 */
function bindNow(
  socket: UdpSocket,
  endpoint: UdpEndpoint,
  ip: unknown,
  port: unknown,
  sharesPort = false,
): Error | undefined {
  const { engine, options: { reuseAddr, reusePort, ipv6Only }, policy } = udpStateOf(socket);
  let failure: Error | undefined;
  const thrown = thrownBy(() => {
    const [address, port16] = [addressText(ip), lowBits(port)];
    failure = policy.refused(address, port16);
    if (failure) return;
    const flags = { reuseAddr, reusePort: reusePort || sharesPort, ipv6Only };
    const result = endpoint.bindAndReceive(address, port16, flags);
    if (result < 0) failure = engine.errors.ofAddress(-result, "bind", ip, port);
  });
  return thrown ?? failure;
}

function nowBound(socket: UdpSocket, announce: () => void): void {
  const state = udpStateOf(socket);
  state.bindState = "bound";
  const { recvBufferSize, sendBufferSize } = state.options;
  if (recvBufferSize) bufferSizes.setRecvBufferSize(socket, recvBufferSize);
  if (sendBufferSize) bufferSizes.setSendBufferSize(socket, sendBufferSize);
  announce();
}

/** The low 16 bits, as in Node: what is not a number is 0, except a bigint and a symbol, which throw. */
function lowBits(port: unknown): number {
  return +((port || 0) as number) & 0xffff;
}

/** Brings the forms of `bind()` into one. */
function wantedOf([port, address]: readonly unknown[], leastFd: 0 | 1): Wanted {
  if (port === null || typeof port !== "object") {
    return {
      fd: undefined,
      port: typeof port === "function" ? undefined : port,
      address: typeof address === "function" ? undefined : address,
      exclusive: false,
    };
  }
  const options = port as { readonly [Name in keyof Wanted]?: unknown };
  // Node's test. Other numbers are ignored.
  const fd = options.fd as number;
  const adopts = fd === (fd | 0) && fd >= leastFd;
  return {
    fd: adopts ? fd : undefined,
    address: options.address,
    exclusive: Boolean(options.exclusive),
    port: options.port,
  };
}
