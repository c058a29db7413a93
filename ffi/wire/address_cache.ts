/**
 * A cache of decoded socket addresses, by their bytes: the text of a sender's address is made once for many datagrams.
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import type { Memory } from "../libc/memory.ts";
import { decodeAddress, type SocketAddress } from "./sockaddr.ts";

/** The number of entries, a power of two. Each address has one possible place. */
const PLACES = 4096;
/** 2^32 divided by the golden ratio: multiplying by it spreads similar addresses. */
const HASH_FACTOR = 2654435761;
interface Entry {
  readonly words: Uint32Array;
  readonly length: number;
  readonly address: SocketAddress;
  /** The batch in which it was decoded, if it has an interface's name: interfaces can be renamed. */
  readonly batch: number | undefined;
}

/** Decodes addresses that often repeat. */
export class AddressCache {
  readonly #libc: Libc;
  readonly #entries: (Entry | undefined)[] = [];
  #batch = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Begins a batch: the names of interfaces are read again. */
  beginBatch(): void {
    this.#batch++;
  }

  /**
   * The address at `offset`, which is a multiple of 4; undefined if its family is not supported. The object is shared and must not be given to
   * user code.
   *
   * @param words The memory's words.
   * @param length The address's length in bytes.
   */
  decode(memory: Memory, words: Uint32Array, offset: number, length: number): SocketAddress | undefined {
    const first = offset >> 2;
    const count = (length + 3) >> 2;
    // The path of a Unix socket may end within a word, and be followed by the remains of another path.
    if (length & 3) memory.bytes.fill(0, offset + length, offset + count * 4);
    let hash = length;
    for (let i = 0; i < count; i++) hash = Math.imul(hash ^ words[first + i]!, HASH_FACTOR);
    const place = (hash >>> 15) & (PLACES - 1);
    const entry = this.#entries[place];
    const isKnown = entry?.length === length && isSame(entry.words, words, first);
    if (isKnown && (entry.batch === undefined || entry.batch === this.#batch)) return entry.address;
    const address = decodeAddress(this.#libc, memory, offset, length);
    if (address) {
      const batch = hasZone(address) ? this.#batch : undefined;
      this.#entries[place] = { words: words.slice(first, first + count), length, address, batch };
    }
    return address;
  }
}

function hasZone({ address, family }: SocketAddress): boolean {
  return family === "IPv6" && address.includes("%");
}

function isSame(known: Uint32Array, words: Uint32Array, first: number): boolean {
  for (let i = 0; i < known.length; i++) if (known[i] !== words[first + i]) return false;
  return true;
}
