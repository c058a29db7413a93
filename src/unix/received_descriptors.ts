/**
 * Descriptors that were received with a message.
 *
 * @module
 */
import { invalidArgType } from "../errors/node_errors.ts";
import { validateInteger } from "../errors/validate.ts";
import type { Socket } from "../socket/socket.ts";
import type { UnixSocket } from "./socket.ts";

/** Operates on a descriptor. Results are counts or negative errno numbers. */
export interface DescriptorAccess {
  read(fd: number, bytes: Uint8Array): number;
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): number;
  /** Leaves it to the program: it is no longer closed with its thread. */
  disown(fd: number): void;
  /** Makes it a socket. */
  socket(fd: number): Socket | UnixSocket;
  /** Throws if a result is an errno. */
  check(result: number, call: string): void;
}

/** The key of the object's state. A property, as private fields are not found through a Proxy of the object. */
const STATE = Symbol("state");

/** The descriptors that were not taken, and the operations on them. */
interface State {
  readonly fds: number[];
  readonly access: DescriptorAccess;
}

/** Creates a {@linkcode ReceivedDescriptors}. */
export function receivedDescriptors(fds: readonly number[], access: DescriptorAccess): ReceivedDescriptors {
  const descriptors: ReceivedDescriptors = Object.create(ReceivedDescriptors.prototype);
  const state: State = { fds: [...fds], access };
  return Object.defineProperty(descriptors, STATE, { value: state });
}

/** Closes the descriptors that were not taken. */
export function closeRest(descriptors: ReceivedDescriptors): void {
  const state = descriptors[STATE];
  for (const fd of takeAll(state)) state.access.close(fd);
}

/**
 * Descriptors that were received with a message. They are open in this process, with close-on-exec set. A `'message'`
 * listener that takes one owns it, and must close it. The rest is closed when the listeners have returned.
 *
 * Deno's `node:fs` supports only descriptors that it has opened itself (others are EBADF). So this object, which may be
 * kept, can read, write and close those that were taken, in all runtimes.
 *
 * @example
 * ```ts
 * right.on("message", (message, { fds }) => {
 *   const fd = fds?.take();
 *   if (fd === undefined) return console.log(message.toString()); // hello
 *   fds!.write(fd, new TextEncoder().encode("hello")); // Sends: what was passed is a socket.
 *   fds!.close(fd);
 * });
 * left.send("a descriptor", { fds: [left.fd] });
 * ```
 */
export class ReceivedDescriptors {
  /** @internal */
  declare readonly [STATE]: State;

  private constructor() {}

  /** The number of descriptors that were not taken. */
  get length(): number {
    return this[STATE].fds.length;
  }

  /** Takes the next descriptor. Undefined if none is left. */
  take(): number | undefined {
    const fd = this[STATE].fds.shift();
    if (fd !== undefined) this[STATE].access.disown(fd);
    return fd;
  }

  /** Takes all descriptors that are left. */
  takeAll(): number[] {
    return takeAll(this[STATE]);
  }

  /**
   * Reads from a descriptor that was taken (read(2)), at its current position. If there is nothing to read yet it
   * waits, unless the descriptor is non-blocking.
   *
   * @param fd The descriptor.
   * @param bytes Where to put the bytes. At most as many are read as fit.
   * @returns The number of bytes that were read; 0 at the end.
   * @throws {Error} EAGAIN if a non-blocking descriptor has nothing to read, or another error of read(2).
   */
  read(fd: number, bytes: Uint8Array): number {
    return call(this[STATE], "read", fd, bytes);
  }

  /**
   * Writes to a descriptor that was taken (write(2)). It may wait, unless the descriptor is non-blocking.
   *
   * @param fd The descriptor.
   * @param bytes The bytes to write.
   * @returns The number of bytes that were written.
   * @throws {Error} The error of write(2).
   */
  write(fd: number, bytes: Uint8Array): number {
    return call(this[STATE], "write", fd, bytes);
  }

  /**
   * Closes a descriptor that was taken (close(2)). Close it only once, as its number may be reused.
   *
   * @param fd The descriptor.
   * @throws {Error} EBADF if it is not open.
   */
  close(fd: number): void {
    validateFd(fd);
    this[STATE].access.check(this[STATE].access.close(fd), "close");
  }

  /**
   * Makes a descriptor that was taken a socket, as `createSocket({ fd })` does. It is closed with the socket.
   *
   * @param fd The descriptor: a UDP or Unix datagram socket.
   * @throws {TypeError} ERR_INVALID_FD_TYPE if it is something else.
   */
  socket(fd: number): Socket | UnixSocket {
    validateFd(fd);
    return this[STATE].access.socket(fd);
  }
}

function takeAll({ fds, access }: State): number[] {
  for (const fd of fds) access.disown(fd);
  return fds.splice(0);
}

function call({ access }: State, name: "read" | "write", fd: number, bytes: Uint8Array): number {
  validateFd(fd);
  if (!(bytes instanceof Uint8Array)) throw invalidArgType("bytes", "an instance of Uint8Array", bytes);
  const result = access[name](fd, bytes);
  access.check(result, name);
  return result;
}

function validateFd(fd: unknown): void {
  validateInteger(fd, "fd", 0, 0x7fffffff);
}
