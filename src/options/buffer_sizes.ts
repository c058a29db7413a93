/**
 * The kernel's buffers of a socket, whatever its protocol.
 *
 * @module
 */
import type { SocketEvents } from "../endpoint/events.ts";
import { badBufferSize } from "../errors/node_errors.ts";
import { RawOptions } from "./raw.ts";
import { type AnySocket, engineOf, type EventMap, runningEndpoint } from "../endpoint/socket_base.ts";

/** The sizes of the kernel's buffers. A part of {@linkcode Socket}. */
export abstract class BufferSizes<Events extends EventMap<Events> = SocketEvents> extends RawOptions<Events> {
  /**
   * Size of the kernel's receive buffer in bytes (SO_RCVBUF). Linux reports twice what was set.
   *
   * @throws {Error} ERR_SOCKET_BUFFER_SIZE before the socket is bound.
   */
  getRecvBufferSize(): number {
    return bufferSize(this, "receive", 0);
  }

  /**
   * Size of the kernel's send buffer in bytes (SO_SNDBUF). Linux reports twice what was set.
   *
   * @throws {Error} ERR_SOCKET_BUFFER_SIZE before the socket is bound.
   */
  getSendBufferSize(): number {
    return bufferSize(this, "send", 0);
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
    bufferSize(this, "receive", size);
    return true;
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
    bufferSize(this, "send", size);
    return true;
  }
}

/** The buffers of a socket: their options, and the names of libuv's calls that Node's errors have. */
const BUFFERS = {
  receive: { option: "SO_RCVBUF", call: "uv_recv_buffer_size" },
  send: { option: "SO_SNDBUF", call: "uv_send_buffer_size" },
} as const;

/**
 * Sets a buffer's size, or gets it where the size is 0, as libuv's call does.
 *
 * @returns The size that was got, or 0.
 */
function bufferSize(socket: AnySocket, buffer: keyof typeof BUFFERS, size: number): number {
  if (size >>> 0 !== size) throw badBufferSize();
  const endpoint = runningEndpoint(socket);
  const { errors, runtime } = engineOf(socket);
  const { option, call } = BUFFERS[buffer];
  const isInt = (size | 0) === size;
  const set = (): number => isInt ? endpoint.setOption(option, size) : -runtime.libc.abi.errno.EINVAL;
  const result = size > 0 ? set() : endpoint.getOption(option);
  if (result < 0) throw errors.ofBufferSize(-result, call);
  return result;
}
