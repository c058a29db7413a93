/**
 * Where a socket has sent before: addresses that need not be looked up, checked and encoded again.
 *
 * @module
 */
import { BoundedPairCache } from "../../ffi/common/bounded_cache.ts";
import type { NetworkPermission } from "../../ffi/runtimes/network_permission.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";

/** Addresses remembered at most; beyond that all are forgotten. */
const MAX_ADDRESSES = 4096;

/** One socket's destinations. All are forgotten if the program may have given up a permission. */
export class Destinations {
  readonly #known: BoundedPairCache<string, number, EncodedAddress>;

  constructor(network: NetworkPermission) {
    this.#known = new BoundedPairCache(MAX_ADDRESSES, network);
  }

  /** The encoded form of an address, where it is known. The same object each time. */
  find(address: string, port: number): EncodedAddress | undefined {
    return this.#known.get(address, port);
  }

  /** Remembers one. Not for an address with a zone: an interface's number can change. */
  remember(address: string, port: number, encoded: EncodedAddress): void {
    if (!address.includes("%")) this.#known.set(address, port, encoded);
  }
}
