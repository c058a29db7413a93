/**
 * The file that a Unix socket is bound to.
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";

/** A file, identified by device and inode and not only by its name. */
export class SocketFile {
  readonly #path: string;
  readonly #identity: string | undefined;

  /** @param path Its current path. It is resolved now, so that the current folder may change. */
  constructor(path: string) {
    this.#path = process.getBuiltinModule("node:path").resolve(path);
    this.#identity = identityOf(this.#path);
  }

  /** Removes the file, unless another has taken its place. */
  remove(): void {
    if (this.#identity === undefined || identityOf(this.#path) !== this.#identity) return;
    try {
      process.getBuiltinModule("node:fs").unlinkSync(this.#path);
    } catch {
      // It is gone, or the folder must not be changed. The socket is closed anyway.
    }
  }
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = process.getBuiltinModule("node:fs").statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
