/**
 * The destinations of a Unix socket: caches paths that were checked and encoded.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { BoundedCache } from "../../ffi/common/bounded_cache.ts";
import type { NetworkPermission } from "../../ffi/runtimes/network_permission.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import { encodePath } from "../../ffi/wire/sockaddr_un.ts";
import { validatePath } from "./path.ts";

/** The most paths that are kept; beyond that all are dropped. */
const MAX_PATHS = 4096;

/** The destinations of one socket. All are dropped if the program may have given up a permission. */
export class UnixDestinations {
  readonly #abi: Abi;
  readonly #network: NetworkPermission;
  readonly #byPath: BoundedCache<unknown, EncodedAddress>;

  constructor(abi: Abi, network: NetworkPermission) {
    this.#abi = abi;
    this.#network = network;
    this.#byPath = new BoundedCache(MAX_PATHS, network);
  }

  /**
   * The encoded path, or the runtime's error if it does not permit it.
   *
   * @throws What `validatePath` throws.
   */
  find(given: unknown): EncodedAddress | Error {
    const known = this.#byPath.get(given);
    if (known) return known;
    const path = validatePath(this.#abi, given, "path", "send");
    const refused = this.#network.pathRefusal(path);
    if (refused) return refused;
    const encoded = encodePath(this.#abi, path)!;
    this.#byPath.set(given, encoded);
    return encoded;
  }
}
