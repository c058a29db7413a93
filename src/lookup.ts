/**
 * Host names to addresses.
 *
 * @module
 */
import dns from "node:dns";
import { ipVersionOf } from "../ffi/inet.ts";
import { nextTick } from "../ffi/process.ts";
import type { IpVersion } from "../ffi/sockaddr.ts";
import type { LookupCallback, LookupFunction } from "./types.ts";

/** Where datagrams go whose destination has a port but no address. */
export const LOOPBACK: Record<IpVersion, string> = { 4: "127.0.0.1", 6: "::1" };

/** The address that stands for all local ones. */
export const ANY: Record<IpVersion, string> = { 4: "0.0.0.0", 6: "::" };

/** The system's resolver, as it was when this module was loaded. */
const dnsLookup = dns.lookup as LookupFunction;

/** What a socket resolves names with if it is given nothing: `dns.lookup`, even where a program has put in its own. */
export function defaultLookup(): LookupFunction {
  return dns.lookup as LookupFunction;
}

/** Whether names are resolved by the system's resolver, and addresses, which it only hands back, need not be given to it. */
export function isDefaultLookup(lookup: LookupFunction): boolean {
  return lookup === dnsLookup;
}

/** Whether resolving a text is only a matter of handing it back at the next tick. */
export function needsNoLookup(lookup: LookupFunction, address: string): boolean {
  return isDefaultLookup(lookup) && (address === "" || ipVersionOf(address) !== 0);
}

/**
 * Resolves a host name for a socket; the callback never runs before this returns. An empty name is the loopback address.
 *
 * @param lookup The user's function, which is asked even for IP addresses, as in Node; or `dns.lookup`.
 */
export function resolve(
  lookup: LookupFunction,
  version: IpVersion,
  hostname: string,
  callback: LookupCallback,
): void {
  const name = hostname || LOOPBACK[version];
  if (needsNoLookup(lookup, name)) nextTick(callback, null, name, ipVersionOf(name));
  else lookup(name, version, callback);
}
