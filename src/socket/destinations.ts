/**
 * The addresses that a socket has sent to: they need not be looked up, checked and encoded again.
 *
 * @module
 */
import { BoundedPairCache } from "../../ffi/common/bounded_cache.ts";
import type { NetworkPermission } from "../../ffi/runtimes/network_permission.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";

/** The maximum number of addresses. If there are more, all are forgotten. */
const MAX_ADDRESSES = 4096;

/**
 * One socket's destinations: the encoded form of an address and a port, the same object each time. All are forgotten if the program may
 * have given up a permission.
 */
export class Destinations extends BoundedPairCache<string, number, EncodedAddress> {
  constructor(network: NetworkPermission) {
    super(MAX_ADDRESSES, network);
  }

  /** Remembers one. Not for an address with a zone: an interface's number can change. */
  override set(address: string, port: number, encoded: EncodedAddress): void {
    if (!address.includes("%")) super.set(address, port, encoded);
  }
}
