/**
 * Socket options by their header names (numbers in abi/).
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { type LevelName, type OptionName, SOCKET_OPTIONS, type SocketOption } from "../abi/socket_options.ts";

export type { OptionName };

/** The numbers of an option. */
export interface Option {
  readonly level: number;
  readonly name: number;
  /** The size of its value if that is a number: an int, or a byte if the system requires one. */
  readonly size: 4 | 1;
}

/** Prefixes of option names, and the levels that have such options. */
const LEVELS: readonly { readonly prefix: string; readonly levels: readonly LevelName[] }[] = [
  { prefix: "SO_", levels: ["SOL_SOCKET"] },
  { prefix: "IP_", levels: ["IPPROTO_IP"] },
  { prefix: "IPV6_", levels: ["IPPROTO_IPV6"] },
  { prefix: "MCAST_", levels: ["IPPROTO_IP", "IPPROTO_IPV6"] },
  { prefix: "UDP_", levels: ["IPPROTO_UDP"] },
];

/** The names of the levels that have an option of that name, the likeliest first. */
export function levelsOf(name: string): readonly LevelName[] {
  return LEVELS.find(({ prefix }) => name.startsWith(prefix))?.levels ?? [];
}

/** Whether any supported system has an option of that name. */
export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(SOCKET_OPTIONS, name);
}

/** What is known of an option. Of one that is given by number, nothing is. */
export function knownOf(name: string): SocketOption {
  return isOptionName(name) ? SOCKET_OPTIONS[name] : {};
}

/** The option of that name, or undefined if the system has none. */
export function optionOf(abi: Abi, name: OptionName): Option | undefined {
  const number = abi.options[name];
  const [level] = levelsOf(name);
  if (number === undefined || level === undefined) return undefined;
  const size = abi.darwin ? knownOf(name).darwinSize ?? 4 : 4;
  return { level: abi.levels[level], name: number, size };
}

/**
 * Whether an option's value holds an address, so that it cannot be given as bytes: filters (SO_GET_FILTER has SO_ATTACH_FILTER's
 * number), and the options of the system's firewall, whose numbers begin at IPT_BASE_CTL.
 */
export function holdsAddress({ levels, options, linux }: Abi, level: number, name: number): boolean {
  if (!linux) return false;
  if (level === levels.SOL_SOCKET) return [options.SO_ATTACH_FILTER, options.SO_ATTACH_REUSEPORT_CBPF].includes(name);
  // IPv6 has socket options after that number as well.
  return (level === levels.IPPROTO_IP && name >= linux.IPT_BASE_CTL) ||
    (level === levels.IPPROTO_IPV6 && name === linux.IPT_BASE_CTL);
}
