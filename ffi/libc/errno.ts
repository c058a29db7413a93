/**
 * Names for errno numbers.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";

const namesByAbi = new WeakMap<Abi, Map<number, string>>();

/** The name of an errno, as in `<errno.h>`; `Unknown system error -N`, as in libuv, if the system has no such errno. */
export function errnoName(abi: Abi, errno: number): string {
  let names = namesByAbi.get(abi);
  if (!names) {
    names = new Map(Object.entries(abi.errno).map(([name, number]) => [number, name]));
    namesByAbi.set(abi, names);
  }
  return names.get(errno) ?? `Unknown system error -${errno}`;
}
