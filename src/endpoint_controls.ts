/**
 * The part of an endpoint that deals with what goes with each datagram: control messages and timestamps.
 *
 * Results are as those of the endpoint: 0 or negative errno numbers.
 *
 * @module
 */
import { encodeTxTime } from "../ffi/clock.ts";
import type { QueuedError } from "../ffi/error_queue.ts";
import { receiveTimestampFlags, transmitTimestampFlags } from "../ffi/received_controls.ts";
import type { EncodedAddress, IpVersion, SocketAddress } from "../ffi/sockaddr.ts";
import { EndpointOptions } from "./endpoint_options.ts";
import type { ErrorReceiver } from "./error_receiver.ts";
import type { ControlDecoder } from "./inbox.ts";
import { DetailDecoder, type DetailName, kernelOptions } from "./received_details.ts";
import { isMappedName, SendControlsEncoder } from "./send_controls.ts";
import type { TransmitTimestamp } from "./types.ts";

/** What a socket wants of the kernel. */
interface Wishes {
  /** What is to be told of every datagram that comes. */
  readonly details: Set<DetailName>;
  /** Reads it. */
  decoder: DetailDecoder | undefined;
  /** Whether transmit times have a clock. */
  hasTxTime: boolean;
  /** Whether it is to be told when each datagram leaves. */
  sendTimestamps: boolean;
}

/** What sends and receives with control messages. */
export abstract class EndpointControls extends EndpointOptions {
  /** Undefined while there are none, as with most of perhaps ten thousand sockets. */
  #wishes: Wishes | undefined;

  /** getpeername(2) */
  abstract remoteAddress(): SocketAddress | number;
  /** What this socket has on its error queue. */
  abstract get errorReceiver(): ErrorReceiver;
  /** Says when a datagram left. */
  protected abstract deliverTimestamp(timestamp: TransmitTimestamp): void;
  /** Messages may go to the kernel as one payload, or no more: {@linkcode EndpointControls.tellsSending} has changed. */
  protected abstract updateSegments(): void;

  /**
   * Has something told of every datagram, or no more: at once, or where there is no descriptor yet as soon as there is. The
   * system must be able to.
   */
  setDetail(detail: DetailName, on: boolean): number {
    const result = this.fd >= 0 ? this.requestDetail(detail, on) : 0;
    if (result < 0) return result;
    const wishes = this.#wishes ??= noWishes();
    const { details } = wishes;
    if (on) details.add(detail);
    else details.delete(detail);
    wishes.decoder = details.size > 0 ? new DetailDecoder(this.engine.runtime.libc, details) : undefined;
    return detail === "timestamp" && this.fd >= 0 ? this.requestTimestamping() : 0;
  }

  /** Whether it is to be told when each datagram leaves. */
  protected get tellsSending(): boolean {
    return this.#wishes?.sendTimestamps ?? false;
  }

  /** For the receiver. */
  get controlDecoder(): ControlDecoder | undefined {
    return this.#wishes?.decoder;
  }

  /** Before datagrams can come: of one that came before, the kernel does not know all. */
  protected requestDetails(): number {
    if (!this.#wishes) return 0;
    const { details, sendTimestamps } = this.#wishes;
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
    return new SendControlsEncoder(this.engine.runtime.libc, this.version, () => this.#wishes?.hasTxTime ?? false);
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
    if (result === 0) (this.#wishes ??= noWishes()).hasTxTime = true;
    return result;
  }

  /**
   * Has it told when each datagram leaves, or no more; as {@linkcode EndpointControls.setDetail}. The kernel numbers payloads:
   * each message is one meanwhile. Linux only.
   */
  setSendTimestamps(on: boolean): number {
    const wishes = this.#wishes ??= noWishes();
    const before = wishes.sendTimestamps;
    wishes.sendTimestamps = on;
    const result = this.fd >= 0 ? this.requestTimestamping() : 0;
    if (result < 0) {
      wishes.sendTimestamps = before;
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
    const receive = this.#wishes?.details.has("timestamp") ? receiveTimestampFlags(linux) : 0;
    return this.setOption("SO_TIMESTAMPING", receive | (this.tellsSending ? transmitTimestampFlags(linux) : 0));
  }
}

function noWishes(): Wishes {
  return { details: new Set(), decoder: undefined, hasTxTime: false, sendTimestamps: false };
}

function timestampOf({ data, timestamps }: QueuedError): TransmitTimestamp {
  const { software, hardware } = timestamps ?? { software: 0n, hardware: 0n };
  const timestamp: TransmitTimestamp = { id: data };
  if (software > 0n) timestamp.timestamp = software;
  if (hardware > 0n) timestamp.hardwareTimestamp = hardware;
  return timestamp;
}
