/**
 * The dgram Socket: states, events and argument forms. What touches the kernel is the endpoint's.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import { errorMonitor } from "node:events";
import process from "../ffi/process.ts";
import { closeOnAbort } from "./abort.ts";
import { adoptableVersion } from "./adoption.ts";
import { descriptorOfHandle } from "./child_processes.ts";
import { isClusterWorker, type SharedDescriptor, shareDescriptor, type WantedAddress } from "./cluster.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Endpoint } from "./endpoint.ts";
import { currentEngine, type Engine } from "./engine.ts";
import { alreadyBound, isConnected, notConnected } from "./errors.ts";
import { ANY, LOOPBACK, resolve } from "./lookup.ts";
import type { MessageBatch } from "./message_batch.ts";
import { type CheckedOptions, checkOptions, typeOf } from "./options.ts";
import { ControlLevel } from "./control_level.ts";
import { type Permissions, permissionsOf } from "./permissions.ts";
import { parseSendArguments, type SendArguments } from "./send_arguments.ts";
import { parseSendManyArguments, withOwnBytes } from "./send_many_arguments.ts";
import { attach, detach, endpointOf, engineOf, runningEndpoint } from "./socket_base.ts";
import type {
  AddressedMessage,
  AddressInfo,
  AdoptOptions,
  BindOptions,
  BindSyncOptions,
  Bytes,
  RemoteInfo,
  SendCallback,
  SendManyCallback,
  SendOptions,
  SocketEvents,
  SocketOptions,
  SocketType,
} from "./types.ts";
import {
  validateFunction,
  validateIp,
  validateNumber,
  validateObject,
  validatePort,
  validateString,
} from "./validate.ts";

const socketChannel = channel("udp.socket");

type BindState = "unbound" | "binding" | "bound";
type ConnectState = "disconnected" | "connecting" | "connected";

/**
 * A UDP socket with the surface of Node's `dgram.Socket`.
 *
 * Made by {@linkcode createSocket}. Events: `'message'`, `'listening'`, `'connect'`, `'close'`, `'error'`, and beyond Node
 * `'messages'`, `'networkError'`, `'timestamp'` ({@linkcode SocketEvents}). A method called on a closed socket throws ERR_SOCKET_DGRAM_NOT_RUNNING; Node throws a
 * TypeError of its own making in some of them.
 */
export class Socket extends ControlLevel {
  /** `udp4` or `udp6`. */
  readonly type: SocketType;

  readonly #options: CheckedOptions;
  #bindState: BindState = "unbound";
  #connectState: ConnectState = "disconnected";
  /** What waits until the socket is bound. */
  #queue: (() => void)[] | undefined;
  readonly #permissions: Permissions;
  // Made when it is first used: there may be ten thousand sockets that only receive.
  #dispatcherOrNone: Dispatcher | undefined;

  /**
   * See {@linkcode createSocket}, which is the way to make one.
   *
   * @param options The type, or options.
   * @param listener Added as a listener for `'message'`.
   */
  constructor(
    options: SocketType | SocketOptions | AdoptOptions,
    listener?: (message: SocketEvents["message"][0], remote: RemoteInfo) => void,
  ) {
    super();
    this.#options = checkOptions(options);
    const engine = currentEngine();
    const { fd } = this.#options;
    const { libc, network } = engine.runtime;
    const version = fd === undefined ? this.#options.version! : adoptableVersion(libc, fd, this.#options.version);
    this.type = typeOf(version);
    this.#permissions = permissionsOf(network, this.#options);
    attach(this, engine, new Endpoint(engine, version, this.#options.offload, this.#permissions, this));
    for (const detail of this.#options.details) endpointOf(this)!.setDetail(detail, true);
    if (this.#options.sendTimestamp) this.setSendTimestamp(true);
    if (typeof listener === "function") this.on("message", listener);
    if (fd !== undefined) this.#adoptAtCreation(fd);
    else this.#prepare();
    closeOnAbort(this, this.#options.signal);
    if (socketChannel.hasSubscribers) socketChannel.publish({ socket: this });
  }

  /**
   * Binds the socket to a local address, upon which it receives. Emits `'listening'` (bind(2)), or `'error'`: with the
   * failed call's errno, with the lookup's error, or with the runtime's own where the network is not permitted.
   *
   * @param port 0 or left out: one that the system chooses. As in Node only the low 16 bits count.
   * @param address An IP address or a host name; left out: all local addresses.
   * @param callback Added as a listener for `'listening'`, once; dropped if an error comes first.
   * @throws {Error} ERR_SOCKET_ALREADY_BOUND, also while a first `bind()` is under way.
   */
  bind(port?: number, address?: string, callback?: () => void): this;
  /** Binds to all local addresses. */
  bind(port: number, callback: () => void): this;
  /** Binds to all local addresses and a port that the system chooses. */
  bind(callback: () => void): this;
  /**
   * Binds with options. With `fd` the socket takes over an open datagram socket instead, whatever its own address.
   *
   * @throws {TypeError} ERR_INVALID_FD_TYPE where `fd` is no UDP socket.
   * @throws {Error} EEXIST where it belongs to another socket of this module; EAFNOSUPPORT where it is of the other family.
   */
  bind(options: BindOptions, callback?: () => void): this;
  bind(...values: unknown[]): this {
    this.#running();
    if (this.#bindState !== "unbound") throw alreadyBound();
    this.#bindState = "binding";
    const last = values.at(-1);
    if (typeof last === "function") this.#onceListening(last as () => void);
    const shared = descriptorOfHandle(values[0]);
    if (shared) {
      this.#receiveFromShared(shared);
      return this;
    }
    const options = bindOptionsOf(values);
    if (options.fd !== undefined) this.#bindDescriptor(options.fd, Boolean(options.exclusive));
    else this.#bindAddress(options);
    return this;
  }

  /**
   * Binds at once. `'listening'` is emitted at the next tick.
   *
   * @param options.port 0 to 65535; 0 or left out: one that the system chooses.
   * @param options.address An IP address, not a host name; left out: all local addresses.
   * @returns The bound address.
   * @throws {Error} ERR_SOCKET_ALREADY_BOUND; the failed call's errno; ERR_INVALID_ARG_VALUE for a host name.
   */
  bindSync(options: BindSyncOptions = {}): AddressInfo {
    const endpoint = this.#running();
    validateObject(options, "options");
    if (this.#bindState !== "unbound") throw alreadyBound();
    const port = validatePort(options.port ?? 0, "options.port", true);
    const given = options.address;
    if (given !== undefined && given !== null) validateString(given, "options.address");
    if (given) validateIp(given, "options.address", "bindSync");
    const address = given || ANY[endpoint.version];
    const failure = this.#bindNow(endpoint, address, port);
    if (failure) throw failure;
    this.#nowBound(() => process.nextTick(() => this.#emitIfOpen("listening")));
    return this.address();
  }

  /**
   * Gives the socket a peer: what it sends goes there, and it receives from there only (connect(2)). Binds first if need be.
   * Emits `'connect'`. A failure goes to the callback, or else to `'error'`.
   *
   * @param port 1 to 65535.
   * @param address An IP address or a host name; left out: the loopback address.
   * @param callback Called when it is done or has failed.
   * @throws {RangeError} ERR_SOCKET_BAD_PORT.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED, also while a first `connect()` is under way.
   */
  connect(port: number, address?: string, callback?: (error?: Error) => void): void;
  /** Connects to a port of the loopback address. */
  connect(port: number, callback: (error?: Error) => void): void;
  connect(port: unknown, address?: unknown, callback?: unknown): void {
    const validPort = validatePort(port, "Port", false);
    if (typeof address === "function") [callback, address] = [address, ""];
    else if (address === undefined) address = "";
    validateString(address, "address");
    if (this.#connectState !== "disconnected") throw isConnected();
    this.#running();
    this.#connectState = "connecting";
    if (this.#bindState === "unbound") this.bind({ port: 0, exclusive: true });
    const target = address;
    const listener = callback as ((error?: Error) => void) | undefined;
    const connect = (): void => this.#resolveAndConnect(validPort, target, listener);
    if (this.#bindState === "bound") connect();
    else this.#enqueue(connect);
  }

  /**
   * Gives the socket a peer at once. `'connect'` is emitted at the next tick.
   *
   * @param port 1 to 65535.
   * @param address An IP address, not a host name; left out: the loopback address.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED; ERR_SOCKET_ALREADY_BOUND while `bind()` is under way; the failed
   * call's errno.
   */
  connectSync(port: number, address?: string): void {
    const endpoint = this.#running();
    const validPort = validatePort(port, "Port", false);
    if (this.#connectState !== "disconnected") throw isConnected();
    if (address !== undefined && address !== null) validateString(address, "address");
    if (address) validateIp(address, "address", "connectSync");
    if (this.#bindState === "binding") throw alreadyBound();
    if (this.#bindState === "unbound") this.bindSync();
    const failure = this.#connectNow(endpoint, address || LOOPBACK[endpoint.version], validPort, address);
    if (failure) throw failure;
    this.#connectState = "connected";
    process.nextTick(() => this.#emitIfOpen("connect"));
  }

  /**
   * Takes the peer away again.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where there is none.
   */
  disconnect(): void {
    if (this.#connectState !== "connected") throw notConnected();
    this.#engine.errors.check(this.#running().disconnect(), "connect");
    this.#connectState = "disconnected";
  }

  /**
   * Sends a datagram. Messages leave in the order of their `send()`. An unbound socket is bound first, to a port of the
   * system's choice; messages wait until then, and while the kernel's buffer is full.
   *
   * The bytes are copied before `send()` returns, once the socket is bound and no host name has to be resolved; otherwise
   * they must not be changed until the callback is called. Unlike in Node, a message that was sent before `close()` leaves.
   *
   * @param message Bytes, text (as UTF-8), or an array of both, whose pieces make one datagram; at most 65,507 bytes over IPv4
   * and 65,527 over IPv6.
   * @param offset Where in `message` the datagram starts, in bytes.
   * @param length How many bytes it has.
   * @param port The destination's port, 1 to 65535; not on a connected socket.
   * @param address The destination: an IP address or a host name; left out: the loopback address.
   * @param callback Called with null and the number of bytes once the kernel has the message, or with the error. Without it
   * an error of the lookup is emitted as `'error'`, one of sending goes unnoticed, as in Node.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE.
   * @throws {RangeError} ERR_SOCKET_BAD_PORT, ERR_BUFFER_OUT_OF_BOUNDS.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED where a destination is given on a connected socket.
   */
  send(
    message: Bytes | readonly Bytes[],
    port?: number,
    address?: string,
    callback?: SendCallback,
  ): void;
  /** Sends to a port of the loopback address. */
  send(message: Bytes | readonly Bytes[], port?: number, callback?: SendCallback): void;
  /** Sends to the peer of a connected socket. */
  send(message: Bytes | readonly Bytes[], callback?: SendCallback): void;
  /**
   * Sends with options, of which the destination is one. Not in Node. All are checked before anything is sent.
   *
   * @param options See {@linkcode SendOptions}.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; ERR_INCOMPATIBLE_OPTION_PAIR;
   * ERR_FEATURE_UNAVAILABLE_ON_PLATFORM where the system can do it for whole sockets only.
   * @throws {RangeError} ERR_OUT_OF_RANGE, ERR_SOCKET_BAD_PORT.
   */
  send(message: Bytes | readonly Bytes[], options: SendOptions, callback?: SendCallback): void;
  /** Sends a part of a buffer. */
  send(
    message: Bytes,
    offset: number,
    length: number,
    port?: number,
    address?: string,
    callback?: SendCallback,
  ): void;
  /** Sends a part of a buffer to a port of the loopback address. */
  send(message: Bytes, offset: number, length: number, port?: number, callback?: SendCallback): void;
  /** Sends a part of a buffer to the peer of a connected socket. */
  send(message: Bytes, offset: number, length: number, callback?: SendCallback): void;
  send(
    message: unknown,
    offset?: unknown,
    length?: unknown,
    port?: unknown,
    address?: unknown,
    callback?: unknown,
  ): void {
    const isReady = this.#bindState === "bound" && this.#connectState === "disconnected";
    // The field and not the getter: V8 calls a private getter by way of its runtime.
    if (isReady && this.#dispatcherOrNone?.sendToKnown(message, offset, length, port, address)) return;
    const connected = this.#connectState === "connected";
    const parsed = parseSendArguments(connected, message, offset, length, port, address, callback);
    this.#running();
    if (parsed.controls) this.#dispatcher.check(parsed);
    if (this.#bindState === "unbound") this.bind({ port: 0, exclusive: true });
    if (this.#bindState === "bound") this.#sendNow(parsed);
    else this.#enqueue(() => this.#sendNow(parsed));
  }

  /**
   * Sends several datagrams with one callback. Not in Node. Otherwise as {@linkcode Socket.send}: order, copying, implicit binding.
   *
   * @param messages The datagrams: bytes, text, or either with a destination of its own; or a batch as `'messages'` gave it, to
   * pass it on as it came.
   * @param port The destination of those that have none; not on a connected socket.
   * @param address Its IP address, not a host name; left out: the loopback address.
   * @param callback Called once, with the first error or null, and the number of messages that were handed to the kernel.
   * @throws What `send` throws, before anything is sent; ERR_INVALID_ARG_VALUE for a host name.
   *
   * @example A forwarder.
   * ```ts
   * socket.on("messages", (batch) => out.sendMany(batch, 5353, "192.0.2.1"));
   * ```
   */
  sendMany(
    messages: MessageBatch | readonly (Bytes | AddressedMessage)[],
    port?: number,
    address?: string,
    callback?: SendManyCallback,
  ): void {
    const connected = this.#connectState === "connected";
    const parsed = parseSendManyArguments(connected, messages, port, address);
    if (callback !== undefined) validateFunction(callback, "callback");
    this.#running();
    for (const message of parsed) if (message.controls) this.#dispatcher.check(message);
    if (this.#bindState === "unbound") this.bind({ port: 0, exclusive: true });
    if (this.#bindState === "bound") return this.#dispatcher.sendMany(parsed, callback);
    const own = parsed.map(withOwnBytes);
    const inContext = callback && AsyncResource.bind(callback);
    this.#enqueue(() => {
      this.#running();
      this.#dispatcher.sendMany(own, inContext);
    });
  }

  /**
   * `send` with all arguments.
   *
   * @deprecated Use {@linkcode Socket.send}.
   */
  sendto(message: Bytes, offset: number, length: number, port: number, address: string, callback?: SendCallback): void {
    validateNumber(offset, "offset");
    validateNumber(length, "length");
    validateNumber(port, "port");
    validateString(address, "address");
    this.send(message, offset, length, port, address, callback);
  }

  /**
   * Closes the socket. Messages already handed to `send()` on a bound socket leave first; those the kernel has no room for fail
   * with ECANCELED. `'close'` is emitted at the next tick.
   *
   * @param callback Added as a listener for `'close'`.
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_RUNNING where it is closed already.
   */
  close(callback?: () => void): this {
    if (typeof callback === "function") this.on("close", callback);
    if (this.#queue) {
      this.#queue.push(() => this.close());
      return this;
    }
    const endpoint = this.#running();
    detach(this);
    endpoint.close();
    process.nextTick(() => this.emit("close"));
    return this;
  }

  /** `close()` as a promise, for `await using`. Does nothing on a closed socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#endpoint) return;
    await new Promise<void>((resolve) => this.close(resolve));
  }

  /**
   * The local address (getsockname(2)).
   *
   * @throws {Error} EBADF before the socket is bound.
   */
  address(): AddressInfo {
    const address = this.#running().localAddress();
    if (typeof address === "number") throw this.#engine.errors.ofCall(-address, "getsockname");
    return address;
  }

  /**
   * The peer's address (getpeername(2)).
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where there is none.
   */
  remoteAddress(): AddressInfo {
    const endpoint = this.#running();
    if (this.#connectState !== "connected") throw notConnected();
    const address = endpoint.remoteAddress();
    if (typeof address === "number") throw this.#engine.errors.ofCall(-address, "getpeername");
    return address;
  }

  /** From now on the bound socket keeps the process alive. That is how it starts. */
  ref(): this {
    this.#endpoint?.setReferenced(true);
    return this;
  }

  /** From now on the socket does not keep the process alive. */
  unref(): this {
    this.#endpoint?.setReferenced(false);
    return this;
  }

  /** Bytes that `send()` was given and the kernel has no room for yet. */
  getSendQueueSize(): number {
    return this.#running().sendQueue.size;
  }

  /** Messages that `send()` was given and the kernel has no room for yet. */
  getSendQueueCount(): number {
    return this.#running().sendQueue.count;
  }

  get #engine(): Engine {
    return engineOf(this);
  }

  /** Undefined once closed. */
  get #endpoint(): Endpoint | undefined {
    return endpointOf(this);
  }

  get #dispatcher(): Dispatcher {
    return this.#dispatcherOrNone ??= this.#makeDispatcher();
  }

  #makeDispatcher(): Dispatcher {
    const dispatching = {
      endpoint: () => endpointOf(this),
      emitError: (error: Error) => void this.emit("error", error),
    };
    return new Dispatcher(dispatching, this.#engine, this.#options.lookup, this.#permissions);
  }

  #running(): Endpoint {
    return runningEndpoint(this);
  }

  /** The options that hold from before `bind()` on. If one fails, there is no socket. */
  #prepare(): void {
    try {
      this.#applyOptions();
    } catch (error) {
      this.#endpoint?.close();
      detach(this);
      throw error;
    }
  }

  #tryOptions(): Error | undefined {
    try {
      this.#applyOptions();
    } catch (error) {
      return error as Error;
    }
  }

  /** To be called for each descriptor anew. */
  #applyOptions(): void {
    const { freebind, transparent, mark, recvErrors } = this.#options;
    if (freebind) this.setFreebind(true);
    if (transparent) this.setTransparent(true);
    if (mark !== undefined) this.setMark(mark);
    if (recvErrors) this.setRecvErrors(true);
  }

  #adoptAtCreation(fd: number): void {
    const endpoint = this.#endpoint!;
    this.#takeOver(endpoint, fd);
    if (typeof endpoint.remoteAddress() !== "number") this.#connectState = "connected";
    const local = endpoint.localAddress();
    if (typeof local === "number" || local.port === 0) return;
    this.#receiveFromAdopted(endpoint, () => process.nextTick(() => this.#emitIfOpen("listening")));
  }

  /** A descriptor that an option cannot be set on stays its owner's. */
  #takeOver(endpoint: Endpoint, fd: number): void {
    endpoint.adopt(fd);
    try {
      this.#applyOptions();
    } catch (error) {
      endpoint.release();
      throw error;
    }
  }

  #onceListening(callback: () => void): void {
    const forget = (): void => {
      this.removeListener(errorMonitor as never, forget);
      this.removeListener("listening", listening);
    };
    const listening = (): void => {
      forget();
      callback.call(this);
    };
    this.on(errorMonitor as never, forget);
    this.on("listening", listening);
  }

  /** In a cluster worker the number is the primary's, unless the socket is not to be shared. */
  #bindDescriptor(fd: number, exclusive: boolean): void {
    if (exclusive || !isClusterWorker()) return this.#adopt(fd);
    const { errors, runtime } = this.#engine;
    this.#share(fd, (result) => {
      if (result === -runtime.libc.abi.errno.ENOTSUP) this.#adopt(fd);
      else this.#bindingOver(result < 0 ? errors.ofCall(-result, "open") : undefined);
    });
  }

  /** As the runtime's own `child_process` has a socket bound that was sent to this process. */
  #receiveFromShared(shared: SharedDescriptor): void {
    const result = this.#endpoint!.share(shared);
    this.#bindingOver(result < 0 ? this.#engine.errors.ofCall(-result, "open") : this.#tryOptions());
  }

  #adopt(fd: number): void {
    const endpoint = this.#endpoint!;
    try {
      adoptableVersion(this.#engine.runtime.libc, fd, endpoint.version);
      this.#takeOver(endpoint, fd);
    } catch (error) {
      this.#bindState = "unbound";
      throw error;
    }
    this.#receiveFromAdopted(endpoint, () => this.emit("listening"));
  }

  #bindAddress({ address, port, exclusive }: BindOptions): void {
    const endpoint = this.#endpoint!;
    resolve(this.#options.lookup, endpoint.version, address || ANY[endpoint.version], (error, ip) => {
      // Closed in the meantime.
      if (this.#endpoint !== endpoint) return;
      const isShared = !exclusive && !this.#options.reusePort && isClusterWorker();
      if (isShared && !error) this.#bindShared(endpoint, ip, port);
      else this.#bindingOver(error ?? this.#bindNow(endpoint, ip, port));
    });
  }

  #bindingOver(failure: Error | undefined): void {
    if (!failure) return this.#nowBound(() => this.emit("listening"));
    this.#bindState = "unbound";
    this.emit("error", failure);
  }

  /** The workers of a cluster share a descriptor; where the runtime cannot do that, a port, by SO_REUSEPORT. */
  #bindShared(endpoint: Endpoint, ip: string, port: number | undefined): void {
    const { errors, runtime } = this.#engine;
    const { reuseAddr, ipv6Only } = this.#options;
    const port16 = lowBits(port);
    const refusal = this.#permissions.refused(ip, port16);
    if (refusal) return this.#bindingOver(refusal);
    this.#share({ address: ip, port: port16, reuseAddr, ipv6Only }, (result) => {
      const alone = result === -runtime.libc.abi.errno.ENOTSUP;
      if (alone) this.#bindingOver(this.#bindNow(endpoint, ip, port, true));
      else this.#bindingOver(result < 0 ? errors.ofAddress(-result, "bind", ip, port) : undefined);
    });
  }

  /** Receives from a descriptor that the cluster's primary opened. @param done Gets 0, or a negative errno. */
  #share(wanted: WantedAddress | number, done: (result: number) => void): void {
    const endpoint = this.#endpoint!;
    const { ENOTSUP } = this.#engine.runtime.libc.abi.errno;
    shareDescriptor(this, wanted, ENOTSUP, () => endpoint.abandon(), (shared) => {
      if (this.#endpoint !== endpoint) return typeof shared === "number" ? undefined : shared.close();
      const result = typeof shared === "number" ? shared : endpoint.share(shared);
      const failure = result < 0 ? undefined : this.#tryOptions();
      if (failure) this.#bindingOver(failure);
      else done(result);
    });
  }

  /** @param port Only its low 16 bits count, as in Node; the error has it as it was given. @returns The error, if it fails. */
  #bindNow(endpoint: Endpoint, ip: string, port: number | undefined, sharesPort = false): Error | undefined {
    const port16 = lowBits(port);
    const refusal = this.#permissions.refused(ip, port16);
    if (refusal) return refusal;
    const { reuseAddr, reusePort, ipv6Only } = this.#options;
    const bound = endpoint.bind(ip, port16, { reuseAddr, reusePort: reusePort || sharesPort, ipv6Only });
    const result = bound < 0 ? bound : endpoint.startReceiving();
    return result < 0 ? this.#engine.errors.ofAddress(-result, "bind", ip, port) : undefined;
  }

  #receiveFromAdopted(endpoint: Endpoint, announce: () => void): void {
    const result = endpoint.startReceivingAdopted();
    if (result < 0) {
      this.#bindState = "unbound";
      endpoint.release();
      throw this.#engine.errors.ofCall(-result, "open");
    }
    this.#nowBound(announce);
  }

  #nowBound(announce: () => void): void {
    this.#bindState = "bound";
    const { recvBufferSize, sendBufferSize } = this.#options;
    if (recvBufferSize) this.setRecvBufferSize(recvBufferSize);
    if (sendBufferSize) this.setSendBufferSize(sendBufferSize);
    announce();
  }

  /** Has something wait until the socket is bound. If binding fails, all that waits is dropped, as in Node. */
  #enqueue(action: () => void): void {
    if (!this.#queue) {
      this.#queue = [];
      const drop = (): void => {
        this.removeListener("listening", run);
        this.#queue = undefined;
      };
      const run = (): void => {
        this.removeListener(errorMonitor as never, drop);
        const queue = this.#queue ?? [];
        this.#queue = undefined;
        for (const action of queue) action();
      };
      this.once(errorMonitor as never, drop);
      this.once("listening", run);
    }
    this.#queue.push(action);
  }

  #resolveAndConnect(port: number, address: string, callback: ((error?: Error) => void) | undefined): void {
    const endpoint = this.#running();
    if (callback) this.once("connect", callback);
    resolve(this.#options.lookup, endpoint.version, address, (error, ip) => {
      if (this.#endpoint !== endpoint) return;
      const failure = error ?? this.#connectNow(endpoint, ip, port, address);
      this.#connectState = failure ? "disconnected" : "connected";
      process.nextTick(() => {
        if (!failure) return this.#emitIfOpen("connect");
        if (!callback) return this.emit("error", failure);
        this.removeListener("connect", callback);
        callback(failure);
      });
    });
  }

  /** @param given The address as the caller wrote it, for the error. @returns The error, if it fails. */
  #connectNow(endpoint: Endpoint, ip: string, port: number, given: string | undefined): Error | undefined {
    const refusal = this.#permissions.blocked(ip) ?? this.#permissions.refused(ip, port);
    if (refusal) return refusal;
    const result = endpoint.connect(ip, port);
    return result < 0 ? this.#engine.errors.ofAddress(-result, "connect", given, port) : undefined;
  }

  #sendNow(message: SendArguments): void {
    this.#running();
    this.#dispatcher.send(message, this.#connectState === "connecting");
  }

  #emitIfOpen(event: "listening" | "connect"): void {
    if (this.#endpoint) this.emit(event);
  }
}

function lowBits(port: number | undefined): number {
  return (Number(port) || 0) & 0xffff;
}

/** `bind`'s forms brought into one. */
function bindOptionsOf(values: readonly unknown[]): BindOptions {
  const [port, address] = values;
  if (port !== null && typeof port === "object") {
    const { fd, ...options } = port as BindOptions;
    const adopts = typeof fd === "number" && fd === (fd | 0) && fd > 0;
    return adopts ? { ...options, fd } : options;
  }
  return {
    port: typeof port === "function" ? undefined : port as number,
    address: typeof address === "function" ? undefined : address as string,
  };
}
