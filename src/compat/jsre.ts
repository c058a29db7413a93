/**
 * The `dgram` module of the JSRE document, over the UDP socket.
 *
 * @module
 */
import dns from "node:dns";
import { linuxAbi } from "../../ffi/abi/linux.ts";
import type { SocketEvents } from "../endpoint/events.ts";
import { invalidArgValue } from "../errors/node_errors.ts";
import { validateNumber } from "../errors/validate.ts";
import type { LookupCallback, LookupFunction } from "../integration/lookup.ts";
import type { RemoteInfo } from "../receiving/types.ts";
import { bind } from "../socket/bind.ts";
import { Socket } from "../socket/socket.ts";
import type { AdoptOptions, BindOptions, SocketOptions, SocketType } from "../socket/types.ts";

/** The smallest buffer size that is accepted, in bytes. */
const MIN_BUFFER_SIZE = 1024;
/** The largest buffer size that is accepted, in bytes. */
const MAX_BUFFER_SIZE = 16 * 1024 * 1024;

/** JSRE numbers address families as Linux does. */
const { AF_INET, AF_INET6 } = linuxAbi("x64").constants;

/**
 * Called with an error, or with the address.
 *
 * @example
 * ```ts
 * import type { JsreLookupCallback } from "@dgram/ffi/jsre";
 *
 * const names = new Map([["printer", "127.0.0.1"]]);
 * function lookup(hostname: string, callback: JsreLookupCallback) {
 *   callback(null, names.get(hostname) ?? hostname); // Also called for addresses.
 * }
 * const client = createSocket({ type: "udp4", lookup });
 * client.send("hello", port, "printer", () => client.close());
 * ```
 */
export type JsreLookupCallback = (error: Error | null | undefined, address: string) => void;

/**
 * JSRE's form of a resolver: `lookup(hostname, callback)`, or `lookup(hostname, domain, callback)` (2 for IPv4, 10 for IPv6).
 *
 * @example
 * ```ts
 * import type { JsreLookup, JsreLookupCallback } from "@dgram/ffi/jsre";
 *
 * const lookup: JsreLookup = (_hostname: string, callback: JsreLookupCallback) => callback(null, "127.0.0.1");
 * const client = createSocket({ type: "udp4", lookup });
 * client.send("hello", port, "any.name", () => client.close());
 * ```
 */
export type JsreLookup =
  | ((hostname: string, callback: JsreLookupCallback) => void)
  | ((hostname: string, domain: number, callback: JsreLookupCallback) => void);

/**
 * Options of {@linkcode createSocket}: those of the main entry, with JSRE's forms of `lookup` and `fd`.
 *
 * @example
 * ```ts
 * import type { JsreOptions } from "@dgram/ffi/jsre";
 *
 * const options: JsreOptions = { type: "udp4", fd: "", recvBufferSize: 65_536 };
 * createSocket(options).close();
 * ```
 */
export interface JsreOptions extends Omit<SocketOptions, "lookup" | "fd"> {
  /** Resolves host names. `dns.lookup`, the default, may also be given. */
  lookup?: JsreLookup | LookupFunction | undefined;
  /** The number of an open datagram socket to take over. An empty string means none. */
  fd?: number | string | undefined;
}

/**
 * Options of `bind()`, with JSRE's form of `fd`.
 *
 * @example
 * ```ts
 * import type { JsreBindOptions } from "@dgram/ffi/jsre";
 *
 * const options: JsreBindOptions = { port: 0, address: "127.0.0.1", fd: "" };
 * socket.bind(options);
 * ```
 */
export interface JsreBindOptions extends Omit<BindOptions, "fd"> {
  /** The number of an open datagram socket to use. An empty string means none. */
  fd?: number | string | undefined;
}

/**
 * A listener for `'message'`.
 *
 * @example
 * ```ts
 * import type { MessageListener } from "@dgram/ffi/jsre";
 *
 * const print: MessageListener = (message, remote) => {
 *   console.log(`${message} from ${remote.address}`); // hello from 127.0.0.1
 * };
 * socket.on("message", print);
 * socket.send("hello", port, "127.0.0.1");
 * ```
 */
export type MessageListener = (message: SocketEvents["message"][0], remote: RemoteInfo) => void;

/**
 * The methods whose results differ from Node's.
 *
 * @example
 * ```ts
 * import type { Differing } from "@dgram/ffi/jsre";
 *
 * const settings: Differing[] = ["setTTL", "setBroadcast"];
 * console.log(settings.every((name) => typeof socket[name] === "function")); // true
 * ```
 */
export type Differing =
  | "bind"
  | "setTTL"
  | "setBroadcast"
  | "setMulticastInterface"
  | "setMulticastTTL"
  | "setMulticastLoopback"
  | "addMembership"
  | "dropMembership"
  | "addSourceSpecificMembership"
  | "dropSourceSpecificMembership"
  | "bindToDevice"
  | "setRecvBufferSize"
  | "setSendBufferSize"
  | "getRecvBufferSize"
  | "getSendBufferSize";

/**
 * A socket without the methods that differ.
 *
 * @example
 * ```ts
 * import type { CommonSocket } from "@dgram/ffi/jsre";
 *
 * function received({ getStatistics }: CommonSocket) {
 *   return getStatistics.call(socket).received.datagrams;
 * }
 * console.log(received(socket)); // 0
 * ```
 */
export type CommonSocket = Omit<Socket, Differing>;

/**
 * The main entry's {@linkcode Socket}, as a base class whose differing methods have no type yet.
 *
 * @example
 * ```ts
 * import { CommonSocketClass, createSocket } from "@dgram/ffi/jsre";
 *
 * const socket = createSocket("udp4");
 * console.log(socket instanceof CommonSocketClass); // true
 * socket.close();
 * ```
 */
export const CommonSocketClass: new (
  options: SocketType | SocketOptions | AdoptOptions,
  listener?: MessageListener,
) => CommonSocket = Socket as never;

const node = Socket.prototype;

/**
 * A UDP socket with JSRE's conventions.
 *
 * @example
 * ```ts
 * import type { Dgram } from "@dgram/ffi/jsre";
 *
 * function configure(socket: Dgram) {
 *   return socket.setTTL(64) && socket.setBroadcast(true);
 * }
 * socket.bind(0, "127.0.0.1", () => console.log(configure(socket))); // true
 * ```
 */
export class Dgram extends CommonSocketClass {
  /**
   * See {@linkcode createSocket}.
   *
   * @param options The type, or options.
   * @param listener Added as a listener for `'message'`.
   */
  constructor(options: SocketType | JsreOptions, listener?: MessageListener) {
    super(nodeOptions(options), listener);
  }

  /** Binds to a local address, as in Node. */
  bind(port?: number, address?: string, callback?: () => void): this;
  /** Binds with options, or takes over the socket `fd`. */
  bind(options: JsreBindOptions, callback?: () => void): this;
  bind(options?: unknown, ...values: unknown[]): this {
    const isObject = options !== null && typeof options === "object";
    const nodeOptions = isObject ? withNumericFd(options as JsreBindOptions) : options;
    bind(this as unknown as Socket, [nodeOptions, ...values], 0);
    return this;
  }

  /** IP_TTL. @param ttl 1 to 255. @returns Whether it worked. */
  setTTL(ttl: number): boolean {
    return succeeds(() => node.setTTL.call(this, ttl));
  }

  /** SO_BROADCAST. @returns Whether it worked. */
  setBroadcast(enable: boolean): boolean {
    return succeeds(() => node.setBroadcast.call(this, enable));
  }

  /** IP_MULTICAST_IF. @param multicastInterface The interface's name, or its address. @returns Whether it worked. */
  setMulticastInterface(multicastInterface: string): boolean {
    return succeeds(() => node.setMulticastInterface.call(this, multicastInterface));
  }

  /** IP_MULTICAST_TTL. @param ttl 0 to 255. @returns Whether it worked. */
  setMulticastTTL(ttl: number): boolean {
    return succeeds(() => node.setMulticastTTL.call(this, ttl));
  }

  /** IP_MULTICAST_LOOP. @returns Whether it worked. */
  setMulticastLoop(enable: boolean): boolean {
    return succeeds(() => node.setMulticastLoopback.call(this, enable));
  }

  /** Node's name for {@linkcode Dgram.setMulticastLoop}. @returns Whether it worked. */
  setMulticastLoopback(enable: boolean): boolean {
    return this.setMulticastLoop(enable);
  }

  /** Joins a multicast group. @returns Whether it worked. */
  addMembership(multicastAddress: string, multicastInterface?: string): boolean {
    return succeeds(() => node.addMembership.call(this, multicastAddress, multicastInterface));
  }

  /** Leaves a multicast group, or, with a source address, a source-specific channel. @returns Whether it worked. */
  dropMembership(multicastAddress: string, multicastInterface?: string, sourceAddress?: string): boolean {
    if (sourceAddress !== undefined) {
      return this.dropSourceSpecificMembership(sourceAddress, multicastAddress, multicastInterface);
    }
    return succeeds(() => node.dropMembership.call(this, multicastAddress, multicastInterface));
  }

  /** Joins a source-specific channel. @returns Whether it worked. */
  addSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): boolean {
    return succeeds(() => node.addSourceSpecificMembership.call(this, sourceAddress, groupAddress, multicastInterface));
  }

  /** Leaves a source-specific channel. @returns Whether it worked. */
  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): boolean {
    return succeeds(() =>
      node.dropSourceSpecificMembership.call(this, sourceAddress, groupAddress, multicastInterface)
    );
  }

  /** SO_BINDTODEVICE. @param ifname The interface's name. Defaults to all interfaces. @returns Whether it worked. */
  bindToDevice(ifname?: string): boolean {
    return succeeds(() => node.bindToDevice.call(this, ifname));
  }

  /** SO_RCVBUF in bytes, or a negative errno. */
  getRecvBufferSize(): number {
    return sizeOrErrno(() => node.getRecvBufferSize.call(this));
  }

  /** SO_SNDBUF in bytes, or a negative errno. */
  getSendBufferSize(): number {
    return sizeOrErrno(() => node.getSendBufferSize.call(this));
  }

  /** SO_RCVBUF. @param size 1024 to 16,777,216 bytes. @returns Whether it worked. */
  setRecvBufferSize(size: number): boolean {
    return isInRange(size) && succeeds(() => node.setRecvBufferSize.call(this, size));
  }

  /** SO_SNDBUF. @param size 1024 to 16,777,216 bytes. @returns Whether it worked. */
  setSendBufferSize(size: number): boolean {
    return isInRange(size) && succeeds(() => node.setSendBufferSize.call(this, size));
  }
}

/**
 * Makes a UDP socket.
 *
 * @param options `"udp4"`, `"udp6"`, or an object with that as `type` and more.
 * @param callback Added as a listener for `'message'`.
 * @throws What `createSocket` of the main entry throws.
 *
 * @example
 * ```ts
 * const client = createSocket("udp4", (message) => {
 *   console.log(message.toString()); // hello
 *   client.close();
 * });
 * client.send("hello", port, "127.0.0.1");
 * ```
 */
export function createSocket(options: SocketType | JsreOptions, callback?: MessageListener): Dgram {
  return new Dgram(options, callback);
}

function nodeOptions(options: SocketType | JsreOptions): SocketType | SocketOptions {
  if (options === null || typeof options !== "object") return options;
  const adapted = { ...withNumericFd(options) };
  if (typeof adapted.lookup === "function") adapted.lookup = nodeLookup(adapted.lookup);
  // Sizes out of range are ignored.
  for (const name of ["recvBufferSize", "sendBufferSize"] as const) {
    if (typeof adapted[name] === "number" && !isInRange(adapted[name])) adapted[name] = undefined;
  }
  return adapted as SocketOptions;
}

/** Converts a descriptor that was given as text to a number. */
function withNumericFd<T extends { fd?: number | string | undefined }>(options: T): T {
  const { fd } = options;
  if (typeof fd !== "string") return options;
  if (!/^\d*$/.test(fd)) throw invalidArgValue("options.fd", "must be a number", fd);
  return { ...options, fd: fd === "" ? undefined : Number(fd) };
}

/** Makes a lookup function of Node's form from one of JSRE's. */
function nodeLookup(lookup: JsreLookup | LookupFunction): LookupFunction {
  if (lookup === dns.lookup) return lookup as LookupFunction;
  const jsreLookup = lookup as (...values: unknown[]) => void;
  return (hostname: string, version: number, callback: LookupCallback) => {
    const done = (error: Error | null | undefined, address: string): void => callback(error ?? null, address, version);
    if (jsreLookup.length < 3) jsreLookup(hostname, done);
    else jsreLookup(hostname, version === 4 ? AF_INET : AF_INET6, done);
  };
}

function isInRange(size: unknown): boolean {
  validateNumber(size, "size");
  return size >= MIN_BUFFER_SIZE && size <= MAX_BUFFER_SIZE;
}

/** Whether an operation succeeds. A TypeError is thrown on, as it is the caller's mistake. */
function succeeds(operation: () => unknown): boolean {
  try {
    operation();
    return true;
  } catch (error) {
    if (error instanceof TypeError) throw error;
    return false;
  }
}

function sizeOrErrno(read: () => number): number {
  try {
    return read();
  } catch (error) {
    return (error as { errno?: number }).errno ?? -1;
  }
}

/**
 * The module as one object, for `import dgram from`.
 *
 * @example
 * ```ts
 * import dgram from "@dgram/ffi/jsre";
 *
 * const socket = dgram.createSocket("udp4");
 * console.log(socket instanceof dgram.Dgram); // true
 * socket.close();
 * ```
 */
const dgram: { createSocket: typeof createSocket; Dgram: typeof Dgram } = { createSocket, Dgram };
export default dgram;
