/**
 * Decodes the ancillary data of the messages of Unix sockets, and the flags that the kernel returns with them.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { ancillarySpace, readAncillary, type UnixCredentials } from "../../ffi/wire/ancillary.ts";
import type { ControlReader } from "../../ffi/wire/control.ts";
import type { ControlDecoder } from "../receiving/inbox.ts";
import type { ReceiveDetails } from "../receiving/types.ts";
import {
  closeRest,
  type DescriptorAccess,
  type ReceivedDescriptors,
  receivedDescriptors,
} from "./received_descriptors.ts";

/** The ancillary data that a socket requests. */
export interface WantedAncillary {
  readonly fds: boolean;
  readonly credentials: boolean;
}

/** The metadata of one message. */
export interface UnixDetails {
  truncated?: true;
  fds?: ReceivedDescriptors;
  credentials?: UnixCredentials;
}

/** Decodes the metadata of one socket's messages, and closes the descriptors that no listener takes. */
export class UnixDecoder implements ControlDecoder {
  readonly space: number;
  readonly #libc: Libc;
  readonly #access: DescriptorAccess;
  readonly #wanted: WantedAncillary;
  /** Descriptors whose message was not delivered yet. */
  readonly #undelivered = new Set<ReceivedDescriptors>();

  /** @param access Operates on the descriptors that a listener takes. */
  constructor(libc: Libc, access: DescriptorAccess, wanted: WantedAncillary) {
    this.#libc = libc;
    this.#access = access;
    this.#wanted = wanted;
    // Without room for ancillary data Linux delivers none, and closes the descriptors itself. macOS installs them in
    // this process anyway. So there all are received, to be closed.
    this.space = wanted.fds || wanted.credentials || libc.abi.darwin ? ancillarySpace(libc.abi) : 0;
  }

  decode(reader: ControlReader, flags: number): ReceiveDetails | undefined {
    const { MSG_TRUNC } = this.#libc.abi.constants;
    if (this.space === 0 && !(flags & MSG_TRUNC)) return undefined;
    const details: UnixDetails = {};
    if (flags & MSG_TRUNC) details.truncated = true;
    if (this.space > 0) this.#addAncillary(details, reader, flags);
    return details as ReceiveDetails;
  }

  /** Called when a message was delivered. Closes the descriptors that were not taken. */
  settle(descriptors: ReceivedDescriptors): void {
    this.#undelivered.delete(descriptors);
    closeRest(descriptors);
  }

  /** Closes the descriptors of messages that will not be delivered, as the socket is closed. */
  closeAll(): void {
    for (const descriptors of this.#undelivered) closeRest(descriptors);
    this.#undelivered.clear();
  }

  #addAncillary(details: UnixDetails, reader: ControlReader, flags: number): void {
    const { fds, credentials } = readAncillary(this.#libc.abi, reader);
    for (const fd of fds) this.#libc.owner.own(fd);
    const descriptors = receivedDescriptors(fds, this.#access);
    // If some are missing (this process may have too many open), the others are useless.
    const areComplete = !(flags & this.#libc.abi.constants.MSG_CTRUNC);
    if (!this.#wanted.fds || !areComplete) closeRest(descriptors);
    if (this.#wanted.fds) details.fds = descriptors;
    if (this.#wanted.credentials && credentials) details.credentials = credentials;
    if (descriptors.length === 0) return;
    this.#setCloseOnExec(fds);
    this.#undelivered.add(descriptors);
  }

  /** Linux has set it by MSG_CMSG_CLOEXEC. */
  #setCloseOnExec(fds: readonly number[]): void {
    const { linux, constants } = this.#libc.abi;
    if (linux) return;
    for (const fd of fds) this.#libc.fcntl(fd, constants.F_SETFD, constants.FD_CLOEXEC);
  }
}
