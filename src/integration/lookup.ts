/**
 * Host names to addresses.
 *
 * @module
 */
import dns from "node:dns";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { type IpVersion, ipVersionOf, LOOPBACK } from "../../ffi/wire/inet.ts";
import { validateString } from "../errors/validate.ts";

/** What a {@linkcode LookupFunction} is called back with: an error, or an address and its family (4 or 6). */
export type LookupCallback = (error: Error | null, address: string, family: number) => void;

/**
 * Resolves a host name to one IP address. Called with the address family wanted, 4 or 6, as second argument.
 * `dns.lookup` is one.
 */
// deno-lint-ignore no-explicit-any
export type LookupFunction = (hostname: string, options: any, callback: LookupCallback) => void;

/** `dns.lookup` as it was when this module was loaded: it hands back what is an address. */
const dnsLookup = dns.lookup;

/**
 * What a socket resolves names with if it is given nothing. As in Node an address of the socket's family needs no resolver;
 * all else is for `dns.lookup` as it is at the time: a program may have put in its own.
 */
export const defaultLookup: LookupFunction = (address, family, callback) => {
  if (ipVersionOf(`${address}`) === family) return nextTick(callback, null, address, family);
  // In the same words in each runtime.
  if (dns.lookup === dnsLookup) validateString(address, "hostname");
  (dns.lookup as LookupFunction)(address, family, callback);
};

/** Whether resolving a text is only a matter of handing it back at the next tick. An empty one is the loopback address. */
export function needsNoLookup(lookup: LookupFunction, version: IpVersion, address: string): boolean {
  if (lookup !== defaultLookup) return false;
  const found = address === "" ? version : ipVersionOf(address);
  return found === version || (found !== 0 && dns.lookup === dnsLookup);
}

/**
 * Resolves a host name for a socket; unless a user's function calls back at once, the callback does not run before this returns. An
 * empty name is the loopback address.
 *
 * @param lookup The user's function, which is asked even for IP addresses, as in Node; or the default one.
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
 * The text of what a user's function gave for an address. As in Node it may be of any type: the text is no address then, unless the
 * value reads as one.
 *
 * @throws What the value throws when it is made a text.
 */
export function addressText(address: unknown): string {
  return typeof address === "string" ? address : `${address}`;
}
