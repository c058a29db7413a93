/**
 * Descriptors that came with a message.
 *
 * @module
 */

import type { Libc } from "../../ffi/libc.ts";

/** Makes one. */
export let receivedDescriptors: (libc: Libc, fds: readonly number[]) => ReceivedDescriptors;
/** Closes those that nobody has taken. */
export let closeRest: (descriptors: ReceivedDescriptors) => void;

/**
 * Descriptors that came with a message. They are open in this process, with close-on-exec set. Those that a `'message'` listener
 * takes are its own, to use and to close; the rest is closed when the listeners have returned.
 */
export class ReceivedDescriptors {
  #fds: number[] = [];
  #libc: Libc | undefined;

  private constructor() {}

  static {
    receivedDescriptors = (libc, fds) => {
      const descriptors = new ReceivedDescriptors();
      descriptors.#fds = [...fds];
      descriptors.#libc = libc;
      for (const fd of fds) libc.owner.own(fd);
      return descriptors;
    };
    closeRest = (descriptors) => {
      for (const fd of descriptors.takeAll()) descriptors.#libc!.close(fd);
    };
  }

  /** How many there are that nobody has taken. */
  get length(): number {
    return this.#fds.length;
  }

  /** Takes the next one; undefined where there is none left. */
  take(): number | undefined {
    const fd = this.#fds.shift();
    if (fd !== undefined) this.#libc!.owner.disown(fd);
    return fd;
  }

  /** Takes all that are left. */
  takeAll(): number[] {
    for (const fd of this.#fds) this.#libc!.owner.disown(fd);
    return this.#fds.splice(0);
  }
}
