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

/** Options of {@linkcode createSocket} for a Unix datagram socket. */
export interface UnixSocketOptions {
  /** Says that it is one. */
  type: "unix_dgram";
  /**
   * The number of an open Unix datagram socket to take over: one of systemd's (`LISTEN_FDS`, from 3), inherited or made elsewhere.
   * It is closed with this socket.
   */
  fd?: number | undefined;
  /**
   * Whether closing the socket removes the file that it is bound to; not where another file has taken its place since.
   * Default: false, as the file may be what others find the socket by, and a socket made by systemd is not the program's to
   * remove. A file that is left makes the next `bind()` fail with EADDRINUSE.
   */
  unlinkOnClose?: boolean | undefined;
  /** Size of the kernel's receive buffer in bytes (SO_RCVBUF). On Linux what a peer may send is limited by its own buffer. */
  recvBufferSize?: number | undefined;
  /** Size of the kernel's send buffer in bytes (SO_SNDBUF), a little more than the largest message. */
  sendBufferSize?: number | undefined;
  /**
   * Whether descriptors that peers pass are received: `fds` in `rinfo` (SCM_RIGHTS). Default: false; then the kernel closes them. Do
   * not have it on where anybody may send: descriptors that nobody takes are closed at once, but they were open here.
   */
  recvFds?: boolean | undefined;
  /**
   * Whether the kernel tells who sends: `credentials` in `rinfo` (SO_PASSCRED, SCM_CREDENTIALS; Linux). Default: false. On Linux a
   * socket with it that sends without being bound is given an abstract path by the system.
   */
  recvCredentials?: boolean | undefined;
  /**
   * How many bytes may wait for room at peers, all of them together. A message that finds others waiting, and would bring more than that
   * with them, fails with ENOBUFS. Default: Infinity.
   */
  sendQueueLimit?: number | undefined;
  /** Aborting it closes the socket. */
  signal?: AbortSignal | undefined;
}

/** Who sent a datagram: the second argument of `'message'` listeners of a Unix socket. */
export interface UnixRemoteInfo {
  /** Always that. */
  family: "unix";
  /** The path the sender is bound to; empty: to none, so it cannot be answered. */
  path: string;
  /** How many bytes of the datagram there are. */
  size: number;
  /** There, and true, where it had more: only if the sender's buffer, by the administrator's leave, holds more than a mebibyte. */
  truncated?: true;
  /** With the option `recvFds`: the descriptors that came along, none or several. */
  fds?: ReceivedDescriptors;
  /**
   * With the option `recvCredentials`: who the sender is, which the kernel vouches for. A process of another namespace has the
   * number 0; messages sent before the option was on have 0 and the overflow user, 65534.
   */
  credentials?: UnixCredentials;
}

/** A Unix socket's own address or its peer's. */
export interface UnixAddress {
  /** Always that. */
  family: "unix";
  /** The path, an abstract one with a NUL at its beginning; empty for a socket that is bound to none. */
  path: string;
}

/** Options of a Unix socket's `bind()`. */
export interface UnixBindOptions {
  /** The path; `@` or a NUL at its beginning makes it abstract (Linux); left out: an abstract one that the system chooses. */
  path?: string | undefined;
  /** The number of an open Unix datagram socket to use instead. */
  fd?: number | undefined;
}

/** A message with a destination, or that takes something along, for `sendMany()` of a Unix socket. */
export interface UnixMessage extends UnixPassed {
  /** Bytes, text (as UTF-8), or an array of both. */
  message: Bytes | readonly Bytes[];
  /** The destination; left out: the one that the call says. */
  path?: string | undefined;
}

/** What a message takes along. */
export interface UnixPassed {
  /**
   * Descriptors to be passed, 253 at most (SCM_RIGHTS): the peer gets duplicates. They can be closed as soon as `send()` has
   * returned, even if the message waits.
   */
  fds?: readonly number[] | undefined;
  /**
   * Who the sender says he is (SCM_CREDENTIALS; Linux). Without a privilege (CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID) anything but the
   * process's own is EPERM. A peer that asks is told the truth without this, too.
   */
  credentials?: UnixCredentials | undefined;
}

/** Where a message goes, and what goes with it: `send()`'s options on a Unix socket. */
export interface UnixSendOptions extends UnixPassed {
  /** The destination; not on a connected socket. */
  path?: string | undefined;
  /** Aborting it takes the message back, if it still waits for room. The callback then gets an AbortError. */
  signal?: AbortSignal | undefined;
}

/** Where messages go that say nothing themselves, and what stops them: `sendMany()`'s options on a Unix socket. */
export interface UnixSendManyOptions {
  /** The destination; not on a connected socket. */
  path?: string | undefined;
  /** Aborting it takes those messages back that still wait for room. The callback then gets an AbortError. */
  signal?: AbortSignal | undefined;
}

/** The events of a Unix socket, with what listeners get. */
export interface UnixSocketEvents {
  /** A datagram arrived. */
  message: [message: Buffer<ArrayBuffer>, remote: UnixRemoteInfo];
  /** Datagrams arrived together. With listeners for `'message'` as well, both get them. */
  messages: [batch: MessageBatch];
  /** The socket is bound and receives. */
  listening: [];
  /** The socket has a peer. */
  connect: [];
  /** The peer of that path has no room: messages to it wait from now on. */
  congestion: [path: string];
  /** The messages that waited for it have left. */
  writable: [path: string];
  /** All messages that waited, for whichever peer, have left. */
  drain: [];
  /** The socket is closed; no event follows. */
  close: [];
  /** Something failed that no callback was told of. */
  error: [error: Error];
}
