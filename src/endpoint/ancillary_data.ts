/**
 * What goes with each datagram of a UDP socket: metadata that it asks the kernel for, transmit timestamps, the clock of transmit times.
 *
 * Results are as those of the endpoint: 0 or negative errno numbers.
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
import type { TransmitTimestamp } from "../receiving/types.ts";

/** What it needs of its endpoint. */
export interface AncillaryOwner {
  readonly version: IpVersion;
  /** The descriptor, or -1 if there is none. */
  readonly fd: number;
  /** What the socket has on its error queue, which is where timestamps come. */
  readonly errorReceiver: ErrorReceiver;
  /** setsockopt(2) */
  setOption(name: OptionName, value: number): number;
  /** setsockopt(2) with the value's bytes. Opens the descriptor. */
  setRawOption(option: EncodedOption): number;
  /** The kernel hands over each datagram alone, or together with others again. */
  keepApart(reason: "dropCount", apart: boolean): void;
  /** {@linkcode AncillaryData.sendTimestamps} has changed. */
  updateSegments(): void;
  /** Reports when a datagram left. */
  deliverTimestamp(timestamp: TransmitTimestamp): void;
}

/** One UDP socket's. Made when something is asked for, as with most of perhaps ten thousand sockets nothing is. */
export class AncillaryData {
  readonly #libc: Libc;
  readonly #owner: AncillaryOwner;
  /** The metadata that is asked for. */
  readonly #details = new Set<DetailName>();
  /** Reads it; undefined: none is. */
  decoder: DetailDecoder | undefined = undefined;
  /** Whether transmit times have a clock. */
  hasTxTime = false;
  /** Whether each datagram that leaves is to have a timestamp. */
  sendTimestamps = false;

  constructor(libc: Libc, owner: AncillaryOwner) {
    this.#libc = libc;
    this.#owner = owner;
  }

  /** Asks for some metadata of every datagram, or no more: at once, or if there is no descriptor yet as soon as there is one. */
  setDetail(detail: DetailName, on: boolean): number {
    const result = this.#owner.fd >= 0 ? this.#requestDetail(detail, on) : 0;
    if (result < 0) return result;
    const details = this.#details;
    if (on) details.add(detail);
    else details.delete(detail);
    if (detail === "dropCount") this.#owner.keepApart("dropCount", on);
    this.decoder = details.size > 0 ? new DetailDecoder(this.#libc, this.#owner.version, details) : undefined;
    return detail === "timestamp" && this.#owner.fd >= 0 ? this.#requestTimestamping() : 0;
  }

  /** Asks the kernel, on a new descriptor. */
  request(): number {
    for (const detail of this.#details) {
      const result = this.#requestDetail(detail, true);
      if (result < 0) return result;
    }
    return this.#details.has("timestamp") || this.sendTimestamps ? this.#requestTimestamping() : 0;
  }

  /** Chooses the clock of transmit times. Opens the descriptor, so that it can be done before bind(2). */
  setTxTimeClock(clock: number): number {
    const result = this.#owner.setRawOption(encodeTxTime(this.#libc.abi, clock));
    if (result === 0) this.hasTxTime = true;
    return result;
  }

  /**
   * Asks for a timestamp of each datagram that leaves, or no more; as {@linkcode AncillaryData.setDetail}. The kernel numbers payloads:
   * each message is one meanwhile. Linux only.
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
    const deliver = (message: QueuedError): void => this.#owner.deliverTimestamp(timestampOf(message));
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

function timestampOf({ data, timestamps }: QueuedError): TransmitTimestamp {
  const { software, hardware } = timestamps ?? { software: 0n, hardware: 0n };
  const timestamp: TransmitTimestamp = { id: data };
  if (software > 0n) timestamp.timestamp = software;
  if (hardware > 0n) timestamp.hardwareTimestamp = hardware;
  return timestamp;
}
