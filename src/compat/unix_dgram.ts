/**
 * The surface of npm's `unix-dgram`, over the Unix datagram endpoint.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { setTimeout } from "../../ffi/runtimes/process.ts";
import { encodePath } from "../../ffi/wire/sockaddr_un.ts";
import { currentEngine, type Engine } from "../endpoint/engine.ts";
import { payloadOf, sliceOf } from "../sending/arguments.ts";
import { lengthOf } from "../sending/payload.ts";
import type { Bytes } from "../sending/types.ts";
import { Socket as UdpSocket } from "../socket/socket.ts";
import { UnixEndpoint } from "../unix/endpoint.ts";
import { validatePath } from "../unix/path.ts";
import type { UnixRemoteInfo } from "../unix/types.ts";
import { ImmediateSender } from "./immediate_sender.ts";

export type { Bytes };

/** Milliseconds until `'writable'` if the kernel does not tell of room. */
const UNTOLD_DELAY = 10;

/**
 * Who sent a message.
 *
 * @example
 * ```ts
 * import { Buffer } from "node:buffer";
 * import { createSocket, type MessageInfo } from "@dgram/ffi/unix-dgram";
 *
 * const server = createSocket("unix_dgram", (_message, { size, path }: MessageInfo) => {
 *   console.log(size, path); // 5 null
 *   server.close();
 * });
 * server.bind("/run/collector.sock");
 * const client = createSocket("unix_dgram");
 * client.send(Buffer.from("hello"), 0, 5, "/run/collector.sock");
 * client.close();
 * ```
 */
export interface MessageInfo {
  /** How many bytes it has. */
  size: number;
  /** Always empty. */
  address: Record<string, never>;
  /** The sender's path, or null if it is not bound. */
  path: string | null;
}

/**
 * A failed system call, as `unix-dgram` reports it.
 *
 * @example
 * ```ts
 * import { createSocket, type UnixDgramError } from "@dgram/ffi/unix-dgram";
 *
 * const client = createSocket("unix_dgram");
 * client.on("error", ({ syscall, code }: UnixDgramError) => {
 *   console.log(syscall, code); // connect -2
 *   client.close();
 * });
 * client.connect("/run/nobody.sock");
 * ```
 */
export interface UnixDgramError extends Error {
  /** The negative errno; 1 for `congestion`. */
  code: number;
  /** The negative errno. */
  errno?: number;
  /** The call that failed. */
  syscall?: string;
}

/**
 * Called without an argument when the kernel has taken a message, or with the error.
 *
 * @example
 * ```ts
 * import { Buffer } from "node:buffer";
 * import { createSocket, type UnixDgramCallback } from "@dgram/ffi/unix-dgram";
 *
 * const client = createSocket("unix_dgram");
 * const sent: UnixDgramCallback = (error) => {
 *   console.log(error?.code); // -2
 *   client.close();
 * };
 * client.send(Buffer.from("hello"), 0, 5, "/run/nobody.sock", sent);
 * ```
 */
export type UnixDgramCallback = (error?: UnixDgramError) => void;

/**
 * The events of a socket, with what listeners get.
 *
 * @example
 * ```ts
 * import { createSocket, type UnixDgramEvents } from "@dgram/ffi/unix-dgram";
 *
 * const events: (keyof UnixDgramEvents)[] = ["listening", "connect", "writable"];
 * const server = createSocket("unix_dgram");
 * for (const event of events) server.on(event, () => console.log(event)); // listening
 * server.bind("/run/collector.sock");
 * server.close();
 * ```
 */
export interface UnixDgramEvents {
  /** A message arrived. */
  message: [message: Buffer<ArrayBuffer>, info: MessageInfo];
  /** The socket is bound. */
  listening: [];
  /** The socket is connected. */
  connect: [];
  /** The peer has no room. This message was not sent, and `send()` had no callback. */
  congestion: [message: Bytes];
  /** After a congestion: the peer has room again. */
  writable: [];
  /** An operation without a callback failed. */
  error: [error: UnixDgramError];
}

/** The endpoint of such a socket. What does not leave at once is not sent. */
class ImmediateEndpoint extends UnixEndpoint {
  readonly #socket: Socket;

  constructor(engine: Engine, socket: Socket) {
    super(engine, { emit: () => true, listenerCount: (event) => event === "message" ? 1 : 0 });
    this.#socket = socket;
  }

  /** Not in the context of the socket's creator, as in `unix-dgram`. */
  override deliver(message: Buffer<ArrayBuffer>, { path, size }: UnixRemoteInfo): void {
    this.#socket.emit("message", message, { size, address: {}, path: path || null });
  }

  override fail(errno: number): void {
    this.#socket.emit("error", errnoError(errno, "recvmsg"));
  }

  protected override makeSender(): ImmediateSender {
    const { outbox, runtime } = this.engine;
    return new ImmediateSender(runtime.libc, outbox, this, () => void this.#socket.emit("writable"));
  }
}

/**
 * A Unix datagram socket with the surface of `unix-dgram`. It is open and keeps the process alive until it is closed. Use
 * {@linkcode createSocket}.
 *
 * @example
 * ```ts
 * import { createSocket, Socket } from "@dgram/ffi/unix-dgram";
 *
 * const socket: Socket = createSocket("unix_dgram");
 * console.log(socket instanceof Socket); // true
 * socket.close();
 * ```
 */
export class Socket extends EventEmitter<UnixDgramEvents> {
  /** Always `unix_dgram`. */
  readonly type = "unix_dgram" as const;
  /** The descriptor; -1 once closed. */
  fd: number;
  /** Whether the socket is connected. */
  connected = false;
  readonly #engine: Engine;
  readonly #endpoint: ImmediateEndpoint;

  /**
   * See {@linkcode createSocket}.
   *
   * @param type `unix_dgram`.
   * @param listener Added as a listener for `'message'`.
   */
  constructor(type: "unix_dgram", listener?: (message: Buffer<ArrayBuffer>, info: MessageInfo) => void) {
    super();
    if (type !== "unix_dgram") throw new Error(`Unsupported socket type: ${type}`);
    this.#engine = currentEngine();
    this.#endpoint = new ImmediateEndpoint(this.#engine, this);
    const opened = this.#endpoint.open();
    const result = opened < 0 ? opened : this.#endpoint.startReceiving();
    if (result < 0) {
      this.#endpoint.close();
      throw errnoError(-result, "socket");
    }
    this.fd = this.#endpoint.fd;
    if (typeof listener === "function") this.on("message", listener);
  }

  /** Binds to a path. Emits `'listening'`, or `'error'`, before it returns. The file is not removed by `close()`. */
  bind(path: string): void {
    const failure = this.#withPath(path, "bind", (checked) => this.#endpoint.bindPath(checked));
    if (failure) this.emit("error", failure);
    else this.emit("listening");
  }

  /** Connects the socket to a peer. Emits `'connect'`, or `'error'`, before it returns. */
  connect(path: string): void {
    const failure = this.#withPath(path, "connect", (checked) => this.#endpoint.connectPath(checked));
    if (failure) return void this.emit("error", failure);
    this.connected = true;
    this.emit("connect");
  }

  /**
   * Sends a message to the peer. If the peer has no room, the callback gets an error with the code 1 and the message `congestion`;
   * without a callback `'congestion'` is emitted. `'writable'` follows when there is room.
   *
   * @param message The bytes.
   * @param callback Called before `send` returns. Without a callback an error is emitted as `'error'`.
   */
  send(message: Bytes, callback?: UnixDgramCallback): void;
  /** Sends a part of a buffer to a path: `length` bytes from `offset` on. A full peer is an error with EAGAIN. */
  send(message: Bytes, offset: number, length: number, path: string, callback?: UnixDgramCallback): void;
  send(message: Bytes, ...rest: unknown[]): void {
    if (!this.connected || typeof rest[0] === "number") return this.#sendTo(message, rest);
    const result = this.#sendNow(message, undefined);
    const { EAGAIN, ENOBUFS } = this.#engine.runtime.libc.abi.errno;
    const callback = rest[0] as UnixDgramCallback | undefined;
    if (result !== -EAGAIN && result !== -ENOBUFS) return this.#report(result, callback);
    if (!this.#endpoint.awaitRoom(true)) setTimeout(() => this.emit("writable"), UNTOLD_DELAY);
    if (typeof callback === "function") callback(Object.assign(new Error("congestion"), { code: 1 }));
    else this.emit("congestion", message);
  }

  /** Sends a part of a buffer to a path. */
  sendto(message: Bytes, offset: number, length: number, path: string, callback?: UnixDgramCallback): void {
    this.#sendTo(message, [offset, length, path, callback]);
  }

  /** Sends a part of a buffer to a path. */
  send_to(message: Bytes, offset: number, length: number, path: string, callback?: UnixDgramCallback): void {
    this.#sendTo(message, [offset, length, path, callback]);
  }

  /**
   * Closes the socket.
   *
   * @throws {Error} With the code of EBADF if it is closed already.
   */
  close(): void {
    if (this.fd < 0) throw errnoError(this.#engine.runtime.libc.abi.errno.EBADF, "close");
    this.fd = -1;
    this.#endpoint.close();
  }

  /** Not there, as in `unix-dgram`. @throws {Error} Always. */
  address(): never {
    throw new Error("not implemented");
  }

  #sendTo(message: Bytes, [offset, length, path, callback]: unknown[]): void {
    const part = sliceOf(message, offset, length);
    const failure = this.#withPath(path, "send", (checked) => this.#sendNow(part, checked));
    this.#report(failure?.code ?? 0, callback as UnixDgramCallback | undefined);
  }

  #report(result: number, callback: UnixDgramCallback | undefined): void {
    const failure = result < 0 ? errnoError(-result, "send") : undefined;
    if (typeof callback === "function") failure ? callback(failure) : callback();
    else if (failure) this.emit("error", failure);
  }

  /** @returns 0, or a negative errno. */
  #sendNow(message: Bytes, path: string | undefined): number {
    const { abi } = this.#engine.runtime.libc;
    if (this.fd < 0) return -abi.errno.EBADF;
    const payload = payloadOf(message);
    let result = 0;
    const address = path === undefined ? undefined : encodePath(abi, path);
    this.#endpoint.collect(payload, lengthOf(payload), address, { finish: (sent) => result = Math.min(sent, 0) });
    this.#endpoint.leave();
    return result;
  }

  /** Checks a path and makes a call with it. @returns The error of the check or the call. */
  #withPath(given: unknown, syscall: string, call: (path: string) => number): UnixDgramError | undefined {
    const { network, libc } = this.#engine.runtime;
    const { EBADF, ENAMETOOLONG } = libc.abi.errno;
    if (this.fd < 0) return errnoError(EBADF, syscall);
    // In `unix-dgram` a name with "@" is a file's, like any other.
    const path = typeof given === "string" && given.startsWith("@") ? `./${given}` : given;
    let checked: string;
    try {
      checked = validatePath(libc.abi, path, "path", syscall);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENAMETOOLONG") throw error;
      return errnoError(ENAMETOOLONG, syscall);
    }
    const refused = network.pathRefusal(checked);
    if (refused) throw refused;
    const result = call(checked);
    return result < 0 ? errnoError(-result, syscall) : undefined;
  }
}

for (
  const name of ["setTTL", "setBroadcast", "setMulticastTTL", "setMulticastLoopback", "addMembership", "dropMembership"]
) {
  Object.defineProperty(Socket.prototype, name, {
    value: Socket.prototype.address,
    configurable: true,
    writable: true,
  });
}

/**
 * Makes a Unix datagram socket. The types `udp4` and `udp6`, which `unix-dgram` passes to Node's `dgram`, give a socket of the main
 * entry.
 *
 * @param type `unix_dgram`.
 * @param listener Added as a listener for `'message'`.
 * @throws {Error} For another type, or the failed `socket` call's.
 *
 * @example
 * ```ts
 * import { Buffer } from "node:buffer";
 * import { createSocket } from "@dgram/ffi/unix-dgram";
 *
 * const server = createSocket("unix_dgram", (message) => {
 *   console.log(message.toString()); // hello
 *   server.close();
 * });
 * server.bind("/run/collector.sock");
 * const client = createSocket("unix_dgram");
 * client.sendto(Buffer.from("hello"), 0, 5, "/run/collector.sock");
 * client.close();
 * ```
 */
export function createSocket(
  type: "unix_dgram",
  listener?: (message: Buffer<ArrayBuffer>, info: MessageInfo) => void,
): Socket {
  const isUdp = ["udp4", "udp6"].includes(type);
  return isUdp ? new UdpSocket(type as never, listener as never) as never : new Socket(type, listener);
}

function errnoError(errno: number, syscall: string): UnixDgramError {
  return Object.assign(new Error(`${syscall} ${-errno}`), { errno: -errno, code: -errno, syscall });
}

/**
 * The module as one object, for `import unix from`.
 *
 * @example
 * ```ts
 * import unix from "@dgram/ffi/unix-dgram";
 *
 * const socket = unix.createSocket("unix_dgram");
 * console.log(socket instanceof unix.Socket); // true
 * socket.close();
 * ```
 */
const unix: { createSocket: typeof createSocket; Socket: typeof Socket } = { createSocket, Socket };
export default unix;
