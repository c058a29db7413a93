/**
 * What a message takes along: descriptors and credentials, checked and encoded.
 *
 * @module
 */
import { credentialsMessage, MAX_DESCRIPTORS, rightsMessage, type UnixCredentials } from "../../ffi/ancillary.ts";
import { type ControlMessage, encodeControls, type EncodedControls } from "../../ffi/control.ts";
import type { Libc } from "../../ffi/libc.ts";
import { invalidArgType, outOfRange, unavailable } from "../errors.ts";
import type { SendRequest } from "../sender.ts";
import { validateInteger, validateObject } from "../validate.ts";

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
  return { fds: fds ?? [], credentials: credentials as UnixCredentials | undefined };
}

/** One message's load, from `send()` until the kernel has it or has refused it. */
export class Load implements SendRequest {
  readonly controls: EncodedControls | undefined;
  readonly #libc: Libc;
  readonly #fds: readonly number[];
  readonly #request: SendRequest | undefined;

  private constructor(
    libc: Libc,
    fds: readonly number[],
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
  static take(libc: Libc, { fds, credentials }: CheckedPassed, request: SendRequest | undefined): Load | number {
    const own: number[] = [];
    for (const fd of fds) {
      const duplicate = libc.fcntl(fd, libc.abi.constants.F_DUPFD_CLOEXEC, 0);
      if (duplicate < 0) {
        for (const fd of own) libc.close(fd);
        return duplicate;
      }
      own.push(duplicate);
    }
    return new Load(libc, own, credentials, request);
  }

  finish(result: number): void {
    for (const fd of this.#fds) this.#libc.close(fd);
    this.#request?.finish(result);
  }
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
