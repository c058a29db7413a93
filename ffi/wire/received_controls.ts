/**
 * The control messages that can be received: their level, type and contents, and the options that enable them.
 *
 * @module
 */
import type { Abi, LinuxConstants } from "../abi/abi.ts";
import type { Libc } from "../libc/libc.ts";
import { readTimespec } from "./clock.ts";
import { type ControlReader, controlSpace } from "./control.ts";
import type { IpVersion } from "./inet.ts";
import { LocalAddresses } from "./local_addresses.ts";
import { decodeAddress, maxAddressSize, type SocketAddress } from "./sockaddr.ts";
import type { OptionName } from "./sockopt.ts";

/** Metadata that the kernel can add to every datagram. */
export type ReceivedDetail = "destination" | "originalDestination" | "ttl" | "tos" | "timestamp" | "dropCount";

/** The metadata of one payload. */
export interface ReceivedControls {
  /** 0 if the payload is one datagram. */
  segmentSize: number;
  /** The address it was sent to, and the interface it arrived on. Empty and 0 if not given. */
  localAddress: string;
  interfaceIndex: number;
  /** The address it was sent to before a firewall rule redirected it. Undefined if not given. */
  originalDestination: SocketAddress | undefined;
  /** -1 if not given. */
  ttl: number;
  tos: number;
  /** Nanoseconds since 1970; 0 if not given. */
  timestamp: bigint;
  hardwareTimestamp: bigint;
  /** The number of datagrams that this socket has lost. */
  dropped: number;
}

/** One kind of control message, and how it is decoded. */
interface Receivable {
  readonly detail: ReceivedDetail | "segmentSize";
  readonly level: number;
  readonly type: number;
  /** The size of the kernel's data in bytes. */
  readonly size: number;
  /** How many bytes are read. Shorter data is ignored. */
  readonly least: number;
  decode(view: DataView, at: number, into: ReceivedControls): void;
}

/**
 * The options that enable some metadata.
 *
 * @returns The options to set, with their values, in order; or the name of the option that this system lacks.
 */
export function optionsFor(
  abi: Abi,
  version: IpVersion,
  detail: ReceivedDetail,
  on: boolean,
): readonly (readonly [OptionName, number])[] | string {
  const flag = on ? 1 : 0;
  const { linux } = abi;
  // What an IPv6 socket receives over IPv4 has control messages of IPv4.
  const both = (option4: OptionName, option6: OptionName): [OptionName, number][] => {
    if (version === 4) return [[option4, flag]];
    return linux ? [[option6, flag], [option4, flag]] : [[option6, flag]];
  };
  switch (detail) {
    case "destination":
      // For this one Linux uses IPv6's also for IPv4.
      return [[version === 4 ? "IP_PKTINFO" : "IPV6_RECVPKTINFO", flag]];
    case "originalDestination":
      return linux ? both("IP_RECVORIGDSTADDR", "IPV6_RECVORIGDSTADDR") : "IP_RECVORIGDSTADDR";
    case "ttl":
      return both("IP_RECVTTL", "IPV6_RECVHOPLIMIT");
    case "tos":
      return both("IP_RECVTOS", "IPV6_RECVTCLASS");
    case "timestamp":
      // The device's time requires SO_TIMESTAMPING.
      return [[linux ? "SO_TIMESTAMPNS" : "SO_TIMESTAMP", flag]];
    case "dropCount":
      return linux ? [["SO_RXQ_OVFL", flag]] : "SO_RXQ_OVFL";
  }
}

/** Flags of SO_TIMESTAMPING for the device's receive time. SO_TIMESTAMPNS has only the kernel's. */
export function receiveTimestampFlags(linux: LinuxConstants): number {
  return linux.SOF_TIMESTAMPING_RX_HARDWARE | linux.SOF_TIMESTAMPING_RAW_HARDWARE;
}

/** Flags of SO_TIMESTAMPING for both transmit times: on the error queue, by number, without the datagram. */
export function transmitTimestampFlags(linux: LinuxConstants): number {
  return linux.SOF_TIMESTAMPING_TX_SOFTWARE | linux.SOF_TIMESTAMPING_TX_HARDWARE | linux.SOF_TIMESTAMPING_SOFTWARE |
    linux.SOF_TIMESTAMPING_RAW_HARDWARE | linux.SOF_TIMESTAMPING_OPT_ID | linux.SOF_TIMESTAMPING_OPT_TSONLY;
}

const tables = new WeakMap<Libc, ControlTable>();

/** The table of a C library, made once. */
export function controlTableOf(libc: Libc): ControlTable {
  let table = tables.get(libc);
  if (!table) tables.set(libc, table = new ControlTable(libc));
  return table;
}

/** All control messages that are decoded. Others are ignored. */
export class ControlTable {
  readonly #abi: Abi;
  readonly #addresses: LocalAddresses;
  readonly #receivables: readonly Receivable[];
  readonly #byKey = new Map<number, Receivable>();
  readonly #controls: ReceivedControls = nothingSaid();

  /** See {@linkcode controlTableOf}. */
  constructor(libc: Libc) {
    this.#abi = libc.abi;
    this.#addresses = new LocalAddresses(libc);
    this.#receivables = [
      ...commonReceivables(libc, this.#addresses),
      ...linuxReceivables(libc),
      ...darwinReceivables(libc.abi),
    ];
    for (const receivable of this.#receivables) this.#byKey.set(keyOf(receivable.level, receivable.type), receivable);
  }

  /** How many bytes of control data may be received if these are enabled. */
  spaceFor(details: ReadonlySet<ReceivedDetail>): number {
    const may = ({ detail }: Receivable): boolean => detail === "segmentSize" || details.has(detail);
    return this.#receivables.filter(may).reduce((sum, { size }) => sum + controlSpace(this.#abi, size), 0);
  }

  /** Begins a batch: the names of interfaces are read again. */
  beginBatch(): void {
    this.#addresses.beginBatch();
  }

  /** Decodes the control messages of one payload. The result is the same object each time. */
  read(reader: ControlReader): ReceivedControls {
    const controls = this.#controls;
    forget(controls);
    while (reader.next()) {
      const receivable = this.#byKey.get(keyOf(reader.level, reader.type));
      const isKnown = receivable !== undefined && receivable.level === reader.level && receivable.type === reader.type;
      if (isKnown && reader.size >= receivable.least) receivable.decode(reader.view, reader.at, controls);
    }
    return controls;
  }
}

function nothingSaid(): ReceivedControls {
  return {
    segmentSize: 0,
    localAddress: "",
    interfaceIndex: 0,
    originalDestination: undefined,
    ttl: -1,
    tos: -1,
    timestamp: 0n,
    hardwareTimestamp: 0n,
    dropped: 0,
  };
}

/** Resets all to the values of {@linkcode nothingSaid}, in place. */
function forget(controls: ReceivedControls): void {
  controls.segmentSize = 0;
  controls.localAddress = "";
  controls.interfaceIndex = 0;
  controls.originalDestination = undefined;
  controls.ttl = -1;
  controls.tos = -1;
  controls.timestamp = 0n;
  controls.hardwareTimestamp = 0n;
  controls.dropped = 0;
}

/** Numbers of one message; several may have the same key. */
function keyOf(level: number, type: number): number {
  return level << 16 ^ type;
}

function commonReceivables(libc: Libc, addresses: LocalAddresses): Receivable[] {
  const { levels, options, layouts, platform } = libc.abi;
  const { in_pktinfo, in6_pktinfo } = layouts;
  const isLinux = platform === "linux";
  return [
    {
      detail: "destination",
      level: levels.IPPROTO_IP,
      type: options.IP_PKTINFO,
      size: in_pktinfo.size,
      least: in_pktinfo.size,
      decode(view, at, into) {
        into.localAddress = addresses.ipv4(view, at + in_pktinfo.ipi_addr);
        into.interfaceIndex = view.getInt32(at + in_pktinfo.ipi_ifindex, true);
      },
    },
    {
      detail: "destination",
      level: levels.IPPROTO_IPV6,
      type: options.IPV6_PKTINFO,
      size: in6_pktinfo.size,
      least: in6_pktinfo.size,
      decode(view, at, into) {
        into.interfaceIndex = view.getUint32(at + in6_pktinfo.ipi6_ifindex, true);
        into.localAddress = addresses.ipv6(view, at + in6_pktinfo.ipi6_addr, into.interfaceIndex);
      },
    },
    // An int on Linux, a byte (and the option's number as its type) on macOS.
    small("ttl", levels.IPPROTO_IP, isLinux ? options.IP_TTL : options.IP_RECVTTL),
    small("ttl", levels.IPPROTO_IPV6, options.IPV6_HOPLIMIT),
    // A byte on both.
    small("tos", levels.IPPROTO_IP, isLinux ? options.IP_TOS : options.IP_RECVTOS),
    small("tos", levels.IPPROTO_IPV6, options.IPV6_TCLASS),
  ];
}

/** A number from 0 to 255, in a byte or in an int, of which it is the first byte. */
function small(detail: "ttl" | "tos", level: number, type: number): Receivable {
  const decode = (view: DataView, at: number, into: ReceivedControls): void => void (into[detail] = view.getUint8(at));
  return { detail, level, type, size: 4, least: 1, decode };
}

function linuxReceivables(libc: Libc): Receivable[] {
  const { abi } = libc;
  const { levels, layouts: { timespec }, linux } = abi;
  if (!linux) return [];
  const { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP } = levels;
  const { options: { UDP_GRO, SO_TIMESTAMPNS, SO_TIMESTAMPING, SO_RXQ_OVFL }, scm_timestamping } = linux;
  const { IP_ORIGDSTADDR, IPV6_ORIGDSTADDR } = linux.options;
  return [
    originalDestination(libc, IPPROTO_IP, IP_ORIGDSTADDR, 4),
    originalDestination(libc, IPPROTO_IPV6, IPV6_ORIGDSTADDR, 6),
    {
      detail: "segmentSize",
      level: IPPROTO_UDP,
      type: UDP_GRO,
      size: 4,
      least: 4,
      decode: (view, at, into) => void (into.segmentSize = Math.max(view.getInt32(at, true), 0)),
    },
    {
      detail: "timestamp",
      level: SOL_SOCKET,
      type: SO_TIMESTAMPNS,
      size: timespec.size,
      least: timespec.size,
      decode: (view, at, into) => void (into.timestamp = readTimespec(abi, view, at)),
    },
    {
      // ts[0] is the software's, ts[1] was given up, ts[2] is the hardware's.
      detail: "timestamp",
      level: SOL_SOCKET,
      type: SO_TIMESTAMPING,
      size: scm_timestamping.size,
      least: scm_timestamping.size,
      decode: (view, at, into) => {
        into.hardwareTimestamp = readTimespec(abi, view, at + scm_timestamping.ts + 2 * timespec.size);
      },
    },
    {
      detail: "dropCount",
      level: SOL_SOCKET,
      type: SO_RXQ_OVFL,
      size: 4,
      least: 4,
      decode: (view, at, into) => void (into.dropped = view.getUint32(at, true)),
    },
  ];
}

/** A `struct sockaddr_in` or `struct sockaddr_in6`. */
function originalDestination(libc: Libc, level: number, type: number, version: IpVersion): Receivable {
  const { sockaddr_in, sockaddr_in6 } = libc.abi.layouts;
  const { size } = version === 4 ? sockaddr_in : sockaddr_in6;
  const room = libc.allocate(maxAddressSize(libc.abi));
  const decode = (view: DataView, at: number, into: ReceivedControls): void => {
    room.bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, size));
    into.originalDestination = decodeAddress(libc, room, 0, size);
  };
  return { detail: "originalDestination", level, type, size, least: size, decode };
}

function darwinReceivables({ levels: { SOL_SOCKET }, layouts: { timeval }, darwin }: Abi): Receivable[] {
  if (!darwin) return [];
  return [{
    detail: "timestamp",
    level: SOL_SOCKET,
    type: darwin.SCM_TIMESTAMP,
    size: timeval.size,
    least: timeval.size,
    decode(view, at, into) {
      const seconds = view.getBigInt64(at + timeval.tv_sec, true);
      into.timestamp = seconds * 1_000_000_000n + BigInt(view.getInt32(at + timeval.tv_usec, true)) * 1000n;
    },
  }];
}
