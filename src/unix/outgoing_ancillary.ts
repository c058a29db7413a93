/**
 * The ancillary data of a message that is sent: descriptors and credentials, checked and encoded.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { credentialsMessage, MAX_DESCRIPTORS, rightsMessage, type UnixCredentials } from "../../ffi/wire/ancillary.ts";
import { type ControlMessage, encodeControls, type EncodedControls } from "../../ffi/wire/control.ts";
import { invalidArgType, outOfRange, unavailable } from "../errors/node_errors.ts";
import { validateInteger, validateObject } from "../errors/validate.ts";
import type { SendRequest } from "../sending/callbacks.ts";

/** What was passed to `send()`. */
export interface Passed {
  readonly fds?: unknown;
  readonly credentials?: unknown;
}

/** The same after the checks. */
export interface CheckedPassed {
  readonly fds: readonly number[];
  readonly credentials: UnixCredentials | undefined;
}

/** Checks it. Undefined if there is none. */
export function checkPassed(libc: Libc, { fds, credentials }: Passed): CheckedPassed | undefined {
  if (fds === undefined && credentials === undefined) return undefined;
  if (fds !== undefined) validateFds(fds);
  if (credentials !== undefined) validateCredentials(libc, credentials);
  const { pid = 0, uid = 0, gid = 0 } = credentials as Partial<UnixCredentials> ?? {};
  return { fds: [...fds ?? []], credentials: credentials === undefined ? undefined : { pid, uid, gid } };
}

/** The ancillary data of one message, from `send()` until the kernel has accepted or refused it. */
export class OutgoingAncillary implements SendRequest {
  readonly controls: EncodedControls | undefined;
  readonly #libc: Libc;
  readonly #fds: number[];
  /** Is notified of the outcome. */
  readonly inner: SendRequest | undefined;

  private constructor(
    libc: Libc,
    fds: number[],
    credentials: UnixCredentials | undefined,
    request: SendRequest | undefined,
  ) {
    this.#libc = libc;
    this.#fds = fds;
    this.inner = request;
    const messages: ControlMessage[] = [];
    if (fds.length > 0) messages.push(rightsMessage(libc.abi, fds));
    if (credentials) messages.push(credentialsMessage(libc.abi, credentials));
    this.controls = messages.length > 0 ? encodeControls(libc.abi, messages) : undefined;
  }

  /**
   * Duplicates the descriptors, as the message may wait and the caller may close them as soon as `send()` returns.
   *
   * @param request Is notified of the outcome.
   * @returns A negative errno if it fails: EBADF, EMFILE.
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
    this.inner?.finish(result);
  }

  /** Closes the duplicates: the message was sent, or was not accepted. */
  close(): void {
    closeAll(this.#libc, this.#fds);
  }
}

/** Closes descriptors. Each is removed before it is closed, so that none is closed twice if this is interrupted. */
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
