/**
 * The dgram Socket: its methods and their documentation. What they do stands in the files named after it; what touches the kernel is
 * the endpoint's.
 *
 * @module
 */
import type { AddressedMessage, Bytes, SendCallback, SendManyCallback, SendOptions } from "../sending/types.ts";
import type { RemoteInfo } from "../receiving/types.ts";
import type { SocketEvents } from "../endpoint/events.ts";
import { AsyncResource } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { closeOnAbort } from "../integration/abort.ts";
import { adoptableVersion } from "../endpoint/adoption.ts";
import { adoptAtCreation, applyOptions, bind, bindIfUnbound, bindSync, enqueue } from "./bind.ts";
import { callableClass } from "./callable_class.ts";
import { connect, connectSync } from "./connect.ts";
import { ControlLevel } from "../options/metadata.ts";
import { Endpoint } from "../endpoint/endpoint.ts";
import { currentEngine } from "../endpoint/engine.ts";
import { notConnected } from "../errors/node_errors.ts";
import type { MessageBatch } from "../receiving/message_batch.ts";
import { checkOptions, typeOf } from "./creation_options.ts";
import { permissionsOf } from "../endpoint/address_policy.ts";
import { parseSendArguments, type SendArguments } from "../sending/arguments.ts";
import { parseSendManyArguments, withOwnBytes } from "../sending/many_arguments.ts";
import { attach, endpointOf, engineOf, runningEndpoint } from "../endpoint/socket_base.ts";
import { dispatcherOf, UdpState, udpStateOf } from "./state.ts";
import type { AddressInfo, AdoptOptions, BindOptions, BindSyncOptions, SocketOptions, SocketType } from "./types.ts";
import { validateNumber, validateString } from "../errors/validate.ts";

const socketChannel = channel("udp.socket");

/**
 * A UDP socket with the surface of Node's `dgram.Socket`.
 *
 * Made by {@linkcode createSocket}. Events: `'message'`, `'listening'`, `'connect'`, `'close'`, `'error'`, and beyond Node
 * `'messages'`, `'networkError'`, `'timestamp'` ({@linkcode SocketEvents}). A method called on a closed socket throws ERR_SOCKET_DGRAM_NOT_RUNNING; Node throws a
 * TypeError of its own making in some of them.
 */
export class Socket extends ControlLevel {
  /** `udp4` or `udp6`. */
  declare readonly type: SocketType;

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
    initialize(this, options, listener);
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
    bind(this, values);
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
    bindSync(this, options);
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
    connect(this, port, address, callback);
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
    connectSync(this, port, address);
  }

  /**
   * Takes the peer away again.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where there is none.
   */
  disconnect(): void {
    const state = udpStateOf(this);
    if (state.connectState !== "connected") throw notConnected();
    state.engine.errors.check(runningEndpoint(this).disconnect(), "connect");
    state.connectState = "disconnected";
  }

  /**
   * Sends a datagram. Messages leave in the order of their `send()`. An unbound socket is bound first, to a port of the
   * system's choice; messages wait until then, and while the kernel's buffer is full.
   *
   * The bytes are copied before `send()` returns, once the socket is bound and no host name has to be resolved; otherwise
   * they must not be changed until the callback is called. Unlike in Node, a message that was sent before `close()` leaves.
   *
   * Messages of one turn leave together at its end. On a connected socket the first one leaves before `send()` returns. Before the
   * program ends, by itself, by `process.exit()` or by an exception, in a Worker too, what was sent leaves; what still waits for room is
   * tried once more.
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
    const state = udpStateOf(this);
    const isReady = state.bindState === "bound" && state.connectState === "disconnected";
    if (isReady && state.dispatcher?.sendToKnown(message, offset, length, port, address)) return;
    const connected = state.connectState === "connected";
    const parsed = parseSendArguments(connected, message, offset, length, port, address, callback);
    runningEndpoint(this);
    if (parsed.controls) dispatcherOf(this).check(parsed);
    bindIfUnbound(this);
    if (state.bindState === "bound") sendNow(this, parsed);
    else enqueue(this, () => sendNow(this, parsed));
  }

  /**
   * Sends several datagrams with one callback. Not in Node. Otherwise as {@linkcode Socket.send}: order, copying, implicit binding.
   *
   * @param messages The datagrams: bytes, text, or either with a destination or options ({@linkcode AddressedMessage}); or a batch
   * as `'messages'` gave it, to pass it on as it came.
   * @param port The destination of those with neither a port nor an address; not on a connected socket.
   * @param address Its IP address, not a host name. Defaults to the loopback address.
   * @param callback Called once, with the first message's error that has one ({@linkcode SendManyError}) or null, and the number
   * of messages that were handed to the kernel. It may stand in place of `port` or `address`.
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
  ): void;
  /** Sends several datagrams to a port of the loopback address. */
  sendMany(
    messages: MessageBatch | readonly (Bytes | AddressedMessage)[],
    port: number,
    callback: SendManyCallback,
  ): void;
  /** Sends several datagrams that have destinations, or to the peer of a connected socket. */
  sendMany(messages: MessageBatch | readonly (Bytes | AddressedMessage)[], callback: SendManyCallback): void;
  sendMany(messages: unknown, ...rest: readonly unknown[]): void {
    const state = udpStateOf(this);
    const connected = state.connectState === "connected";
    const { groups, callback } = parseSendManyArguments(connected, messages, rest[0], rest[1], rest[2]);
    runningEndpoint(this);
    for (const group of groups) if (group.controls) dispatcherOf(this).check(group);
    bindIfUnbound(this);
    if (state.bindState === "bound") return dispatcherOf(this).sendMany(groups, callback);
    const own = groups.map(withOwnBytes);
    const inContext = callback && AsyncResource.bind(callback);
    enqueue(this, () => {
      runningEndpoint(this);
      dispatcherOf(this).sendMany(own, inContext);
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
    const state = udpStateOf(this);
    if (state.queue) {
      state.queue.push(() => this.close());
      return this;
    }
    const endpoint = runningEndpoint(this);
    if (state.isReferenced) state.engine.resources.remove();
    state.isReferenced = false;
    state.endpoint = undefined;
    endpoint.close();
    nextTick(() => this.emit("close"));
    return this;
  }

  /** `close()` as a promise, for `await using`. Does nothing on a closed socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!endpointOf(this)) return;
    await new Promise<void>((resolve) => this.close(resolve));
  }

  /**
   * The local address (getsockname(2)).
   *
   * @throws {Error} EBADF before the socket is bound.
   */
  address(): AddressInfo {
    const address = runningEndpoint(this).localAddress();
    if (typeof address === "number") throw engineOf(this).errors.ofCall(-address, "getsockname");
    return address;
  }

  /**
   * The peer's address (getpeername(2)).
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where there is none.
   */
  remoteAddress(): AddressInfo {
    const endpoint = runningEndpoint(this);
    if (udpStateOf(this).connectState !== "connected") throw notConnected();
    const address = endpoint.remoteAddress();
    if (typeof address === "number") throw engineOf(this).errors.ofCall(-address, "getpeername");
    return address;
  }

  /** From now on the bound socket keeps the process alive. That is how it starts. */
  ref(): this {
    setReferenced(this, true);
    return this;
  }

  /** From now on the socket does not keep the process alive. */
  unref(): this {
    setReferenced(this, false);
    return this;
  }

  /** Bytes that `send()` was given and the kernel has no room for yet. */
  getSendQueueSize(): number {
    return runningEndpoint(this).sendQueue.size;
  }

  /** Messages that `send()` was given and the kernel has no room for yet. */
  getSendQueueCount(): number {
    return runningEndpoint(this).sendQueue.count;
  }
}

function initialize(
  socket: Socket,
  options: SocketType | SocketOptions | AdoptOptions,
  listener: ((message: SocketEvents["message"][0], remote: RemoteInfo) => void) | undefined,
): void {
  const checked = checkOptions(options);
  const engine = currentEngine();
  const { libc, network } = engine.runtime;
  const { fd } = checked;
  const version = fd === undefined ? checked.version! : adoptableVersion(libc, fd, checked.version);
  // An assignment, as in Node: a setter in a prototype is called.
  (socket as { type: SocketType }).type = typeOf(version);
  const permissions = permissionsOf(network, checked);
  const endpoint = new Endpoint(engine, version, checked.offload, permissions, socket);
  attach(socket, new UdpState(socket, engine, endpoint, checked, permissions));
  for (const detail of checked.details) endpoint.setDetail(detail, true);
  if (checked.sendTimestamp) socket.setSendTimestamp(true);
  if (typeof listener === "function") socket.on("message", listener);
  if (fd !== undefined) adoptAtCreation(socket, endpoint, fd);
  else prepare(socket, endpoint);
  setReferenced(socket, true);
  closeOnAbort(socket, checked.signal);
  if (socketChannel.hasSubscribers) socketChannel.publish({ socket });
}

function setReferenced(socket: Socket, isReferenced: boolean): void {
  const state = udpStateOf(socket);
  if (!state.endpoint || state.isReferenced === isReferenced) return;
  state.isReferenced = isReferenced;
  state.endpoint.setReferenced(isReferenced);
  if (isReferenced) state.engine.resources.add();
  else state.engine.resources.remove();
}

/** Sets the options that hold from before `bind()` on. If one fails, there is no socket. */
function prepare(socket: Socket, endpoint: Endpoint): void {
  try {
    applyOptions(socket);
  } catch (error) {
    udpStateOf(socket).endpoint = undefined;
    endpoint.close();
    throw error;
  }
}

function sendNow(socket: Socket, message: SendArguments): void {
  runningEndpoint(socket);
  dispatcherOf(socket).send(message, udpStateOf(socket).connectState === "connecting");
}

// The binding of a class is a variable. `extends`, `new` and the types see no difference; `Socket.call(this)` works as well.
// @ts-expect-error: TypeScript takes it for a constant.
// deno-lint-ignore no-class-assign
Socket = callableClass(Socket, initialize);
