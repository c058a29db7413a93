/**
 * Local addresses in control messages, as text.
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import type { Memory } from "../libc/memory.ts";
import { AddressCache } from "./address_cache.ts";
import { encodeAddress } from "./sockaddr.ts";

/** Converts addresses to text. Mostly they are the same few. */
export class LocalAddresses {
  readonly #cache: AddressCache;
  /** For each protocol a socket address with port 0, into which the bytes are copied for the cache. */
  readonly #names: { readonly [version in 4 | 6]: { memory: Memory; words: Uint32Array } };
  readonly #at: { readonly sin_addr: number; readonly sin6_addr: number; readonly sin6_scope_id: number };

  constructor(libc: Libc) {
    const { sockaddr_in, sockaddr_in6 } = libc.abi.layouts;
    this.#cache = new AddressCache(libc);
    this.#names = { 4: nameOf(libc, 4, "0.0.0.0"), 6: nameOf(libc, 6, "::") };
    this.#at = { ...sockaddr_in, ...sockaddr_in6 };
  }

  /** Begins a batch: the names of interfaces are read again. */
  beginBatch(): void {
    this.#cache.beginBatch();
  }

  /** The text of four bytes at an offset. */
  ipv4(view: DataView, offset: number): string {
    const { memory, words } = this.#names[4];
    memory.view.setUint32(this.#at.sin_addr, view.getUint32(offset));
    return this.#cache.decode(memory, words, 0, memory.size)!.address;
  }

  /** The text of sixteen bytes at an offset. A link-local address is followed by its zone. */
  ipv6(view: DataView, offset: number, interfaceIndex: number): string {
    const { memory, words } = this.#names[6];
    const { sin6_addr, sin6_scope_id } = this.#at;
    for (let i = 0; i < 16; i += 4) memory.view.setUint32(sin6_addr + i, view.getUint32(offset + i));
    memory.view.setUint32(sin6_scope_id, interfaceIndex, true);
    return this.#cache.decode(memory, words, 0, memory.size)!.address;
  }
}

function nameOf(libc: Libc, version: 4 | 6, any: string): { memory: Memory; words: Uint32Array } {
  const encoded = encodeAddress(libc, version, any, 0)!;
  const memory = libc.allocate(encoded.length);
  memory.bytes.set(encoded);
  return { memory, words: new Uint32Array(memory.buffer) };
}
