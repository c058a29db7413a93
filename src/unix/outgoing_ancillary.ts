/**
 * What a message takes along: descriptors and credentials, checked and encoded.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { credentialsMessage, MAX_DESCRIPTORS, rightsMessage, type UnixCredentials } from "../../ffi/wire/ancillary.ts";
import { type ControlMessage, encodeControls, type EncodedControls } from "../../ffi/wire/control.ts";
import { invalidArgType, outOfRange, unavailable } from "../errors/node_errors.ts";
import { validateInteger, validateObject } from "../errors/validate.ts";
import type { SendRequest } from "../sending/callbacks.ts";

/** What `send` was given. */
export interface Passed {
  readonly fds?: unknown;
  readonly credentials?: unknown;
}

/** What goes along, checked. */
export interface CheckedPassed {
  readonly fds: readonly number[];
  readonly credentials: UnixCredentials | undefined;
}

/** Checks it. Undefined where there is nothing. */
export function checkPassed(libc: Libc, { fds, credentials }: Passed): CheckedPassed | undefined {
  if (fds === undefined && credentials === undefined) return undefined;
  if (fds !== undefined) validateFds(fds);
  if (credentials !== undefined) validateCredentials(libc, credentials);
  const { pid = 0, uid = 0, gid = 0 } = credentials as Partial<UnixCredentials> ?? {};
  return { fds: [...fds ?? []], credentials: credentials === undefined ? undefined : { pid, uid, gid } };
}

/** One message's ancillary data, from `send()` until the kernel has it or has refused it. */
export class OutgoingAncillary implements SendRequest {
  readonly controls: EncodedControls | undefined;
  readonly #libc: Libc;
  readonly #fds: number[];
  readonly #request: SendRequest | undefined;

  private constructor(
    libc: Libc,
    fds: number[],
    credentials: UnixCredentials | undefined,
    request: SendRequest | undefined,
  ) {
    this.#libc = libc;
    this.#fds = fds;
    this.#request = request;
    const messages: ControlMessage[] = [];
    if (fds.length > 0) messages.push(rightsMessage(libc.abi, fds));
    if (credentials) messages.push(credentialsMessage(libc.abi, credentials));
    this.controls = messages.length > 0 ? encodeControls(libc.abi, messages) : undefined;
  }

  /**
   * Duplicates the descriptors: the message may wait, and the caller is free to close his as soon as `send()` returns.
   *
   * @param request Who waits to hear of the message.
   * @returns A negative errno where that fails: EBADF, EMFILE.
   */
  static take(
    libc: Libc,
    { fds, credentials }: CheckedPassed,
    request: SendRequest | undefined,
  ): OutgoingAncillary | number {
    const own: number[] = [];
    try {
      for (const fd of fds) {
        const duplicate = libc.fcntl(fd, libc.abi.constants.F_DUPFD_CLOEXEC, 0);
        if (duplicate < 0) {
          closeAll(libc, own);
          return duplicate;
        }
        own[own.length] = duplicate;
      }
      return new OutgoingAncillary(libc, own, credentials, request);
    } catch (error) {
      closeAll(libc, own);
      throw error;
    }
  }

  finish(result: number): void {
    this.close();
    this.#request?.finish(result);
  }

  /** Closes the descriptors: the message was not taken, or has left. */
  close(): void {
    closeAll(this.#libc, this.#fds);
  }
}

/** Closes descriptors and forgets them, each before it is closed: if this is interrupted, none is closed twice. */
function closeAll(libc: Libc, fds: number[]): void {
  while (fds.length > 0) libc.close(fds.pop()!);
}

function validateFds(fds: unknown): asserts fds is number[] {
  if (!Array.isArray(fds)) throw invalidArgType("options.fds", "an instance of Array", fds);
  if (fds.length > MAX_DESCRIPTORS) throw outOfRange("options.fds.length", `<= ${MAX_DESCRIPTORS}`, fds.length);
  for (const [i, fd] of fds.entries()) validateInteger(fd, `options.fds[${i}]`, 0, 0x7fffffff);
}

function validateCredentials({ abi }: Libc, credentials: unknown): void {
  validateObject(credentials, "options.credentials");
  const { pid, uid, gid } = credentials as Partial<UnixCredentials>;
  validateInteger(pid, "options.credentials.pid", 1, 0x7fffffff);
  validateInteger(uid, "options.credentials.uid", 0, 0xffffffff);
  validateInteger(gid, "options.credentials.gid", 0, 0xffffffff);
  if (!abi.linux) throw unavailable("SCM_CREDENTIALS", abi.platform);
}
