/**
 * A UDP socket whose operations return promises.
 *
 * @module
 */
import { setImmediate } from "../../ffi/runtimes/process.ts";
import { ipVersionOf, LOOPBACK } from "../../ffi/wire/inet.ts";
import { DatagramIterator } from "../endpoint/iteration.ts";
import { endpointOf } from "../endpoint/socket_state.ts";
import { aborted, invalidArgType, notConnected, notRunning } from "../errors/node_errors.ts";
import {
  validateBoolean,
  validateFunction,
  validateInteger,
  validateObject,
  validatePort,
} from "../errors/validate.ts";
import { addressText, resolve as lookUp } from "../integration/lookup.ts";
import type { MessageBatch } from "../receiving/message_batch.ts";
import { payloadOf } from "../sending/arguments.ts";
import { ownCopy } from "../sending/payload.ts";
import type { AddressedMessage, Bytes, SendManyError, SendManyOptions, SendOptions } from "../sending/types.ts";
import { Socket as EventSocket } from "../socket/socket.ts";
import { udpStateOf } from "../socket/state.ts";
import type { AddressInfo, AdoptOptions, BindOptions, SocketOptions, SocketType } from "../socket/types.ts";
import { pauseWhileIdle, Receivers } from "./receivers.ts";
import { type CheckedRequest, type Datagram, type RequestOptions, Requests } from "./requests.ts";
import { type Abortable, abortable, closing, signalOf, untilEvent, whileOpen } from "./settle.ts";

/**
 * The destination: options of `connect()`.
 *
 * @example
 * ```ts
 * import type { ConnectOptions } from "@dgram/ffi/promises";
 *
 * const options: ConnectOptions = { port, address, signal: AbortSignal.timeout(5000) };
 * await socket.connect(options);
 * console.log(socket.remoteAddress().address); // 127.0.0.1
 * ```
 */
export interface ConnectOptions extends Abortable {
  /** The port, 1 to 65535. */
  port: number;
  /** An IP address or a host name. Defaults to the loopback address. */
  address?: string | undefined;
}

/**
 * The options of `bind()`, and a signal.
 *
 * @example
 * ```ts
 * import type { BindPromiseOptions } from "@dgram/ffi/promises";
 *
 * const options: BindPromiseOptions = { port: 0, address: "127.0.0.1", signal: AbortSignal.timeout(5000) };
 * await socket.bind(options);
 * console.log(socket.address().address); // 127.0.0.1
 * ```
 */
export interface BindPromiseOptions extends BindOptions, Abortable {}

/**
 * Why not all of several messages could be sent: {@linkcode SendManyError}, and how many were.
 *
 * @example
 * ```ts
 * import type { SendManyRejection } from "@dgram/ffi/promises";
 *
 * try {
 *   await socket.sendMany(["short", new Uint8Array(70_000)], port, address);
 * } catch (error) {
 *   const { code, index, sent } = error as SendManyRejection & { code: string };
 *   console.log(code, index, sent); // EMSGSIZE 1 1
 * }
 * ```
 */
export interface SendManyRejection extends SendManyError {
  /** The number of messages that were sent. */
  sent: number;
}

/**
 * A UDP socket whose operations return promises. It uses a socket of the main entry ({@linkcode Socket.socket}).
 *
 * It receives only while datagrams are wanted: by an iteration, `receive()`, `request()`, or a listener of `'message'`
 * or `'messages'`. Otherwise datagrams wait in the kernel's receive buffer, which drops them if it is full.
 *
 * @example
 * ```ts
 * import { createSocket, type Socket } from "@dgram/ffi/promises";
 *
 * async function echo(server: Socket) {
 *   for await (const [message, remote] of server) await server.send(message, remote.port, remote.address);
 * }
 *
 * const server = createSocket("udp4");
 * await server.bind(0, "127.0.0.1");
 * const serving = echo(server);
 * await using client = createSocket("udp4");
 * const [answer] = await client.request("hello", server.address());
 * console.log(answer.toString()); // hello
 * await server.close(); // Ends the loop.
 * await serving;
 * ```
 */
export class Socket implements AsyncDisposable, AsyncIterable<Datagram> {
  /** The socket of the main entry, for its events and all methods that are not here. */
  readonly socket: EventSocket;
  readonly #requests: Requests;
  readonly #receivers: Receivers<Datagram>;
  #binding: Promise<AddressInfo> | undefined;

  /** Use {@linkcode createSocket} to create a socket. */
  constructor(options: SocketType | SocketOptions | AdoptOptions) {
    const socket = this.socket = new EventSocket(options);
    this.#requests = new Requests(socket);
    this.#receivers = new Receivers(socket);
    pauseWhileIdle(socket);
  }

  /** The number of the socket's descriptor; -1 if it has none. */
  get fd(): number {
    return this.socket.fd;
  }

  /**
   * Binds the socket.
   *
   * @param port If it is 0 or omitted, the system selects one.
   * @param address An IP address or a host name. Defaults to all local addresses.
   * @returns The local address.
   * @throws {Error} As a rejection, like all errors here: what `bind()` of the main entry throws or emits. After an
   * AbortError the socket may still become bound.
   */
  bind(port?: number, address?: string, options?: Abortable): Promise<AddressInfo>;
  /** Binds with options. */
  bind(options: BindPromiseOptions): Promise<AddressInfo>;
  async bind(where?: number | BindPromiseOptions, address?: string, options?: Abortable): Promise<AddressInfo> {
    const isOptions = where !== null && typeof where === "object";
    const signal = signalOf(isOptions ? where : options);
    const { socket } = this;
    const start = (): void => void (isOptions ? socket.bind(where) : socket.bind(where, address));
    return await untilEvent(socket, "listening", signal, start, () => socket.address());
  }

  /**
   * Connects the socket. Binds it first if it is unbound.
   *
   * @param port 1 to 65535.
   * @param address An IP address or a host name. Defaults to the loopback address.
   * @returns The peer's address.
   */
  connect(port: number, address?: string, options?: Abortable): Promise<AddressInfo>;
  /** Connects with options. */
  connect(options: ConnectOptions): Promise<AddressInfo>;
  async connect(where: number | ConnectOptions, address?: string, options?: Abortable): Promise<AddressInfo> {
    const isOptions = where !== null && typeof where === "object";
    const signal = signalOf(isOptions ? where : options);
    const to = isOptions ? where : { port: where, address };
    const { socket } = this;
    const start = (fail: (error: unknown) => void): void => {
      socket.connect(to.port, to.address, (error) => {
        if (error) fail(error);
      });
    };
    return await untilEvent(socket, "connect", signal, start, () => socket.remoteAddress());
  }

  /**
   * Sends a datagram. Binds the socket first if it is unbound. The bytes are copied before this returns.
   *
   * @param message Bytes, text (as UTF-8), or an array of both.
   * @param port The destination's port; not on a connected socket.
   * @param address An IP address or a host name. Defaults to the loopback address.
   * @returns The number of bytes that were sent.
   */
  send(message: Bytes | readonly Bytes[], port?: number, address?: string): Promise<number>;
  /** Sends with options. If the signal is aborted before the message was sent, the message is canceled. */
  send(message: Bytes | readonly Bytes[], options: SendOptions): Promise<number>;
  async send(message: Bytes | readonly Bytes[], port?: number | SendOptions, address?: string): Promise<number> {
    const options = optionsOf<SendOptions>(port, address);
    const signal = signalOf(options);
    const bytes = ownCopy(payloadOf(message));
    if (!this.#isBound) await this.#bound(signal);
    const isName = Boolean(options.address) && ipVersionOf(`${options.address}`) === 0;
    if (isName || udpStateOf(this.socket).options.sendBlockList) return this.#sendToName(bytes, options, signal);
    return this.#sendNow(bytes, options, signal);
  }

  /**
   * Uses `sendMany()`, whose callback is always called. `send()` does not call its callback if the socket is closed
   * meanwhile.
   */
  #sendNow(message: Uint8Array, options: SendOptions, signal: AbortSignal | undefined): Promise<number> {
    const { signal: _, ...where } = options;
    const isAddressed = where.port !== undefined || where.address !== undefined;
    return abortable(undefined, (resolve, reject) => {
      const messages = isAddressed || Object.keys(where).length > 0 ? [{ ...where, message }] : [message];
      this.socket.sendMany(messages, { signal }, (error) => {
        if (!error) return resolve(message.length);
        Reflect.deleteProperty(error, "index");
        reject(error);
      });
    });
  }

  #sendToName(message: Uint8Array, options: SendOptions, signal: AbortSignal | undefined): Promise<number> {
    const { socket } = this;
    return abortable(signal, (resolve, reject) => {
      const closed = (): void => reject(notRunning());
      socket.on("close", closed);
      const done = (error: Error | null, bytes: number): void => {
        socket.removeListener("close", closed);
        if (error) reject(error);
        else resolve(bytes);
      };
      try {
        socket.send(message, options, done);
      } catch (error) {
        done(error as Error, 0);
      }
    });
  }

  /**
   * Sends several datagrams, like `sendMany()` of the main entry.
   *
   * @param messages Bytes, text, or objects with a message and a destination; or a batch.
   * @param port The destination of those that have none.
   * @param address Its IP address. Defaults to the loopback address.
   * @returns The number of messages, which were all sent.
   * @throws {SendManyRejection} As a rejection: the error of the first message that failed, and the number that were
   * sent.
   */
  sendMany(
    messages: MessageBatch | readonly (Bytes | AddressedMessage)[],
    port?: number,
    address?: string,
  ): Promise<number>;
  /** Sends several with options. If the signal is aborted, messages that were not sent yet are canceled. */
  sendMany(
    messages: MessageBatch | readonly (Bytes | AddressedMessage)[],
    options: SendManyOptions,
  ): Promise<number>;
  async sendMany(
    messages: MessageBatch | readonly (Bytes | AddressedMessage)[],
    port?: number | SendManyOptions,
    address?: string,
  ): Promise<number> {
    const options = optionsOf<SendManyOptions>(port, address);
    signalOf(options);
    // Bound within the call, as then the messages are copied before it returns.
    if (!this.#isBound && udpStateOf(this.socket).bindState === "unbound") this.socket.bindSync();
    return await abortable<number>(undefined, (resolve, reject) => {
      const failed = (error: Error): void => done(Object.assign(error, { index: 0 }) as SendManyError, 0);
      const done = (error: SendManyError | null, sent: number): void => {
        this.socket.removeListener("error", failed);
        if (error) reject(Object.assign(error, { sent }));
        else resolve(sent);
      };
      // If a pending bind fails, no callback is called.
      if (!this.#isBound) this.socket.on("error", failed);
      try {
        this.socket.sendMany(messages, options, done);
      } catch (error) {
        this.socket.removeListener("error", failed);
        throw error;
      }
    });
  }

  /**
   * Waits for the next datagram. Each call gets one datagram, in order.
   *
   * @param options.signal Ends the wait if it is aborted. The datagram then goes to the next call.
   * @returns `[message, remote]`.
   * @throws {Error} As a rejection: the socket's error; ERR_SOCKET_DGRAM_NOT_RUNNING once it is closed.
   */
  receive(options?: Abortable): Promise<Datagram> {
    return this.#receivers.receive(options);
  }

  /** Iterates over the datagrams, like the socket of the main entry: `[message, remote]`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Datagram, undefined, void> {
    return new DatagramIterator<Datagram>(this.socket);
  }

  /**
   * Sends a request and waits for its answer. Without an answer it is sent again, after intervals that double (RFC
   * 8085).
   *
   * The answer is the first datagram from the destination's address and port that `match` accepts. If the protocol
   * numbers its requests, compare the number in `match`: otherwise a late answer to an earlier request is taken for
   * this one's. A datagram that arrived before the request is sent is not an answer, and is dropped unless there are
   * other listeners or requests. Several requests may wait at once.
   *
   * On Linux this enables `setRecvNetworkErrors`, so that an unconnected socket is also notified of a closed port.
   *
   * @example
   * ```ts
   * const query = Uint8Array.of(7, 1);
   * const [answer] = await socket.request(query, {
   *   port,
   *   address,
   *   match: (message) => message[0] === query[0],
   * });
   * console.log(answer.length); // 2
   * ```
   *
   * @returns The answer, as `[message, remote]`.
   * @throws {Error} As a rejection: ETIMEDOUT if there is no answer, with the network's last error, if any, as its
   * `cause`; ECONNREFUSED if no socket is bound to the port; an error of sending; an AbortError; what `match` throws.
   */
  async request(message: Bytes | readonly Bytes[], options: RequestOptions = {}): Promise<Datagram> {
    const signal = signalOf(options);
    const { timeout = 1000, retries = 3, match, anySource = false } = options;
    validateInteger(timeout, "options.timeout", 1, 2 ** 31 - 1);
    validateInteger(retries, "options.retries", 0, 64);
    if (match !== undefined) validateFunction(match, "options.match");
    validateBoolean(anySource, "options.anySource");
    const bytes = ownCopy(payloadOf(message));
    const { port, address, signal: _, timeout: __, retries: ___, match: ____, anySource: _____, ...controls } = options;
    if (!this.#isBound) await this.#bound(signal);
    const to = await this.#destination(port, address, signal);
    this.#hearNetwork();
    await this.#dropOld(signal);
    if (signal?.aborted) throw aborted(signal);
    const checked: CheckedRequest = { message: bytes, to, controls, signal, timeout, retries, match, anySource };
    return await this.#requests.run(checked);
  }

  /** @returns An IP address and a port; undefined: the peer. */
  async #destination(
    port: number | undefined,
    address: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<CheckedRequest["to"]> {
    const { socket } = this;
    const state = udpStateOf(socket);
    const endpoint = state.endpoint;
    if (!endpoint) throw notRunning();
    if (port === undefined && address === undefined) {
      if (state.connectState === "connected") return undefined;
      throw notConnected();
    }
    const validPort = validatePort(port, "Port");
    const { version } = endpoint;
    if (!address) return { port: validPort, address: LOOPBACK[version] };
    if (typeof address !== "string") throw invalidArgType("options.address", "of type string", address);
    if (ipVersionOf(address) === version) return { port: validPort, address };
    const found = await whileOpen<string>(socket, signal, (resolve, reject) => {
      lookUp(state.options.lookup, version, address, (error, ip) => {
        if (error) reject(error);
        else resolve(addressText(ip));
      });
    });
    return { port: validPort, address: found };
  }

  #hearNetwork(): void {
    const { socket } = this;
    try {
      if (!socket.getRecvNetworkErrors()) socket.setRecvNetworkErrors(true);
    } catch {
      // The system has no such option. A connected socket is notified of a closed port anyway.
    }
  }

  /** Drops the datagrams in the kernel's receive buffer, which arrived before the request. */
  async #dropOld(signal: AbortSignal | undefined): Promise<void> {
    const { socket } = this;
    const isHeard = (): boolean => this.#requests.areAny || socket.listenerCount("message") > 0;
    if (!endpointOf(socket)) throw notRunning();
    if (isHeard() || socket.listenerCount("messages") > 0 || socket.getNextDatagramSize() === 0) return;
    const drop = (): void => {};
    let isOver = false;
    await whileOpen<void>(socket, signal, (done) => {
      socket.on("message", drop);
      const check = (turns: number): void => {
        if (isOver) return;
        if (turns === MAX_TURNS || !endpointOf(socket) || socket.getNextDatagramSize() === 0) done();
        else setImmediate(check, turns + 1);
      };
      setImmediate(check, 1);
    }, () => {
      isOver = true;
      socket.removeListener("message", drop);
    });
  }

  /**
   * Closes the socket. Does nothing if it is closed.
   *
   * @param options.signal If it is already aborted, the socket is not closed. Later it only ends the wait.
   */
  close(options?: Abortable): Promise<void> {
    return closing(this.socket, options);
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The local address. @throws {Error} EBADF before the socket is bound. */
  address(): AddressInfo {
    return this.socket.address();
  }

  /** The peer's address. @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED */
  remoteAddress(): AddressInfo {
    return this.socket.remoteAddress();
  }

  /** Lets the bound socket keep the process alive. This is the default. */
  ref(): this {
    this.socket.ref();
    return this;
  }

  /** Lets the process end while the socket is open. */
  unref(): this {
    this.socket.unref();
    return this;
  }

  get #isBound(): boolean {
    return udpStateOf(this.socket).bindState === "bound";
  }

  /** Binds the socket, unless that is under way. Several calls wait for the same binding. */
  async #bound(signal: AbortSignal | undefined): Promise<void> {
    const { socket } = this;
    if (!endpointOf(socket)) throw notRunning();
    if (signal?.aborted) throw aborted(signal);
    const isUnderWay = udpStateOf(socket).bindState === "binding";
    const start = (): void => void (isUnderWay || socket.bind());
    const binding = this.#binding ??= untilEvent(socket, "listening", undefined, start, () => socket.address())
      .finally(() => this.#binding = undefined);
    await abortable<AddressInfo>(signal, (resolve, reject) => void binding.then(resolve, reject));
  }
}

/** The most turns of the event loop in which datagrams from before a request are dropped. */
const MAX_TURNS = 64;

/** `(port, address)` or options. */
function optionsOf<Options extends { port?: number | undefined; address?: string | undefined }>(
  port: number | Options | undefined,
  address: string | undefined,
): Options {
  if (port !== null && typeof port === "object") {
    validateObject(port, "options");
    return port;
  }
  return (port === undefined && address === undefined ? {} : { port, address }) as Options;
}
