/**
 * The dgram Socket: its methods and their documentation. What they do stands in the files named after it; what touches the kernel is
 * the endpoint's.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import { nextTick } from "../../ffi/runtimes/process.ts";
import type { FilterInstruction } from "../../ffi/wire/packet_filter.ts";
import { permissionsOf } from "../endpoint/address_policy.ts";
import { adoptableVersion } from "../endpoint/adoption.ts";
import { currentEngine } from "../endpoint/engine.ts";
import type { SocketEvents } from "../endpoint/events.ts";
import { attach, endpointOf, engineOf, runningUdpEndpoint } from "../endpoint/socket_state.ts";
import { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { DatagramIterator } from "../endpoint/iteration.ts";
import * as pausing from "../endpoint/pausing.ts";
import { notConnected } from "../errors/node_errors.ts";
import { validateNumber, validateString } from "../errors/validate.ts";
import { closeOnAbort } from "../integration/abort.ts";
import * as allInterfaces from "../options/all_interfaces.ts";
import * as bufferSizes from "../options/buffer_sizes.ts";
import type { PathMtuDiscovery } from "../options/ip.ts";
import * as ip from "../options/ip.ts";
import type { MemoryInfo } from "../options/memory_info.ts";
import * as metadata from "../options/metadata.ts";
import * as multicast from "../options/multicast.ts";
import * as packetFilters from "../options/packet_filters.ts";
import * as raw from "../options/raw.ts";
import * as solSocket from "../options/sol_socket.ts";
import type { MessageBatch } from "../receiving/message_batch.ts";
import type { RemoteInfo } from "../receiving/types.ts";
import { parseSendArguments, parseSendSyncArguments, type SendArguments } from "../sending/arguments.ts";
import { parseSendManyArguments, withOwnBytes } from "../sending/many_arguments.ts";
import type {
  AddressedMessage,
  Bytes,
  ClockName,
  SendCallback,
  SendManyCallback,
  SendManyOptions,
  SendOptions,
} from "../sending/types.ts";
import { adoptAtCreation, applyOptions, bind, bindIfUnbound, bindSync, enqueue } from "./bind.ts";
import { callableClass } from "./callable_class.ts";
import { connect, connectSync } from "./connect.ts";
import { checkOptions, typeOf } from "./creation_options.ts";
import { dispatcherOf, UdpState, udpStateOf } from "./state.ts";
import type { AddressInfo, AdoptOptions, BindOptions, BindSyncOptions, SocketOptions, SocketType } from "./types.ts";

const socketChannel = channel("udp.socket");

/**
 * A UDP socket with the surface of Node's `dgram.Socket`.
 *
 * Made by {@linkcode createSocket}. Events: `'message'`, `'listening'`, `'connect'`, `'close'`, `'error'`, and beyond Node
 * `'messages'`, `'networkError'`, `'timestamp'` ({@linkcode SocketEvents}). A method that is called on a closed socket throws
 * ERR_SOCKET_DGRAM_NOT_RUNNING; in Node some of them throw another TypeError.
 *
 * Options that Node does not have can be set at any time, also before `bind()`. If one fails, the error is an {@linkcode OptionError}.
 *
 * The methods `setRecv...` ask for metadata of each datagram that is received from then on: it is in `rinfo`
 * ({@linkcode ReceiveDetails}) and in {@linkcode MessageBatch.details}. All is off by default, and each is an option of
 * {@linkcode createSocket}, too. They throw ERR_INVALID_ARG_TYPE if `flag` is not a boolean, and the errno of the failed call. What
 * goes with a datagram that is sent is an option of `send()`: {@linkcode SendControls}.
 */
export class Socket extends EventEmitter<SocketEvents> {
  /** `udp4` or `udp6`. */
  declare readonly type: SocketType;

  /**
   * The number of the socket's descriptor; -1 before it has one and once it is closed. Not in Node. It stays the socket's: who closes it, or
   * reads from it, takes away what belongs to the socket.
   */
  get fd(): number {
    return endpointOf(this)?.fd ?? -1;
  }

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
    state.engine.errors.check(runningUdpEndpoint(this).disconnect(), "connect");
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
    runningUdpEndpoint(this);
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
  /** Sends several datagrams with options. */
  sendMany(
    messages: MessageBatch | readonly (Bytes | AddressedMessage)[],
    options: SendManyOptions,
    callback?: SendManyCallback,
  ): void;
  /** Sends several datagrams that have destinations, or to the peer of a connected socket. */
  sendMany(messages: MessageBatch | readonly (Bytes | AddressedMessage)[], callback: SendManyCallback): void;
  sendMany(messages: unknown, ...rest: readonly unknown[]): void {
    const state = udpStateOf(this);
    const connected = state.connectState === "connected";
    const parsed = parseSendManyArguments(connected, messages, rest[0], rest[1], rest[2]);
    const { groups, callback } = parsed;
    runningUdpEndpoint(this);
    for (const group of groups) if (group.controls) dispatcherOf(this).check(group);
    bindIfUnbound(this);
    if (state.bindState === "bound") return dispatcherOf(this).sendMany(parsed);
    const own = groups.map(withOwnBytes);
    const inContext = callback && AsyncResource.bind(callback);
    enqueue(this, () => {
      runningUdpEndpoint(this);
      dispatcherOf(this).sendMany({ ...parsed, groups: own, callback: inContext });
    });
  }

  /**
   * Sends a datagram within the call. Not in Node. An unbound socket is bound first, to a port of the system's choice.
   *
   * What `send()` was given before in this turn leaves first. It never waits: while the kernel has no room, or others wait for it, it
   * throws EAGAIN, and nothing is sent.
   *
   * @example
   * ```ts
   * const bytes = socket.sendSync("ping", 7, "127.0.0.1");
   * ```
   *
   * @param message As in {@linkcode Socket.send}.
   * @param port The destination's port, 1 to 65535; not on a connected socket.
   * @param address The destination's IP address, not a host name; left out: the loopback address.
   * @returns How many bytes were sent.
   * @throws What {@linkcode Socket.send} throws; what its callback gets, as EMSGSIZE or ECONNREFUSED; ERR_INVALID_ARG_VALUE for a host
   * name; ERR_SOCKET_ALREADY_BOUND while `bind()` is under way.
   */
  sendSync(message: Bytes | readonly Bytes[], port?: number, address?: string): number;
  /** Sends within the call, with options. */
  sendSync(message: Bytes | readonly Bytes[], options: SendOptions): number;
  sendSync(message: Bytes | readonly Bytes[], port?: number | SendOptions, address?: string): number {
    const state = udpStateOf(this);
    const connected = state.connectState === "connected";
    const parsed = parseSendSyncArguments(connected, message, port, address);
    runningUdpEndpoint(this);
    if (parsed.controls) dispatcherOf(this).check(parsed);
    if (state.bindState !== "bound") bindSync(this, {});
    return dispatcherOf(this).sendSync(parsed);
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
    const endpoint = runningUdpEndpoint(this);
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
    const address = runningUdpEndpoint(this).localAddress();
    if (typeof address === "number") throw engineOf(this).errors.ofCall(-address, "getsockname");
    return address;
  }

  /**
   * The peer's address (getpeername(2)).
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where there is none.
   */
  remoteAddress(): AddressInfo {
    const endpoint = runningUdpEndpoint(this);
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

  /**
   * Receives nothing until {@linkcode Socket.resume}: what comes waits in the kernel's receive buffer, and what it has no room for is dropped
   * there ({@linkcode Socket.getDropCount}). Not in Node. Network errors wait, too; sending goes on. Whether the process stays alive is
   * for `ref()` and `unref()` to say, as before. What the socket has read already is delivered later.
   *
   * With this, `on` of `node:events` holds no more than `highWaterMark` messages and one.
   *
   * @example
   * ```ts
   * import { on } from "node:events";
   * for await (const [message, remote] of on(socket, "message", { highWaterMark: 100, lowWaterMark: 10 })) {
   *   await store(message, remote);
   * }
   * ```
   */
  pause(): this {
    pausing.pause(this);
    return this;
  }

  /** Receives again after {@linkcode Socket.pause}. Not in Node. */
  resume(): this {
    pausing.resume(this);
    return this;
  }

  /** Whether {@linkcode Socket.pause} was called, and {@linkcode Socket.resume} not since. Not in Node. */
  isPaused(): boolean {
    return pausing.isPaused(this);
  }

  /**
   * The datagrams that come from the first step on, as `[message, remote]`. Not in Node.
   *
   * What comes between two steps waits in a queue; with 64 in it the socket is paused, until it has emptied: nothing is lost but by the
   * kernel. It ends when the socket closes, and throws the socket's error, after what came before. Leaving it (`break`) closes
   * nothing. Each iterator and each listener gets every datagram.
   *
   * @example
   * ```ts
   * for await (const [message, remote] of socket) {
   *   socket.send(await answer(message), remote.port, remote.address);
   * }
   * ```
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<SocketEvents["message"], undefined, void> {
    return new DatagramIterator<SocketEvents["message"]>(this);
  }

  /** Bytes that `send()` was given and the kernel has no room for yet. */
  getSendQueueSize(): number {
    return runningUdpEndpoint(this).sendQueue.size;
  }

  /** Messages that `send()` was given and the kernel has no room for yet. */
  getSendQueueCount(): number {
    return runningUdpEndpoint(this).sendQueue.count;
  }

  // Options of sockets of any protocol: socket(7).

  /**
   * Allows sending to broadcast addresses (SO_BROADCAST).
   *
   * @returns True. (Node: nothing.)
   * @throws {Error} EBADF before the socket is bound.
   */
  setBroadcast(flag: boolean): true {
    return solSocket.setBroadcast(this, flag);
  }

  /**
   * Has the socket use one interface only (SO_BINDTODEVICE; IP_BOUND_IF and IPV6_BOUND_IF on macOS). Best called before
   * `bind()`. Not in Node.
   *
   * @param device The interface's name; left out, null or empty: any interface again.
   * @returns True.
   * @throws {Error} ENODEV without such an interface; EPERM where the system wants a privilege (Linux: CAP_NET_RAW, to change
   * an interface that is set).
   */
  bindToDevice(device?: string | null): true {
    return solSocket.bindToDevice(this, device);
  }

  /**
   * Sets the priority of what is sent (SO_PRIORITY, Linux), by which the device's queueing discipline sorts packets, and which
   * becomes the priority of a VLAN's frames. Not in Node. {@linkcode Socket.setTypeOfService} changes it, too.
   *
   * @param priority 0 to 6; with CAP_NET_ADMIN up to 2147483647.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EPERM above 6 without the privilege.
   */
  setPriority(priority: number): true {
    return solSocket.setPriority(this, priority);
  }

  /** The priority of what is sent (SO_PRIORITY, Linux). Not in Node. */
  getPriority(): number {
    return solSocket.getPriority(this);
  }

  /**
   * Marks what is sent (SO_MARK, Linux): routing rules (`ip rule add fwmark`) and packet filters tell packets by it. Not in Node.
   *
   * @param mark 0 to 4294967295; 0: none.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EPERM without CAP_NET_ADMIN or (since Linux 5.17) CAP_NET_RAW.
   */
  setMark(mark: number): true {
    return solSocket.setMark(this, mark);
  }

  /** The mark of what is sent (SO_MARK, Linux). Not in Node. */
  getMark(): number {
    return solSocket.getMark(this);
  }

  /**
   * Has the kernel look into the device's queue itself for a while, when there is nothing to receive, instead of waiting for an
   * interrupt (SO_BUSY_POLL, Linux 3.11): less delay for more load. It takes a device that can do it. Not in Node.
   *
   * @param microseconds For how long, 0 to 2147483647; 0: not at all.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EPERM for more than net.core.busy_read without CAP_NET_ADMIN.
   */
  setBusyPoll(microseconds: number): true {
    return solSocket.setBusyPoll(this, microseconds);
  }

  /** For how many microseconds the kernel looks into the device's queue itself (SO_BUSY_POLL, Linux 3.11). Not in Node. */
  getBusyPoll(): number {
    return solSocket.getBusyPoll(this);
  }

  /**
   * What the kernel's buffers of the socket hold (SO_MEMINFO, Linux 4.12). Not in Node.
   *
   * @throws {Error} ENOPROTOOPT where the system has no such option.
   */
  getMemoryInfo(): MemoryInfo {
    return solSocket.getMemoryInfo(this);
  }

  /**
   * How many datagrams the kernel has dropped that were for this socket, since it was made: for want of room in its receive buffer,
   * for a wrong checksum, or by a filter (SO_MEMINFO, Linux 4.12). Not in Node.
   *
   * Datagrams that the kernel hands over together (`gro`) and drops together count once; with `gro: false` the count is exact.
   *
   * @returns 0 to 4294967295, after which it starts again.
   * @throws {Error} ENOPROTOOPT where the system has no such option.
   */
  getDropCount(): number {
    return solSocket.getDropCount(this);
  }

  /**
   * The size in bytes of the datagram that waits to be received first (SIOCINQ; SO_NREAD on macOS); 0 where none waits, or an empty
   * one. Not in Node.
   */
  getInputQueueSize(): number {
    return solSocket.getInputQueueSize(this);
  }

  /**
   * The bytes that the kernel has taken and the device has not sent yet, on Linux with the kernel's own overhead for each packet
   * (SIOCOUTQ; SO_NWRITE on macOS). Not in Node. What the kernel has not taken yet is {@linkcode Socket.getSendQueueSize}.
   */
  getOutputQueueSize(): number {
    return solSocket.getOutputQueueSize(this);
  }

  /**
   * Size of the kernel's receive buffer in bytes (SO_RCVBUF). Linux reports twice what was set.
   *
   * @throws {Error} ERR_SOCKET_BUFFER_SIZE before the socket is bound.
   */
  getRecvBufferSize(): number {
    return bufferSizes.getRecvBufferSize(this);
  }

  /**
   * Size of the kernel's send buffer in bytes (SO_SNDBUF). Linux reports twice what was set.
   *
   * @throws {Error} ERR_SOCKET_BUFFER_SIZE before the socket is bound.
   */
  getSendBufferSize(): number {
    return bufferSizes.getSendBufferSize(this);
  }

  /**
   * Sets the size of the kernel's receive buffer (SO_RCVBUF). The system limits it (Linux: net.core.rmem_max).
   *
   * @param size In bytes; an integer from 0, which changes nothing.
   * @returns True. (Node: nothing.)
   * @throws {TypeError} ERR_SOCKET_BAD_BUFFER_SIZE.
   * @throws {Error} ERR_SOCKET_BUFFER_SIZE before the socket is bound.
   */
  setRecvBufferSize(size: number): true {
    return bufferSizes.setRecvBufferSize(this, size);
  }

  /**
   * Sets the size of the kernel's send buffer (SO_SNDBUF). The system limits it (Linux: net.core.wmem_max).
   *
   * @param size In bytes; an integer from 0, which changes nothing.
   * @returns True. (Node: nothing.)
   * @throws {TypeError} ERR_SOCKET_BAD_BUFFER_SIZE.
   * @throws {Error} ERR_SOCKET_BUFFER_SIZE before the socket is bound.
   */
  setSendBufferSize(size: number): true {
    return bufferSizes.setSendBufferSize(this, size);
  }

  // Options of IP: ip(7), ipv6(7).

  /**
   * How many routers a datagram may pass (IP_TTL, IPV6_UNICAST_HOPS).
   *
   * @param ttl 1 to 255.
   * @returns `ttl`.
   * @throws {Error} EINVAL outside that range, EBADF before the socket is bound.
   */
  setTTL(ttl: number): number {
    return ip.setTTL(this, ttl);
  }

  /**
   * Sets the type of service of what is sent, in IPv6 called traffic class (IP_TOS, IPV6_TCLASS): the DSCP in the upper six bits
   * (RFC 2474) and the ECN in the lower two (RFC 3168). Node has it on sockets of `net` only. Linux sets {@linkcode Socket.setPriority} after it.
   *
   * @param tos 0 to 255.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   */
  setTypeOfService(tos: number): true {
    return ip.setTypeOfService(this, tos);
  }

  /** The type of service, or traffic class, of what is sent: 0 to 255. */
  getTypeOfService(): number {
    return ip.getTypeOfService(this);
  }

  /**
   * Sets the differentiated services codepoint of what is sent (RFC 2474): the upper six bits of {@linkcode Socket.setTypeOfService}, whose
   * other two stay. Not in Node.
   *
   * @param dscp 0 to 63: 46 is expedited forwarding (RFC 3246).
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   */
  setDSCP(dscp: number): true {
    return ip.setDSCP(this, dscp);
  }

  /** The differentiated services codepoint of what is sent: 0 to 63. Not in Node. */
  getDSCP(): number {
    return ip.getDSCP(this);
  }

  /**
   * Sets the explicit congestion notification of what is sent (RFC 3168): the lower two bits of {@linkcode Socket.setTypeOfService}, whose
   * other six stay. Not in Node.
   *
   * @param ecn 0: not capable of it; 1: ECT(1); 2: ECT(0); 3: congestion experienced.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   */
  setECN(ecn: number): true {
    return ip.setECN(this, ecn);
  }

  /** The explicit congestion notification of what is sent: 0 to 3. Not in Node. */
  getECN(): number {
    return ip.getECN(this);
  }

  /**
   * Says what to do with datagrams that are larger than the path's MTU (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER; Linux). Not in Node.
   *
   * @param mode What stands behind IP_PMTUDISC_ in the header: {@linkcode PathMtuDiscovery}.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE.
   * @throws {Error} ENOPROTOOPT on macOS, where {@linkcode Socket.setDontFragment} is all there is.
   */
  setMTUDiscover(mode: PathMtuDiscovery): true {
    return ip.setMTUDiscover(this, mode);
  }

  /** What is done with datagrams that are larger than the path's MTU (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER; Linux). Not in Node. */
  getMTUDiscover(): PathMtuDiscovery {
    return ip.getMTUDiscover(this);
  }

  /**
   * Forbids to fragment what is sent: the don't-fragment bit of IPv4, and no fragment header in IPv6. A datagram that is larger than
   * the path's MTU, as far as that is known, then fails with EMSGSIZE. The mode `DO` of {@linkcode Socket.setMTUDiscover}, or `WANT`
   * where `flag` is false; on macOS IP_DONTFRAG and IPV6_DONTFRAG. Not in Node.
   *
   * @returns True.
   */
  setDontFragment(flag: boolean): true {
    return ip.setDontFragment(this, flag);
  }

  /** Whether what is sent must not be fragmented: the modes `DO` and `PROBE`. Not in Node. */
  getDontFragment(): boolean {
    return ip.getDontFragment(this);
  }

  /**
   * The MTU of the path to the peer, as far as the kernel knows it (IP_MTU on Linux, IPV6_PATHMTU). Without a peer, ask for
   * `recvErrors`: its errors have the MTU. Not in Node.
   *
   * @returns Bytes, with the IP and UDP headers: 28 of IPv4 and 48 of IPv6 without options.
   * @throws {Error} ENOTCONN where there is no peer; ENOPROTOOPT for IPv4 on macOS.
   */
  getPathMTU(): number {
    return ip.getPathMTU(this);
  }

  /**
   * Lets `bind()` take an address that this host does not have, or not yet (IP_FREEBIND, IPV6_FREEBIND; Linux). Also an option of
   * `createSocket`. Not in Node.
   *
   * @returns True.
   */
  setFreebind(flag: boolean): true {
    return ip.setFreebind(this, flag);
  }

  /** Whether `bind()` takes an address that this host does not have (IP_FREEBIND, IPV6_FREEBIND; Linux). Not in Node. */
  getFreebind(): boolean {
    return ip.getFreebind(this);
  }

  /**
   * Makes the socket a transparent proxy's (IP_TRANSPARENT, IPV6_TRANSPARENT; Linux): it can be bound to any address, and receives
   * what a rule of the system's packet filter (TPROXY) sends it. Also an option of `createSocket`. Not in Node.
   *
   * @returns True.
   * @throws {Error} EPERM without CAP_NET_ADMIN or CAP_NET_RAW.
   */
  setTransparent(flag: boolean): true {
    return ip.setTransparent(this, flag);
  }

  /** Whether the socket is a transparent proxy's (IP_TRANSPARENT, IPV6_TRANSPARENT; Linux). Not in Node. */
  getTransparent(): boolean {
    return ip.getTransparent(this);
  }

  /**
   * Has the network's answers to datagrams that did not arrive come as `'networkError'` events, on a socket without a peer, too
   * (IP_RECVERR, IPV6_RECVERR; Linux). With a peer they come in place of the `'error'` that is ECONNREFUSED. No datagram is lost
   * by it: one that the kernel refuses for another one's sake is sent again. Errors wait in the receive buffer: if that is full, the
   * kernel drops them, of which {@linkcode Socket.getErrorQueueOverruns} tells. Also an option of `createSocket`. Not in Node.
   *
   * @returns True.
   * @throws {Error} ENOPROTOOPT on macOS.
   */
  setRecvErrors(flag: boolean): true {
    return ip.setRecvErrors(this, flag);
  }

  /** Whether the network's errors come as `'networkError'` events (IP_RECVERR, IPV6_RECVERR; Linux). Not in Node. */
  getRecvErrors(): boolean {
    return ip.getRecvErrors(this);
  }

  /**
   * How many times network errors or transmit timestamps may have been missed (Linux 4.12): so often there was no room in the receive
   * buffer when the error queue was read, or datagrams had been dropped since it was read before. The kernel drops what finds no room
   * for the error queue, and does not count it, not in {@linkcode Socket.getDropCount} either. So each time any number may be missing, or
   * none; and a lack of room that was over when the queue was read is not noticed. A larger buffer (`recvBufferSize`) helps. Not in Node.
   *
   * @returns From 0; always 0 if the system has no SO_MEMINFO.
   */
  getErrorQueueOverruns(): number {
    return ip.getErrorQueueOverruns(this);
  }

  // Multicast: RFC 3678, RFC 4607.

  /**
   * How many routers a multicast datagram may pass (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS).
   *
   * @param ttl 0 to 255; 0 keeps it on this host.
   * @returns `ttl`.
   * @throws {Error} EINVAL outside that range, EBADF before the socket is bound.
   */
  setMulticastTTL(ttl: number): number {
    return multicast.setMulticastTTL(this, ttl);
  }

  /**
   * Whether multicast that is sent comes back to this host (IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP).
   *
   * @returns `flag`.
   * @throws {Error} EBADF before the socket is bound.
   */
  setMulticastLoopback(flag: boolean): boolean {
    return multicast.setMulticastLoopback(this, flag);
  }

  /**
   * The interface that multicast leaves by (IP_MULTICAST_IF, IPV6_MULTICAST_IF).
   *
   * @param multicastInterface For IPv4 one of the interface's addresses, for IPv6 any address with `%` and the interface's name
   * or number behind it, or (unlike Node) the interface's name. `0.0.0.0` or `::`: the system's choice.
   * @returns True. (Node: nothing.)
   * @throws {Error} EINVAL if it is none of these (an address with a zone that names no interface is the system's choice, as in Node),
   * EBADF before the socket is bound, or what the kernel says, as ENOPROTOOPT
   * where an IPv4 socket is given an IPv6 address.
   */
  setMulticastInterface(multicastInterface: string): true {
    return multicast.setMulticastInterface(this, multicastInterface);
  }

  /**
   * Joins a multicast group (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP). An unbound socket is bound first.
   *
   * @param multicastAddress The group. An IPv6 socket that is not `ipv6Only` can join IPv4 groups, too.
   * @param multicastInterface The interface, as in {@linkcode Socket.setMulticastInterface}; left out: the system's choice.
   * @returns True. (Node: nothing.)
   * @throws {Error} EINVAL for a bad address or a name that no interface has, EADDRINUSE if it is joined already, ENODEV for an
   * IPv4 address that no interface has.
   */
  addMembership(multicastAddress: string, multicastInterface?: string): true {
    return multicast.addMembership(this, multicastAddress, multicastInterface);
  }

  /**
   * Leaves a multicast group (IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP). Closing the socket does it, too.
   *
   * @param multicastAddress The group.
   * @param multicastInterface The interface; left out: over IPv4 the system's choice, as at joining; over IPv6 any one, of
   * several the one that was joined last. As in Node.
   * @returns True. (Node: nothing.)
   * @throws {Error} EADDRNOTAVAIL if it was not joined.
   */
  dropMembership(multicastAddress: string, multicastInterface?: string): true {
    return multicast.dropMembership(this, multicastAddress, multicastInterface);
  }

  /**
   * Joins a source-specific channel: a group, but only what one host sends to it (IP_ADD_SOURCE_MEMBERSHIP,
   * MCAST_JOIN_SOURCE_GROUP; RFC 4607). An unbound socket is bound first.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * On Linux, of IPv6, the sources of one group that were joined on several interfaces are not told apart by interface: what was joined
   * last holds for all.
   *
   * @param multicastInterface The interface, as in {@linkcode Socket.setMulticastInterface}; left out: the system's choice.
   * @returns True. (Node: nothing.)
   */
  addSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return multicast.addSourceSpecificMembership(this, sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Leaves a source-specific channel (IP_DROP_SOURCE_MEMBERSHIP, MCAST_LEAVE_SOURCE_GROUP).
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface; left out: the one that joined without one.
   * @returns True. (Node: nothing.)
   */
  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return multicast.dropSourceSpecificMembership(this, sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Joins a multicast group on all interfaces that have an address of its protocol, and stays joined as interfaces come and go: they are
   * looked for every two seconds, which does not keep the process alive. Not in Node. An unbound socket is bound first. In Deno it takes
   * `--allow-sys=networkInterfaces`.
   *
   * @example
   * ```ts
   * socket.bind(5353, () => socket.addMembershipOnAllInterfaces("224.0.0.251"));
   * ```
   *
   * @param multicastAddress The group.
   * @returns True.
   * @throws {Error} The errno of the first interface that refuses, as EINVAL for an address that is no group's, or ENOBUFS for too many
   * memberships (Linux: net.ipv4.igmp_max_memberships, 20): then the group is joined on none. An interface on which the program has joined the
   * group itself is no error.
   */
  addMembershipOnAllInterfaces(multicastAddress: string): true {
    return allInterfaces.addMembershipOnAllInterfaces(this, multicastAddress);
  }

  /**
   * Leaves a group that was joined on all interfaces. Not in Node. What {@linkcode Socket.addMembership} has joined stays joined.
   *
   * @param multicastAddress The group.
   * @returns True.
   * @throws {Error} EADDRNOTAVAIL if it was not joined so.
   */
  dropMembershipOnAllInterfaces(multicastAddress: string): true {
    return allInterfaces.dropMembershipOnAllInterfaces(this, multicastAddress);
  }

  /**
   * Whether the socket gets what any socket of this host has joined (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL; Linux), as it does to begin
   * with, or the groups only that it has joined itself. Not in Node.
   *
   * @returns True.
   * @throws {Error} ENOPROTOOPT before Linux 2.6.31, for IPv6 before 4.20, and on macOS, where sockets get what they joined.
   */
  setMulticastAll(flag: boolean): true {
    return multicast.setMulticastAll(this, flag);
  }

  /** Whether the socket gets groups that it has not joined itself (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL; Linux). Not in Node. */
  getMulticastAll(): boolean {
    return multicast.getMulticastAll(this);
  }

  /**
   * Keeps out what one host sends to a group that was joined as a whole, by {@linkcode Socket.addMembership} (IP_BLOCK_SOURCE,
   * MCAST_BLOCK_SOURCE; RFC 3678). Not in Node.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface, as it was joined on.
   * @returns True.
   * @throws {Error} EINVAL where the group was not joined, EADDRNOTAVAIL where the source is blocked already.
   */
  blockSource(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return multicast.blockSource(this, sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Lets a blocked sender be heard again (IP_UNBLOCK_SOURCE, MCAST_UNBLOCK_SOURCE; RFC 3678). Not in Node.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface, as it was joined on.
   * @returns True.
   * @throws {Error} EADDRNOTAVAIL or EINVAL where it is not blocked.
   */
  unblockSource(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return multicast.unblockSource(this, sourceAddress, groupAddress, multicastInterface);
  }

  // Metadata of each datagram: control messages of recvmsg(2) and sendmsg(2). Not in Node.

  /**
   * The address each datagram was sent to, and the interface it came by: `localAddress`, `interfaceIndex`, `interfaceName`
   * (IP_PKTINFO, IPV6_RECVPKTINFO).
   *
   * @returns True.
   */
  setRecvDestination(flag: boolean): true {
    return metadata.setRecvDestination(this, flag);
  }

  /**
   * The address and port that each datagram's sender gave: `originalAddress`, `originalPort` (IP_RECVORIGDSTADDR,
   * IPV6_RECVORIGDSTADDR; Linux 2.6.29). A transparent proxy ({@linkcode Socket.setTransparent}) learns from it where the datagram was to
   * go, for its own address tells only the rule that brought it here.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setRecvOriginalDestination(flag: boolean): true {
    return metadata.setRecvOriginalDestination(this, flag);
  }

  /**
   * How many routers each datagram might still have passed: `ttl` (IP_RECVTTL, IPV6_RECVHOPLIMIT).
   *
   * @returns True.
   */
  setRecvTTL(flag: boolean): true {
    return metadata.setRecvTTL(this, flag);
  }

  /**
   * The type of service or traffic class of each datagram: `tos`, `dscp`, `ecn` (IP_RECVTOS, IPV6_RECVTCLASS).
   *
   * @returns True.
   */
  setRecvTOS(flag: boolean): true {
    return metadata.setRecvTOS(this, flag);
  }

  /**
   * When the kernel received each datagram: `timestamp`, and `hardwareTimestamp` where the device makes them (SO_TIMESTAMPNS,
   * SO_TIMESTAMPING; on macOS SO_TIMESTAMP, in whole microseconds). A device makes them once it is told to, as with
   * `hwstamp_ctl` of linuxptp.
   *
   * @returns True.
   */
  setRecvTimestamp(flag: boolean): true {
    return metadata.setRecvTimestamp(this, flag);
  }

  /**
   * Whether each datagram was cut, or what was to be told of it: `truncated`, `controlTruncated` (MSG_TRUNC, MSG_CTRUNC).
   *
   * @returns True.
   */
  setRecvTruncated(flag: boolean): true {
    return metadata.setRecvTruncated(this, flag);
  }

  /**
   * The size of the datagrams that the kernel handed over together: `segmentSize` (UDP_GRO).
   *
   * @returns True.
   */
  setRecvSegmentSize(flag: boolean): true {
    return metadata.setRecvSegmentSize(this, flag);
  }

  /**
   * How many datagrams the socket had lost when each one came in: `dropped` (SO_RXQ_OVFL, Linux). So that each one counts, the kernel
   * hands over no datagrams together (`gro`) meanwhile.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setRecvDropCount(flag: boolean): true {
    return metadata.setRecvDropCount(this, flag);
  }

  /**
   * Has `'timestamp'` events ({@linkcode TransmitTimestamp}) say when each datagram left (SO_TIMESTAMPING, Linux), by number.
   * Meanwhile messages go to the kernel one by one. Times wait in the receive buffer for this process to fetch them: where
   * it is full, one may be missing.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setSendTimestamp(flag: boolean): true {
    return metadata.setSendTimestamp(this, flag);
  }

  /**
   * Chooses the clock of `txTime` in {@linkcode SendControls} (SO_TXTIME, Linux 4.19). Not an option of `createSocket`.
   *
   * @param clock What the queueing discipline goes by: for `fq` it is `monotonic`, for `etf` mostly `tai`.
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS; ERR_INVALID_ARG_VALUE.
   * @throws {Error} EPERM for another clock than `monotonic` without CAP_NET_ADMIN.
   */
  setTxTimeClock(clock: ClockName): true {
    return metadata.setTxTimeClock(this, clock);
  }

  // Filters in the kernel.

  /**
   * Has the kernel drop datagrams before they come to the socket, as a classic BPF program says (SO_ATTACH_FILTER, Linux). Not in Node.
   * What `tcpdump -dd` prints is such a program, but for a packet that starts with its Ethernet header.
   *
   * The program is run on each datagram, which starts with its UDP header: the payload is at offset 8; the IP header is reached by
   * SKF_NET_OFF. It returns how many bytes to keep, from the UDP header on: 0 drops the datagram, 4294967295 keeps all of it. So that
   * each datagram is seen, the kernel hands none over together with others (`gro`) while a filter is attached. It replaces a
   * filter that is attached already. Datagrams that wait already are not filtered: attach it before `bind()` to miss none.
   *
   * @param program 1 to 4096 instructions; jumps must not lead out of it, and the last one must be a BPF_RET.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EINVAL for a program that the kernel finds wrong; EPERM where a filter is locked; ENOMEM for more than
   * net.core.optmem_max; ENOPROTOOPT on macOS.
   */
  attachFilter(program: readonly FilterInstruction[]): true {
    return packetFilters.attachFilter(this, program);
  }

  /**
   * Takes the filter away again (SO_DETACH_FILTER).
   *
   * @returns True.
   * @throws {Error} ENOENT where there is none; EPERM where it is locked.
   */
  detachFilter(): true {
    return packetFilters.detachFilter(this);
  }

  /**
   * Locks what is attached: from now on the filter can be neither replaced nor taken away, not even by this socket
   * (SO_LOCK_FILTER, Linux 3.9).
   *
   * @returns True.
   */
  lockFilter(): true {
    return packetFilters.lockFilter(this);
  }

  /**
   * Has a program say which of several sockets of one port (`reusePort`) gets a datagram (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5).
   * It is attached to all of them through any one. Not in Node.
   *
   * The program is run on the datagram's payload, which starts at offset 0. It returns the socket's index in the order in which they
   * were bound, from 0; with any other number the kernel chooses as it does without a program. It has to see each datagram: so
   * the kernel hands over none together with others (`gro`) to the sockets of the port in this thread, those bound later too. Make
   * the sockets of the port in other threads and processes with `gro: false`. Datagrams that a sender on this host hands to the
   * kernel together (`gso`) go where the first one goes.
   *
   * @param program As in {@linkcode Socket.attachFilter}.
   * @returns True.
   * @throws What {@linkcode Socket.attachFilter} throws; EINVAL also before the socket is bound, and without `reusePort`.
   */
  attachReusePortFilter(program: readonly FilterInstruction[]): true {
    return packetFilters.attachReusePortFilter(this, program);
  }

  /**
   * Takes that program away again, for all sockets of the port (SO_DETACH_REUSEPORT_BPF, Linux 5.3).
   *
   * @returns True.
   * @throws {Error} ENOENT where there is none.
   */
  detachReusePortFilter(): true {
    return packetFilters.detachReusePortFilter(this);
  }

  // Any option.

  /**
   * Reads any option of the socket (getsockopt(2)). Not in Node. Makes the descriptor if there is none yet.
   *
   * @example
   * ```ts
   * socket.getsockopt("SOL_SOCKET", "SO_RCVLOWAT").readInt32LE();
   * ```
   *
   * @param level The level: `SOL_SOCKET`, `IPPROTO_IP`, `IPPROTO_IPV6`, `IPPROTO_UDP` (or `SOL_IP` and so on), or its number.
   * @param name The option's header name, as `SO_RCVLOWAT`, or its number on this system.
   * @param length The most bytes to read, 0 to 65536. Default: 4, an int.
   * @returns The value in the system's byte order, which is little-endian on all that are supported; shorter than `length` where the
   * option is.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE for a name that no header has (newer options go by number) or that is of another
   * level, and for a filter or what belongs to the firewall, whose value holds an address ({@linkcode Socket.attachFilter}).
   * @throws {Error} ENOPROTOOPT for another system's option, or what else the kernel says; the message has the option's name.
   */
  getsockopt(level: string | number, name: string | number, length = 4): Buffer<ArrayBuffer> {
    return raw.getsockopt(this, level, name, length);
  }

  /**
   * Sets any option of the socket (setsockopt(2)). Not in Node. Makes the descriptor if there is none yet.
   *
   * What this module sets itself had better be left alone: UDP_GRO, UDP_SEGMENT, IP_RECVERR.
   *
   * @example
   * ```ts
   * socket.setsockopt("SOL_SOCKET", "SO_RCVLOWAT", 1);
   * ```
   *
   * @param level The level, as in {@linkcode Socket.getsockopt}.
   * @param name The option's header name, or its number on this system.
   * @param value An integer from -2147483648 to 4294967295, which is passed as an int; a boolean, as 0 or 1; or the value's bytes,
   * at most 65536.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE as in {@linkcode Socket.getsockopt}; ERR_INVALID_ARG_TYPE for any other value.
   * @throws {RangeError} ERR_OUT_OF_RANGE for a number that is no int, and for too many bytes.
   * @throws {Error} ENOPROTOOPT for another system's option; EPERM where it takes a privilege, which the message names where
   * it is known; or what else the kernel says.
   */
  setsockopt(level: string | number, name: string | number, value: number | boolean | NodeJS.ArrayBufferView): true {
    return raw.setsockopt(this, level, name, value);
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
  const endpoint = new UdpEndpoint(engine, version, checked.offload, permissions, socket);
  endpoint.limitSendQueue(checked.sendQueueLimit);
  attach(socket, new UdpState(socket, engine, endpoint, checked, permissions));
  for (const detail of checked.details) endpoint.ancillaryData.setDetail(detail, true);
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
function prepare(socket: Socket, endpoint: UdpEndpoint): void {
  try {
    applyOptions(socket);
  } catch (error) {
    udpStateOf(socket).endpoint = undefined;
    endpoint.close();
    throw error;
  }
}

function sendNow(socket: Socket, message: SendArguments): void {
  runningUdpEndpoint(socket);
  dispatcherOf(socket).send(message, udpStateOf(socket).connectState === "connecting");
}

// The binding of a class is a variable. `extends`, `new` and the types see no difference; `Socket.call(this)` works as well.
// @ts-expect-error: TypeScript takes it for a constant.
// deno-lint-ignore no-class-assign
Socket = callableClass(Socket, initialize);
