/**
 * What the kernel says about messages of Unix sockets.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import type { ControlReader } from "../../ffi/control.ts";
import type { ControlDecoder } from "../inbox.ts";
import type { ReceiveDetails } from "../types.ts";

/** Says which messages were cut. */
export class UnixDecoder implements ControlDecoder {
  readonly space: number = 0;
  readonly #MSG_TRUNC: number;

  constructor({ constants }: Abi) {
    this.#MSG_TRUNC = constants.MSG_TRUNC;
  }

  decode(_: ControlReader, flags: number): ReceiveDetails | undefined {
    return flags & this.#MSG_TRUNC ? { truncated: true } : undefined;
  }
}
