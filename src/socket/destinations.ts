/**
 * The addresses that a socket has sent to: they need not be looked up, checked and encoded again.
 *
 * @module
 */
import type { NetworkPermission } from "../../ffi/runtimes/network_permission.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";

/** The maximum number of addresses. If there are more, all are forgotten. */
const MAX_ADDRESSES = 4096;

/** One socket's destinations. All are forgotten if the program may have given up a permission. */
export class Destinations {
  readonly #network: NetworkPermission;
  #revision: number;
  /** Made for the second one, as many sockets send to one only. */
  #byAddress: Map<string, Map<number, EncodedAddress>> | undefined;
  #count = 0;
  // The last one, as most sockets send to one for some time.
  #address = "";
  #port = 0;
  #encoded: EncodedAddress | undefined;

  constructor(network: NetworkPermission) {
    this.#network = network;
    this.#revision = network.revision;
  }

  /** The encoded form of an address, if it is known. It is the same object each time. */
  find(address: string, port: number): EncodedAddress | undefined {
    if (this.#network.revision !== this.#revision) this.#forget();
    if (port === this.#port && address === this.#address) return this.#encoded;
    const encoded = this.#byAddress?.get(address)?.get(port);
    if (encoded) this.#setLast(address, port, encoded);
    return encoded;
  }

  /** Remembers one. Not for an address with a zone: an interface's number can change. */
  remember(address: string, port: number, encoded: EncodedAddress): void {
    if (address.includes("%")) return;
    if (this.#count >= MAX_ADDRESSES) this.#forget();
    if (this.#count === 1) this.#store(this.#address, this.#port, this.#encoded!);
    if (this.#count > 0) this.#store(address, port, encoded);
    this.#count++;
    this.#setLast(address, port, encoded);
  }

  #store(address: string, port: number, encoded: EncodedAddress): void {
    const byAddress = this.#byAddress ??= new Map();
    const ports = byAddress.get(address);
    if (ports) ports.set(port, encoded);
    else byAddress.set(address, new Map([[port, encoded]]));
  }

  #forget(): void {
    this.#revision = this.#network.revision;
    this.#byAddress = undefined;
    this.#count = 0;
    this.#encoded = undefined;
  }

  #setLast(address: string, port: number, encoded: EncodedAddress): void {
    this.#address = address;
    this.#port = port;
    this.#encoded = encoded;
  }
}
