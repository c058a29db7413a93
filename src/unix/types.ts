/**
 * The types of a Unix datagram socket's public surface.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { UnixCredentials } from "../../ffi/wire/ancillary.ts";
import type { MessageBatch } from "../receiving/message_batch.ts";
import type { Bytes } from "../sending/types.ts";
import type { ReceivedDescriptors } from "./received_descriptors.ts";

export type { UnixCredentials };

/**
 * Options of {@linkcode createSocket} for a Unix datagram socket.
 *
 * @example
 * ```ts
 * import { createSocket, type UnixSocketOptions } from "@dgram/ffi";
 *
 * const options: UnixSocketOptions = { type: "unix_dgram", unlinkOnClose: true, recvCredentials: true };
 * createSocket(options).close();
 * ```
 */
export interface UnixSocketOptions {
  /** The type of socket. */
  type: "unix_dgram";
  /**
   * The number of an open Unix datagram socket to take over: from systemd (`LISTEN_FDS`, from 3), inherited or opened
   * elsewhere. It is closed with this socket.
   */
  fd?: number | undefined;
  /**
   * Whether closing the socket removes the file that it is bound to, unless another file has replaced it. Default:
   * false, as other programs may find the socket by the file, and a socket that systemd has made is not the program's
   * to remove. If the file remains, the next `bind()` fails with EADDRINUSE.
   */
  unlinkOnClose?: boolean | undefined;
  /**
   * Size of the kernel's receive buffer in bytes (SO_RCVBUF). On Linux a peer's own send buffer limits what it may
   * send.
   */
  recvBufferSize?: number | undefined;
  /** Size of the kernel's send buffer in bytes (SO_SNDBUF), slightly more than the largest message. */
  sendBufferSize?: number | undefined;
  /**
   * Whether to receive descriptors that peers pass: `fds` in `rinfo` (SCM_RIGHTS). Default: false; the kernel closes
   * them. Do not enable it if anyone may send: descriptors that no listener takes are closed at once, but they were
   * open here.
   */
  recvFds?: boolean | undefined;
  /**
   * Whether the kernel reports the sender's `credentials` in `rinfo` (SO_PASSCRED, SCM_CREDENTIALS; Linux). Default:
   * false. On Linux, if such a socket sends without being bound, the system binds it to an abstract path.
   */
  recvCredentials?: boolean | undefined;
  /**
   * How many bytes may wait for room at peers, all of them together. If others wait and a message would exceed the
   * limit, it fails with ENOBUFS. Default: Infinity.
   */
  sendQueueLimit?: number | undefined;
  /** Closes the socket if it is aborted. */
  signal?: AbortSignal | undefined;
}

/**
 * The sender of a datagram: the second argument of `'message'` listeners of a Unix socket.
 *
 * @example
 * ```ts
 * import type { UnixRemoteInfo } from "@dgram/ffi";
 *
 * right.on("message", (_, { family, path, size }: UnixRemoteInfo) => {
 *   console.log(`${family} "${path}" ${size}`); // unix "" 5
 * });
 * left.send("hello");
 * ```
 */
export interface UnixRemoteInfo {
  /** Always `unix`. */
  family: "unix";
  /** The path that the sender is bound to; empty if it is not bound and so cannot be answered. */
  path: string;
  /** The size of the message in bytes. */
  size: number;
  /**
   * True if the datagram was truncated, otherwise absent. Only if an administrator raised the limit of send buffers
   * above 1 MiB.
   */
  truncated?: true;
  /** With the option `recvFds`: the descriptors that were passed, if any. */
  fds?: ReceivedDescriptors;
  /**
   * With the option `recvCredentials`: the sender's credentials, verified by the kernel. The pid of a process in
   * another namespace is 0. Messages sent before the option was set have the pid 0 and the overflow user and group,
   * 65534.
   */
  credentials?: UnixCredentials;
}

/**
 * The address of a Unix socket or of its peer.
 *
 * @example
 * ```ts
 * import type { UnixAddress } from "@dgram/ffi";
 *
 * const local: UnixAddress = socket.bindSync("/run/collector.sock");
 * console.log(local.family); // unix
 * ```
 */
export interface UnixAddress {
  /** Always `unix`. */
  family: "unix";
  /** The path, an abstract one with a leading NUL; empty for a socket that is not bound. */
  path: string;
}

/**
 * Options of a Unix socket's `bind()`.
 *
 * @example
 * ```ts
 * import type { UnixBindOptions } from "@dgram/ffi";
 *
 * const options: UnixBindOptions = { path: "/run/collector.sock" };
 * socket.bind(options, () => console.log("bound")); // bound
 * ```
 */
export interface UnixBindOptions {
  /** The path. A leading `@` or NUL makes it abstract (Linux). If it is omitted, the system selects an abstract one. */
  path?: string | undefined;
  /** The number of an open Unix datagram socket to use instead. */
  fd?: number | undefined;
}

/**
 * A message with a destination or with ancillary data, for `sendMany()` of a Unix socket.
 *
 * @example
 * ```ts
 * import type { UnixMessage } from "@dgram/ffi";
 *
 * const messages: UnixMessage[] = [{ message: "one" }, { message: ["t", "wo"], fds: [0] }];
 * left.sendMany(messages, (error, sent) => console.log(error, sent)); // null 2
 * ```
 */
export interface UnixMessage extends UnixPassed {
  /** Bytes, text (as UTF-8), or an array of both. */
  message: Bytes | readonly Bytes[];
  /** The destination. Defaults to that of the call. */
  path?: string | undefined;
}

/**
 * The ancillary data of a message.
 *
 * @example
 * ```ts
 * import type { UnixPassed } from "@dgram/ffi";
 *
 * const passed: UnixPassed = { fds: [0] };
 * left.send("standard input", passed, (error) => console.log(error)); // null
 * ```
 */
export interface UnixPassed {
  /**
   * The descriptors to pass, at most 253 (SCM_RIGHTS). The peer gets duplicates. They can be closed as soon as `send()`
   * has returned, even if the message waits.
   */
  fds?: readonly number[] | undefined;
  /**
   * The credentials to send (SCM_CREDENTIALS; Linux). Other credentials than the process's own require a privilege
   * (CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID), otherwise they fail with EPERM. A peer that requests credentials gets the
   * real ones without this.
   */
  credentials?: UnixCredentials | undefined;
}

/**
 * Destination and ancillary data of a message: `send()`'s options on a Unix socket.
 *
 * @example
 * ```ts
 * import type { UnixSendOptions } from "@dgram/ffi";
 *
 * const options: UnixSendOptions = { path: "/run/nobody.sock" };
 * socket.send("hello", options, (error) => console.log(error?.message.split(" /")[0])); // send ENOENT
 * ```
 */
export interface UnixSendOptions extends UnixPassed {
  /** The destination; not on a connected socket. */
  path?: string | undefined;
  /** Cancels the message if it still waits for room. The callback then gets an AbortError. */
  signal?: AbortSignal | undefined;
}

/**
 * Default destination of the messages, and their signal: `sendMany()`'s options on a Unix socket.
 *
 * @example
 * ```ts
 * import type { UnixSendManyOptions } from "@dgram/ffi";
 *
 * const options: UnixSendManyOptions = { signal: AbortSignal.timeout(5000) };
 * left.sendMany(["one", "two"], options, (_, sent) => console.log(sent)); // 2
 * ```
 */
export interface UnixSendManyOptions {
  /** The destination; not on a connected socket. */
  path?: string | undefined;
  /** Cancels the messages that still wait for room. The callback then gets an AbortError. */
  signal?: AbortSignal | undefined;
}

/**
 * The events of a Unix socket, with the listeners' arguments.
 *
 * @example
 * ```ts
 * import type { UnixSocketEvents } from "@dgram/ffi";
 *
 * const print = (...[message]: UnixSocketEvents["message"]) => console.log(message.toString()); // hello
 * right.on("message", print);
 * left.send("hello");
 * ```
 */
export interface UnixSocketEvents {
  /** A datagram arrived. */
  message: [message: Buffer<ArrayBuffer>, remote: UnixRemoteInfo];
  /** Datagrams were received together. If there are also listeners for `'message'`, both get them. */
  messages: [batch: MessageBatch];
  /** The socket is bound and receives. */
  listening: [];
  /** The socket is connected. */
  connect: [];
  /** The peer at that path has no room. Messages to it wait from now on. */
  congestion: [path: string];
  /** The messages that waited for it were sent. */
  writable: [path: string];
  /** All messages that waited, for any peer, were sent. */
  drain: [];
  /** The socket is closed. No event follows. */
  close: [];
  /** Something failed that is not reported to a callback. */
  error: [error: Error];
}
