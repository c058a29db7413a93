/**
 * Errors for negative results of system calls, with the errno's name on this system.
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

  /** A failed call that concerns an address. The address and the port are shown as the caller gave them, of any type. */
  ofAddress(errno: number, call: string, address: unknown, port: unknown): SystemError {
    return hostPortError(errno, errnoName(this.#abi, errno), call, address, port);
  }

  /** A failed libuv call that concerns a buffer's size. */
  ofBufferSize(errno: number, call: string): Error {
    return bufferSizeError(errno, errnoName(this.#abi, errno), call);
  }

  /** Throws if a call has failed. @returns True, the result of setters. */
  check(result: number, call: string): true {
    if (result < 0) throw this.ofCall(-result, call);
    return true;
  }
}
