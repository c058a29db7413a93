/**
 * A Unix datagram socket whose operations return promises.
 *
 * @module
 */
import { DatagramIterator } from "../endpoint/iteration.ts";
import { validateObject } from "../errors/validate.ts";
import type { MessageBatch } from "../receiving/message_batch.ts";
import { payloadOf } from "../sending/arguments.ts";
import { lengthOf } from "../sending/payload.ts";
import type { Bytes, SendManyError } from "../sending/types.ts";
import { UnixSocket as UnixEventSocket } from "../unix/socket.ts";
import type {
  UnixAddress,
  UnixBindOptions,
  UnixMessage,
  UnixSendManyOptions,
  UnixSendOptions,
  UnixSocketEvents,
  UnixSocketOptions,
} from "../unix/types.ts";
import { pauseWhileIdle, Receivers } from "./receivers.ts";
import { type Abortable, abortable, closing, signalOf, untilEvent } from "./settle.ts";

/**
 * A datagram of a Unix socket: the arguments of `'message'` listeners.
 *
 * @example
 * ```ts
 * import type { UnixDatagram } from "@dgram/ffi/promises";
 *
 * function describe([message, { path }]: UnixDatagram) {
 *   return `${message} from "${path}"`;
 * }
 * await left.send("hello");
 * console.log(describe(await right.receive())); // hello from ""
 * ```
 */
export type UnixDatagram = UnixSocketEvents["message"];

/**
 * A Unix datagram socket whose operations return promises. It uses a socket of the main entry ({@linkcode
 * UnixSocket.socket}).
 *
 * It receives only while datagrams are wanted: by an iteration, `receive()`, or a listener of `'message'` or
 * `'messages'`. Otherwise messages wait in the kernel and then with their senders; none is lost. With `recvFds`,
 * descriptors must be taken in a `'message'` listener: those that reach `receive()` or an iteration are closed.
 *
 * @example
 * ```ts
 * import { createSocket } from "@dgram/ffi/promises";
 *
 * await using server = createSocket("unix_dgram");
 * await server.bind("/run/collector.sock");
 * await using client = createSocket("unix_dgram");
 * await client.send("hello", "/run/collector.sock");
 * const [message] = await server.receive();
 * console.log(message.toString()); // hello
 * ```
 */
export class UnixSocket implements AsyncDisposable, AsyncIterable<UnixDatagram> {
  /** The socket of the main entry, for its events and all methods that are not here. */
  readonly socket: UnixEventSocket;
  readonly #receivers: Receivers<UnixDatagram>;

  /** Use {@linkcode createSocket} to create a socket. */
  constructor(options: "unix_dgram" | UnixSocketOptions) {
    this.socket = new UnixEventSocket(options);
    this.#receivers = new Receivers(this.socket);
    pauseWhileIdle(this.socket);
  }

  /** The number of the socket's descriptor; -1 if it has none. */
  get fd(): number {
    return this.socket.fd;
  }

  /**
   * Binds the socket to a path.
   *
   * @param path If it is omitted, the system selects an abstract path (Linux).
   * @returns The address.
   * @throws {Error} As a rejection, like all errors here: what `bind()` of the main entry throws or emits.
   */
  bind(path?: string, options?: Abortable): Promise<UnixAddress>;
  /** Binds with options. */
  bind(options: UnixBindOptions & Abortable): Promise<UnixAddress>;
  async bind(where?: string | (UnixBindOptions & Abortable), options?: Abortable): Promise<UnixAddress> {
    const isOptions = where !== null && typeof where === "object";
    const signal = signalOf(isOptions ? where : options);
    const { socket } = this;
    const start = (): void => void (isOptions ? socket.bind(where) : socket.bind(where));
    return await untilEvent(socket, "listening", signal, start, () => socket.address());
  }

  /**
   * Connects the socket.
   *
   * @param path The peer's path.
   * @returns The peer's address.
   */
  async connect(path: string, options?: Abortable): Promise<UnixAddress> {
    const { socket } = this;
    const start = (fail: (error: unknown) => void): void => {
      socket.connect(path, (error) => {
        if (error) fail(error);
      });
    };
    return await untilEvent(socket, "connect", signalOf(options), start, () => socket.remoteAddress());
  }

  /**
   * Sends a datagram, as soon as the peer has room. The bytes are copied before this returns.
   *
   * @param message Bytes, text (as UTF-8), or an array of both.
   * @param path The destination, or options; not on a connected socket. If the options' signal is aborted while the
   * message waits, the message is canceled.
   * @returns The number of bytes that were sent.
   */
  async send(message: Bytes | readonly Bytes[], path?: string | UnixSendOptions): Promise<number> {
    const options: UnixSendOptions = typeof path === "string" ? { path } : path ?? {};
    validateObject(options, "options");
    const { signal, ...rest } = options;
    signalOf(options);
    const bytes = lengthOf(payloadOf(message));
    return await abortable<number>(undefined, (resolve, reject) => {
      this.socket.sendMany([{ ...rest, message }], { signal }, (error) => {
        if (!error) return resolve(bytes);
        Reflect.deleteProperty(error, "index");
        reject(error);
      });
    });
  }
  /**
   * Sends several datagrams, like `sendMany()` of the main entry.
   *
   * @param messages Bytes, text, or objects with a message and a path; or a batch.
   * @param path The destination of those that have none, or options; not on a connected socket.
   * @returns The number of messages, which were all sent.
   * @throws {SendManyRejection} As a rejection: the error of the first message that failed, and the number that were
   * sent.
   */
  async sendMany(
    messages: MessageBatch | readonly (Bytes | UnixMessage)[],
    path?: string | UnixSendManyOptions,
  ): Promise<number> {
    const options: UnixSendManyOptions = typeof path === "string" ? { path } : path ?? {};
    signalOf(options);
    return await abortable<number>(undefined, (resolve, reject) => {
      this.socket.sendMany(messages, options, (error: SendManyError | null, sent: number) => {
        if (error) reject(Object.assign(error, { sent }));
        else resolve(sent);
      });
    });
  }

  /**
   * Waits for the next datagram. Each call gets one datagram, in order.
   *
   * @param options.signal Ends the wait if it is aborted. The datagram then goes to the next call.
   * @returns `[message, remote]`.
   * @throws {Error} As a rejection: the socket's error; ERR_SOCKET_DGRAM_NOT_RUNNING once it is closed.
   */
  receive(options?: Abortable): Promise<UnixDatagram> {
    return this.#receivers.receive(options);
  }

  /** Iterates over the datagrams, like the socket of the main entry: `[message, remote]`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<UnixDatagram, undefined, void> {
    return new DatagramIterator<UnixDatagram>(this.socket);
  }

  /**
   * Closes the socket. Does nothing if it is closed. Messages that wait for room are rejected with ECANCELED.
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

  /** The socket's own path; empty if it is not bound. */
  address(): UnixAddress {
    return this.socket.address();
  }

  /** The peer's path. @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED */
  remoteAddress(): UnixAddress {
    return this.socket.remoteAddress();
  }

  /** Lets the bound or connected socket keep the process alive. This is the default. */
  ref(): this {
    this.socket.ref();
    return this;
  }

  /** Lets the process end while the socket is open. */
  unref(): this {
    this.socket.unref();
    return this;
  }
}
