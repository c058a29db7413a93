/**
 * Where a socket has sent before: addresses that need not be looked up, checked and encoded again.
 *
 * @module
 */
import type { EncodedAddress } from "../ffi/sockaddr.ts";

/** Addresses remembered at most; beyond that all are forgotten and it starts anew. */
const MAX_ADDRESSES = 4096;

/** One socket's destinations. */
export class Destinations {
  readonly #byAddress = new Map<string, Map<number, EncodedAddress>>();
  #count = 0;
  // The last one, as most sockets send to one for some time.
  #address = "";
  #port = 0;
  #encoded: EncodedAddress | undefined;

  /** The encoded form of an address, where it is known. The same object each time. */
  find(address: string, port: number): EncodedAddress | undefined {
    if (port === this.#port && address === this.#address) return this.#encoded;
    const encoded = this.#byAddress.get(address)?.get(port);
    if (encoded) this.#setLast(address, port, encoded);
    return encoded;
  }

  /** Remembers one. Not for an address with a zone: an interface's number can change. */
  remember(address: string, port: number, encoded: EncodedAddress): void {
    if (address.includes("%")) return;
    if (this.#count >= MAX_ADDRESSES) {
      this.#byAddress.clear();
      this.#count = 0;
    }
    const ports = this.#byAddress.get(address) ?? new Map<number, EncodedAddress>();
    this.#byAddress.set(address, ports.set(port, encoded));
    this.#count++;
    this.#setLast(address, port, encoded);
  }

  #setLast(address: string, port: number, encoded: EncodedAddress): void {
    this.#address = address;
    this.#port = port;
    this.#encoded = encoded;
  }
}
