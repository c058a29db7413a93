/**
 * What a single datagram is sent with, beyond its destination: the options of `send`, checked, and made into control data.
 *
 * @module
 */
import type { Abi } from "../ffi/abi/abi.ts";
import type { EncodedControls } from "../ffi/control.ts";
import { parseIp } from "../ffi/inet.ts";
import { interfaceIndex } from "../ffi/interfaces.ts";
import type { Libc } from "../ffi/libc.ts";
import { now } from "../ffi/process.ts";
import { encodeSentControls, missingMessage, type SentControls } from "../ffi/sent_controls.ts";
import type { EncodedAddress, IpVersion } from "../ffi/sockaddr.ts";
import { incompatibleOptions, invalidArgType, invalidArgValue, outOfRange, unavailable } from "./errors.ts";
import type { SendControls, SendOptions } from "./types.ts";
import { validateBoolean, validateInteger, validateString } from "./validate.ts";

/** {@linkcode SendControls} after the checks. */
export interface CheckedControls {
  readonly localAddress: string | undefined;
  readonly interface: string | number | undefined;
  readonly ttl: number | undefined;
  readonly tos: number | undefined;
  readonly dontFragment: boolean | undefined;
  readonly txTime: bigint | undefined;
}

/** The properties of {@linkcode SendOptions}. */
// deno-fmt-ignore
const NAMES: readonly (keyof SendOptions)[] = [
  "port", "address", "localAddress", "interface", "ttl", "tos", "dscp", "ecn", "dontFragment", "txTime",
];

/** Whether an argument of `send` is its options. An object that has none of them is what Node makes of it. */
export function isSendOptions(value: unknown): value is SendOptions {
  return value !== null && typeof value === "object" && NAMES.some((name) => name in value);
}

/** @returns Undefined where nothing is asked for. @throws Node's errors. */
export function checkSendControls(given: SendControls): CheckedControls | undefined {
  const { localAddress, ttl, dontFragment, txTime } = given;
  const isPlain = localAddress === undefined && given.interface === undefined && ttl === undefined &&
    given.tos === undefined && given.dscp === undefined && given.ecn === undefined && dontFragment === undefined &&
    txTime === undefined;
  if (isPlain) return undefined;
  if (localAddress !== undefined) checkLocalAddress(localAddress);
  if (given.interface !== undefined) checkInterface(given.interface);
  if (ttl !== undefined) validateInteger(ttl, "options.ttl", 1, 255);
  if (dontFragment !== undefined) validateBoolean(dontFragment, "options.dontFragment");
  if (txTime !== undefined) checkTxTime(txTime);
  return { localAddress, interface: given.interface, ttl, tos: tosOf(given), dontFragment, txTime };
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

/** The type of service, given as a whole or in its two parts, of which one left out is 0. */
function tosOf({ tos, dscp, ecn }: SendControls): number | undefined {
  if (tos !== undefined) {
    validateInteger(tos, "options.tos", 0, 255);
    if (dscp !== undefined) throw incompatibleOptions("options.tos", "options.dscp");
    if (ecn !== undefined) throw incompatibleOptions("options.tos", "options.ecn");
    return tos;
  }
  if (dscp === undefined && ecn === undefined) return undefined;
  if (dscp !== undefined) validateInteger(dscp, "options.dscp", 0, 63);
  if (ecn !== undefined) validateInteger(ecn, "options.ecn", 0, 3);
  return (dscp ?? 0) << 2 | (ecn ?? 0);
}

/** How long encoded controls that name an interface are remembered, in milliseconds: interfaces can be renamed. */
const LIFETIME = 1000;
/** Remembered at most. */
const MAX_ENTRIES = 256;

interface Known {
  readonly controls: CheckedControls;
  readonly wire: IpVersion;
  readonly encoded: EncodedControls | undefined;
  readonly expires: number;
}

function isExpired({ expires }: Known): boolean {
  return expires !== Infinity && now() > expires;
}

function isSame(one: CheckedControls, other: CheckedControls): boolean {
  return one.localAddress === other.localAddress && one.interface === other.interface && one.ttl === other.ttl &&
    one.tos === other.tos && one.dontFragment === other.dontFragment && one.txTime === other.txTime;
}

/** Whether what they mean can change. */
function namesInterface({ interface: given, localAddress = "" }: CheckedControls): boolean {
  return typeof given === "string" || localAddress.includes("%");
}

/** Encodes controls. Those that are alike give the same object, so that their datagrams can go together. */
export class SendControlsEncoder {
  readonly #libc: Libc;
  readonly #version: IpVersion;
  readonly #known = new Map<string, Known>();
  /** The last one, as most messages are sent like the one before. */
  #last: Known | undefined;
  readonly #hasTxTime: () => boolean;

  /**
   * @param version The socket's.
   * @param hasTxTime Whether the socket has a clock for transmit times.
   */
  constructor(libc: Libc, version: IpVersion, hasTxTime: () => boolean) {
    this.#libc = libc;
    this.#version = version;
    this.#hasTxTime = hasTxTime;
  }

  /**
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM where the system has no such control message; ERR_INVALID_ARG_VALUE
   * where the local address is not of the socket's protocol, or a transmit time has no clock.
   */
  check(controls: CheckedControls): void {
    const { abi } = this.#libc;
    const { localAddress } = controls;
    if (localAddress !== undefined && parseIp(localAddress)!.version !== this.#version) {
      throw invalidArgValue("options.localAddress", `must be an IPv${this.#version} address`, localAddress);
    }
    const missing = missingMessage(abi, this.#version, { ...controls, source: undefined, interfaceIndex: 0 });
    if (missing) throw unavailable(missing, abi.platform);
    if (controls.txTime !== undefined && !this.#hasTxTime()) {
      throw invalidArgValue("options.txTime", "has no clock before setTxTimeClock()", controls.txTime);
    }
  }

  /**
   * @param wire The protocol that the datagram goes by.
   * @returns The control data, if there is any; or a negative errno.
   */
  encode(controls: CheckedControls, wire: IpVersion): EncodedControls | undefined | number {
    const last = this.#last;
    if (last && last.wire === wire && isSame(last.controls, controls) && !isExpired(last)) return last.encoded;
    const key = `${wire} ${Object.values(controls).join(" ")}`;
    const known = this.#known.get(key);
    if (known && !isExpired(known)) {
      this.#last = known;
      return known.encoded;
    }
    const encoded = this.#encode(controls, wire);
    if (typeof encoded === "number") return encoded;
    if (this.#known.size >= MAX_ENTRIES) this.#known.clear();
    const expires = namesInterface(controls) ? now() + LIFETIME : Infinity;
    this.#known.set(key, this.#last = { controls, wire, encoded, expires });
    return encoded;
  }

  #encode(controls: CheckedControls, wire: IpVersion): EncodedControls | undefined | number {
    const { abi } = this.#libc;
    const source = sourceOf(controls.localAddress, wire);
    const interfaceIndex = this.#interfaceOf(controls);
    if (source === null) return -abi.errno.EINVAL;
    if (interfaceIndex < 0) return interfaceIndex;
    const sent: SentControls = { ...controls, source, interfaceIndex };
    return missingMessage(abi, wire, sent) ? -abi.errno.ENOTSUP : encodeSentControls(abi, wire, sent);
  }

  /** That of the zone, where there is one and no other is named; 0: any. A negative errno where there is no such interface. */
  #interfaceOf({ interface: given, localAddress }: CheckedControls): number {
    if (typeof given === "number") return given;
    const name = given ?? (localAddress === undefined ? "" : parseIp(localAddress)!.zone);
    return name === "" ? 0 : interfaceIndex(this.#libc, name);
  }
}

/** The address's bytes for that protocol: of a mapped address the last four, for IPv4. Null where they do not fit. */
function sourceOf(localAddress: string | undefined, wire: IpVersion): Uint8Array | undefined | null {
  if (localAddress === undefined) return undefined;
  const { bytes } = parseIp(localAddress)!;
  if (wire === 4 && bytes.length === 16) return isMapped(bytes) ? bytes.subarray(12) : null;
  return wire === 6 && isMapped(bytes) ? null : bytes;
}

/** Whether an encoded address of IPv6 stands for an IPv4 address. */
export function isMappedName(abi: Abi, name: EncodedAddress): boolean {
  const { sin6_addr } = abi.layouts.sockaddr_in6;
  return isMapped(name.subarray(sin6_addr, sin6_addr + 16));
}

/** Whether the 16 bytes of an IPv6 address stand for an IPv4 address (RFC 4291, 2.5.5.2). */
function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}
