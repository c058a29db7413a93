/**
 * The Unix datagram socket: its states, events and the forms of its arguments. The endpoint calls the kernel.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { makeInspectable } from "../../ffi/runtimes/inspection.ts";
import { UNCHANGING } from "../../ffi/runtimes/network_permission.ts";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { readCredentials, type UnixCredentials } from "../../ffi/wire/ancillary.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import { adoptableUnix, isUnixDatagram } from "../endpoint/adoption.ts";
import type { DatagramEndpoint } from "../endpoint/endpoint.ts";
import { currentEngine, type Engine } from "../endpoint/engine.ts";
import { describeSocket, type Shown } from "../endpoint/inspection.ts";
import { DatagramIterator } from "../endpoint/iteration.ts";
import * as pausing from "../endpoint/pausing.ts";
import {
  attach,
  emitIfOpen,
  endpointOf,
  engineOf,
  runningEndpoint,
  setOption,
  type SocketState,
  stateOf,
} from "../endpoint/socket_state.ts";
import { aborted, alreadyBound, isConnected, notConnected, unavailable } from "../errors/node_errors.ts";
import { validateAbortSignal, validateFunction, validateObject } from "../errors/validate.ts";
import { closeOnAbort } from "../integration/abort.ts";
import * as bufferSizes from "../options/buffer_sizes.ts";
import * as raw from "../options/raw.ts";
import * as statistics from "../options/statistics.ts";
import type { Statistics } from "../options/statistics.ts";
import type { MessageBatch } from "../receiving/message_batch.ts";
import { AbortableRequest } from "../sending/abortable.ts";
import {
  type GroupRequest,
  type ImmediateRequest,
  type OperationOwner,
  SendManyOperation,
  SendOperation,
  type SendRequest,
} from "../sending/callbacks.ts";
import type { Bytes, SendCallback, SendManyCallback } from "../sending/types.ts";
import { validateFd } from "../socket/creation_options.ts";
import { callableClass } from "../socket/callable_class.ts";
import { Socket } from "../socket/socket.ts";
import { UnixDestinations } from "./destinations.ts";
import { UnixEndpoint } from "./endpoint.ts";
import { checkUnixOptions } from "./options.ts";
import { OutgoingAncillary } from "./outgoing_ancillary.ts";
import { readable, validatePath } from "./path.ts";
import { parseUnixSend, parseUnixSendMany, type UnixSendArguments } from "./send_arguments.ts";
import { SocketFile } from "./socket_file.ts";
import type {
  UnixAddress,
  UnixBindOptions,
  UnixMessage,
  UnixRemoteInfo,
  UnixSendManyOptions,
  UnixSendOptions,
  UnixSocketEvents,
  UnixSocketOptions,
} from "./types.ts";
import { stubUdpOnlyMethods } from "./udp_only_methods.ts";

/** Makes a received descriptor a socket. */
function socketOf(fd: number): Socket | UnixSocket {
  const isUnix = isUnixDatagram(currentEngine().runtime.libc, fd);
  return isUnix ? new UnixSocket({ type: "unix_dgram", fd }) : new Socket({ fd });
}

/** The state of a Unix socket. */
class UnixState implements SocketState {
  readonly engine: Engine;
  endpoint: UnixEndpoint | undefined;
  readonly destinations: UnixDestinations;
  readonly operations: OperationOwner;
  readonly unlinkOnClose: boolean;
  isBound = false;
  isConnected = false;
  /** The revision of the permissions with which the peer was last checked. */
  peerRevision = UNCHANGING;
  /** The file to remove when the socket is closed. */
  file: SocketFile | undefined = undefined;

  constructor(engine: Engine, endpoint: UnixEndpoint, unlinkOnClose: boolean) {
    const { asyncContexts, libc, network } = engine.runtime;
    this.engine = engine;
    this.endpoint = endpoint;
    this.unlinkOnClose = unlinkOnClose;
    this.destinations = new UnixDestinations(libc.abi, network);
    this.operations = {
      asyncId: endpoint.asyncId,
      contexts: asyncContexts,
      callbacks: engine.sendCallbacks,
      isOpen: () => this.endpoint !== undefined,
      sendError: (errno, path) => engine.errors.ofAddress(errno, "send", path && readable(path), undefined),
    };
  }

  /** Undefined on a connected socket, whose only destination is its peer. */
  get destinationsIfAny(): UnixDestinations | undefined {
    return this.isConnected ? undefined : this.destinations;
  }
}

/**
 * A Unix datagram socket (unix(7)) with the surface of a UDP socket, where paths replace addresses and ports.
 *
 * Created by {@linkcode createSocket} with the type `unix_dgram`, or by {@linkcode socketpair}. Messages are neither
 * lost nor reordered: if a peer's queue is full they wait here, which `'congestion'` and `'writable'` report.
 *
 * A path that begins with `@` or NUL is abstract: a name without a file (Linux). It is reported with NUL. Methods that
 * only UDP supports (`setTTL`, `addMembership` and so on) throw ERR_SOCKET_DGRAM_NOT_UDP.
 *
 * @example
 * ```ts
 * import { createSocket, type UnixSocket } from "@dgram/ffi";
 *
 * function answer(server: UnixSocket) {
 *   server.on("message", (message, { path }) => server.send(`seen: ${message}`, path));
 * }
 *
 * const server = createSocket("unix_dgram");
 * answer(server);
 * server.bindSync("/run/collector.sock");
 * const client = createSocket("unix_dgram", (message) => {
 *   console.log(message.toString()); // seen: hello
 *   client.close();
 *   server.close();
 * });
 * client.bindSync("/run/client.sock");
 * client.send("hello", "/run/collector.sock");
 * ```
 */
export class UnixSocket extends EventEmitter<UnixSocketEvents> {
  /** Always `unix_dgram`. */
  declare readonly type: "unix_dgram";

  /** The number of the socket's descriptor; -1 before it is opened and after it is closed. */
  get fd(): number {
    return endpointOf(this)?.fd ?? -1;
  }

  /**
   * Use {@linkcode createSocket} to create a socket.
   *
   * @param options The type, or options.
   * @param listener Added as a listener for `'message'`.
   */
  constructor(
    options: "unix_dgram" | UnixSocketOptions,
    listener?: (message: Buffer<ArrayBuffer>, remote: UnixRemoteInfo) => void,
  ) {
    super();
    initialize(this, options, listener);
  }

  /**
   * Binds the socket to a path, so that it receives and can be answered (bind(2)). Creates the file of a path that is
   * not abstract. The file must not exist yet. Emits `'listening'`, or `'error'` with the errno of the failed call
   * (EADDRINUSE if there is something at that path) or with the runtime's error if it does not permit the path.
   *
   * @param path At most 107 bytes on Linux and 103 on macOS, 108 with the NUL of an abstract one. If it is omitted or
   * empty, the system selects an abstract path (Linux).
   * @param callback Added as a listener for `'listening'`, once; removed if an error comes first.
   * @throws {Error} ERR_SOCKET_ALREADY_BOUND; ENAMETOOLONG.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for a path with a NUL inside.
   */
  bind(path?: string, callback?: () => void): this;
  /** Binds to an abstract path that the system selects (Linux). */
  bind(callback: () => void): this;
  /**
   * Binds with options. With `fd` the socket takes over an open Unix datagram socket instead.
   *
   * @throws {TypeError} ERR_INVALID_FD_TYPE if `fd` is not a Unix datagram socket.
   */
  bind(options: UnixBindOptions, callback?: () => void): this;
  bind(...values: unknown[]): this {
    runningEndpoint(this);
    const { isBound, engine } = unixStateOf(this);
    if (isBound) throw alreadyBound();
    const callback = values.at(-1);
    const { path, fd } = bindOptionsOf(values[0]);
    if (fd !== undefined) {
      validateFd(fd);
      adoptableUnix(engine.runtime.libc, fd);
      adopt(this, fd);
      if (typeof callback === "function") this.once("listening", callback as () => void);
      announceAdopted(this, () => this.emit("listening"));
      return this;
    }
    const failure = bindNow(this, bindable(this, path));
    const listening = typeof callback === "function" ? callback as () => void : undefined;
    if (listening && !failure) this.once("listening", listening);
    nextTick(() => {
      if (!failure) emitIfOpen(this, "listening");
      else if (endpointOf(this)) this.emit("error", failure);
    });
    return this;
  }

  /**
   * Binds at once. `'listening'` is emitted in the next tick.
   *
   * @param options The path, as in {@linkcode UnixSocket.bind}.
   * @returns The bound address.
   * @throws The errors of `bind()`, and the errno of the failed call.
   */
  bindSync(options: string | { path?: string | undefined } = {}): UnixAddress {
    runningEndpoint(this);
    if (unixStateOf(this).isBound) throw alreadyBound();
    if (typeof options !== "string") validateObject(options, "options");
    const { path } = bindOptionsOf(options);
    const failure = bindNow(this, bindable(this, path));
    if (failure) throw failure;
    nextTick(() => emitIfOpen(this, "listening"));
    return this.address();
  }

  /**
   * Connects the socket: its messages go to the peer, and it receives from the peer only (connect(2)). Emits
   * `'connect'`. A failure is reported to the callback, or else as `'error'`: ENOENT if there is nothing at that path,
   * ECONNREFUSED if no socket is bound to it any more, EPROTOTYPE if it is a socket of another kind, EACCES.
   *
   * This does not bind the socket: to be answered, bind it first.
   *
   * @param path The peer's path, as in {@linkcode UnixSocket.bind}.
   * @param callback Called when the socket is connected or connecting has failed.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED.
   */
  connect(path: string, callback?: (error?: Error) => void): void {
    if (callback !== undefined) validateFunction(callback, "callback");
    const failure = connectNow(this, path);
    if (callback && !failure) this.once("connect", callback);
    nextTick(() => {
      if (!failure) emitIfOpen(this, "connect");
      else if (callback) callback(failure);
      else if (endpointOf(this)) this.emit("error", failure);
    });
  }

  /**
   * Connects at once. `'connect'` is emitted in the next tick.
   *
   * @param path The peer's path.
   * @throws The errors of `connect()`, and the errno of the failed call.
   */
  connectSync(path: string): void {
    const failure = connectNow(this, path);
    if (failure) throw failure;
    nextTick(() => emitIfOpen(this, "connect"));
  }

  /**
   * Disconnects the socket. Messages that wait for the peer fail with ENOTCONN.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED if it is not connected.
   */
  disconnect(): void {
    const state = unixStateOf(this);
    if (!state.isConnected) throw notConnected();
    state.engine.errors.check(runningEndpoint(this).disconnect(), "connect");
    state.isConnected = false;
  }

  /**
   * Sends a datagram. Messages to one path are sent in the order of their `send()`. While the peer's queue is full they
   * wait, and do not delay messages to other paths. The socket need not be bound, but only a bound one can be answered.
   *
   * The bytes are copied before `send()` returns. A message that was passed to `send()` before `close()` is sent, if
   * there is room for it.
   *
   * @param message Bytes, text (as UTF-8), or an array of both, whose pieces make one datagram. The send buffer limits
   * its size (EMSGSIZE).
   * @param path The destination; not on a connected socket.
   * @param callback Called with null and the number of bytes once the peer's queue has the message, or with the error:
   * ENOENT, ECONNREFUSED if no socket is bound to the path any more. Without a callback, errors are ignored.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED if a path is given on a connected socket; ENAMETOOLONG.
   */
  send(message: Bytes | readonly Bytes[], path: string | UnixSendOptions, callback?: SendCallback): void;
  /** Sends to the peer of a connected socket. */
  send(message: Bytes | readonly Bytes[], callback?: SendCallback): void;
  /** Sends a part of a buffer: `length` bytes from `offset` on. */
  send(message: Bytes, offset: number, length: number, path: string | UnixSendOptions, callback?: SendCallback): void;
  /** Sends a part of a buffer to the peer of a connected socket. */
  send(message: Bytes, offset: number, length: number, callback?: SendCallback): void;
  send(...values: unknown[]): void {
    const endpoint = runningEndpoint(this);
    const state = unixStateOf(this);
    const message = parseUnixSend<SendCallback>(state.engine.runtime.libc, state.destinationsIfAny, values);
    const { callback, path, signal } = message;
    const operation = callback && new SendOperation(state.operations, callback, path, undefined);
    operation?.schedule(state.engine.outbox);
    if (!signal) return dispatch(state, endpoint, message, operation);
    if (signal.aborted) return operation?.finish(aborted(signal));
    const { ECANCELED } = state.engine.runtime.libc.abi.errno;
    dispatch(state, endpoint, message, new AbortableRequest(signal, operation, endpoint, ECANCELED));
  }

  /**
   * Sends several datagrams with one callback. Otherwise as {@linkcode UnixSocket.send}.
   *
   * @param messages The datagrams: bytes, text, or objects with a message and a path; or a batch from `'messages'`, to
   * forward it.
   * @param path The destination of those that have none; not on a connected socket.
   * @param callback Called once, with the error of the first message that failed ({@linkcode SendManyError}) or null,
   * and the number of messages that were sent. It may be given instead of `path`.
   * @throws The errors of `send`, before anything is sent.
   */
  sendMany(
    messages: MessageBatch | readonly (Bytes | UnixMessage)[],
    path?: string,
    callback?: SendManyCallback,
  ): void;
  /** Sends several datagrams that have paths, or to the peer of a connected socket. */
  sendMany(messages: MessageBatch | readonly (Bytes | UnixMessage)[], callback: SendManyCallback): void;
  /** Sends several datagrams with options. */
  sendMany(
    messages: MessageBatch | readonly (Bytes | UnixMessage)[],
    options: UnixSendManyOptions,
    callback?: SendManyCallback,
  ): void;
  sendMany(
    messages: MessageBatch | readonly (Bytes | UnixMessage)[],
    path?: string | SendManyCallback | UnixSendManyOptions,
    callback?: SendManyCallback,
  ): void {
    const endpoint = runningEndpoint(this);
    const state = unixStateOf(this);
    let signal: AbortSignal | undefined;
    if (typeof path === "function") [path, callback] = [undefined, path];
    else if (path !== null && typeof path === "object") ({ path, signal } = path);
    if (signal !== undefined) validateAbortSignal(signal, "options.signal");
    const items = parseUnixSendMany(state.engine.runtime.libc, state.destinationsIfAny, messages, path);
    if (callback !== undefined) validateFunction(callback, "callback");
    const operation = manyOperation(state, endpoint, items.length, callback, signal);
    if (signal?.aborted) {
      const request = operation!.requestFrom(0, undefined, undefined);
      return items.forEach(() => request.finish(aborted(signal)));
    }
    items.forEach((message, i) =>
      dispatch(state, endpoint, message, operation?.requestFrom(i, message.path, undefined))
    );
  }

  /**
   * Sends a datagram within the call. It never waits: if the peer's queue is full, or other messages wait, it throws
   * EAGAIN.
   *
   * @param message As in {@linkcode UnixSocket.send}.
   * @param path The destination, or options; not on a connected socket.
   * @returns The number of bytes that were sent.
   * @throws The errors of {@linkcode UnixSocket.send} and of its callback.
   */
  sendSync(message: Bytes | readonly Bytes[], path?: string | UnixSendOptions): number {
    const endpoint = runningEndpoint(this);
    const state = unixStateOf(this);
    const parsed = parseUnixSend<never>(state.engine.runtime.libc, state.destinationsIfAny, [message, path]);
    if (parsed.signal?.aborted) throw aborted(parsed.signal);
    const result = endpoint.sendNow((request) => {
      dispatch(state, endpoint as UnixEndpoint, parsed, request);
      endpoint.leave();
    });
    if (result instanceof Error) throw result;
    if (result < 0) throw state.operations.sendError(-result, parsed.path, undefined);
    return result;
  }

  /**
   * Closes the socket. Messages that wait for room fail with ECANCELED. `'close'` is emitted in the next tick. The file
   * that the socket is bound to remains, unless `unlinkOnClose` is set.
   *
   * @param callback Added as a listener for `'close'`.
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_RUNNING if it is already closed.
   */
  close(callback?: () => void): this {
    if (typeof callback === "function") this.on("close", callback);
    const endpoint = runningEndpoint(this);
    const state = unixStateOf(this);
    // If something throws, the socket is still open, and can be closed.
    state.file?.remove();
    endpoint.close();
    nextTick(() => this.emit("close"));
    state.endpoint = undefined;
    return this;
  }

  /** `close()` as a promise, for `await using`. Does nothing on a closed socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!endpointOf(this)) return;
    await new Promise<void>((resolve) => this.close(resolve));
  }

  /**
   * The peer's path (getpeername(2)); empty if the peer is not bound, as in a pair.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED if the socket is not connected; ENOTCONN if the peer is gone.
   */
  remoteAddress(): UnixAddress {
    const endpoint = runningEndpoint(this);
    if (!unixStateOf(this).isConnected) throw notConnected();
    const peer = endpoint.remoteAddress();
    if (typeof peer === "number") throw engineOf(this).errors.ofCall(-peer, "getpeername");
    return { family: "unix", path: peer.address };
  }

  /** The socket's own path (getsockname(2)); empty if it is not bound. */
  address(): UnixAddress {
    const endpoint = runningEndpoint(this);
    engineOf(this).errors.check(endpoint.open(), "socket");
    const local = endpoint.localAddress();
    if (typeof local === "number") throw engineOf(this).errors.ofCall(-local, "getsockname");
    return { family: "unix", path: local.address };
  }

  /**
   * The credentials of the process that created the pair of this socket (SO_PEERCRED; Linux). For another socket, only
   * `recvCredentials` reports the peer's.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED if the socket is not one of a pair.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM
   */
  getPeerCredentials(): UnixCredentials {
    const { abi } = engineOf(this).runtime.libc;
    if (!abi.linux) throw unavailable("SO_PEERCRED", abi.platform);
    const value = raw.getsockopt(this, "SOL_SOCKET", "SO_PEERCRED", abi.linux.ucred.size);
    const credentials = readCredentials(abi, new DataView(value.buffer, value.byteOffset, value.byteLength), 0);
    // The kernel reports unknown credentials this way.
    if (credentials.pid === 0) throw notConnected();
    return credentials;
  }

  /** Lets the bound or connected socket keep the process alive. This is the default. */
  ref(): this {
    endpointOf(this)?.setReferenced(true);
    return this;
  }

  /** Lets the process end while the socket is open. Messages that wait keep it alive. */
  unref(): this {
    endpointOf(this)?.setReferenced(false);
    return this;
  }

  /**
   * Stops receiving until {@linkcode UnixSocket.resume}. Messages wait in the kernel; if there is no room for more,
   * they wait with their senders. Sending goes on. Messages that the socket has already received are delivered later.
   */
  pause(): this {
    pausing.pause(this);
    return this;
  }

  /** Resumes receiving after {@linkcode UnixSocket.pause}. */
  resume(): this {
    pausing.resume(this);
    return this;
  }

  /** Whether the socket is paused ({@linkcode UnixSocket.pause}). */
  isPaused(): boolean {
    return pausing.isPaused(this);
  }

  /**
   * Iterates over the messages that are received from the first step on, as `[message, remote]`. A limited number waits
   * between two steps. The iteration ends when the socket is closed, and throws the socket's error. Leaving it
   * (`break`) does not close the socket. With `recvFds`, descriptors must be taken in a `'message'` listener: those
   * that reach the iteration are closed.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<UnixSocketEvents["message"], undefined, void> {
    return new DatagramIterator<UnixSocketEvents["message"]>(this);
  }

  /**
   * Counts since the socket was created: datagrams and bytes, system calls, messages that failed, datagrams that the
   * kernel dropped, and what it refused. The kernel drops no messages of a Unix socket.
   *
   * @example
   * ```ts
   * const { received, dropped } = socket.getStatistics();
   * console.log(`${received.datagrams} datagrams in ${received.systemCalls} calls, ${dropped} lost`);
   * ```
   */
  getStatistics(): Statistics {
    return statistics.getStatistics(this);
  }

  /** The number of bytes that `send()` was given and the kernel has not accepted yet. */
  getSendQueueSize(): number {
    return runningEndpoint(this).sendQueue.size;
  }

  /** The number of messages that `send()` was given and the kernel has not accepted yet. */
  getSendQueueCount(): number {
    return runningEndpoint(this).sendQueue.count;
  }

  /**
   * Size of the kernel's receive buffer in bytes (SO_RCVBUF). Linux reports twice what was set.
   */
  getRecvBufferSize(): number {
    return bufferSizes.getRecvBufferSize(this);
  }

  /**
   * Size of the kernel's send buffer in bytes (SO_SNDBUF). Linux reports twice what was set.
   */
  getSendBufferSize(): number {
    return bufferSizes.getSendBufferSize(this);
  }

  /**
   * Sets the size of the kernel's receive buffer (SO_RCVBUF). The system limits it (Linux: net.core.rmem_max).
   *
   * @param size In bytes; an integer from 0, which changes nothing.
   * @returns True.
   * @throws {TypeError} ERR_SOCKET_BAD_BUFFER_SIZE.
   */
  setRecvBufferSize(size: number): true {
    return bufferSizes.setRecvBufferSize(this, size);
  }

  /**
   * Sets the size of the kernel's send buffer (SO_SNDBUF). The system limits it (Linux: net.core.wmem_max).
   *
   * @param size In bytes; an integer from 0, which changes nothing.
   * @returns True.
   * @throws {TypeError} ERR_SOCKET_BAD_BUFFER_SIZE.
   */
  setSendBufferSize(size: number): true {
    return bufferSizes.setSendBufferSize(this, size);
  }

  /**
   * Reads any option of the socket (getsockopt(2)). Not in Node. Opens the descriptor if there is none yet.
   *
   * @example
   * ```ts
   * console.log(socket.getsockopt("SOL_SOCKET", "SO_RCVLOWAT").readInt32LE()); // 1
   * ```
   *
   * @param level The level: `SOL_SOCKET`, `IPPROTO_IP`, `IPPROTO_IPV6`, `IPPROTO_UDP` (or `SOL_IP` and so on), or its
   * number.
   * @param name The option's header name, such as `SO_RCVLOWAT`, or its number on this system.
   * @param length The maximum number of bytes to read, 0 to 65536. Defaults to 4, an int.
   * @returns The value in the system's byte order, which is little-endian on all supported systems. Shorter than
   * `length` if the option is.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE for a name that is not known (newer options have to be given by number)
   * or that is of another level, and for filters and options of the firewall, whose value holds an address ({@linkcode
   * Socket.attachFilter}).
   * @throws {Error} ENOPROTOOPT for another system's option, or another errno of the kernel; the message has the
   * option's name.
   */
  getsockopt(level: string | number, name: string | number, length = 4): Buffer<ArrayBuffer> {
    return raw.getsockopt(this, level, name, length);
  }

  /**
   * Sets any option of the socket (setsockopt(2)). Not in Node. Opens the descriptor if there is none yet.
   *
   * @example
   * ```ts
   * socket.setsockopt("SOL_SOCKET", "SO_RCVLOWAT", 1);
   * ```
   *
   * @param level The level, as in {@linkcode Socket.getsockopt}.
   * @param name The option's header name, or its number on this system.
   * @param value An integer from -2147483648 to 4294967295, which is passed as an int; a boolean, as 0 or 1; or the
   * value's bytes, at most 65536.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE as in {@linkcode Socket.getsockopt}; ERR_INVALID_ARG_TYPE for any other
   * value.
   * @throws {RangeError} ERR_OUT_OF_RANGE for a number that is not an int, and for too many bytes.
   * @throws {Error} ENOPROTOOPT for another system's option; EPERM if the option requires a privilege, which the
   * message names if it is known; or another errno of the kernel.
   */
  setsockopt(level: string | number, name: string | number, value: number | boolean | NodeJS.ArrayBufferView): true {
    return raw.setsockopt(this, level, name, value);
  }
}

function unixStateOf(socket: UnixSocket): UnixState {
  return stateOf<UnixState>(socket);
}

function initialize(
  socket: UnixSocket,
  options: "unix_dgram" | UnixSocketOptions,
  listener: ((message: Buffer<ArrayBuffer>, remote: UnixRemoteInfo) => void) | undefined,
): void {
  const checked = checkUnixOptions(options);
  const { fd, signal, unlinkOnClose = false, recvFds = false, recvCredentials = false } = checked;
  const engine = currentEngine();
  const { libc } = engine.runtime;
  if (recvCredentials && !libc.abi.linux) throw unavailable("recvCredentials", libc.abi.platform);
  if (fd !== undefined) adoptableUnix(libc, fd);
  (socket as { type: "unix_dgram" }).type = "unix_dgram";
  const endpoint = new UnixEndpoint(engine, socket, { fds: recvFds, credentials: recvCredentials }, socketOf);
  endpoint.limitSendQueue(checked.sendQueueLimit ?? Infinity);
  attach(socket, new UnixState(engine, endpoint, unlinkOnClose));
  if (typeof listener === "function") socket.on("message", listener);
  try {
    if (fd !== undefined) adopt(socket, fd);
    configure(socket, checked);
    closeOnAbort(socket, signal);
  } catch (error) {
    unixStateOf(socket).endpoint = undefined;
    endpoint.undo(fd !== undefined);
    throw error;
  }
  if (fd !== undefined) announceAdopted(socket, () => nextTick(emitIfOpen, socket, "listening"));
}

function configure(socket: UnixSocket, options: Partial<UnixSocketOptions>): void {
  const { recvBufferSize, sendBufferSize, recvCredentials } = options;
  if (recvBufferSize) socket.setRecvBufferSize(recvBufferSize);
  if (sendBufferSize) socket.setSendBufferSize(sendBufferSize);
  if (recvCredentials) setOption(socket, "SO_PASSCRED", 1, "recvCredentials");
}

/** The endpoint of a socket that the caller knows to be open. */
function openEndpoint(socket: UnixSocket): UnixEndpoint {
  return unixStateOf(socket).endpoint!;
}

/**
 * The runtime's error if it does not permit the peer any more. Checked if permissions may have changed since the last
 * message.
 */
function peerRefusal(state: UnixState): Error | undefined {
  const { network } = state.engine.runtime;
  const { revision } = network;
  if (revision === state.peerRevision) return undefined;
  const peer = state.endpoint!.remoteAddress();
  // The peers of pairs have no path.
  const refused = typeof peer === "number" || peer.address === "" ? undefined : network.pathRefusal(peer.address);
  if (!refused) state.peerRevision = revision;
  return refused;
}

function manyOperation(
  state: UnixState,
  endpoint: DatagramEndpoint,
  count: number,
  callback: SendManyCallback | undefined,
  signal: AbortSignal | undefined,
): SendManyOperation | undefined {
  if (!signal) return callback && new SendManyOperation(state.operations, count, callback);
  const { ECANCELED } = state.engine.runtime.libc.abi.errno;
  const withdraw = (request: SendRequest): void => endpoint.withdraw(request, -ECANCELED);
  return new SendManyOperation(state.operations, count, callback ?? (() => {}), signal, withdraw);
}

function dispatch(
  state: UnixState,
  endpoint: Pick<UnixEndpoint, "collect">,
  { payload, length, destination, passed }: UnixSendArguments,
  operation: SendOperation | AbortableRequest | GroupRequest | ImmediateRequest | undefined,
): void {
  const refused = destination instanceof Error ? destination : state.isConnected ? peerRefusal(state) : undefined;
  if (refused) return operation?.finish(refused);
  const address = destination as EncodedAddress | undefined;
  if (!passed) return endpoint.collect(payload, length, address, operation);
  const ancillary = OutgoingAncillary.take(state.engine.runtime.libc, passed, operation);
  if (typeof ancillary === "number") return operation?.finish(ancillary);
  try {
    endpoint.collect(payload, length, address, ancillary, ancillary.controls);
  } catch (error) {
    ancillary.close();
    throw error;
  }
}

/** Takes over a descriptor that was checked. Starts receiving if another socket can send to it. */
function adopt(socket: UnixSocket, fd: number): void {
  const state = unixStateOf(socket);
  const endpoint = openEndpoint(socket);
  endpoint.adopt(fd);
  try {
    const isConnected = typeof endpoint.remoteAddress() !== "number";
    const { path } = socket.address();
    const result = path !== "" || isConnected ? endpoint.startReceivingAdopted() : 0;
    if (result < 0) throw state.engine.errors.ofCall(-result, "open");
    endpoint.settle();
    state.isConnected = isConnected;
    state.isBound = path !== "";
    if (state.isBound) hasFile(state, path);
  } catch (error) {
    endpoint.release();
    throw error;
  }
}

/** Announces an adopted descriptor if it receives. */
function announceAdopted(socket: UnixSocket, announce: () => void): void {
  const { isBound, isConnected } = unixStateOf(socket);
  if (isBound || isConnected) announce();
}

function bindable(socket: UnixSocket, path: string | undefined): string {
  const { abi } = engineOf(socket).runtime.libc;
  return path === undefined || path === "" ? "" : validatePath(abi, path, "path", "bind");
}

/** @returns The error, if it fails. */
function bindNow(socket: UnixSocket, path: string): Error | undefined {
  const state = unixStateOf(socket);
  const { errors, runtime } = state.engine;
  const refused = runtime.network.pathRefusal(path || "\0");
  if (refused) return refused;
  const result = openEndpoint(socket).bindPath(path);
  if (result < 0) return errors.ofAddress(-result, "bind", readable(path), undefined);
  state.isBound = true;
  hasFile(state, path);
  return undefined;
}

/** @returns The error, if it fails. */
function connectNow(socket: UnixSocket, given: string): Error | undefined {
  runningEndpoint(socket);
  const state = unixStateOf(socket);
  const { errors, runtime } = state.engine;
  const path = validatePath(runtime.libc.abi, given, "path", "connect");
  if (state.isConnected) throw isConnected();
  const refused = runtime.network.pathRefusal(path);
  if (refused) return refused;
  const result = openEndpoint(socket).connectPath(path);
  if (result < 0) return errors.ofAddress(-result, "connect", readable(path), undefined);
  state.isConnected = true;
  return undefined;
}

function hasFile(state: UnixState, path: string): void {
  const isFile = path !== "" && !path.startsWith("\0");
  if (state.unlinkOnClose && isFile) state.file = new SocketFile(path);
}

/** Parses the forms of the arguments of `bind()` into one. */
function bindOptionsOf(given: unknown): UnixBindOptions {
  if (given !== null && typeof given === "object") return given;
  return { path: typeof given === "function" ? undefined : given as string | undefined };
}

function shown(socket: UnixSocket): Shown {
  const { endpoint, isBound, isConnected } = unixStateOf(socket);
  const [local, remote] = [endpoint!.localAddress(), endpoint!.remoteAddress()];
  return {
    state: isConnected ? "connected" : isBound ? "bound" : "unbound",
    address: typeof local === "number" ? undefined : local.address,
    peer: typeof remote === "number" ? undefined : remote.address,
  };
}

makeInspectable(UnixSocket.prototype, "UnixSocket", (socket) => describeSocket(socket, () => shown(socket)));

stubUdpOnlyMethods(UnixSocket);
// As with Socket.
// @ts-expect-error: TypeScript takes it for a constant.
// deno-lint-ignore no-class-assign
UnixSocket = callableClass(UnixSocket, initialize);
