/**
 * The part of an endpoint that deals with what goes with each datagram: control messages and timestamps.
 *
 * Results are as those of the endpoint: 0 or negative errno numbers.
 *
 * @module
 */
import { encodeTxTime } from "../../ffi/wire/clock.ts";
import type { QueuedError } from "../../ffi/wire/error_queue.ts";
import type { IpVersion } from "../../ffi/wire/inet.ts";
import { receiveTimestampFlags, transmitTimestampFlags } from "../../ffi/wire/received_controls.ts";
import type { EncodedAddress, SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { DetailDecoder, type DetailName, kernelOptions } from "../receiving/details.ts";
import type { ErrorReceiver } from "../receiving/error_receiver.ts";
import type { ControlDecoder } from "../receiving/inbox.ts";
import type { TransmitTimestamp } from "../receiving/types.ts";
import { type ControlledSocket, isMappedName, SendControlsEncoder } from "../sending/controls.ts";
import { type ApartReason, EndpointOptions } from "./options.ts";

/** The metadata that a socket has requested from the kernel. */
interface RequestedMetadata {
  /** What the kernel is to report of each received datagram. */
  readonly details: Set<DetailName>;
  /** Reads it. */
  decoder: DetailDecoder | undefined;
  /** Whether transmit times have a clock. */
  hasTxTime: boolean;
  /** Whether the kernel is to report when each datagram leaves. */
  sendTimestamps: boolean;
}

/** What sends and receives with control messages. */
export abstract class EndpointControls extends EndpointOptions implements ControlledSocket {
  /** The type of service of what is sent by IPv4 and by IPv6, as it was read last; -1: not since an option was set. */
  #typesOfService: Record<IpVersion, number> | undefined;
  /** Undefined while there are none, as with most of perhaps ten thousand sockets. */
  #requested: RequestedMetadata | undefined;

  /** getpeername(2) */
  abstract remoteAddress(): SocketAddress | number;
  /** getsockopt(2), which changes nothing of how messages leave: unlike `getOption` it does not send those of this turn. */
  protected abstract peekOption(name: OptionName): number;
  /** Whether other processes may have the socket, and set its options. */
  abstract readonly isShared: boolean;
  /** Has the kernel hand over each datagram alone (no UDP_GRO), or together again once there is no reason left. */
  abstract keepApart(reason: ApartReason, apart: boolean): void;
  /** What this socket has on its error queue. */
  abstract get errorReceiver(): ErrorReceiver;
  /** Says when a datagram left. */
  protected abstract deliverTimestamp(timestamp: TransmitTimestamp): void;
  /** Messages may go to the kernel as one payload, or no more: {@linkcode EndpointControls.reportsTransmitTimestamps} has changed. */
  protected abstract updateSegments(): void;

  /**
   * Has something told of every datagram, or no more: at once, or where there is no descriptor yet as soon as there is. The
   * system must be able to.
   */
  setDetail(detail: DetailName, on: boolean): number {
    const result = this.fd >= 0 ? this.requestDetail(detail, on) : 0;
    if (result < 0) return result;
    const requested = this.#requested ??= nothingRequested();
    const { details } = requested;
    if (on) details.add(detail);
    else details.delete(detail);
    if (detail === "dropCount") this.keepApart("dropCount", on);
    requested.decoder = details.size > 0 ? this.#decoderOf(details) : undefined;
    return detail === "timestamp" && this.fd >= 0 ? this.requestTimestamping() : 0;
  }

  #decoderOf(details: ReadonlySet<DetailName>): DetailDecoder {
    return new DetailDecoder(this.engine.runtime.libc, this.version, details);
  }

  /** Whether the kernel is to report when each datagram leaves. */
  protected get reportsTransmitTimestamps(): boolean {
    return this.#requested?.sendTimestamps ?? false;
  }

  /** For the receiver. */
  get controlDecoder(): ControlDecoder | undefined {
    return this.#requested?.decoder;
  }

  /** Before datagrams can come: of one that came before, the kernel does not know all. */
  protected requestDetails(): number {
    if (!this.#requested) return 0;
    const { details, sendTimestamps } = this.#requested;
    for (const detail of details) {
      const result = this.requestDetail(detail, true);
      if (result < 0) return result;
    }
    return details.has("timestamp") || sendTimestamps ? this.requestTimestamping() : 0;
  }

  protected requestDetail(detail: DetailName, on: boolean): number {
    const { abi } = this.engine.runtime.libc;
    for (const [option, value] of kernelOptions(abi, this.version, detail, on)) {
      const result = this.setOption(option, value);
      if (result < 0) return result;
    }
    return 0;
  }

  /** What makes control data of the options of `send`. */
  controlsEncoder(): SendControlsEncoder {
    return new SendControlsEncoder(this.engine.runtime.libc, this);
  }

  /** For the encoder. */
  get hasTxTime(): boolean {
    return this.#requested?.hasTxTime ?? false;
  }

  /** For the encoder: IP_TOS or IPV6_TCLASS, read once after each change. */
  typeOfServiceOf(wire: IpVersion): number {
    const known = this.#typesOfService ??= { 4: -1, 6: -1 };
    if (known[wire] >= 0 && !this.isShared) return known[wire];
    return known[wire] = Math.max(this.peekOption(wire === 4 ? "IP_TOS" : "IPV6_TCLASS"), 0);
  }

  protected optionsChanged(): void {
    this.#typesOfService = undefined;
  }

  /** The protocol that datagrams to a destination, or to the peer, go by: over IPv6 sockets mapped addresses are IPv4's. */
  wireTo(destination: EncodedAddress | undefined): IpVersion {
    if (this.version === 4) return 4;
    if (destination) return isMappedName(this.engine.runtime.libc.abi, destination) ? 4 : 6;
    const peer = this.remoteAddress();
    return typeof peer !== "number" && peer.address.startsWith("::ffff:") ? 4 : 6;
  }

  /** Chooses the clock of transmit times. Opens the descriptor, so that it can be done before bind(2). */
  setTxTimeClock(clock: number): number {
    const { abi } = this.engine.runtime.libc;
    const result = this.openWith((descriptor) => descriptor.setEncodedOption(encodeTxTime(abi, clock)));
    if (result === 0) (this.#requested ??= nothingRequested()).hasTxTime = true;
    return result;
  }

  /**
   * Has it told when each datagram leaves, or no more; as {@linkcode EndpointControls.setDetail}. The kernel numbers payloads:
   * each message is one meanwhile. Linux only.
   */
  setSendTimestamps(on: boolean): number {
    const requested = this.#requested ??= nothingRequested();
    const before = requested.sendTimestamps;
    requested.sendTimestamps = on;
    const result = this.fd >= 0 ? this.requestTimestamping() : 0;
    if (result < 0) {
      requested.sendTimestamps = before;
      return result;
    }
    this.updateSegments();
    this.errorReceiver.onTimestamp = on ? (message) => this.deliverTimestamp(timestampOf(message)) : undefined;
    return 0;
  }

  /** One option has the flags of both directions. SO_TIMESTAMPNS alone would not give the device's time. */
  protected requestTimestamping(): number {
    const { linux } = this.engine.runtime.libc.abi;
    if (!linux) return 0;
    const receive = this.#requested?.details.has("timestamp") ? receiveTimestampFlags(linux) : 0;
    return this.setOption(
      "SO_TIMESTAMPING",
      receive | (this.reportsTransmitTimestamps ? transmitTimestampFlags(linux) : 0),
    );
  }
}

function nothingRequested(): RequestedMetadata {
  return { details: new Set(), decoder: undefined, hasTxTime: false, sendTimestamps: false };
}

function timestampOf({ data, timestamps }: QueuedError): TransmitTimestamp {
  const { software, hardware } = timestamps ?? { software: 0n, hardware: 0n };
  const timestamp: TransmitTimestamp = { id: data };
  if (software > 0n) timestamp.timestamp = software;
  if (hardware > 0n) timestamp.hardwareTimestamp = hardware;
  return timestamp;
}
