/**
 * The way to a destination, as far as it decides which messages may go there as segments of one payload.
 *
 * A router that gets a payload undivided, as from a container on its own host, drops it as a whole if its segments are too large. So
 * messages that a router might refuse are not put together before one has gone ahead: if it is refused at once, the kernel knows, and
 * refuses the segments. And a shorter one does not go with them, as alone it might pass.
 *
 * @module
 */
import type { IpVersion } from "../../ffi/wire/inet.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";

/** One destination's. */
export interface Path {
  /** Whether it is IPv4's. */
  readonly byIPv4: boolean;
  /** Whether it ends on this host, by the loopback interface: there are no routers. */
  readonly isLoopback: boolean;
  /** Bytes of payload that every router passes on. */
  readonly sure: number;
  /** Size of the largest messages that may go as segments; it falls when the kernel refuses them. */
  limit: number;
  /** When the kernel is to be asked again, as routes and what is known of them change. In milliseconds. */
  limitUntil: number;
}

/** The least path MTU that Linux believes in (net.ipv4.route.min_pmtu), less the headers. */
const SURE_IPV4 = 552 - 28;
/** The least that a link of IPv6 has (RFC 8200), less the headers. */
const SURE_IPV6 = 1280 - 48;

/** How long a refusal counts, in milliseconds. Asking again costs one system call that fails. */
export const REFUSAL_LIFETIME = 2000;

/** The path to an IP address, of which there are the bytes in network order. */
export function pathTo(version: IpVersion, bytes: Uint8Array): Path {
  const isMapped = version === 6 && isZero(bytes, 10) && bytes[10] === 0xff && bytes[11] === 0xff;
  const byIPv4 = version === 4 || isMapped;
  const isLoopback = byIPv4 ? bytes[isMapped ? 12 : 0] === 127 : isZero(bytes, 15) && bytes[15] === 1;
  const sure = isLoopback ? Infinity : byIPv4 ? SURE_IPV4 : SURE_IPV6;
  return { byIPv4, isLoopback, sure, limit: Infinity, limitUntil: 0 };
}

function isZero(bytes: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Paths by encoded address. */
export class Paths {
  readonly #known = new WeakMap<EncodedAddress, Path>();
  readonly #version: IpVersion;
  /** Where the address stands. */
  readonly #at: number;

  /** @param at Where the address stands in an encoded one. */
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
