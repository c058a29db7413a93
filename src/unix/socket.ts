/**
 * The Unix datagram socket: states, events and argument forms. What touches the kernel is the endpoint's.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import process from "../../ffi/process.ts";
import { closeOnAbort } from "../abort.ts";
import { adoptableUnix } from "../adoption.ts";
import { currentEngine, type Engine } from "../engine.ts";
import { alreadyBound, isConnected, notConnected, unavailable } from "../errors.ts";
import type { MessageBatch } from "../message_batch.ts";
import { SendManyOperation } from "../send_many_operation.ts";
import { type OperationOwner, SendOperation } from "../send_operation.ts";
import { attach, detach, endpointOf, engineOf, runningEndpoint, setOption } from "../socket_base.ts";
import type { Bytes, SendCallback, SendManyCallback } from "../types.ts";
import { validateFunction, validateObject } from "../validate.ts";
import { UnixDestinations } from "./destinations.ts";
import { UnixEndpoint } from "./endpoint.ts";
import { checkUnixOptions } from "./options.ts";
import { Load } from "./passing.ts";
import { readable, validatePath } from "./path.ts";
import { refuseWhatIsUdps } from "./refuse_udp.ts";
import { parseUnixSend, parseUnixSendMany, type UnixSendArguments } from "./send_arguments.ts";
import { SocketFile } from "./socket_file.ts";
import { UnixStatus } from "./status.ts";
import type {
  UnixAddress,
  UnixBindOptions,
  UnixMessage,
  UnixRemoteInfo,
  UnixSendOptions,
  UnixSocketOptions,
} from "./types.ts";

/**
 * A Unix datagram socket (unix(7)) with the surface of a UDP socket, where paths stand in the place of addresses and ports.
 *
 * Made by {@linkcode createSocket} with the type `unix_dgram`, or by {@linkcode socketpair}. Messages are neither lost nor
 * reordered: where a peer's queue is full they wait here, which `'congestion'` and `'writable'` tell of.
 *
 * A path that begins with `@` or NUL is an abstract one: a name without a file (Linux). It is shown with NUL. Methods that only
 * make sense for UDP (`setTTL`, `addMembership` and so on) throw ERR_SOCKET_DGRAM_NOT_UDP.
 */
export class UnixSocket extends UnixStatus {
  /** Always that. */
  readonly type = "unix_dgram" as const;
  readonly #endpointOrNone: UnixEndpoint;
  readonly #unlinkOnClose: boolean;
  readonly #destinations: UnixDestinations;
  readonly #operations: OperationOwner;
  #isBound = false;
  #isConnected = false;
  /** What is to be removed at the end. */
  #file: SocketFile | undefined;

  /**
   * See {@linkcode createSocket}, which is the way to make one.
   *
   * @param options The type, or options.
   * @param listener Added as a listener for `'message'`.
   */
  constructor(
    options: "unix_dgram" | UnixSocketOptions,
    listener?: (message: Buffer<ArrayBuffer>, remote: UnixRemoteInfo) => void,
  ) {
    super();
    const checked = checkUnixOptions(options);
    const { fd, signal, unlinkOnClose = false, recvFds = false, recvCredentials = false } = checked;
    const engine = currentEngine();
    const { libc, network } = engine.runtime;
    if (recvCredentials && !libc.abi.linux) throw unavailable("recvCredentials", libc.abi.platform);
    if (fd !== undefined) adoptableUnix(libc, fd);
    this.#unlinkOnClose = unlinkOnClose;
    this.#destinations = new UnixDestinations(libc.abi, network);
    this.#endpointOrNone = new UnixEndpoint(engine, this, { fds: recvFds, credentials: recvCredentials });
    this.#operations = {
      asyncId: this.#endpointOrNone.asyncId,
      contexts: engine.runtime.asyncContexts,
      callbacks: engine.sendCallbacks,
      isOpen: () => endpointOf(this) !== undefined,
      sendError: (errno, path) => engine.errors.ofAddress(errno, "send", path && readable(path), undefined),
    };
    attach(this, engine, this.#endpointOrNone);
    if (typeof listener === "function") this.on("message", listener);
    if (fd !== undefined) this.#adopt(fd, () => process.nextTick(() => this.#emitIfOpen("listening")));
    this.#configure(checked);
    closeOnAbort(this, signal);
  }

  /**
   * Binds the socket to a path, upon which it receives and can be answered (bind(2)). At a path that is a file's, the file is
   * made; it must not be there yet. Emits `'listening'`, or `'error'` with the failed call's errno (EADDRINUSE where there is
   * something at that path), or with the runtime's own error where it is not permitted.
   *
   * @param path At most 107 bytes on Linux and 103 on macOS, 108 with the NUL of an abstract one; left out or empty: an abstract
   * path that the system chooses (Linux).
   * @param callback Added as a listener for `'listening'`, once; dropped if an error comes first.
   * @throws {Error} ERR_SOCKET_ALREADY_BOUND; ENAMETOOLONG.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for a path with a NUL inside.
   */
  bind(path?: string, callback?: () => void): this;
  /** Binds to an abstract path that the system chooses (Linux). */
  bind(callback: () => void): this;
  /**
   * Binds with options. With `fd` the socket takes over an open Unix datagram socket instead.
   *
   * @throws {TypeError} ERR_INVALID_FD_TYPE where `fd` is no Unix datagram socket.
   */
  bind(options: UnixBindOptions, callback?: () => void): this;
  bind(...values: unknown[]): this {
    runningEndpoint(this);
    if (this.#isBound) throw alreadyBound();
    const callback = values.at(-1);
    const { path, fd } = bindOptionsOf(values[0]);
    if (fd !== undefined) {
      adoptableUnix(this.#libc, fd);
      if (typeof callback === "function") this.once("listening", callback as () => void);
      this.#adopt(fd, () => this.emit("listening"));
      return this;
    }
    const failure = this.#bindNow(this.#bindable(path));
    const listening = typeof callback === "function" ? callback as () => void : undefined;
    if (listening && !failure) this.once("listening", listening);
    process.nextTick(() => {
      if (!failure) this.#emitIfOpen("listening");
      else if (endpointOf(this)) this.emit("error", failure);
    });
    return this;
  }

  /**
   * Binds at once. `'listening'` is emitted at the next tick.
   *
   * @param options The path, as in {@linkcode UnixSocket.bind}.
   * @returns The bound address.
   * @throws What `bind()` throws; the failed call's errno.
   */
  bindSync(options: string | { path?: string | undefined } = {}): UnixAddress {
    runningEndpoint(this);
    if (this.#isBound) throw alreadyBound();
    if (typeof options !== "string") validateObject(options, "options");
    const { path } = bindOptionsOf(options);
    const failure = this.#bindNow(this.#bindable(path));
    if (failure) throw failure;
    process.nextTick(() => this.#emitIfOpen("listening"));
    return this.address();
  }

  /**
   * Gives the socket a peer: what it sends goes there, and it receives from there only (connect(2)). Emits `'connect'`. A failure
   * goes to the callback, or else to `'error'`: ENOENT without anything at that path, ECONNREFUSED where nobody is bound to
   * it any more, EPROTOTYPE where it is a socket of another kind, EACCES.
   *
   * The socket is not bound by it: to be answered, bind it first.
   *
   * @param path The peer's path, as in {@linkcode UnixSocket.bind}.
   * @param callback Called when it is done or has failed.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED.
   */
  connect(path: string, callback?: (error?: Error) => void): void {
    if (callback !== undefined) validateFunction(callback, "callback");
    const failure = this.#connectNow(path);
    if (callback && !failure) this.once("connect", callback);
    process.nextTick(() => {
      if (!failure) this.#emitIfOpen("connect");
      else if (callback) callback(failure);
      else if (endpointOf(this)) this.emit("error", failure);
    });
  }

  /**
   * Gives the socket a peer at once. `'connect'` is emitted at the next tick.
   *
   * @param path The peer's path.
   * @throws What `connect()` throws; the failed call's errno.
   */
  connectSync(path: string): void {
    const failure = this.#connectNow(path);
    if (failure) throw failure;
    process.nextTick(() => this.#emitIfOpen("connect"));
  }

  /**
   * Takes the peer away again. Messages that wait for it fail with ENOTCONN.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where there is none.
   */
  disconnect(): void {
    if (!this.#isConnected) throw notConnected();
    this.#engine.errors.check(runningEndpoint(this).disconnect(), "connect");
    this.#isConnected = false;
  }

  /**
   * Sends a datagram. Messages to one path leave in the order of their `send()`; while the peer's queue is full they wait, and keep
   * no message to another path from leaving. The socket need not be bound; but only a bound one can be answered.
   *
   * The bytes are copied before `send()` returns. A message that was sent before `close()` leaves, if there is room for it.
   *
   * @param message Bytes, text (as UTF-8), or an array of both, whose pieces make one datagram. Its size is limited by the
   * send buffer (EMSGSIZE).
   * @param path The destination; not on a connected socket.
   * @param callback Called with null and the number of bytes once the peer's queue has the message, or with the error: ENOENT,
   * ECONNREFUSED where nobody is bound to the path any more. Without it, an error goes unnoticed.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED where a path is given on a connected socket; ENAMETOOLONG.
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
    const message = parseUnixSend<SendCallback>(this.#libc, this.#destinationsIfAny, values);
    const { callback, path } = message;
    const operation = callback && new SendOperation(this.#operations, callback, path, undefined);
    this.#dispatch(endpoint, message, operation);
    operation?.schedule();
  }

  /**
   * Sends several datagrams with one callback. Otherwise as {@linkcode UnixSocket.send}.
   *
   * @param messages The datagrams: bytes, text, or either with a path of its own; or a batch as `'messages'` gave it, to pass it on.
   * @param path The destination of those that have none; not on a connected socket.
   * @param callback Called once, with the first error or null, and the number of messages that were handed to the kernel.
   * @throws What `send` throws, before anything is sent.
   */
  sendMany(
    messages: MessageBatch | readonly (Bytes | UnixMessage)[],
    path?: string,
    callback?: SendManyCallback,
  ): void {
    const endpoint = runningEndpoint(this);
    const items = parseUnixSendMany(this.#libc, this.#destinationsIfAny, messages, path);
    if (callback !== undefined) validateFunction(callback, "callback");
    const operation = callback && new SendManyOperation(this.#operations, items.length, callback);
    for (const message of items) this.#dispatch(endpoint, message, operation);
    operation?.schedule();
  }

  /**
   * Closes the socket. Messages that wait for room fail with ECANCELED. `'close'` is emitted at the next tick. The file the socket
   * is bound to stays, unless `unlinkOnClose` says otherwise.
   *
   * @param callback Added as a listener for `'close'`.
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_RUNNING where it is closed already.
   */
  close(callback?: () => void): this {
    if (typeof callback === "function") this.on("close", callback);
    const endpoint = runningEndpoint(this);
    detach(this);
    this.#file?.remove();
    endpoint.close();
    process.nextTick(() => this.emit("close"));
    return this;
  }

  /** `close()` as a promise, for `await using`. Does nothing on a closed socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!endpointOf(this)) return;
    await new Promise<void>((resolve) => this.close(resolve));
  }

  /**
   * The peer's path (getpeername(2)); empty where the peer is not bound, as in a pair.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where there is no peer; ENOTCONN where it is gone.
   */
  remoteAddress(): UnixAddress {
    const endpoint = runningEndpoint(this);
    if (!this.#isConnected) throw notConnected();
    const peer = endpoint.remoteAddress();
    if (typeof peer === "number") throw this.#engine.errors.ofCall(-peer, "getpeername");
    return { family: "unix", path: peer.address };
  }

  get #engine(): Engine {
    return engineOf(this);
  }

  get #libc(): Engine["runtime"]["libc"] {
    return this.#engine.runtime.libc;
  }

  /** Undefined on a connected socket, which has one only. */
  get #destinationsIfAny(): UnixDestinations | undefined {
    return this.#isConnected ? undefined : this.#destinations;
  }

  #dispatch(
    endpoint: { send: UnixEndpoint["send"] },
    { payload, length, destination, passed }: UnixSendArguments,
    operation: SendOperation | SendManyOperation | undefined,
  ): void {
    if (destination instanceof Error) return operation?.finish(destination);
    if (!passed) return endpoint.send(payload, length, destination, operation);
    const load = Load.take(this.#libc, passed, operation);
    if (typeof load === "number") operation?.finish(load);
    else endpoint.send(payload, length, destination, load, load.controls);
  }

  #configure({ recvBufferSize, sendBufferSize, recvCredentials }: Partial<UnixSocketOptions>): void {
    if (recvBufferSize) this.setRecvBufferSize(recvBufferSize);
    if (sendBufferSize) this.setSendBufferSize(sendBufferSize);
    if (recvCredentials) setOption(this, "SO_PASSCRED", 1, "recvCredentials");
  }

  /** Takes over a descriptor that was found fit. It receives if anybody can send to it. */
  #adopt(fd: number, announce: () => void): void {
    const endpoint = this.#endpointOrNone;
    endpoint.adopt(fd);
    this.#isConnected = typeof endpoint.remoteAddress() !== "number";
    const { path } = this.address();
    this.#isBound = path !== "";
    if (!this.#isBound && !this.#isConnected) return;
    const result = endpoint.startReceivingAdopted();
    if (result < 0) {
      endpoint.release();
      throw this.#engine.errors.ofCall(-result, "open");
    }
    if (this.#isBound) this.#hasFile(path);
    announce();
  }

  #bindable(path: string | undefined): string {
    return path === undefined || path === "" ? "" : validatePath(this.#libc.abi, path, "path", "bind");
  }

  /** @returns The error, if it fails. */
  #bindNow(path: string): Error | undefined {
    const endpoint = this.#endpointOrNone;
    const refused = this.#engine.runtime.network.pathRefusal(path || "\0");
    if (refused) return refused;
    const bound = endpoint.bindPath(path);
    const result = bound < 0 ? bound : endpoint.startReceiving();
    if (result < 0) return this.#engine.errors.ofAddress(-result, "bind", readable(path), undefined);
    this.#isBound = true;
    this.#hasFile(path);
    return undefined;
  }

  /** @returns The error, if it fails. */
  #connectNow(given: string): Error | undefined {
    runningEndpoint(this);
    const path = validatePath(this.#libc.abi, given, "path", "connect");
    if (this.#isConnected) throw isConnected();
    const refused = this.#engine.runtime.network.pathRefusal(path);
    if (refused) return refused;
    const endpoint = this.#endpointOrNone;
    const connected = endpoint.connectPath(path);
    const result = connected < 0 ? connected : endpoint.startReceiving();
    if (result < 0) return this.#engine.errors.ofAddress(-result, "connect", readable(path), undefined);
    this.#isConnected = true;
    return undefined;
  }

  #hasFile(path: string): void {
    const isFile = path !== "" && !path.startsWith("\0");
    if (this.#unlinkOnClose && isFile) this.#file = new SocketFile(path);
  }

  #emitIfOpen(event: "listening" | "connect"): void {
    if (endpointOf(this)) this.emit(event);
  }
}

/** `bind`'s forms brought into one. */
function bindOptionsOf(given: unknown): UnixBindOptions {
  if (given !== null && typeof given === "object") return given;
  return { path: typeof given === "function" ? undefined : given as string | undefined };
}

refuseWhatIsUdps(UnixSocket);
