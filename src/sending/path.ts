/**
 * The path to a destination: which messages may be sent there as segments of one payload.
 *
 * A router that receives a payload that is still coalesced, as from a container on its own host, drops it as a whole if
 * its segments are too large. So messages that a router might refuse are not coalesced before one of them was sent
 * alone. If that one is refused at once, the kernel has learned the path MTU, and refuses the segments. And a shorter
 * message is not coalesced with them, as it might pass if sent alone.
 *
 * @module
 */
import type { IpVersion } from "../../ffi/wire/inet.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";

/** The path to one destination. */
export interface Path {
  /** Whether it is an IPv4 path. */
  readonly byIPv4: boolean;
  /** The IPv4 address in network order; empty if it is an IPv6 path. */
  readonly ipv4: Uint8Array;
  /** Whether it is over the loopback interface, without routers. */
  readonly isLoopback: boolean;
  /** The size of payload, in bytes, that every router forwards. */
  readonly sure: number;
  /** The size of the largest messages that may be sent as segments. It decreases when the kernel refuses them. */
  limit: number;
  /** When `limit` expires, in milliseconds: routes and path MTUs change. */
  limitUntil: number;
}

/** The smallest path MTU that Linux accepts by default (net.ipv4.route.min_pmtu), less the headers. */
const SURE_IPV4 = 552 - 28;
/** The smallest MTU of an IPv6 link (RFC 8200), less the headers. */
const SURE_IPV6 = 1280 - 48;

/** How long a refusal is remembered, in milliseconds. Trying again costs one system call that fails. */
export const REFUSAL_LIFETIME = 2000;

/** The path to an IP address, whose bytes are in network order. */
export function pathTo(version: IpVersion, bytes: Uint8Array): Path {
  const isMapped = version === 6 && isZero(bytes, 10) && bytes[10] === 0xff && bytes[11] === 0xff;
  const byIPv4 = version === 4 || isMapped;
  const isLoopback = byIPv4 ? bytes[isMapped ? 12 : 0] === 127 : isZero(bytes, 15) && bytes[15] === 1;
  const sure = isLoopback ? Infinity : byIPv4 ? SURE_IPV4 : SURE_IPV6;
  const ipv4 = byIPv4 ? bytes.slice(isMapped ? 12 : 0) : new Uint8Array();
  return { byIPv4, ipv4, isLoopback, sure, limit: Infinity, limitUntil: 0 };
}

function isZero(bytes: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Paths by encoded address. */
export class Paths {
  readonly #known = new WeakMap<EncodedAddress, Path>();
  readonly #version: IpVersion;
  /** The offset of the IP address in an encoded address. */
  readonly #at: number;

  /** @param at The offset of the IP address in an encoded address. */
  constructor(version: IpVersion, at: number) {
    this.#version = version;
    this.#at = at;
  }

  /** The path to a destination. */
  to(address: EncodedAddress): Path {
    let path = this.#known.get(address);
    if (path === undefined) {
      const end = this.#at + (this.#version === 4 ? 4 : 16);
      this.#known.set(address, path = pathTo(this.#version, address.subarray(this.#at, end)));
    }
    return path;
  }
}
