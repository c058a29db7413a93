/**
 * The dgram Socket: its methods and their documentation. What they do stands in the files named after it; what touches the kernel is
 * the endpoint's.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import { makeInspectable } from "../../ffi/runtimes/inspection.ts";
import { nextTick } from "../../ffi/runtimes/process.ts";
import type { FilterInstruction } from "../../ffi/wire/packet_filter.ts";
import { addressPolicyOf } from "../endpoint/address_policy.ts";
import { adoptableVersion } from "../endpoint/adoption.ts";
import { currentEngine } from "../endpoint/engine.ts";
import type { SocketEvents } from "../endpoint/events.ts";
import { describeSocket, hostPort, type Shown } from "../endpoint/inspection.ts";
import { DatagramIterator } from "../endpoint/iteration.ts";
import * as pausing from "../endpoint/pausing.ts";
import { attach, endpointOf, engineOf, runningUdpEndpoint } from "../endpoint/socket_state.ts";
import { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { notConnected } from "../errors/node_errors.ts";
import { validateNumber, validateString } from "../errors/validate.ts";
import { closeOnAbort } from "../integration/abort.ts";
import * as allInterfaces from "../options/all_interfaces.ts";
import * as bufferSizes from "../options/buffer_sizes.ts";
import type { PathMtuDiscovery } from "../options/ip.ts";
import * as ip from "../options/ip.ts";
import type { MemoryInfo } from "../../ffi/wire/memory_info.ts";
import * as metadata from "../options/metadata.ts";
import * as multicast from "../options/multicast.ts";
import * as packetFilters from "../options/packet_filters.ts";
import * as raw from "../options/raw.ts";
import * as solSocket from "../options/sol_socket.ts";
import * as statistics from "../options/statistics.ts";
import type { Statistics } from "../options/statistics.ts";
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
 * `'messages'`, `'networkError'`, `'sendTimestamp'` ({@linkcode SocketEvents}). A method that is called on a closed socket throws
 * ERR_SOCKET_DGRAM_NOT_RUNNING; in Node some of them throw another TypeError.
 *
 * Options that Node does not have can be set at any time, also before `bind()`. If one fails, the error is an {@linkcode OptionError}.
 *
 * The methods `setRecv...` ask for metadata of each datagram that is received from then on: it is in `rinfo`
 * ({@linkcode ReceiveDetails}) and in {@linkcode MessageBatch.details}. All are off by default, and each is also an option of
 * {@linkcode createSocket}. They throw ERR_INVALID_ARG_TYPE if `flag` is not a boolean, and the errno of the failed call. The
 * metadata of datagrams that are sent are options of `send()`: {@linkcode SendControls}.
 *
 * @example
 * ```ts
 * import { createSocket, type Socket } from "@dgram/ffi";
 *
 * function echo(server: Socket) {
 *   server.on("message", (message, remote) => server.send(message, remote.port, remote.address));
 * }
 *
 * const server = createSocket("udp4");
 * echo(server);
 * const { port } = server.bindSync({ address: "127.0.0.1" });
 * const client = createSocket("udp4", (message) => {
 *   console.log(message.toString()); // hello
 *   client.close();
 *   server.close();
 * });
 * client.send("hello", port, "127.0.0.1");
 * ```
 */
export class Socket extends EventEmitter<SocketEvents> {
  /** `udp4` or `udp6`. */
  declare readonly type: SocketType;

  /**
   * The number of the socket's descriptor; -1 before it has one and after it is closed. Not in Node. The socket owns the descriptor: do not
   * close it or read from it.
   */
  get fd(): number {
    return endpointOf(this)?.fd ?? -1;
  }

  /**
   * Use {@linkcode createSocket}.
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
   * Binds the socket to a local address (bind(2)) and starts to receive. Emits `'listening'`; or `'error'`, with the errno of the
   * failed call, the lookup's error, or the runtime's own error if the network is not permitted.
   *
   * @param port Defaults to 0: the system chooses a port. As in Node only the low 16 bits count.
   * @param address An IP address or a host name. Defaults to all local addresses.
   * @param callback Added as a one-time listener for `'listening'`; removed if an error comes first.
   * @throws {Error} ERR_SOCKET_ALREADY_BOUND, also while a first `bind()` is under way.
   */
  bind(port?: number, address?: string, callback?: () => void): this;
  /** Binds to all local addresses. */
  bind(port: number, callback: () => void): this;
  /** Binds to all local addresses and a port that the system chooses. */
  bind(callback: () => void): this;
  /**
   * Binds with options. With `fd` the socket takes over an open datagram socket instead.
   *
   * @throws {TypeError} ERR_INVALID_FD_TYPE if `fd` is not a UDP socket.
   * @throws {Error} EEXIST if it belongs to another socket of this module; EAFNOSUPPORT if it is of the other family.
   */
  bind(options: BindOptions, callback?: () => void): this;
  bind(...values: unknown[]): this {
    bind(this, values);
    return this;
  }

  /**
   * Binds at once. `'listening'` is emitted at the next tick.
   *
   * @param options.port 0 to 65535. Defaults to 0: the system chooses a port.
   * @param options.address An IP address, not a host name. Defaults to all local addresses.
   * @returns The bound address.
   * @throws {Error} ERR_SOCKET_ALREADY_BOUND; the failed call's errno; ERR_INVALID_ARG_VALUE for a host name.
   */
  bindSync(options: BindSyncOptions = {}): AddressInfo {
    bindSync(this, options);
    return this.address();
  }

  /**
   * Connects the socket to a peer (connect(2)): it sends to that address, and receives from it only. An unbound socket is bound
   * first. Emits `'connect'`. An error goes to the callback, or to `'error'` if there is none.
   *
   * @param port 1 to 65535.
   * @param address An IP address or a host name. Defaults to the loopback address.
   * @param callback Called when the socket is connected, or with the error.
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
   * Connects the socket to a peer at once. `'connect'` is emitted at the next tick.
   *
   * @param port 1 to 65535.
   * @param address An IP address, not a host name. Defaults to the loopback address.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED; ERR_SOCKET_ALREADY_BOUND while `bind()` is under way; the failed
   * call's errno.
   */
  connectSync(port: number, address?: string): void {
    connectSync(this, port, address);
  }

  /**
   * Disconnects the socket from its peer.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED if it has none.
   */
  disconnect(): void {
    const state = udpStateOf(this);
    if (state.connectState !== "connected") throw notConnected();
    state.engine.errors.check(runningUdpEndpoint(this).disconnect(), "connect");
    state.connectState = "disconnected";
  }

  /**
   * Sends a datagram. Messages leave in the order of their `send()` calls. An unbound socket is bound first, to a port that the
   * system chooses; messages wait until then, and while the kernel's buffer is full.
   *
   * If the socket is bound and no host name has to be resolved, the bytes are copied before `send()` returns. Otherwise
   * they must not be changed until the callback is called. Unlike in Node, a message that was sent before `close()` leaves; but if
   * `close()` is called in the same turn, its callback is not called, as in Node.
   *
   * Messages of one turn leave together at its end. On a connected socket the first one leaves before `send()` returns. Messages
   * also leave before the program or a Worker ends, be it by itself, by `process.exit()` or by an exception; those that wait for room
   * are tried once more.
   *
   * @param message Bytes, text (as UTF-8), or an array of both, whose pieces make one datagram; at most 65,507 bytes over IPv4
   * and 65,527 over IPv6.
   * @param offset The offset in `message` at which the datagram starts, in bytes.
   * @param length The number of bytes.
   * @param port The destination's port, 1 to 65535; not on a connected socket.
   * @param address The destination: an IP address or a host name. Defaults to the loopback address.
   * @param callback Called with null and the number of bytes when the kernel has taken the message, or with the error. Without a
   * callback an error of the lookup is emitted as `'error'`, and an error of sending is ignored, as in Node.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE.
   * @throws {RangeError} ERR_SOCKET_BAD_PORT, ERR_BUFFER_OUT_OF_BOUNDS.
   * @throws {Error} ERR_SOCKET_DGRAM_IS_CONNECTED if a destination is given on a connected socket.
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
   * Sends with options, the destination among them. Not in Node. All are checked before anything is sent.
   *
   * @param options See {@linkcode SendOptions}.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; ERR_INCOMPATIBLE_OPTION_PAIR;
   * ERR_FEATURE_UNAVAILABLE_ON_PLATFORM if the system supports it for whole sockets only.
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
    const { bindState, connectState, dispatcher } = udpStateOf(this);
    const connected = connectState === "connected";
    if (bindState === "bound" && dispatcher !== undefined && connectState !== "connecting") {
      const isSent = connected
        ? dispatcher.sendToPeer(message, offset, length ?? port ?? address)
        : dispatcher.sendToKnown(message, offset, length, port, address);
      if (isSent) return;
    }
    sendParsed(this, parseSendArguments(connected, message, offset, length, port, address, callback));
  }

  /**
   * Sends several datagrams with one callback. Not in Node. Order, copying and implicit binding are as in {@linkcode Socket.send}.
   *
   * @param messages The datagrams: bytes, text, or either with a destination or options ({@linkcode AddressedMessage}); or a batch
   * of `'messages'`, which is passed on as it was received.
   * @param port The destination of those with neither a port nor an address; not on a connected socket.
   * @param address Its IP address, not a host name. Defaults to the loopback address.
   * @param callback Called once, with the error of the first message that failed ({@linkcode SendManyError}) or null, and the number
   * of messages that the kernel has taken. It may stand in place of `port` or `address`.
   * @throws What `send` throws, before anything is sent; ERR_INVALID_ARG_VALUE for a host name.
   *
   * @example A forwarder.
   * ```ts
   * socket.once("messages", (batch) => socket.sendMany(batch, port, address)); // Forwards what was received.
   * socket.sendMany(["one", "two"], port, address, (error, sent) => console.log(error, sent)); // null 2
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
   * Sends a datagram before it returns. Not in Node. An unbound socket is bound first, to a port that the system chooses.
   *
   * Messages that were sent before in this turn leave first. The message never waits: if the kernel has no room, or other messages wait
   * for room, this throws EAGAIN, and nothing is sent.
   *
   * @example
   * ```ts
   * console.log(socket.sendSync("ping", port, address)); // 4
   * ```
   *
   * @param message As in {@linkcode Socket.send}.
   * @param port The destination's port, 1 to 65535; not on a connected socket.
   * @param address The destination's IP address, not a host name. Defaults to the loopback address.
   * @returns The number of bytes sent.
   * @throws What {@linkcode Socket.send} throws; the errors of its callback, such as EMSGSIZE or ECONNREFUSED; ERR_INVALID_ARG_VALUE for a host
   * name; ERR_SOCKET_ALREADY_BOUND while `bind()` is under way.
   */
  sendSync(message: Bytes | readonly Bytes[], port?: number, address?: string): number;
  /** Sends with options, before it returns. */
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
   * Closes the socket. Messages that were sent on a bound socket leave first; those that the kernel has no room for fail
   * with ECANCELED. `'close'` is emitted at the next tick.
   *
   * @param callback Added as a listener for `'close'`.
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_RUNNING if it is closed already.
   */
  close(callback?: () => void): this {
    if (typeof callback === "function") this.on("close", callback);
    const state = udpStateOf(this);
    if (state.queue) {
      state.queue.push(() => this.close());
      return this;
    }
    // If something throws, the socket is open still, and can be closed.
    runningUdpEndpoint(this).close();
    if (state.isReferenced) state.engine.resources.remove();
    state.isReferenced = false;
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
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED if it has none.
   */
  remoteAddress(): AddressInfo {
    const endpoint = runningUdpEndpoint(this);
    if (udpStateOf(this).connectState !== "connected") throw notConnected();
    const address = endpoint.remoteAddress();
    if (typeof address === "number") throw engineOf(this).errors.ofCall(-address, "getpeername");
    return address;
  }

  /** Lets the bound socket keep the process alive. This is the default. */
  ref(): this {
    setReferenced(this, true);
    return this;
  }

  /** Lets the process end while the socket is open. */
  unref(): this {
    setReferenced(this, false);
    return this;
  }

  /**
   * Stops receiving until {@linkcode Socket.resume}. Datagrams wait in the kernel's receive buffer; if that is full, the kernel drops
   * them ({@linkcode Socket.getDropCount}). Not in Node. Network errors wait as well. Sending goes on. The socket keeps the process
   * alive as before. Datagrams that the socket has already received are delivered after `resume()`.
   *
   * `on` of `node:events` calls both, so it holds at most `highWaterMark` + 1 messages.
   *
   * @example
   * ```ts
   * import { on } from "node:events";
   *
   * socket.send("hello", port, address);
   * for await (const [message] of on(socket, "message", { highWaterMark: 100, lowWaterMark: 10 })) {
   *   console.log(message.toString()); // hello
   *   break;
   * }
   * ```
   */
  pause(): this {
    pausing.pause(this);
    return this;
  }

  /** Resumes receiving after {@linkcode Socket.pause}. Not in Node. */
  resume(): this {
    pausing.resume(this);
    return this;
  }

  /** Whether the socket is paused ({@linkcode Socket.pause}). Not in Node. */
  isPaused(): boolean {
    return pausing.isPaused(this);
  }

  /**
   * Iterates over the datagrams that are received from the first step on, as `[message, remote]`. Not in Node.
   *
   * Datagrams that are received between two steps wait in a queue. If it holds 64, the socket is paused until most of them are taken;
   * only the kernel may drop datagrams then. The iteration ends when the socket is closed, and throws the socket's `'error'`, in each
   * case after the datagrams before. `break` does not close the socket. Each iterator and each listener gets every datagram.
   *
   * @example
   * ```ts
   * socket.send("hello", port, address);
   * for await (const [message, remote] of socket) {
   *   console.log(`${message} from ${remote.address}`); // hello from 127.0.0.1
   *   break;
   * }
   * ```
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<SocketEvents["message"], undefined, void> {
    return new DatagramIterator<SocketEvents["message"]>(this);
  }

  /**
   * What the socket has done since it was made: datagrams and bytes, system calls, messages that failed, datagrams that the kernel has
   * dropped, and what it could not do as it was tried first. Not in Node.
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

  /** The number of bytes that were sent and that the kernel has not taken yet. */
  getSendQueueSize(): number {
    return runningUdpEndpoint(this).sendQueue.size;
  }

  /** The number of messages that were sent and that the kernel has not taken yet. */
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
   * Binds the socket to one interface (SO_BINDTODEVICE; IP_BOUND_IF and IPV6_BOUND_IF on macOS). Best called before
   * `bind()`. Not in Node.
   *
   * @param device The interface's name. Undefined, null or empty: any interface.
   * @returns True.
   * @throws {Error} ENODEV if there is no such interface; EPERM if the system requires a privilege (Linux: CAP_NET_RAW, to change
   * an interface that is set).
   */
  bindToDevice(device?: string | null): true {
    return solSocket.bindToDevice(this, device);
  }

  /**
   * Sets the priority of what is sent (SO_PRIORITY, Linux), by which the device's queueing discipline sorts packets. It
   * is also the priority of a VLAN's frames. Not in Node. {@linkcode Socket.setTOS} also changes it.
   *
   * @param priority 0 to 6; with CAP_NET_ADMIN or (since Linux 5.17) CAP_NET_RAW up to 2147483647.
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
   * Sets the mark of what is sent (SO_MARK, Linux), which routing rules (`ip rule add fwmark`) and firewalls can match. Not in Node.
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
   * Lets the kernel poll the device's queue for a while if there is nothing to receive, instead of waiting for an
   * interrupt (SO_BUSY_POLL, Linux 3.11): less delay for more load. Requires support by the driver. Not in Node.
   *
   * @param microseconds How long to poll, 0 to 2147483647; 0 turns it off.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EPERM on older kernels for a longer time than the socket has (at first net.core.busy_read) without
   * CAP_NET_ADMIN. Linux 6.18 requires no privilege.
   */
  setBusyPoll(microseconds: number): true {
    return solSocket.setBusyPoll(this, microseconds);
  }

  /** How many microseconds the kernel polls the device's queue (SO_BUSY_POLL, Linux 3.11). Not in Node. */
  getBusyPoll(): number {
    return solSocket.getBusyPoll(this);
  }

  /**
   * The sizes and contents of the socket's buffers in the kernel (SO_MEMINFO, Linux 4.12). Not in Node.
   *
   * @throws {Error} ENOPROTOOPT if the system has no such option.
   */
  getMemoryInfo(): MemoryInfo {
    return solSocket.getMemoryInfo(this);
  }

  /**
   * The number of datagrams for this socket that the kernel has dropped since the socket was created: because the receive buffer was
   * full, the checksum was wrong, or a filter said so (SO_MEMINFO, Linux 4.12). Not in Node.
   *
   * Datagrams that the kernel has coalesced (`gro`) and drops together count once. With `gro: false` the count is exact.
   *
   * @returns 0 to 4294967295, then 0 again.
   * @throws {Error} ENOPROTOOPT if the system has no such option.
   */
  getDropCount(): number {
    return solSocket.getDropCount(this);
  }

  /**
   * The size in bytes of the datagram that is received next (SIOCINQ; SO_NREAD on macOS). 0 if none waits, or if it is empty.
   * Not in Node.
   */
  getNextDatagramSize(): number {
    return solSocket.getNextDatagramSize(this);
  }

  /**
   * The number of bytes that the kernel has taken and the device has not sent yet (SIOCOUTQ; SO_NWRITE on macOS). On Linux it
   * includes the kernel's overhead for each packet. Not in Node. See {@linkcode Socket.getSendQueueSize} for what the kernel has not taken yet.
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
   * Sets the TTL, in IPv6 called hop limit: how many routers a datagram may pass (IP_TTL, IPV6_UNICAST_HOPS).
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
   * (RFC 2474) and the ECN in the lower two (RFC 3168). Node has it on sockets of `net` only. Linux also
   * sets the priority ({@linkcode Socket.setPriority}) from it.
   *
   * @param tos 0 to 255.
   * @returns True.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   */
  setTOS(tos: number): true {
    return ip.setTOS(this, tos);
  }

  /** The type of service, or traffic class, of what is sent: 0 to 255. */
  getTOS(): number {
    return ip.getTOS(this);
  }

  /**
   * Sets the differentiated services codepoint of what is sent (RFC 2474): the upper six bits of {@linkcode Socket.setTOS}, whose
   * other two bits do not change. Not in Node.
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
   * Sets the explicit congestion notification of what is sent (RFC 3168): the lower two bits of {@linkcode Socket.setTOS}, whose
   * other six bits do not change. Not in Node.
   *
   * @param ecn 0: not ECN-capable; 1: ECT(1); 2: ECT(0); 3: congestion experienced.
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
   * Sets what happens to datagrams that are larger than the path's MTU (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER; Linux). Not in Node.
   *
   * @param mode The header's name without IP_PMTUDISC_: {@linkcode PathMtuDiscovery}.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE.
   * @throws {Error} ENOPROTOOPT on macOS, which has only {@linkcode Socket.setDontFragment}.
   */
  setMTUDiscover(mode: PathMtuDiscovery): true {
    return ip.setMTUDiscover(this, mode);
  }

  /** What happens to datagrams that are larger than the path's MTU (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER; Linux). Not in Node. */
  getMTUDiscover(): PathMtuDiscovery {
    return ip.getMTUDiscover(this);
  }

  /**
   * Sets whether fragmentation is forbidden: then IPv4 datagrams have the don't-fragment bit, and IPv6 ones no fragment header. A
   * datagram that is larger than the path's MTU, if that is known, fails with EMSGSIZE. Sets the mode `DO` of
   * {@linkcode Socket.setMTUDiscover}, or `WANT` if `flag` is false; on macOS IP_DONTFRAG and IPV6_DONTFRAG. Not in Node.
   *
   * @returns True.
   */
  setDontFragment(flag: boolean): true {
    return ip.setDontFragment(this, flag);
  }

  /** Whether fragmentation is forbidden: the modes `DO` and `PROBE`. Not in Node. */
  getDontFragment(): boolean {
    return ip.getDontFragment(this);
  }

  /**
   * The MTU of the path to the peer, if the kernel knows it (IP_MTU on Linux, IPV6_PATHMTU). Without a peer, use `recvNetworkErrors`:
   * its errors have the MTU. Not in Node.
   *
   * @returns The size in bytes. It includes the IP and UDP headers: 28 bytes for IPv4 and 48 for IPv6 without options.
   * @throws {Error} ENOTCONN if there is no peer; ENOPROTOOPT for IPv4 on macOS.
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
   * Makes the socket that of a transparent proxy (IP_TRANSPARENT, IPV6_TRANSPARENT; Linux): it can be bound to any address, and
   * receives what a firewall rule (TPROXY) redirects to it. Also an option of `createSocket`. Not in Node.
   *
   * @returns True.
   * @throws {Error} EPERM without CAP_NET_ADMIN or CAP_NET_RAW.
   */
  setTransparent(flag: boolean): true {
    return ip.setTransparent(this, flag);
  }

  /** Whether the socket is that of a transparent proxy (IP_TRANSPARENT, IPV6_TRANSPARENT; Linux). Not in Node. */
  getTransparent(): boolean {
    return ip.getTransparent(this);
  }

  /**
   * Enables `'networkError'` events, also on a socket without a peer: ICMP errors, and this host's own refusals, of what was
   * sent (IP_RECVERR, IPV6_RECVERR; Linux). On a connected socket they replace `'error'` with ECONNREFUSED. No datagram is lost
   * by it: if the kernel refuses one because of another one's error, it is sent again. Errors wait in the receive buffer: if that is full, the
   * kernel drops them ({@linkcode Socket.getErrorQueueOverruns}). While it is enabled, messages go to the kernel one by one, as
   * one error would stand for several. Also an option of `createSocket`. Not in Node.
   *
   * @returns True.
   * @throws {Error} ENOPROTOOPT on macOS.
   */
  setRecvNetworkErrors(flag: boolean): true {
    return ip.setRecvNetworkErrors(this, flag);
  }

  /** Whether `'networkError'` events are enabled (IP_RECVERR, IPV6_RECVERR; Linux). Not in Node. */
  getRecvNetworkErrors(): boolean {
    return ip.getRecvNetworkErrors(this);
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
   * Sets the TTL, or hop limit, of multicast datagrams (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS).
   *
   * @param ttl 0 to 255; 0 keeps it on this host.
   * @returns `ttl`.
   * @throws {Error} EINVAL outside that range, EBADF before the socket is bound.
   */
  setMulticastTTL(ttl: number): number {
    return multicast.setMulticastTTL(this, ttl);
  }

  /**
   * Sets whether multicast datagrams are also delivered on this host (IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP).
   *
   * @returns `flag`.
   * @throws {Error} EBADF before the socket is bound.
   */
  setMulticastLoopback(flag: boolean): boolean {
    return multicast.setMulticastLoopback(this, flag);
  }

  /**
   * Sets the outgoing interface of multicast datagrams (IP_MULTICAST_IF, IPV6_MULTICAST_IF).
   *
   * @param multicastInterface For IPv4 one of the interface's addresses; for IPv6 any address followed by `%` and the interface's
   * name or number; or (unlike in Node) the interface's name. With `0.0.0.0` or `::` the system chooses.
   * @returns True. (Node: nothing.)
   * @throws {Error} EINVAL if it is none of these (if the zone of an address names no interface, the system chooses, as in Node);
   * EBADF before the socket is bound; or the kernel's error, such as ENOPROTOOPT for an IPv6 address on an IPv4 socket.
   */
  setMulticastInterface(multicastInterface: string): true {
    return multicast.setMulticastInterface(this, multicastInterface);
  }

  /**
   * Joins a multicast group (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP). An unbound socket is bound first.
   *
   * @param multicastAddress The group. An IPv6 socket that is not `ipv6Only` can also join IPv4 groups.
   * @param multicastInterface The interface, as in {@linkcode Socket.setMulticastInterface}. By default the system chooses.
   * @returns True. (Node: nothing.)
   * @throws {Error} EINVAL for an invalid address or a name that no interface has; EADDRINUSE if the group is joined already; ENODEV for
   * an IPv4 address that no interface has.
   */
  addMembership(multicastAddress: string, multicastInterface?: string): true {
    return multicast.addMembership(this, multicastAddress, multicastInterface);
  }

  /**
   * Leaves a multicast group (IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP). Closing the socket does so as well.
   *
   * @param multicastAddress The group.
   * @param multicastInterface The interface. By default, as in Node: for IPv4 the one that the system chooses, as when joining; for
   * IPv6 the one on which the group was joined last.
   * @returns True. (Node: nothing.)
   * @throws {Error} EADDRNOTAVAIL if the group was not joined.
   */
  dropMembership(multicastAddress: string, multicastInterface?: string): true {
    return multicast.dropMembership(this, multicastAddress, multicastInterface);
  }

  /**
   * Joins a source-specific channel: only what one host sends to the group (IP_ADD_SOURCE_MEMBERSHIP,
   * MCAST_JOIN_SOURCE_GROUP; RFC 4607). An unbound socket is bound first.
   *
   * If sources of one IPv6 group are joined on several interfaces, Linux does not distinguish them by interface: the last one
   * joined applies to all.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface, as in {@linkcode Socket.setMulticastInterface}. By default the system chooses.
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
   * @param multicastInterface The interface. Defaults to that of a channel that was joined without one.
   * @returns True. (Node: nothing.)
   */
  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return multicast.dropSourceSpecificMembership(this, sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Joins a multicast group on all interfaces that have an address of its protocol, also on those that are added later: interfaces are
   * checked every two seconds, which does not keep the process alive. Not in Node. An unbound socket is bound first. In Deno it requires
   * `--allow-sys=networkInterfaces`.
   *
   * @example
   * ```ts
   * socket.bind(5353, () => socket.addMembershipOnAllInterfaces("224.0.0.251"));
   * ```
   *
   * @param multicastAddress The group.
   * @returns True.
   * @throws {Error} The errno of the first interface that refuses, such as EINVAL for an address that is not a group, or ENOBUFS for too
   * many memberships (Linux: net.ipv4.igmp_max_memberships, 20). Then the group is joined on none. If the program has joined the group
   * on an interface itself, that is not an error.
   */
  addMembershipOnAllInterfaces(multicastAddress: string): true {
    return allInterfaces.addMembershipOnAllInterfaces(this, multicastAddress);
  }

  /**
   * Leaves a group that was joined on all interfaces. Not in Node. Memberships of {@linkcode Socket.addMembership} remain.
   *
   * @param multicastAddress The group.
   * @returns True.
   * @throws {Error} EADDRNOTAVAIL if it was not joined on all interfaces.
   */
  dropMembershipOnAllInterfaces(multicastAddress: string): true {
    return allInterfaces.dropMembershipOnAllInterfaces(this, multicastAddress);
  }

  /**
   * Sets whether the socket receives all groups that any socket of this host has joined (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL;
   * Linux), which is the default, or only those that it has joined itself. Not in Node.
   *
   * @returns True.
   * @throws {Error} ENOPROTOOPT before Linux 2.6.31, for IPv6 before 4.20, and on macOS, where sockets receive what they joined.
   */
  setMulticastAll(flag: boolean): true {
    return multicast.setMulticastAll(this, flag);
  }

  /** Whether the socket receives groups that it has not joined itself (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL; Linux). Not in Node. */
  getMulticastAll(): boolean {
    return multicast.getMulticastAll(this);
  }

  /**
   * Blocks one sender of a group that was joined by {@linkcode Socket.addMembership} (IP_BLOCK_SOURCE, MCAST_BLOCK_SOURCE;
   * RFC 3678). Not in Node.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface, as it was joined on.
   * @returns True.
   * @throws {Error} EINVAL if the group was not joined; EADDRNOTAVAIL if the source is blocked already.
   */
  blockSource(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return multicast.blockSource(this, sourceAddress, groupAddress, multicastInterface);
  }

  /**
   * Unblocks a sender of a group (IP_UNBLOCK_SOURCE, MCAST_UNBLOCK_SOURCE; RFC 3678). Not in Node.
   *
   * @param sourceAddress The sender.
   * @param groupAddress The group.
   * @param multicastInterface The interface, as it was joined on.
   * @returns True.
   * @throws {Error} EADDRNOTAVAIL or EINVAL if it is not blocked.
   */
  unblockSource(sourceAddress: string, groupAddress: string, multicastInterface?: string): true {
    return multicast.unblockSource(this, sourceAddress, groupAddress, multicastInterface);
  }

  // Metadata of each datagram: control messages of recvmsg(2) and sendmsg(2). Not in Node.

  /**
   * Enables the address each datagram was sent to, and the interface it arrived on: `localAddress`, `interfaceIndex`, `interfaceName`
   * (IP_PKTINFO, IPV6_RECVPKTINFO).
   *
   * @returns True.
   */
  setRecvLocalAddress(flag: boolean): true {
    return metadata.setRecvLocalAddress(this, flag);
  }

  /**
   * Enables the address and port that each datagram was originally sent to: `originalAddress`, `originalPort` (IP_RECVORIGDSTADDR,
   * IPV6_RECVORIGDSTADDR; Linux 2.6.29, for IPv6 2.6.37). A transparent proxy ({@linkcode Socket.setTransparent}) needs them, as a
   * firewall rule may have redirected the datagram to the proxy's address.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setRecvOriginalAddress(flag: boolean): true {
    return metadata.setRecvOriginalAddress(this, flag);
  }

  /**
   * Enables the TTL, or hop limit, that each datagram arrived with: `ttl` (IP_RECVTTL, IPV6_RECVHOPLIMIT).
   *
   * @returns True.
   */
  setRecvTTL(flag: boolean): true {
    return metadata.setRecvTTL(this, flag);
  }

  /**
   * Enables the type of service, or traffic class, of each datagram: `tos`, `dscp`, `ecn` (IP_RECVTOS, IPV6_RECVTCLASS).
   *
   * @returns True.
   */
  setRecvTOS(flag: boolean): true {
    return metadata.setRecvTOS(this, flag);
  }

  /**
   * Enables the time at which the kernel received each datagram: `timestamp`, and `hardwareTimestamp` if the device makes them
   * (SO_TIMESTAMPNS, SO_TIMESTAMPING; on macOS SO_TIMESTAMP, in whole microseconds). A device makes them once it is configured to,
   * for example by `hwstamp_ctl` of linuxptp.
   *
   * @returns True.
   */
  setRecvTimestamp(flag: boolean): true {
    return metadata.setRecvTimestamp(this, flag);
  }

  /**
   * Enables whether each datagram or its metadata was truncated: `truncated`, `controlTruncated` (MSG_TRUNC, MSG_CTRUNC).
   *
   * @returns True.
   */
  setRecvTruncated(flag: boolean): true {
    return metadata.setRecvTruncated(this, flag);
  }

  /**
   * Enables the size of coalesced datagrams: `segmentSize` (UDP_GRO).
   *
   * @returns True.
   */
  setRecvSegmentSize(flag: boolean): true {
    return metadata.setRecvSegmentSize(this, flag);
  }

  /**
   * Enables the number of datagrams that the socket had lost when each one arrived: `dropCount` (SO_RXQ_OVFL, Linux). So that each
   * one counts, the kernel coalesces no datagrams (`gro`) meanwhile.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setRecvDropCount(flag: boolean): true {
    return metadata.setRecvDropCount(this, flag);
  }

  /**
   * Enables `'sendTimestamp'` events ({@linkcode SendTimestamp}), which report when each datagram left (SO_TIMESTAMPING, Linux).
   * Meanwhile messages go to the kernel one by one. Timestamps wait in the receive buffer: if that is full, one may be missing.
   *
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS.
   */
  setSendTimestamp(flag: boolean): true {
    return metadata.setSendTimestamp(this, flag);
  }

  /**
   * Sets the clock of `txTime` in {@linkcode SendControls} (SO_TXTIME, Linux 4.19). Not an option of `createSocket`.
   *
   * @param clock The clock of the queueing discipline: `monotonic` for `fq`, mostly `tai` for `etf`.
   * @returns True.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on macOS; ERR_INVALID_ARG_VALUE.
   * @throws {Error} EPERM for another clock than `monotonic` without CAP_NET_ADMIN.
   */
  setTxTimeClock(clock: ClockName): true {
    return metadata.setTxTimeClock(this, clock);
  }

  // Filters in the kernel.

  /**
   * Attaches a classic BPF program that decides which datagrams the kernel drops before they reach the socket (SO_ATTACH_FILTER,
   * Linux). Not in Node. `tcpdump -dd` prints such programs, but for packets that start with their Ethernet header.
   *
   * The program runs on each datagram, from its UDP header on: the payload is at offset 8, the IP header at SKF_NET_OFF. It
   * returns how many bytes to keep, from the UDP header on: 0 drops the datagram, 4294967295 keeps all of it. So that it sees
   * each datagram, the kernel coalesces none (`gro`) while a filter is attached. The program replaces a filter that is
   * attached already. Datagrams that wait already are not filtered: attach it before `bind()` to filter all.
   *
   * @param program 1 to 4096 instructions; jumps must not lead out of it, and the last one must be a BPF_RET.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EINVAL for a program that the kernel rejects; EPERM if a filter is locked; ENOMEM for more than
   * net.core.optmem_max; ENOPROTOOPT on macOS.
   */
  attachFilter(program: readonly FilterInstruction[]): true {
    return packetFilters.attachFilter(this, program);
  }

  /**
   * Detaches the filter (SO_DETACH_FILTER).
   *
   * @returns True.
   * @throws {Error} ENOENT if there is none; EPERM if it is locked.
   */
  detachFilter(): true {
    return packetFilters.detachFilter(this);
  }

  /**
   * Locks the filter: from now on it can be neither replaced nor detached, not even by this socket
   * (SO_LOCK_FILTER, Linux 3.9).
   *
   * @returns True.
   */
  lockFilter(): true {
    return packetFilters.lockFilter(this);
  }

  /**
   * Attaches a classic BPF program that chooses which of several sockets of one port (`reusePort`) receives a datagram
   * (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5). It is attached to all of them through any one. Not in Node.
   *
   * The program runs on the datagram's payload, which starts at offset 0. It returns the socket's index in the order in which they
   * were bound, from 0; with any other number the kernel chooses as it does without a program. So that it sees each datagram,
   * the kernel coalesces none (`gro`) for the sockets of the port in this thread, also those bound later. Create the sockets of
   * the port in other threads and processes with `gro: false`. Datagrams that a sender on this host sends as one payload (`gso`)
   * go to the socket of the first one.
   *
   * @param program As in {@linkcode Socket.attachFilter}.
   * @returns True.
   * @throws What {@linkcode Socket.attachFilter} throws; EINVAL also before the socket is bound, and without `reusePort`.
   */
  attachReusePortFilter(program: readonly FilterInstruction[]): true {
    return packetFilters.attachReusePortFilter(this, program);
  }

  /**
   * Detaches that program from all sockets of the port (SO_DETACH_REUSEPORT_BPF, Linux 5.3).
   *
   * @returns True.
   * @throws {Error} ENOENT if there is none.
   */
  detachReusePortFilter(): true {
    return packetFilters.detachReusePortFilter(this);
  }

  // Any option.

  /**
   * Reads any option of the socket (getsockopt(2)). Not in Node. Opens the descriptor if there is none yet.
   *
   * @example
   * ```ts
   * console.log(socket.getsockopt("SOL_SOCKET", "SO_RCVLOWAT").readInt32LE()); // 1
   * ```
   *
   * @param level The level: `SOL_SOCKET`, `IPPROTO_IP`, `IPPROTO_IPV6`, `IPPROTO_UDP` (or `SOL_IP` and so on), or its number.
   * @param name The option's header name, such as `SO_RCVLOWAT`, or its number on this system.
   * @param length The maximum number of bytes to read, 0 to 65536. Defaults to 4, an int.
   * @returns The value in the system's byte order, which is little-endian on all supported systems. Shorter than `length` if the
   * option is.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE for a name that is not known (newer options have to be given by number) or that is of
   * another level, and for filters and options of the firewall, whose value holds an address ({@linkcode Socket.attachFilter}).
   * @throws {Error} ENOPROTOOPT for another system's option, or another errno of the kernel; the message has the option's name.
   */
  getsockopt(level: string | number, name: string | number, length = 4): Buffer<ArrayBuffer> {
    return raw.getsockopt(this, level, name, length);
  }

  /**
   * Sets any option of the socket (setsockopt(2)). Not in Node. Opens the descriptor if there is none yet.
   *
   * Do not change what this module sets itself: UDP_GRO, UDP_SEGMENT, IP_RECVERR.
   *
   * @example
   * ```ts
   * socket.setsockopt("SOL_SOCKET", "SO_RCVLOWAT", 1);
   * ```
   *
   * @param level The level, as in {@linkcode Socket.getsockopt}.
   * @param name The option's header name, or its number on this system.
   * @param value An integer from -2147483648 to 4294967295, which is passed as an int; a boolean, which is passed as 0 or 1; or
   * the bytes of the value, at most 65536.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE as in {@linkcode Socket.getsockopt}; ERR_INVALID_ARG_TYPE for any other value.
   * @throws {RangeError} ERR_OUT_OF_RANGE for a number that is not an int, and for too many bytes.
   * @throws {Error} ENOPROTOOPT for another system's option; EPERM if it requires a privilege, which the message names if
   * it is known; or another errno of the kernel.
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
  const policy = addressPolicyOf(network, checked);
  const endpoint = new UdpEndpoint(engine, version, checked.offload, policy, socket);
  endpoint.limitSendQueue(checked.sendQueueLimit);
  attach(socket, new UdpState(socket, engine, endpoint, checked, policy));
  for (const detail of checked.details) endpoint.ancillaryData.setDetail(detail, true);
  if (checked.sendTimestamp) socket.setSendTimestamp(true);
  if (typeof listener === "function") socket.on("message", listener);
  try {
    if (fd !== undefined) adoptAtCreation(socket, endpoint, fd);
    else applyOptions(socket);
    setReferenced(socket, true);
    closeOnAbort(socket, checked.signal);
  } catch (error) {
    setReferenced(socket, false);
    udpStateOf(socket).endpoint = undefined;
    endpoint.undo(fd !== undefined);
    throw error;
  }
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

/** Apart from `send()`, which V8 includes in its caller if it is short. */
function sendParsed(socket: Socket, message: SendArguments): void {
  runningUdpEndpoint(socket);
  if (message.controls) dispatcherOf(socket).check(message);
  bindIfUnbound(socket);
  if (udpStateOf(socket).bindState === "bound") sendNow(socket, message);
  else enqueue(socket, () => sendNow(socket, message));
}

function sendNow(socket: Socket, message: SendArguments): void {
  runningUdpEndpoint(socket);
  dispatcherOf(socket).send(message, udpStateOf(socket).connectState === "connecting");
}

function shown(socket: Socket): Shown {
  const { bindState, connectState, endpoint } = udpStateOf(socket);
  const [local, remote] = [endpoint!.localAddress(), endpoint!.remoteAddress()];
  return {
    state: connectState === "disconnected" ? bindState : connectState,
    address: typeof local === "number" || local.port === 0 ? undefined : hostPort(local),
    peer: typeof remote === "number" ? undefined : hostPort(remote),
  };
}

makeInspectable(Socket.prototype, "Socket", (socket) => describeSocket(socket, () => shown(socket)));

// The binding of a class is a variable. `extends`, `new` and the types see no difference; `Socket.call(this)` works as well.
// @ts-expect-error: TypeScript takes it for a constant.
// deno-lint-ignore no-class-assign
Socket = callableClass(Socket, initialize);
