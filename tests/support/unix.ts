/**
 * What tests of Unix sockets share.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Descriptor } from "../../ffi/descriptor.ts";
import { currentRuntime } from "../../ffi/load.ts";
import { encodePath } from "../../ffi/wire/sockaddr_un.ts";
import { createSocket, type UnixRemoteInfo, type UnixSocket, type UnixSocketOptions } from "../../mod.ts";
import type { Tools } from "./harness.ts";
import { until } from "./process.ts";
import { isDarwin } from "./runtime.ts";
import { receiveOne } from "./single_messages.ts";

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

/** A bound one; by default to a path that the system chooses, on macOS to one of a folder that is gone after the test. */
export function boundUnix(tools: Tools, path?: string, options: Partial<UnixSocketOptions> = {}): UnixSocket {
  const socket = unixSocket(tools, options);
  socket.bindSync({ path: path ?? (isDarwin ? join(folder(tools), "socket") : undefined) });
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

/** A Unix datagram socket that reads when it is told to, and not before. */
export class IdlePeer {
  readonly fd: number;
  readonly path: string;
  readonly #libc = currentRuntime().libc;
  readonly #room = this.#libc.allocate(2 ** 20);

  constructor(tools: Tools, path: string) {
    const descriptor = Descriptor.open(this.#libc, "unix") as Descriptor;
    tools.cleanup(() => descriptor.close());
    const bound = descriptor.bind(encodePath(this.#libc.abi, path)!);
    if (bound < 0) throw new Error(`bind: errno ${-bound}`);
    this.fd = descriptor.fd;
    this.path = path;
    this.close = () => descriptor.close();
  }

  /** Closes it; its messages are lost. */
  readonly close: () => void;

  /** The messages that wait, as many as there are, or fewer where that is asked for. */
  read(atMost = Infinity): string[] {
    const messages: string[] = [];
    while (messages.length < atMost) {
      const size = receiveOne(this.#libc, this.fd, this.#libc.pointer(this.#room), this.#room.size);
      if (size < 0) break;
      messages.push(new TextDecoder().decode(this.#room.bytes.subarray(0, size)));
    }
    return messages;
  }

  /** Reads until there have been that many. */
  async readAll(count: number, atOnce = Infinity): Promise<string[]> {
    const messages: string[] = [];
    await until(() => messages.push(...this.read(atOnce)) >= count, `${count} messages at ${this.path}`);
    return messages;
  }
}
