/**
 * Addresses of Unix sockets: `struct sockaddr_un` (layout in abi/), as text.
 *
 * A path names a file. On Linux a path that begins with NUL is abstract: a name without a file, all bytes of which count. The empty
 * text is the address of a socket that is not bound.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { type EncodedAddress, newSockaddr } from "./sockaddr_header.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The maximum length of a path in bytes. A file's path is followed by a NUL, for which `sun_path` needs room as well. */
export function maxPathLength(abi: Abi, isAbstract: boolean): number {
  const { size, sun_path } = abi.layouts.sockaddr_un;
  return size - sun_path - (isAbstract ? 0 : 1);
}

/** The length of a path in bytes. */
export function pathLength(path: string): number {
  return encoder.encode(path).length;
}

/** Encodes a path. Undefined if it is too long, or has a NUL that does not make it abstract. */
export function encodePath(abi: Abi, path: string): EncodedAddress | undefined {
  const { AF_UNIX } = abi.constants;
  const { sun_path } = abi.layouts.sockaddr_un;
  const text = encoder.encode(path);
  const isAbstract = text[0] === 0;
  if (text.length > maxPathLength(abi, isAbstract)) return undefined;
  if (!isAbstract && text.includes(0)) return undefined;
  // For an empty text Linux chooses a name in bind(2).
  const terminator = isAbstract || text.length === 0 ? 0 : 1;
  const bytes = newSockaddr(abi, AF_UNIX, sun_path + text.length + terminator);
  bytes.set(text, sun_path);
  return bytes;
}

/**
 * Decodes a path.
 *
 * @param length The address's length in bytes, as the kernel returned it. Nothing after it is read.
 */
export function decodePath(abi: Abi, bytes: Uint8Array, offset: number, length: number): string {
  const { sun_path } = abi.layouts.sockaddr_un;
  const path = bytes.subarray(offset + sun_path, offset + Math.max(length, sun_path));
  if (abi.linux && path[0] === 0) return decoder.decode(path);
  // BSD systems return the whole struct; Linux includes the NUL.
  const end = path.indexOf(0);
  return decoder.decode(end < 0 ? path : path.subarray(0, end));
}
