/**
 * Socket options: a table, one function to set and one to get.
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";

/** The integer options of the table. */
export type OptionName =
  | "SO_TYPE"
  | "SO_ERROR"
  | "SO_BROADCAST"
  | "SO_REUSEADDR"
  | "SO_REUSEPORT"
  | "SO_SNDBUF"
  | "SO_RCVBUF"
  | "SO_DOMAIN"
  | "SO_PROTOCOL"
  | "SO_TIMESTAMP"
  | "SO_TIMESTAMPNS"
  | "SO_TIMESTAMPING"
  | "SO_RXQ_OVFL"
  | "IP_PKTINFO"
  | "IP_RECVTTL"
  | "IP_RECVTOS"
  | "IPV6_RECVPKTINFO"
  | "IPV6_RECVHOPLIMIT"
  | "IPV6_RECVTCLASS"
  | "UDP_GRO"
  | "IP_TTL"
  | "IP_MULTICAST_TTL"
  | "IP_MULTICAST_LOOP"
  | "IPV6_UNICAST_HOPS"
  | "IPV6_MULTICAST_HOPS"
  | "IPV6_MULTICAST_LOOP"
  | "IPV6_MULTICAST_IF"
  | "IPV6_V6ONLY"
  | "IP_BOUND_IF"
  | "IPV6_BOUND_IF";

/** How one option is reached. */
export interface Option {
  readonly level: number;
  readonly name: number;
  /** Size of its value: an int, or a byte where the system insists. */
  readonly size: 4 | 1;
}

function numberIn(table: object | undefined, name: OptionName): number | undefined {
  return (table as Partial<Record<OptionName, number>> | undefined)?.[name];
}

/** The level an option name belongs to. */
function levelOf({ constants, linux }: Abi, name: OptionName): number {
  if (name.startsWith("SO_")) return constants.SOL_SOCKET;
  if (name.startsWith("UDP_")) return linux!.SOL_UDP;
  return name.startsWith("IPV6_") ? constants.IPPROTO_IPV6 : constants.IPPROTO_IP;
}

/** BSD takes these two as `u_char`; Linux takes either. */
const BYTES_ON_DARWIN: readonly OptionName[] = ["IP_MULTICAST_TTL", "IP_MULTICAST_LOOP"];

/** The option of that name, or undefined where the system has none. */
export function optionOf(abi: Abi, name: OptionName): Option | undefined {
  const number = numberIn(abi.constants, name) ?? numberIn(abi.linux, name) ?? numberIn(abi.darwin, name);
  if (number === undefined) return undefined;
  const size = abi.platform === "darwin" && BYTES_ON_DARWIN.includes(name) ? 1 : 4;
  return { level: levelOf(abi, name), name: number, size };
}
