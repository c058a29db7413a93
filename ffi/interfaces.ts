/**
 * Network interfaces: names and indexes.
 *
 * @module
 */
import type { Libc } from "./libc.ts";
import { now } from "./process.ts";

/** The index of an interface given by name or by number; a negative errno where there is none of that name. */
export function interfaceIndex(libc: Libc, interface_: string): number {
  if (/^[0-9]{1,9}$/.test(interface_)) return Number(interface_);
  const { IF_NAMESIZE } = libc.abi.constants;
  const name = new TextEncoder().encode(interface_);
  if (name.length === 0 || name.length >= IF_NAMESIZE || name.includes(0)) return -libc.abi.errno.ENODEV;
  const memory = libc.allocate(IF_NAMESIZE);
  memory.bytes.set(name);
  return libc.if_nametoindex(libc.pointer(memory));
}

/** The name of an interface, or its number as text where it has none (any more). */
export function interfaceName(libc: Libc, index: number): string {
  const memory = libc.allocate(libc.abi.constants.IF_NAMESIZE);
  if (libc.if_indextoname(index, libc.pointer(memory)) < 0) return String(index);
  return new TextDecoder().decode(memory.bytes.subarray(0, memory.bytes.indexOf(0)));
}

/** How long a name is remembered, in milliseconds: interfaces can be renamed. */
const NAME_LIFETIME = 1000;

/** Names of interfaces, remembered for a short time. */
export class InterfaceNames {
  readonly #libc: Libc;
  readonly #names = new Map<number, string>();
  #expires = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** As {@linkcode interfaceName}. */
  of(index: number): string {
    const time = now();
    if (time > this.#expires) {
      this.#names.clear();
      this.#expires = time + NAME_LIFETIME;
    }
    let name = this.#names.get(index);
    if (name === undefined) this.#names.set(index, name = interfaceName(this.#libc, index));
    return name;
  }
}
