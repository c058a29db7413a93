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

/** Makes one. */
export let receivedDescriptors: (fds: readonly number[], access: DescriptorAccess) => ReceivedDescriptors;
/** Closes those that nobody has taken. */
export let closeRest: (descriptors: ReceivedDescriptors) => void;

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
  #fds: number[] = [];
  #access: DescriptorAccess;

  private constructor(access: DescriptorAccess) {
    this.#access = access;
  }

  static {
    receivedDescriptors = (fds, access) => {
      const descriptors = new ReceivedDescriptors(access);
      descriptors.#fds = [...fds];
      return descriptors;
    };
    closeRest = (descriptors) => {
      for (const fd of descriptors.takeAll()) descriptors.#access.close(fd);
    };
  }

  /** How many there are that nobody has taken. */
  get length(): number {
    return this.#fds.length;
  }

  /** Takes the next one; undefined where there is none left. */
  take(): number | undefined {
    const fd = this.#fds.shift();
    if (fd !== undefined) this.#access.disown(fd);
    return fd;
  }

  /** Takes all that are left. */
  takeAll(): number[] {
    for (const fd of this.#fds) this.#access.disown(fd);
    return this.#fds.splice(0);
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
    return this.#call("read", fd, bytes);
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
    return this.#call("write", fd, bytes);
  }

  /**
   * Closes a descriptor that was taken (close(2)). Once: its number may be another's afterwards.
   *
   * @param fd The descriptor.
   * @throws {Error} EBADF if it is not open.
   */
  close(fd: number): void {
    validateFd(fd);
    this.#access.check(this.#access.close(fd), "close");
  }

  /**
   * Makes a socket of a descriptor that was taken, as `createSocket({ fd })` does. It is closed with the socket.
   *
   * @param fd The descriptor: a UDP or Unix datagram socket.
   * @throws {TypeError} ERR_INVALID_FD_TYPE if it is something else.
   */
  socket(fd: number): Socket | UnixSocket {
    validateFd(fd);
    return this.#access.socket(fd);
  }

  #call(name: "read" | "write", fd: number, bytes: Uint8Array): number {
    validateFd(fd);
    if (!(bytes instanceof Uint8Array)) throw invalidArgType("bytes", "an instance of Uint8Array", bytes);
    const result = this.#access[name](fd, bytes);
    this.#access.check(result, name);
    return result;
  }
}

function validateFd(fd: unknown): void {
  validateInteger(fd, "fd", 0, 0x7fffffff);
}
