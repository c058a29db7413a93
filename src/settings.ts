/**
 * The options of a socket in the kernel, with Node's checks and Node's errors.
 *
 * @module
 */
import type { OptionName } from "../ffi/sockopt.ts";
import type { Endpoint } from "./endpoint.ts";
import { badBufferSize, missingArg } from "./errors.ts";
import type { SystemErrors } from "./system_errors.ts";
import { validateNumber, validateString } from "./validate.ts";

/** The buffers of a socket: their options, and the names of libuv's calls that Node's errors have. */
const BUFFERS = {
  receive: { option: "SO_RCVBUF", call: "uv_recv_buffer_size" },
  send: { option: "SO_SNDBUF", call: "uv_send_buffer_size" },
} as const;

/** One socket's options. What fails throws; what sets returns true, where it does not say otherwise. */
export class Settings {
  readonly #running: () => Endpoint;
  readonly #errors: SystemErrors;
  readonly #EINVAL: number;

  /** @param running The socket's endpoint; throws once the socket is closed. */
  constructor(running: () => Endpoint, errors: SystemErrors, EINVAL: number) {
    this.#running = running;
    this.#errors = errors;
    this.#EINVAL = EINVAL;
  }

  setBroadcast(flag: boolean): true {
    return this.#set("SO_BROADCAST", flag ? 1 : 0, "setBroadcast");
  }

  /** @returns `ttl`. */
  setTTL(ttl: number): number {
    return this.#setHops("IP_TTL", "IPV6_UNICAST_HOPS", ttl, 1, "setTTL");
  }

  /** @returns `ttl`. */
  setMulticastTTL(ttl: number): number {
    return this.#setHops("IP_MULTICAST_TTL", "IPV6_MULTICAST_HOPS", ttl, 0, "setMulticastTTL");
  }

  /** @returns `flag`. */
  setMulticastLoopback(flag: boolean): boolean {
    const option = this.#running().version === 4 ? "IP_MULTICAST_LOOP" : "IPV6_MULTICAST_LOOP";
    this.#set(option, flag ? 1 : 0, "setMulticastLoopback");
    return flag;
  }

  setMulticastInterface(interface_: string): true {
    const endpoint = this.#running();
    validateString(interface_, "interfaceAddress");
    return this.#errors.check(endpoint.setMulticastInterface(interface_), "setMulticastInterface");
  }

  setMembership(join: boolean, group: string, interface_: string | undefined): true {
    const endpoint = this.#running();
    if (!group) throw missingArg("multicastAddress");
    const result = endpoint.setMembership(join, `${group}`, optionalText(interface_));
    return this.#errors.check(result, join ? "addMembership" : "dropMembership");
  }

  setSourceMembership(join: boolean, source: string, group: string, interface_: string | undefined): true {
    const endpoint = this.#running();
    validateString(source, "sourceAddress");
    validateString(group, "groupAddress");
    const result = endpoint.setSourceMembership(join, source, group, optionalText(interface_));
    return this.#errors.check(result, join ? "addSourceSpecificMembership" : "dropSourceSpecificMembership");
  }

  bindToDevice(device: string | null | undefined): true {
    const endpoint = this.#running();
    if (device !== undefined && device !== null) validateString(device, "device");
    return this.#errors.check(endpoint.bindToDevice(device ?? ""), "bindToDevice");
  }

  /**
   * Sets a buffer's size, or gets it where the size is 0, as libuv's call does.
   *
   * @returns The size that was got, or 0.
   */
  bufferSize(buffer: keyof typeof BUFFERS, size: number): number {
    if (size >>> 0 !== size) throw badBufferSize();
    const endpoint = this.#running();
    const { option, call } = BUFFERS[buffer];
    const result = size > 0 ? this.#setInt(endpoint, option, size) : endpoint.getOption(option);
    if (result < 0) throw this.#errors.ofBufferSize(-result, call);
    return result;
  }

  #setHops(option4: OptionName, option6: OptionName, ttl: number, least: number, method: string): number {
    validateNumber(ttl, "ttl");
    // As in Node, a C int; but the kernel takes -1 as "the default", which Node (libuv) does not let through.
    const hops = ttl | 0;
    const { version } = this.#running();
    if (hops < least || hops > 255) throw this.#errors.ofCall(this.#EINVAL, method);
    this.#set(version === 4 ? option4 : option6, hops, method);
    return ttl;
  }

  #set(option: OptionName, value: number, method: string): true {
    return this.#errors.check(this.#running().setOption(option, value), method);
  }

  #setInt(endpoint: Endpoint, option: OptionName, value: number): number {
    return (value | 0) === value ? endpoint.setOption(option, value) : -this.#EINVAL;
  }
}

function optionalText(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : `${value}`;
}
