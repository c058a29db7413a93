/**
 * Resolves host names.
 *
 * @module
 */
import dns from "node:dns";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { type IpVersion, ipVersionOf, LOOPBACK } from "../../ffi/wire/inet.ts";
import { validateString } from "../errors/validate.ts";

/**
 * What a {@linkcode LookupFunction} is called back with: an error, or an address and its family (4 or 6).
 *
 * @example
 * ```ts
 * import type { LookupCallback } from "@dgram/ffi";
 *
 * const names = new Map([["printer", "127.0.0.1"]]);
 * function lookup(hostname: string, _options: unknown, callback: LookupCallback) {
 *   callback(null, names.get(hostname) ?? hostname, 4); // Also called for addresses.
 * }
 * const client = createSocket({ type: "udp4", lookup });
 * client.send("hello", port, "printer", () => client.close());
 * ```
 */
export type LookupCallback = (error: Error | null, address: string, family: number) => void;

/**
 * Resolves a host name to one IP address. Called with the address family wanted, 4 or 6, as second argument.
 * `dns.lookup` is one.
 *
 * @example
 * ```ts
 * import type { LookupFunction } from "@dgram/ffi";
 *
 * const lookup: LookupFunction = (_hostname, _options, callback) => callback(null, "127.0.0.1", 4);
 * const client = createSocket({ type: "udp4", lookup });
 * client.send("hello", port, "any.name", () => client.close());
 * ```
 */
// deno-lint-ignore no-explicit-any
export type LookupFunction = (hostname: string, options: any, callback: LookupCallback) => void;

/** `dns.lookup` when this module was loaded. It returns IP addresses unchanged. */
const dnsLookup = dns.lookup;

/**
 * The default resolver. As in Node an address of the socket's family needs no lookup. Everything else goes to the `dns.lookup` of
 * that moment, which a program may have replaced.
 */
export const defaultLookup: LookupFunction = (address, family, callback) => {
  if (ipVersionOf(`${address}`) === family) return nextTick(callback, null, address, family);
  // So that the message is the same in each runtime.
  if (dns.lookup === dnsLookup) validateString(address, "hostname");
  (dns.lookup as LookupFunction)(address, family, callback);
};

/** Whether the lookup would only return its argument at the next tick. An empty text is the loopback address. */
export function needsNoLookup(lookup: LookupFunction, version: IpVersion, address: string): boolean {
  if (lookup !== defaultLookup) return false;
  const found = address === "" ? version : ipVersionOf(address);
  return found === version || (found !== 0 && dns.lookup === dnsLookup);
}

/**
 * Resolves a host name for a socket. Unless a user's function calls back synchronously, the callback runs after this has
 * returned. An empty name is the loopback address.
 *
 * @param lookup The user's function, which is also called for IP addresses, as in Node; or the default one.
 */
export function resolve(
  lookup: LookupFunction,
  version: IpVersion,
  hostname: string,
  callback: (error: Error | null, address: unknown) => void,
): void {
  lookup(hostname || LOOPBACK[version], version, callback);
}

/**
 * The answer of a user's lookup function as text. As in Node it may be of any type, and the text need not be an address.
 *
 * @throws What the value throws when it is converted.
 */
export function addressText(address: unknown): string {
  return typeof address === "string" ? address : `${address}`;
}
