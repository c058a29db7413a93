/**
 * Descriptors that came with a message.
 *
 * @module
 */

/** Makes one. */
export let receivedDescriptors: (fds: readonly number[], close: (fd: number) => void) => ReceivedDescriptors;
/** Closes those that nobody has taken. */
export let closeRest: (descriptors: ReceivedDescriptors) => void;

/**
 * Descriptors that came with a message. They are open in this process, with close-on-exec set. Those that a `'message'` listener
 * takes are its own, to use and to close; the rest is closed when the listeners have returned.
 */
export class ReceivedDescriptors {
  #fds: number[] = [];
  #close: (fd: number) => void = () => {};

  private constructor() {}

  static {
    receivedDescriptors = (fds, close) => {
      const descriptors = new ReceivedDescriptors();
      descriptors.#fds = [...fds];
      descriptors.#close = close;
      return descriptors;
    };
    closeRest = (descriptors) => {
      for (const fd of descriptors.takeAll()) descriptors.#close(fd);
    };
  }

  /** How many there are that nobody has taken. */
  get length(): number {
    return this.#fds.length;
  }

  /** Takes the next one; undefined where there is none left. */
  take(): number | undefined {
    return this.#fds.shift();
  }

  /** Takes all that are left. */
  takeAll(): number[] {
    return this.#fds.splice(0);
  }
}
