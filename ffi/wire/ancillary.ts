/**
 * Ancillary data of Unix messages: descriptors and credentials (unix(7), cmsg(3)).
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { SCM_MAX_FD } from "../abi/linux.ts";
import { type ControlMessage, type ControlReader, controlSpace } from "./control.ts";

/**
 * The identity of a process.
 *
 * @example
 * ```ts
 * import process from "node:process";
 * import { socketpair, type UnixCredentials } from "@dgram/ffi";
 *
 * const [left, right] = socketpair({ recvCredentials: true });
 * right.on("message", (_, { credentials }) => {
 *   const { pid }: UnixCredentials = credentials!;
 *   console.log(pid === process.pid); // true
 *   left.close();
 *   right.close();
 * });
 * left.send("who am I?");
 * ```
 */
export interface UnixCredentials {
  /** The process id. */
  pid: number;
  /** The user id. */
  uid: number;
  /** The group id. */
  gid: number;
}

/** The most descriptors that one message takes: Linux's limit. That of macOS is higher. */
export const MAX_DESCRIPTORS = SCM_MAX_FD;

/** Bytes of control data that may come with a message: any number of descriptors, and credentials. */
export function ancillarySpace(abi: Abi): number {
  const credentials = abi.linux ? controlSpace(abi, abi.linux.ucred.size) : 0;
  return controlSpace(abi, 4 * (abi.darwin?.UIPC_MAX_CMSG_FD ?? MAX_DESCRIPTORS)) + credentials;
}

/** Encodes descriptors to be passed: `int[]` (SCM_RIGHTS). */
export function rightsMessage({ constants, levels }: Abi, fds: readonly number[]): ControlMessage {
  const data = new Uint8Array(4 * fds.length);
  const view = new DataView(data.buffer);
  for (const [i, fd] of fds.entries()) view.setInt32(4 * i, fd, true);
  return { level: levels.SOL_SOCKET, type: constants.SCM_RIGHTS, data };
}

/** Encodes credentials to be sent: `struct ucred` (SCM_CREDENTIALS; Linux). */
export function credentialsMessage({ levels, linux }: Abi, { pid, uid, gid }: UnixCredentials): ControlMessage {
  const { ucred, SCM_CREDENTIALS } = linux!;
  const data = new Uint8Array(ucred.size);
  const view = new DataView(data.buffer);
  view.setInt32(ucred.pid, pid, true);
  view.setUint32(ucred.uid, uid, true);
  view.setUint32(ucred.gid, gid, true);
  return { level: levels.SOL_SOCKET, type: SCM_CREDENTIALS, data };
}

/** Decodes a `struct ucred` (Linux). */
export function readCredentials({ linux }: Abi, view: DataView, at: number): UnixCredentials {
  const { ucred } = linux!;
  return {
    pid: view.getInt32(at + ucred.pid, true),
    uid: view.getUint32(at + ucred.uid, true),
    gid: view.getUint32(at + ucred.gid, true),
  };
}

/** The ancillary data of one message. */
export interface Ancillary {
  /** Descriptors that are now open in this process, and have to be closed. */
  readonly fds: readonly number[];
  readonly credentials: UnixCredentials | undefined;
}

/** Reads the ancillary data of one message. */
export function readAncillary(abi: Abi, reader: ControlReader): Ancillary {
  const { levels: { SOL_SOCKET }, constants: { SCM_RIGHTS } } = abi;
  const fds: number[] = [];
  let credentials: UnixCredentials | undefined;
  while (reader.next()) {
    const { level, type, view, at, size } = reader;
    if (level !== SOL_SOCKET) continue;
    if (type === SCM_RIGHTS) {
      for (let i = 0; i + 4 <= size; i += 4) fds.push(view.getInt32(at + i, true));
    } else if (abi.linux && type === abi.linux.SCM_CREDENTIALS && size >= abi.linux.ucred.size) {
      credentials = readCredentials(abi, view, at);
    }
  }
  return { fds, credentials };
}
