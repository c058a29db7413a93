/**
 * Metadata of received datagrams beyond Node's `rinfo`: the options that enable it, and the decoding of control messages to
 * properties.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { ControlReader } from "../../ffi/wire/control.ts";
import type { IpVersion } from "../../ffi/wire/inet.ts";
import { InterfaceNames } from "../../ffi/wire/interfaces.ts";
import {
  type ControlTable,
  controlTableOf,
  optionsFor,
  type ReceivedControls,
  type ReceivedDetail,
} from "../../ffi/wire/received_controls.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { unavailable } from "../errors/node_errors.ts";
import type { ControlDecoder } from "./inbox.ts";
import type { ReceiveDetails } from "./types.ts";

/** Metadata that can be enabled, from the kernel or already known. */
export type DetailName = ReceivedDetail | "truncated" | "segmentSize";

/** The options of `createSocket`. */
export const DETAIL_OPTIONS = {
  recvLocalAddress: "destination",
  recvOriginalAddress: "originalDestination",
  recvTTL: "ttl",
  recvTOS: "tos",
  recvTimestamp: "timestamp",
  recvTruncated: "truncated",
  recvSegmentSize: "segmentSize",
  recvDropCount: "dropCount",
} as const satisfies Record<string, DetailName>;

/**
 * The options that enable it in the kernel, with their values.
 *
 * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM if the system does not have it.
 */
export function kernelOptions(
  abi: Abi,
  version: IpVersion,
  detail: DetailName,
  on: boolean,
): readonly (readonly [OptionName, number])[] {
  const options = isReceivedDetail(detail) ? optionsFor(abi, version, detail, on) : [];
  if (typeof options === "string") throw unavailable(options, abi.platform);
  return options;
}

/** Whether it has to be enabled in the kernel. */
function isReceivedDetail(detail: DetailName): detail is ReceivedDetail {
  return detail !== "truncated" && detail !== "segmentSize";
}

/** Decodes control messages to the properties that one socket has enabled, always in the same order. */
export class DetailDecoder implements ControlDecoder {
  readonly space: number;
  segmentSize = 0;
  readonly #wanted: Readonly<Record<DetailName, boolean>>;
  readonly #table: ControlTable;
  readonly #interfaces: InterfaceNames;
  readonly #version: IpVersion;
  readonly #MSG_TRUNC: number;
  readonly #MSG_CTRUNC: number;

  /**
   * @param version The socket's.
   * @param wanted At least one.
   */
  constructor(libc: Libc, version: IpVersion, wanted: ReadonlySet<DetailName>) {
    this.#version = version;
    const wants = (detail: DetailName): boolean => wanted.has(detail);
    this.#wanted = {
      destination: wants("destination"),
      originalDestination: wants("originalDestination"),
      ttl: wants("ttl"),
      tos: wants("tos"),
      timestamp: wants("timestamp"),
      truncated: wants("truncated"),
      segmentSize: wants("segmentSize"),
      dropCount: wants("dropCount"),
    };
    this.#table = controlTableOf(libc);
    this.#interfaces = new InterfaceNames(libc);
    this.#MSG_TRUNC = libc.abi.constants.MSG_TRUNC;
    this.#MSG_CTRUNC = libc.abi.constants.MSG_CTRUNC;
    this.space = this.#table.spaceFor(new Set([...wanted].filter(isReceivedDetail)));
  }

  beginBatch(): void {
    this.#table.beginBatch();
    this.#interfaces.beginBatch();
  }

  decode(reader: ControlReader, flags: number, length: number): ReceiveDetails {
    const wanted = this.#wanted;
    const controls = this.#table.read(reader);
    this.segmentSize = controls.segmentSize;
    const details: ReceiveDetails = {};
    if (wanted.destination && controls.interfaceIndex > 0) this.#addDestination(details, controls);
    if (wanted.originalDestination && controls.originalDestination) this.#addOriginal(details, controls);
    if (wanted.ttl && controls.ttl >= 0) details.ttl = controls.ttl;
    if (wanted.tos && controls.tos >= 0) addTOS(details, controls.tos);
    if (wanted.timestamp) addTimestamps(details, controls);
    if (wanted.truncated) {
      details.truncated = (flags & this.#MSG_TRUNC) !== 0;
      details.controlTruncated = (flags & this.#MSG_CTRUNC) !== 0;
    }
    if (wanted.segmentSize) details.segmentSize = Math.min(controls.segmentSize, length) || length;
    if (wanted.dropCount) details.dropCount = controls.dropped;
    return details;
  }

  #addDestination(details: ReceiveDetails, { localAddress, interfaceIndex }: ReceivedControls): void {
    details.localAddress = localAddress;
    details.interfaceIndex = interfaceIndex;
    details.interfaceName = this.#interfaces.of(interfaceIndex);
  }

  /** Maps an IPv4 address on an IPv6 socket, like all other addresses there; the kernel does not. */
  #addOriginal(details: ReceiveDetails, { originalDestination }: ReceivedControls): void {
    const { address, port, family } = originalDestination!;
    details.originalAddress = this.#version === 6 && family === "IPv4" ? `::ffff:${address}` : address;
    details.originalPort = port;
  }
}

/** RFC 2474, RFC 3168: six bits and two. */
function addTOS(details: ReceiveDetails, tos: number): void {
  details.tos = tos;
  details.dscp = tos >> 2;
  details.ecn = tos & 3;
}

function addTimestamps(details: ReceiveDetails, { timestamp, hardwareTimestamp }: ReceivedControls): void {
  if (timestamp > 0n) details.timestamp = timestamp;
  if (hardwareTimestamp > 0n) details.hardwareTimestamp = hardwareTimestamp;
}
