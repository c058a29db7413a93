/**
 * The sizes of a socket's buffers in the kernel, for any protocol.
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningEndpoint } from "../endpoint/socket_state.ts";
import { badBufferSize } from "../errors/node_errors.ts";

/** See {@linkcode Socket.getRecvBufferSize}. */
export function getRecvBufferSize(socket: AnySocket): number {
  return bufferSize(socket, "receive", 0);
}

/** See {@linkcode Socket.getSendBufferSize}. */
export function getSendBufferSize(socket: AnySocket): number {
  return bufferSize(socket, "send", 0);
}

/** See {@linkcode Socket.setRecvBufferSize}. */
export function setRecvBufferSize(socket: AnySocket, size: number): true {
  bufferSize(socket, "receive", size);
  return true;
}

/** See {@linkcode Socket.setSendBufferSize}. */
export function setSendBufferSize(socket: AnySocket, size: number): true {
  bufferSize(socket, "send", size);
  return true;
}

/** The buffers of a socket: their options, and the libuv calls that Node's errors name. */
const BUFFERS = {
  receive: { option: "SO_RCVBUF", call: "uv_recv_buffer_size" },
  send: { option: "SO_SNDBUF", call: "uv_send_buffer_size" },
} as const;

/**
 * Sets a buffer's size, or gets it if `size` is 0, as libuv's call does.
 *
 * @returns The size if it was read, or 0.
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
