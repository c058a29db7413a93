/**
 * Decoded socket addresses, remembered by their bytes: a sender's address is text for many datagrams, and made once.
 *
 * @module
 */
import type { Libc } from "./libc.ts";
import type { Memory } from "./memory.ts";
import { decodeAddress, type SocketAddress } from "./sockaddr.ts";

/** Entries; each address has one place where it can be. A power of two. */
const PLACES = 4096;
/** 2^32 divided by the golden ratio: multiplying by it spreads addresses that differ little. */
const HASH_FACTOR = 2654435761;
/** How long an entry with the name of an interface holds, in milliseconds: interfaces can be renamed. */
const ZONE_LIFETIME = 1000;

interface Entry {
  readonly words: Uint32Array;
  readonly address: SocketAddress;
  readonly expires: number;
}

/** Decodes addresses that often repeat. */
export class AddressCache {
  readonly #libc: Libc;
  readonly #entries: (Entry | undefined)[] = [];

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * The address at `offset`, which is a multiple of 4; undefined where its family is not IP's. The object is shared: not to be
   * handed out.
   *
   * @param words The memory's words.
   * @param length The address's length in bytes.
   */
  decode(memory: Memory, words: Uint32Array, offset: number, length: number): SocketAddress | undefined {
    const first = offset >> 2;
    const count = length >> 2;
    let hash = count;
    for (let i = 0; i < count; i++) hash = Math.imul(hash ^ words[first + i], HASH_FACTOR);
    const place = (hash >>> 15) & (PLACES - 1);
    const entry = this.#entries[place];
    if (entry !== undefined && isSame(entry.words, words, first, count) && !isExpired(entry)) return entry.address;
    const address = decodeAddress(this.#libc, memory, offset);
    if (address) {
      const expires = address.address.includes("%") ? performance.now() + ZONE_LIFETIME : Infinity;
      this.#entries[place] = { words: words.slice(first, first + count), address, expires };
    }
    return address;
  }
}

function isExpired({ expires }: Entry): boolean {
  return expires !== Infinity && performance.now() > expires;
}

function isSame(known: Uint32Array, words: Uint32Array, first: number, count: number): boolean {
  if (known.length !== count) return false;
  for (let i = 0; i < count; i++) if (known[i] !== words[first + i]) return false;
  return true;
}
