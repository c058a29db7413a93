/**
 * Host names to addresses.
 *
 * @module
 */
import dns from "node:dns";
import { ipVersionOf } from "../ffi/inet.ts";
import { nextTick } from "../ffi/process.ts";
import type { IpVersion } from "../ffi/sockaddr.ts";
import type { LookupFunction } from "./types.ts";
import { validateString } from "./validate.ts";

/** Where datagrams go whose destination has a port but no address. */
export const LOOPBACK: Record<IpVersion, string> = { 4: "127.0.0.1", 6: "::1" };

/** The address that stands for all local ones. */
export const ANY: Record<IpVersion, string> = { 4: "0.0.0.0", 6: "::" };

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
