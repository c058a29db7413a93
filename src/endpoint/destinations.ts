/**
 * The addresses that sockets have sent to: they need not be looked up, checked and encoded again.
 *
 * @module
 */
import { BoundedPairCache, type Revised } from "../../ffi/common/bounded_cache.ts";
import type { NetworkPermission } from "../../ffi/runtimes/network_permission.ts";
import { now } from "../../ffi/runtimes/process.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";

/** The maximum numbers of addresses. If there are more, all are forgotten. */
const [MAX_ADDRESSES, MAX_ZONED_ADDRESSES] = [16_384, 4096];

/**
 * The destinations of a thread's sockets of one IP version: the encoded form of an address and a port, the same object each time. The
 * sockets share them, as many programs open a socket for each message. All are forgotten if a permission may have been revoked.
 */
export class Destinations extends BoundedPairCache<string, number, EncodedAddress> {
  constructor(network: NetworkPermission) {
    super(MAX_ADDRESSES, network);
  }
}

/**
 * How long the index of an interface is believed, in milliseconds: long enough for the messages of one turn, and too short for a program
 * to have another interface made in the meantime.
 */
const ZONE_LIFETIME = 0.25;

/** The same for one socket's addresses with a zone, for a moment. Asking the kernel for an interface's index takes as long as sending. */
export class ZonedDestinations extends BoundedPairCache<string, number, EncodedAddress> {
  /** @param clock In milliseconds. */
  constructor(network: NetworkPermission, clock: () => number = now) {
    super(MAX_ZONED_ADDRESSES, new Moments(network, clock));
  }
}

/** Another revision after each moment, and if the program may have given up a permission. */
class Moments implements Revised {
  readonly #network: NetworkPermission;
  readonly #clock: () => number;
  #networkRevision: number;
  #start: number;
  #revision = 0;

  constructor(network: NetworkPermission, clock: () => number) {
    this.#network = network;
    this.#clock = clock;
    this.#networkRevision = network.revision;
    this.#start = clock();
  }

  get revision(): number {
    const time = this.#clock();
    if (time - this.#start < ZONE_LIFETIME && this.#network.revision === this.#networkRevision) return this.#revision;
    this.#start = time;
    this.#networkRevision = this.#network.revision;
    return ++this.#revision;
  }
}
