/**
 * The options of `createSocket`, checked.
 *
 * @module
 */
import type { BlockList } from "node:net";
import type { IpVersion } from "../../ffi/wire/inet.ts";
import { badSocketType, outOfRange } from "../errors/node_errors.ts";
import {
  validateAbortSignal,
  validateBlockList,
  validateBoolean,
  validateFunction,
  validateInteger,
  validateNumber,
  validateUint32,
} from "../errors/validate.ts";
import { defaultLookup, type LookupFunction } from "../integration/lookup.ts";
import { DETAIL_OPTIONS, type DetailName } from "../receiving/details.ts";
import type { Offload } from "../sending/segments.ts";
import type { AdoptOptions, SocketOptions, SocketType } from "./types.ts";

/** Checked options. */
export interface CheckedOptions {
  /** Undefined if the descriptor determines it. */
  readonly version: IpVersion | undefined;
  readonly fd: number | undefined;
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
  readonly recvBufferSize: number;
  readonly sendBufferSize: number;
  readonly sendQueueLimit: number;
  readonly lookup: LookupFunction;
  readonly signal: AbortSignal | undefined;
  readonly receiveBlockList: BlockList | undefined;
  readonly sendBlockList: BlockList | undefined;
  /** The metadata of received datagrams to enable. */
  readonly details: readonly DetailName[];
  readonly freebind: boolean;
  readonly transparent: boolean;
  readonly mark: number | undefined;
  readonly recvErrors: boolean;
  readonly sendTimestamp: boolean;
  readonly offload: Offload;
}

/** Options that Node does not have, which must be booleans. */
const FLAGS = ["gso", "gro", "freebind", "transparent", "recvErrors", "sendTimestamp"] as const;

/** The options of sockets that were created with a type only. The sockets share them, as there may be ten thousand. */
const ofType = new Map<unknown, CheckedOptions>();

/** Checks what `createSocket` was given, with Node's errors. */
export function checkOptions(given: SocketType | SocketOptions | AdoptOptions): CheckedOptions {
  const type = onlyType(given);
  if (type === undefined) return check(given);
  const known = ofType.get(type);
  if (known) return known;
  const options = check(given);
  ofType.set(type, options);
  return options;
}

/** The type, if nothing else was given. */
function onlyType(given: unknown): unknown {
  if (given === null || typeof given !== "object") return given ?? undefined;
  for (const name in given) if (name !== "type") return undefined;
  return (given as { type?: unknown }).type;
}

/** What `createSocket` was given, not checked yet. */
type GivenOptions = Omit<SocketOptions, "type"> & { readonly type?: SocketType | undefined };

function check(given: SocketType | SocketOptions | AdoptOptions): CheckedOptions {
  const options: Omit<SocketOptions, "type"> & { type?: SocketType | undefined } =
    given !== null && typeof given === "object" ? given : { type: given };
  const { fd, lookup, signal, receiveBlockList, sendBlockList } = options;
  if (options.recvBufferSize) validateUint32(options.recvBufferSize, "options.recvBufferSize");
  if (options.sendBufferSize) validateUint32(options.sendBufferSize, "options.sendBufferSize");
  validateBlockList(receiveBlockList, "options.receiveBlockList");
  validateBlockList(sendBlockList, "options.sendBlockList");
  for (const name of FLAGS) if (options[name] !== undefined) validateBoolean(options[name], `options.${name}`);
  if (options.mark !== undefined) validateUint32(options.mark, "options.mark");
  if (options.sendQueueLimit !== undefined) validateSendQueueLimit(options.sendQueueLimit);
  const details = detailsOf(options);
  if (lookup !== undefined) validateFunction(lookup, "lookup");
  const version = versionOf(options.type, fd !== undefined && fd !== null);
  if (signal !== undefined) validateAbortSignal(signal, "options.signal");
  if (fd !== undefined && fd !== null) validateFd(fd);
  return {
    version,
    fd: fd ?? undefined,
    reuseAddr: Boolean(options.reuseAddr),
    reusePort: Boolean(options.reusePort),
    ipv6Only: Boolean(options.ipv6Only),
    recvBufferSize: options.recvBufferSize || 0,
    sendBufferSize: options.sendBufferSize || 0,
    sendQueueLimit: options.sendQueueLimit ?? Infinity,
    lookup: lookup ?? defaultLookup,
    signal,
    receiveBlockList: receiveBlockList || undefined,
    sendBlockList: sendBlockList || undefined,
    details,
    freebind: options.freebind ?? false,
    transparent: options.transparent ?? false,
    mark: options.mark,
    recvErrors: options.recvErrors ?? false,
    sendTimestamp: options.sendTimestamp ?? false,
    // Whoever opened an adopted descriptor may not know UDP_GRO.
    offload: { gso: options.gso ?? true, gro: options.gro ?? (fd === undefined || fd === null) },
  };
}

function detailsOf(options: GivenOptions): DetailName[] {
  const details: DetailName[] = [];
  for (const option of Object.keys(DETAIL_OPTIONS) as (keyof typeof DETAIL_OPTIONS)[]) {
    const value = options[option];
    if (value === undefined) continue;
    validateBoolean(value, `options.${option}`);
    if (value) details.push(DETAIL_OPTIONS[option]);
  }
  return details;
}

/** The public name of a version. */
export function typeOf(version: IpVersion): SocketType {
  return version === 4 ? "udp4" : "udp6";
}

function versionOf(type: unknown, mayBeMissing: boolean): IpVersion | undefined {
  if (type === "udp4") return 4;
  if (type === "udp6") return 6;
  if (type === undefined && mayBeMissing) return undefined;
  throw badSocketType();
}

/** A number of bytes, or Infinity. */
export function validateSendQueueLimit(limit: unknown): asserts limit is number {
  if (limit !== Infinity) validateInteger(limit, "options.sendQueueLimit", 0, Number.MAX_SAFE_INTEGER);
}

/** The number of a descriptor. */
export function validateFd(fd: unknown): asserts fd is number {
  validateNumber(fd, "options.fd");
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff) {
    throw outOfRange("options.fd", "an integer >= 0 && <= 2147483647", fd);
  }
}
