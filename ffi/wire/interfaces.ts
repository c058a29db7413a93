/**
 * Network interfaces: names and indexes.
 *
 * @module
 */
import { BoundedCache } from "../common/bounded_cache.ts";
import type { Libc } from "../libc/libc.ts";

/**
 * The index of an interface given by name or by number; a negative errno if there is none. Digits may be a name, which takes
 * precedence. Whether an interface has that number is not checked.
 */
export function interfaceIndex(libc: Libc, iface: string): number {
  const index = interfaceNamed(libc, iface);
  return index <= 0 && /^[0-9]{1,9}$/.test(iface) ? Number(iface) : index;
}

/** The index of an interface given by name (if_nametoindex(3)); a negative errno if there is none. */
export function interfaceNamed(libc: Libc, text: string): number {
  const { IF_NAMESIZE } = libc.abi.constants;
  const name = new TextEncoder().encode(text);
  if (name.length === 0 || name.length >= IF_NAMESIZE || name.includes(0)) return -libc.abi.errno.ENODEV;
  const memory = libc.allocate(IF_NAMESIZE);
  memory.bytes.set(name);
  const index = libc.if_nametoindex(libc.pointer(memory));
  // macOS's word for it.
  return index === -libc.abi.errno.ENXIO ? -libc.abi.errno.ENODEV : index;
}

/** The name of an interface, or its number as text if it has no name (any more). */
export function interfaceName(libc: Libc, index: number): string {
  const memory = libc.allocate(libc.abi.constants.IF_NAMESIZE);
  if (libc.if_indextoname(index, libc.pointer(memory)) < 0) return String(index);
  return new TextDecoder().decode(memory.bytes.subarray(0, memory.bytes.indexOf(0)));
}

/** The maximum number of cached names, more than a host has interfaces. */
const MAX_NAMES = 4096;

/** Names of interfaces, each read once for each batch, as interfaces can be renamed. */
export class InterfaceNames {
  readonly #libc: Libc;
  readonly #batch = { revision: 0 };
  readonly #names = new BoundedCache<number, string>(MAX_NAMES, this.#batch);

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Begins a batch: names are read again. */
  beginBatch(): void {
    this.#batch.revision++;
  }

  /** As {@linkcode interfaceName}. */
  of(index: number): string {
    let name = this.#names.get(index);
    if (name === undefined) this.#names.set(index, name = interfaceName(this.#libc, index));
    return name;
  }
}
