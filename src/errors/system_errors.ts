/**
 * Errors for negative results of system calls, with the errno's name in this system's list.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { errnoName } from "../../ffi/libc/errno.ts";
import { bufferSizeError, errnoError, hostPortError, type SystemError } from "./node_errors.ts";

/** Makes the errors of one system. */
export class SystemErrors {
  readonly #abi: Abi;

  constructor(abi: Abi) {
    this.#abi = abi;
  }

  /** A failed call that concerns no address. @param call The name in the error. */
  ofCall(errno: number, call: string): SystemError {
    return errnoError(errno, errnoName(this.#abi, errno), call);
  }

  /** A failed call that concerns an address: that and the port as they were given, of whatever type. */
  ofAddress(errno: number, call: string, address: unknown, port: unknown): SystemError {
    return hostPortError(errno, errnoName(this.#abi, errno), call, address, port);
  }

  /** A failed call of libuv's that concerns a buffer's size. */
  ofBufferSize(errno: number, call: string): Error {
    return bufferSizeError(errno, errnoName(this.#abi, errno), call);
  }

  /** Throws if a call has failed. @returns True, which setters return. */
  check(result: number, call: string): true {
    if (result < 0) throw this.ofCall(-result, call);
    return true;
  }
}
