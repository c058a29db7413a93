/**
 * The control messages that can be sent with a datagram, and how they are encoded.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { type ControlMessage, encodeControls, type EncodedControls, intData } from "./control.ts";
import type { IpVersion } from "./inet.ts";

/** The metadata of one datagram to be sent. What is undefined is as the socket has it. */
export interface SentControls {
  /** The source address: 4 or 16 bytes. */
  readonly source: Uint8Array | undefined;
  /** The outgoing interface. 0: the kernel chooses. */
  readonly interfaceIndex: number;
  /** TTL or hop limit. */
  readonly ttl: number | undefined;
  /** Type of service or traffic class. */
  readonly tos: number | undefined;
  readonly dontFragment: boolean | undefined;
  /** The transmit time, in nanoseconds of the clock that SO_TXTIME has set. */
  readonly txTime: bigint | undefined;
}

/**
 * Encodes them.
 *
 * @param wire The protocol of the datagram. For a mapped address it is IPv4, also on an IPv6 socket.
 * @returns The control data; undefined if there is none.
 */
export function encodeSentControls(abi: Abi, wire: IpVersion, controls: SentControls): EncodedControls | undefined {
  const messages = wire === 4 ? ipv4Messages(abi, controls) : ipv6Messages(abi, controls);
  if (controls.txTime !== undefined && abi.linux) {
    const data = new Uint8Array(8);
    new DataView(data.buffer).setBigUint64(0, controls.txTime, true);
    messages.push({ level: abi.levels.SOL_SOCKET, type: abi.linux.options.SO_TXTIME, data });
  }
  return messages.length > 0 ? encodeControls(abi, messages) : undefined;
}

/**
 * The name of a control message that the metadata requires and the system lacks. Undefined if it has all.
 *
 * Linux has none for don't-fragment over IPv4, which is an option of the socket. macOS has few for IPv4: it ignores IP_TTL, in older
 * versions also IP_TOS, and it ignores the source address if an interface is given as well.
 */
export function missingMessage(abi: Abi, wire: IpVersion, controls: SentControls): string | undefined {
  if (controls.txTime !== undefined && !abi.linux) return "SO_TXTIME";
  if (wire === 6) return undefined;
  if (controls.dontFragment !== undefined) return "IP_DONTFRAG for single datagrams";
  if (abi.linux) return undefined;
  if (controls.source && controls.interfaceIndex > 0) return "IP_PKTINFO with an address and an interface";
  if (controls.ttl !== undefined) return "IP_TTL for single datagrams";
  return controls.tos !== undefined ? "IP_TOS for single datagrams" : undefined;
}

function ipv4Messages({ levels, options, layouts }: Abi, controls: SentControls): ControlMessage[] {
  const { IPPROTO_IP } = levels;
  const { IP_PKTINFO, IP_TTL, IP_TOS } = options;
  const { source, interfaceIndex, ttl, tos } = controls;
  const messages: ControlMessage[] = [];
  if (source || interfaceIndex > 0) {
    const { size, ipi_ifindex, ipi_spec_dst } = layouts.in_pktinfo;
    const data = new Uint8Array(size);
    new DataView(data.buffer).setInt32(ipi_ifindex, interfaceIndex, true);
    if (source) data.set(source, ipi_spec_dst);
    messages.push({ level: IPPROTO_IP, type: IP_PKTINFO, data });
  }
  if (ttl !== undefined) messages.push({ level: IPPROTO_IP, type: IP_TTL, data: intData(ttl) });
  if (tos !== undefined) messages.push({ level: IPPROTO_IP, type: IP_TOS, data: intData(tos) });
  return messages;
}

function ipv6Messages({ levels, options, layouts }: Abi, controls: SentControls): ControlMessage[] {
  const { IPPROTO_IPV6 } = levels;
  const { IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, IPV6_DONTFRAG } = options;
  const { source, interfaceIndex, ttl, tos, dontFragment } = controls;
  const messages: ControlMessage[] = [];
  if (source || interfaceIndex > 0) {
    const { size, ipi6_addr, ipi6_ifindex } = layouts.in6_pktinfo;
    const data = new Uint8Array(size);
    new DataView(data.buffer).setUint32(ipi6_ifindex, interfaceIndex, true);
    if (source) data.set(source, ipi6_addr);
    messages.push({ level: IPPROTO_IPV6, type: IPV6_PKTINFO, data });
  }
  const add = (type: number, value: number): void =>
    void messages.push({ level: IPPROTO_IPV6, type, data: intData(value) });
  if (ttl !== undefined) add(IPV6_HOPLIMIT, ttl);
  if (tos !== undefined) add(IPV6_TCLASS, tos);
  if (dontFragment !== undefined) add(IPV6_DONTFRAG, dontFragment ? 1 : 0);
  return messages;
}
