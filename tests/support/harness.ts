/**
 * One way to write a test for all runtimes: by `Deno.test` (without its sanitizers, which find the wait for events that lasts a moment
 * longer than the last socket) or under `node:test`.
 *
 * Every test gets tools that make sockets and put things away. Afterwards all sockets are closed, and a UDP or Unix datagram
 * descriptor that is still open fails the test.
 *
 * @module
 */
import process from "node:process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { test as nodeTest } from "node:test";
import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { createSocket, type RemoteInfo, type Socket, type SocketOptions, type SocketType } from "../../mod.ts";
import { udpSocketRows } from "./process.ts";

/** What differs between the two protocols. */
export interface Family {
  readonly type: SocketType;
  readonly version: 4 | 6;
  readonly name: "IPv4" | "IPv6";
  readonly loopback: string;
  readonly any: string;
}

/** Both. */
export const FAMILIES: readonly Family[] = [
  { type: "udp4", version: 4, name: "IPv4", loopback: "127.0.0.1", any: "0.0.0.0" },
  { type: "udp6", version: 6, name: "IPv6", loopback: "::1", any: "::" },
];

/** A datagram as `'message'` gave it. */
export interface Received {
  readonly message: Uint8Array;
  readonly text: string;
  readonly remote: RemoteInfo;
}

/** What a test works with. */
export class Tools {
  readonly #sockets: AsyncDisposable[] = [];
  readonly #cleanups: (() => unknown)[] = [];

  /** Makes a socket that is closed at the test's end. */
  socket(options: SocketType | SocketOptions): Socket {
    return this.track(createSocket(options));
  }

  /** Has a socket that was made otherwise closed at the test's end. */
  track<S extends AsyncDisposable>(socket: S): S {
    this.#sockets.push(socket);
    return socket;
  }

  /** A socket bound to the loopback address of its family and a port of the system's choice. */
  async bound(options: SocketType | SocketOptions, address?: string): Promise<Socket> {
    const socket = this.socket(options);
    const loopback = socket.type === "udp4" ? "127.0.0.1" : "::1";
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, address ?? loopback, () => {
        socket.removeListener("error", reject);
        resolve();
      });
    });
    // It is watched, and set up for receiving, from the next turn of the event loop on.
    await new Promise((resolve) => setImmediate(resolve));
    return socket;
  }

  /** Has something done at the test's end, last registered first. */
  cleanup(action: () => unknown): void {
    this.#cleanups.push(action);
  }

  /** For the harness. */
  async putAway(): Promise<void> {
    for (const socket of this.#sockets) await closed(socket);
    for (const action of this.#cleanups.reverse()) await action();
  }
}

/** Closes a socket, unless it is closed, and waits until it is. */
export async function closed(socket: AsyncDisposable): Promise<void> {
  await socket[Symbol.asyncDispose]();
}

/** The next datagram of a socket. An `'error'` rejects. */
export function nextMessage(socket: Socket): Promise<Received> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Uint8Array, remote: RemoteInfo): void => {
      socket.removeListener("error", onError);
      resolve({ message, text: new TextDecoder().decode(message), remote });
    };
    const onError = (error: Error): void => {
      socket.removeListener("message", onMessage);
      reject(error);
    };
    socket.once("message", onMessage);
    socket.once("error", onError);
  });
}

/** The next `count` datagrams of a socket. */
export function nextMessages(socket: Socket, count: number): Promise<Received[]> {
  return new Promise((resolve) => {
    const received: Received[] = [];
    const onMessage = (message: Uint8Array, remote: RemoteInfo): void => {
      received.push({ message, text: new TextDecoder().decode(message), remote });
      if (received.length < count) return;
      socket.removeListener("message", onMessage);
      resolve(received);
    };
    socket.on("message", onMessage);
  });
}

/** The arguments of the next event of that name. */
export function nextEvent(socket: Socket, event: "listening" | "connect" | "close" | "error"): Promise<unknown[]> {
  return new Promise((resolve) => socket.once(event as "error", (...values: unknown[]) => resolve(values)));
}

/** `send` as a promise of the number of bytes. */
export function sent(
  socket: Socket,
  message: string | Uint8Array,
  port?: number,
  address?: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const callback = (error: Error | null, bytes: number): void => error ? reject(error) : resolve(bytes);
    if (port === undefined) socket.send(message, callback);
    else socket.send(message, port, address, callback);
  });
}

/**
 * A port of the loopback address that answers "port unreachable" for the time of the test: a socket that is connected to itself holds
 * it, so that no other program's socket gets it.
 */
export async function closedPort(tools: Tools, { type, loopback }: Pick<Family, "type" | "loopback">): Promise<number> {
  const socket = await tools.bound(type);
  const { port } = socket.address();
  socket.connectSync(port, loopback);
  return port;
}

/** How long a test may take, in milliseconds. */
const LIMIT = 60_000;

type Body = (tools: Tools) => void | Promise<void>;

/** Options of one test. */
export interface TestOptions {
  /** Why it cannot run here; undefined: it can. */
  readonly skip?: string | undefined;
}

/** Reasons that lie with the machine, and not with the runtime or the system. */
const LACKS = /is not installed|need root|no network namespaces|no C compiler|no perl/;

/** Whether a test that cannot run here has to fail: with `REQUIRE_ALL=1` the machine is said to have all that tests need. */
export function isRequired(skip: string | undefined, required = process.env.REQUIRE_ALL): boolean {
  return required === "1" && skip !== undefined && LACKS.test(skip);
}

interface DenoTest {
  test(definition: { name: string; ignore: boolean; fn: () => Promise<void> }): void;
}

/** Declares a test, named by the behaviour it checks. */
export function test(name: string, body: Body, options: TestOptions = {}): void {
  const { skip } = options;
  const mustRun = isRequired(skip);
  const run = async (): Promise<void> => {
    if (mustRun) throw new Error(`cannot run, although REQUIRE_ALL is set: ${skip}`);
    const before = datagramDescriptors();
    const tools = new Tools();
    try {
      await inTime(body(tools));
    } finally {
      await tools.putAway();
    }
    assertEquals(datagramDescriptors().filter((inode) => !before.includes(inode)), [], "descriptors left open");
  };
  const isSkipped = Boolean(skip) && !mustRun;
  if (isSkipped) console.log(`skipped: ${name}: ${skip}`);
  const deno = (globalThis as unknown as { Deno?: DenoTest }).Deno;
  if (deno) deno.test({ name, ignore: isSkipped, fn: run });
  else nodeTest(name, { skip: isSkipped && skip!, timeout: 2 * LIMIT }, run);
}

/** A test that waits for ever fails, instead of stopping the run. */
async function inTime(running: void | Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT} ms`)), LIMIT);
  });
  await Promise.race([running, late]).finally(() => clearTimeout(timer));
}

/** Declares a test once for each protocol. */
export function testBoth(
  name: string,
  body: (tools: Tools, family: Family) => void | Promise<void>,
  options: TestOptions = {},
): void {
  for (const family of FAMILIES) test(`${name} (${family.name})`, (tools) => body(tools, family), options);
}

/** Whether the system tells of open descriptors; macOS does not. */
const hasProc = existsSync("/proc/self/net/udp");

/** The inodes of this process's UDP and Unix datagram sockets (Linux). */
function datagramDescriptors(): string[] {
  return hasProc ? [...udpDescriptors(), ...unixDescriptors()] : [];
}

/** The inodes of this process's Unix datagram sockets (Linux). */
export function unixDescriptors(): string[] {
  // Num RefCount Protocol Flags Type St Inode Path, where type 2 is SOCK_DGRAM.
  const rows = readFileSync("/proc/self/net/unix", "utf8").split("\n").slice(1).map((line) => line.trim().split(/\s+/));
  return openSockets(new Set(rows.filter(([, , , , type]) => type === "0002").map((row) => row[6])));
}

/** The inodes of this process's UDP sockets (Linux). */
export function udpDescriptors(): string[] {
  return openSockets(new Set(udpSocketRows().map(({ inode }) => inode)));
}

/** Those of the inodes that this process has open. */
function openSockets(inodes: ReadonlySet<string>): string[] {
  return openDescriptors().flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []).filter((i) => inodes.has(i));
}

/** Where those of this process's descriptors lead that were not open before. Others may be closed meanwhile: Deno takes a moment. */
export function openedSince(before: readonly string[]): string[] {
  const left = [...before];
  return openDescriptors().filter((link) => {
    const at = left.indexOf(link);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Where each of this process's descriptors leads (Linux). */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}
