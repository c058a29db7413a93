/**
 * The options of a single datagram: checks them, and encodes them as ancillary data.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { BoundedCache } from "../../ffi/common/bounded_cache.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { type IpVersion, parseIp } from "../../ffi/wire/inet.ts";
import { interfaceIndex } from "../../ffi/wire/interfaces.ts";
import { encodeSentControls, missingMessage, type SentControls } from "../../ffi/wire/sent_controls.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import {
  incompatibleOptions,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  unavailable,
} from "../errors/node_errors.ts";
import { validateBoolean, validateInteger, validateString } from "../errors/validate.ts";
import type { SendControls, SendOptions } from "./types.ts";

/**
 * {@linkcode SendControls} after the checks: `tos`, or `dscp` and `ecn`, of which a missing one defaults to the
 * socket's.
 */
export interface CheckedControls {
  readonly localAddress: string | undefined;
  readonly interface: string | number | undefined;
  readonly ttl: number | undefined;
  readonly tos: number | undefined;
  readonly dscp: number | undefined;
  readonly ecn: number | undefined;
  readonly dontFragment: boolean | undefined;
  readonly txTime: bigint | undefined;
}

/** The properties of {@linkcode SendOptions}. */
// deno-fmt-ignore
const NAMES: readonly (keyof SendOptions)[] = [
  "port", "address", "localAddress", "interface", "ttl", "tos", "dscp", "ecn", "dontFragment", "txTime",
  "signal",
];

/**
 * Whether an argument of `send()` is its options. An object with none of their properties is treated as Node treats it.
 */
export function isSendOptions(value: unknown): value is SendOptions {
  return value !== null && typeof value === "object" && NAMES.some((name) => name in value);
}

/** @returns Undefined if no option is set. @throws Node's errors. */
export function checkSendControls(given: SendControls): CheckedControls | undefined {
  // Read once: the next time a property may have another value, which nothing has checked.
  const { localAddress, interface: device, ttl, tos, dscp, ecn, dontFragment, txTime } = given;
  const isPlain = localAddress === undefined && device === undefined && ttl === undefined && tos === undefined &&
    dscp === undefined && ecn === undefined && dontFragment === undefined && txTime === undefined;
  if (isPlain) return undefined;
  if (localAddress !== undefined) checkLocalAddress(localAddress);
  if (device !== undefined) checkInterface(device);
  if (ttl !== undefined) validateInteger(ttl, "options.ttl", 1, 255);
  if (dontFragment !== undefined) validateBoolean(dontFragment, "options.dontFragment");
  if (txTime !== undefined) checkTxTime(txTime);
  checkTOS({ tos, dscp, ecn });
  return { localAddress, interface: device, ttl, tos, dscp, ecn, dontFragment, txTime };
}

function checkLocalAddress(address: unknown): void {
  validateString(address, "options.localAddress");
  if (!parseIp(address)) throw invalidArgValue("options.localAddress", "must be an IP address", address);
}

function checkInterface(value: unknown): void {
  if (typeof value === "number") validateInteger(value, "options.interface", 1, 0x7fffffff);
  else if (typeof value !== "string") {
    throw invalidArgType("options.interface", "one of type string or number", value);
  } else if (value === "") throw invalidArgValue("options.interface", "must not be empty", value);
}

function checkTxTime(value: unknown): void {
  if (typeof value !== "bigint") throw invalidArgType("options.txTime", "of type bigint", value);
  if (value < 0n || value >= 2n ** 64n) throw outOfRange("options.txTime", ">= 0n && < 2n ** 64n", value);
}

/** The type of service is given as a whole, or as its two parts. */
function checkTOS({ tos, dscp, ecn }: SendControls): void {
  if (tos !== undefined) {
    validateInteger(tos, "options.tos", 0, 255);
    if (dscp !== undefined) throw incompatibleOptions("options.tos", "options.dscp");
    if (ecn !== undefined) throw incompatibleOptions("options.tos", "options.ecn");
  }
  if (dscp !== undefined) validateInteger(dscp, "options.dscp", 0, 63);
  if (ecn !== undefined) validateInteger(ecn, "options.ecn", 0, 3);
}

/** The most encodings that are kept; beyond that all are dropped. */
const MAX_ENTRIES = 256;

/**
 * The options of a message with everything resolved that could change its meaning: interface names, parts of a byte.
 */
interface Resolved {
  readonly localAddress: string | undefined;
  readonly interfaceIndex: number;
  readonly ttl: number | undefined;
  readonly tos: number | undefined;
  readonly dontFragment: boolean | undefined;
  readonly txTime: bigint | undefined;
  readonly wire: IpVersion;
}

interface Known {
  readonly controls: Resolved;
  readonly encoded: EncodedControls | undefined;
}

function isSame(one: Resolved, other: Resolved): boolean {
  return one.wire === other.wire && one.localAddress === other.localAddress &&
    one.interfaceIndex === other.interfaceIndex && one.ttl === other.ttl && one.tos === other.tos &&
    one.dontFragment === other.dontFragment && one.txTime === other.txTime;
}

/** What an encoder needs from its socket. */
export interface ControlledSocket {
  readonly version: IpVersion;
  /** Whether a clock for transmit times is set. */
  readonly hasTxTime: boolean;
  /** The type of service or traffic class that the socket sets in datagrams of that protocol. */
  typeOfServiceOf(wire: IpVersion): number;
}

/** Encodes options. Equal options give the same object, so that their datagrams can be sent in one payload. */
export class SendControlsEncoder {
  readonly #libc: Libc;
  readonly #socket: ControlledSocket;
  readonly #known = new BoundedCache<string, Known>(MAX_ENTRIES);
  /** The last one used, as most messages have the same options as the one before. */
  #last: Known | undefined;

  constructor(libc: Libc, socket: ControlledSocket) {
    this.#libc = libc;
    this.#socket = socket;
  }

  /**
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM if the system has no such control message;
   * ERR_INVALID_ARG_VALUE if the local address is not of the socket's protocol, or there is a transmit time and no
   * clock.
   */
  check(controls: CheckedControls): void {
    const { abi } = this.#libc;
    const { version, hasTxTime } = this.#socket;
    const { localAddress, ttl, tos, dscp, ecn, dontFragment, txTime } = controls;
    if (localAddress !== undefined && parseIp(localAddress)!.version !== version) {
      throw invalidArgValue("options.localAddress", `must be an IPv${version} address`, localAddress);
    }
    const sent = { source: undefined, interfaceIndex: 0, ttl, tos: tos ?? dscp ?? ecn, dontFragment, txTime };
    const missing = missingMessage(abi, version, sent);
    if (missing) throw unavailable(missing, abi.platform);
    if (txTime !== undefined && !hasTxTime) {
      throw invalidArgValue("options.txTime", "has no clock before setTxTimeClock()", txTime);
    }
  }

  /**
   * @param wire The protocol that carries the datagram.
   * @returns The ancillary data, if any; or a negative errno.
   */
  encode(controls: CheckedControls, wire: IpVersion): EncodedControls | undefined | number {
    const { localAddress, ttl, dontFragment, txTime } = controls;
    // The index is looked up each time: an interface can be renamed, or created again under its old name.
    const interfaceIndex = this.#interfaceOf(controls);
    if (interfaceIndex < 0) return interfaceIndex;
    const tos = this.#tosOf(controls, wire);
    const resolved: Resolved = { localAddress, interfaceIndex, ttl, tos, dontFragment, txTime, wire };
    if (this.#last && isSame(this.#last.controls, resolved)) return this.#last.encoded;
    const key = Object.values(resolved).join(" ");
    const known = this.#known.get(key);
    if (known) {
      this.#last = known;
      return known.encoded;
    }
    const encoded = this.#encode(resolved);
    if (typeof encoded === "number") return encoded;
    this.#known.set(key, this.#last = { controls: resolved, encoded });
    return encoded;
  }

  #encode(controls: Resolved): EncodedControls | undefined | number {
    const { abi } = this.#libc;
    const { wire } = controls;
    const source = sourceOf(controls.localAddress, wire);
    if (source === null) return -abi.errno.EINVAL;
    const sent: SentControls = { ...controls, source };
    return missingMessage(abi, wire, sent) ? -abi.errno.ENOTSUP : encodeSentControls(abi, wire, sent);
  }

  /** A part that was not given is the socket's. */
  #tosOf({ tos, dscp, ecn }: CheckedControls, wire: IpVersion): number | undefined {
    if (dscp === undefined && ecn === undefined) return tos;
    if (dscp !== undefined && ecn !== undefined) return dscp << 2 | ecn;
    const own = this.#socket.typeOfServiceOf(wire);
    return dscp !== undefined ? dscp << 2 | own & 3 : own & ~3 | ecn!;
  }

  /**
   * The index of the interface, or else of the address's zone; 0 for any. A negative errno if there is no such
   * interface.
   */
  #interfaceOf({ interface: given, localAddress }: CheckedControls): number {
    if (typeof given === "number") return given;
    if (given !== undefined) return interfaceIndex(this.#libc, given);
    const zone = localAddress?.includes("%") ? parseIp(localAddress)!.zone : "";
    return zone === "" ? 0 : interfaceIndex(this.#libc, zone);
  }
}

/**
 * The address's bytes for that protocol: of a mapped address the last four, for IPv4. Null if it is of the other
 * protocol.
 */
function sourceOf(localAddress: string | undefined, wire: IpVersion): Uint8Array | undefined | null {
  if (localAddress === undefined) return undefined;
  const { bytes } = parseIp(localAddress)!;
  if (wire === 4 && bytes.length === 16) return isMapped(bytes) ? bytes.subarray(12) : null;
  return wire === 6 && isMapped(bytes) ? null : bytes;
}

/** Whether an encoded IPv6 address is an IPv4-mapped one. */
export function isMappedName(abi: Abi, name: EncodedAddress): boolean {
  const { sin6_addr } = abi.layouts.sockaddr_in6;
  return isMapped(name.subarray(sin6_addr, sin6_addr + 16));
}

/** Whether the 16 bytes of an IPv6 address are an IPv4-mapped one (RFC 4291, 2.5.5.2). */
function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}
