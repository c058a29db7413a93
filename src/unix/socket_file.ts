/**
 * The file that a Unix socket is bound to.
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";

/** A file, known by more than its name. */
export class SocketFile {
  readonly #path: string;
  readonly #identity: string | undefined;

  /** @param path Where it is now. The file found there is meant, even if the current folder changes. */
  constructor(path: string) {
    this.#path = process.getBuiltinModule("node:path").resolve(path);
    this.#identity = identityOf(this.#path);
  }

  /** Removes it, unless another is in its place. */
  remove(): void {
    if (this.#identity === undefined || identityOf(this.#path) !== this.#identity) return;
    try {
      process.getBuiltinModule("node:fs").unlinkSync(this.#path);
    } catch {
      // Somebody was faster, or the folder is not ours to change: the socket is closed all the same.
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
