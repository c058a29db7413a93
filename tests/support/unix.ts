/**
 * What tests of Unix sockets share.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSocket, type UnixRemoteInfo, type UnixSocket, type UnixSocketOptions } from "../../mod.ts";
import type { Tools } from "./harness.ts";

/** A folder for sockets that is gone after the test. Its path is short enough for any of them. */
export function folder(tools: Tools): string {
  const path = mkdtempSync(join(tmpdir(), "dgram-ffi-"));
  tools.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}

/** A Unix socket that is closed at the test's end. */
export function unixSocket(tools: Tools, options: Partial<UnixSocketOptions> = {}): UnixSocket {
  return tools.track(createSocket({ ...options, type: "unix_dgram" }));
}

/** A bound one; by default to a path that the system chooses. */
export function boundUnix(tools: Tools, path?: string, options: Partial<UnixSocketOptions> = {}): UnixSocket {
  const socket = unixSocket(tools, options);
  socket.bindSync({ path });
  return socket;
}

/** A datagram as `'message'` gave it. */
export interface UnixReceived {
  readonly text: string;
  readonly remote: UnixRemoteInfo;
}

/** The next `count` datagrams of a socket. An `'error'` rejects. */
export function received(socket: UnixSocket, count: number): Promise<UnixReceived[]> {
  return new Promise((resolve, reject) => {
    const datagrams: UnixReceived[] = [];
    const onMessage = (message: Uint8Array, remote: UnixRemoteInfo): void => {
      datagrams.push({ text: new TextDecoder().decode(message), remote });
      if (datagrams.length < count) return;
      socket.removeListener("message", onMessage);
      socket.removeListener("error", reject);
      resolve(datagrams);
    };
    socket.on("message", onMessage);
    socket.once("error", reject);
  });
}

/** `send` as a promise of the number of bytes. */
export function sentUnix(socket: UnixSocket, message: string | Uint8Array, path?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const callback = (error: Error | null, bytes: number): void => error ? reject(error) : resolve(bytes);
    if (path === undefined) socket.send(message, callback);
    else socket.send(message, path, callback);
  });
}

/** The arguments of the next event of that name. */
export function nextUnixEvent(
  socket: UnixSocket,
  event: "listening" | "connect" | "close" | "error" | "congestion" | "writable",
): Promise<unknown[]> {
  return new Promise((resolve) => socket.once(event as "error", (...values: unknown[]) => resolve(values)));
}
