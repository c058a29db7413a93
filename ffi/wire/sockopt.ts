/**
 * Socket options by their header names (numbers in abi/).
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { DARWIN_OPTIONS } from "../abi/darwin_options.ts";
import { LINUX_OPTIONS } from "../abi/linux_options.ts";

/** The options of the tables. */
export type OptionName = keyof typeof LINUX_OPTIONS | keyof typeof DARWIN_OPTIONS;

/** The numbers of an option. */
export interface Option {
  readonly level: number;
  readonly name: number;
  /** The size of its value if that is a number: an int, or a byte if the system requires one. */
  readonly size: 4 | 1;
}

/** Prefixes of option names, and the levels that have such options. */
const LEVELS: readonly { readonly prefix: string; readonly levels: readonly string[] }[] = [
  { prefix: "SO_", levels: ["SOL_SOCKET"] },
  { prefix: "IP_", levels: ["IPPROTO_IP"] },
  { prefix: "IPV6_", levels: ["IPPROTO_IPV6"] },
  { prefix: "MCAST_", levels: ["IPPROTO_IP", "IPPROTO_IPV6"] },
  { prefix: "UDP_", levels: ["IPPROTO_UDP"] },
];

/** The names of the levels that have an option of that name, the likeliest first. */
export function levelsOf(name: string): readonly string[] {
  return LEVELS.find(({ prefix }) => name.startsWith(prefix))?.levels ?? [];
}

/** Whether any supported system has an option of that name. */
export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(LINUX_OPTIONS, name) || Object.hasOwn(DARWIN_OPTIONS, name);
}

/** BSD requires a `u_char` for these two; Linux accepts either. */
const BYTES_ON_DARWIN: readonly OptionName[] = ["IP_MULTICAST_TTL", "IP_MULTICAST_LOOP"];

/** The option of that name, or undefined if the system has none. */
export function optionOf(abi: Abi, name: OptionName): Option | undefined {
  const number = abi.options[name];
  if (number === undefined) return undefined;
  const size = abi.platform === "darwin" && BYTES_ON_DARWIN.includes(name) ? 1 : 4;
  return { level: abi.levels[levelsOf(name)[0]], name: number, size };
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
