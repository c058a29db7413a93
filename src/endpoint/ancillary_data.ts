/**
 * The ancillary data of a UDP socket's datagrams: metadata that it requests from the kernel, transmit timestamps, and
 * the clock of transmit times.
 *
 * As in the endpoint, results are 0 or a negative errno.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { encodeTxTime } from "../../ffi/wire/clock.ts";
import type { QueuedError } from "../../ffi/wire/error_queue.ts";
import type { IpVersion } from "../../ffi/wire/inet.ts";
import type { EncodedOption } from "../../ffi/wire/membership.ts";
import { receiveTimestampFlags, transmitTimestampFlags } from "../../ffi/wire/received_controls.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { DetailDecoder, type DetailName, kernelOptions } from "../receiving/details.ts";
import type { ErrorReceiver } from "../receiving/error_receiver.ts";
import type { SendTimestamp } from "../receiving/types.ts";

/** What it needs from its endpoint. */
export interface AncillaryOwner {
  readonly version: IpVersion;
  /** The descriptor, or -1 if there is none. */
  readonly fd: number;
  /** Reads the socket's error queue, which is where timestamps arrive. */
  readonly errorReceiver: ErrorReceiver;
  /** setsockopt(2) */
  setOption(name: OptionName, value: number): number;
  /** setsockopt(2) with the value's bytes. Opens the descriptor. */
  setRawOption(option: EncodedOption): number;
  /** Makes the kernel deliver each datagram on its own, or coalesced again. */
  keepApart(reason: "dropCount", apart: boolean): void;
  /** Called when {@linkcode AncillaryData.sendTimestamps} has changed. */
  updateSegments(): void;
  /** Reports when a datagram left. */
  deliverSendTimestamp(timestamp: SendTimestamp): void;
}

/**
 * The ancillary data of one UDP socket. Created when something is requested, as most of perhaps ten thousand sockets
 * request nothing.
 */
export class AncillaryData {
  readonly #libc: Libc;
  readonly #owner: AncillaryOwner;
  /** The metadata that is requested. */
  readonly #details = new Set<DetailName>();
  /** Decodes the metadata; undefined if none is requested. */
  decoder: DetailDecoder | undefined = undefined;
  /** Whether a clock for transmit times is set. */
  hasTxTime = false;
  /** Whether each datagram that leaves is to have a timestamp. */
  sendTimestamps = false;

  constructor(libc: Libc, owner: AncillaryOwner) {
    this.#libc = libc;
    this.#owner = owner;
  }

  /** Starts or stops requesting some metadata of every datagram: at once, or when there is a descriptor. */
  setDetail(detail: DetailName, on: boolean): number {
    const result = this.#owner.fd >= 0 ? this.#requestDetail(detail, on) : 0;
    if (result < 0) return result;
    const details = this.#details;
    if (on) details.add(detail);
    else details.delete(detail);
    this.decoder = details.size > 0 ? new DetailDecoder(this.#libc, this.#owner.version, details) : undefined;
    // This may receive, by the new decoder.
    if (detail === "dropCount") this.#owner.keepApart("dropCount", on);
    return detail === "timestamp" && this.#owner.fd >= 0 ? this.#requestTimestamping() : 0;
  }

  /** Requests the metadata on a new descriptor. */
  request(): number {
    for (const detail of this.#details) {
      const result = this.#requestDetail(detail, true);
      if (result < 0) return result;
    }
    return this.#details.has("timestamp") || this.sendTimestamps ? this.#requestTimestamping() : 0;
  }

  /** Selects the clock of transmit times. Opens the descriptor, so that it can be set before bind(2). */
  setTxTimeClock(clock: number): number {
    const result = this.#owner.setRawOption(encodeTxTime(this.#libc.abi, clock));
    if (result === 0) this.hasTxTime = true;
    return result;
  }

  /**
   * Starts or stops requesting a timestamp of each datagram that leaves, as in {@linkcode AncillaryData.setDetail}. The
   * kernel numbers payloads, so meanwhile each message is one payload. Linux only.
   */
  setSendTimestamps(on: boolean): number {
    const before = this.sendTimestamps;
    this.sendTimestamps = on;
    const result = this.#owner.fd >= 0 ? this.#requestTimestamping() : 0;
    if (result < 0) {
      this.sendTimestamps = before;
      return result;
    }
    this.#owner.updateSegments();
    const deliver = (message: QueuedError): void => this.#owner.deliverSendTimestamp(timestampOf(message));
    this.#owner.errorReceiver.onTimestamp = on ? deliver : undefined;
    return 0;
  }

  #requestDetail(detail: DetailName, on: boolean): number {
    for (const [option, value] of kernelOptions(this.#libc.abi, this.#owner.version, detail, on)) {
      const result = this.#owner.setOption(option, value);
      if (result < 0) return result;
    }
    return 0;
  }

  /** One option has the flags of both directions. SO_TIMESTAMPNS alone would not give the device's time. */
  #requestTimestamping(): number {
    const { linux } = this.#libc.abi;
    if (!linux) return 0;
    const receive = this.#details.has("timestamp") ? receiveTimestampFlags(linux) : 0;
    const transmit = this.sendTimestamps ? transmitTimestampFlags(linux) : 0;
    return this.#owner.setOption("SO_TIMESTAMPING", receive | transmit);
  }
}

function timestampOf({ data, timestamps }: QueuedError): SendTimestamp {
  const { software, hardware } = timestamps ?? { software: 0n, hardware: 0n };
  const timestamp: SendTimestamp = { id: data };
  if (software > 0n) timestamp.timestamp = software;
  if (hardware > 0n) timestamp.hardwareTimestamp = hardware;
  return timestamp;
}
