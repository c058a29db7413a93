/**
 * Descriptors that came with a message.
 *
 * @module
 */
import { invalidArgType } from "../errors/node_errors.ts";
import { validateInteger } from "../errors/validate.ts";
import type { Socket } from "../socket/socket.ts";
import type { UnixSocket } from "./socket.ts";

/** What can be done with a descriptor. Results are counts or negative errno numbers. */
export interface DescriptorAccess {
  read(fd: number, bytes: Uint8Array): number;
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): number;
  /** From now on it is the program's: it is no longer closed with its thread. */
  disown(fd: number): void;
  /** Makes a socket of it. */
  socket(fd: number): Socket | UnixSocket;
  /** Throws if a result is an errno. */
  check(result: number, call: string): void;
}

/** The key of what belongs to the object. A property, and not private fields: those are not found through a Proxy of it. */
const STATE = Symbol("state");

/** Those that nobody has taken, and what can be done with them. */
interface State {
  readonly fds: number[];
  readonly access: DescriptorAccess;
}

/** Makes one. */
export function receivedDescriptors(fds: readonly number[], access: DescriptorAccess): ReceivedDescriptors {
  const descriptors: ReceivedDescriptors = Object.create(ReceivedDescriptors.prototype);
  const state: State = { fds: [...fds], access };
  return Object.defineProperty(descriptors, STATE, { value: state });
}

/** Closes those that nobody has taken. */
export function closeRest(descriptors: ReceivedDescriptors): void {
  const state = descriptors[STATE];
  for (const fd of takeAll(state)) state.access.close(fd);
}

/**
 * Descriptors that came with a message. They are open in this process, with close-on-exec set. Those that a `'message'` listener
 * takes are its own, to use and to close; the rest is closed when the listeners have returned.
 *
 * Deno's `node:fs` knows only descriptors that it has opened itself (others are EBADF). So this object, which may be kept, can
 * read, write and close those that were taken, in all runtimes.
 *
 * @example
 * ```ts
 * socket.on("message", (_, { fds }) => {
 *   const fd = fds!.take()!;
 *   const bytes = new Uint8Array(4096);
 *   console.log(new TextDecoder().decode(bytes.subarray(0, fds!.read(fd, bytes))));
 *   fds!.close(fd);
 * });
 * ```
 */
export class ReceivedDescriptors {
  /** @internal */
  declare readonly [STATE]: State;

  private constructor() {}

  /** How many there are that nobody has taken. */
  get length(): number {
    return this[STATE].fds.length;
  }

  /** Takes the next one; undefined where there is none left. */
  take(): number | undefined {
    const fd = this[STATE].fds.shift();
    if (fd !== undefined) this[STATE].access.disown(fd);
    return fd;
  }

  /** Takes all that are left. */
  takeAll(): number[] {
    return takeAll(this[STATE]);
  }

  /**
   * Reads from a descriptor that was taken (read(2)), from where it stands. If nothing is there yet it waits, unless the descriptor
   * is non-blocking.
   *
   * @param fd The descriptor.
   * @param bytes Where to put what is read: as much as fits, at most.
   * @returns How many bytes were read; 0 at the end.
   * @throws {Error} EAGAIN if a non-blocking descriptor has nothing to read, or what else the kernel says.
   */
  read(fd: number, bytes: Uint8Array): number {
    return call(this[STATE], "read", fd, bytes);
  }

  /**
   * Writes to a descriptor that was taken (write(2)). It may wait, unless the descriptor is non-blocking.
   *
   * @param fd The descriptor.
   * @param bytes What to write.
   * @returns How many bytes were written.
   * @throws {Error} What the kernel says.
   */
  write(fd: number, bytes: Uint8Array): number {
    return call(this[STATE], "write", fd, bytes);
  }

  /**
   * Closes a descriptor that was taken (close(2)). Once: its number may be another's afterwards.
   *
   * @param fd The descriptor.
   * @throws {Error} EBADF if it is not open.
   */
  close(fd: number): void {
    validateFd(fd);
    this[STATE].access.check(this[STATE].access.close(fd), "close");
  }

  /**
   * Makes a socket of a descriptor that was taken, as `createSocket({ fd })` does. It is closed with the socket.
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
