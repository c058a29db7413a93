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

/** What sends and receives with control messages. */
export abstract class EndpointControls extends EndpointOptions {
  /** What is to be told of every datagram that comes. Made when something is. */
  #details: Set<DetailName> | undefined;
  #decoder: DetailDecoder | undefined;
  /** Whether transmit times have a clock. */
  #hasTxTime = false;
  /** Whether it is to be told when each datagram leaves. */
  #sendTimestamps = false;

  /** getpeername(2) */
  abstract remoteAddress(): SocketAddress | number;
  /** What this socket has on its error queue. */
  abstract get errorReceiver(): ErrorReceiver;
  /** Says when a datagram left. */
  protected abstract deliverTimestamp(timestamp: TransmitTimestamp): void;
  /** Whether several messages may go to the kernel as one payload, where the socket was made for that. */
  protected abstract setSegments(allowed: boolean): void;

  /**
   * Has something told of every datagram, or no more: at once, or where there is no descriptor yet as soon as there is. The
   * system must be able to.
   */
  setDetail(detail: DetailName, on: boolean): number {
    const result = this.fd >= 0 ? this.#requestDetail(detail, on) : 0;
    if (result < 0) return result;
    const details = this.#details ??= new Set();
    if (on) details.add(detail);
    else details.delete(detail);
    this.#decoder = details.size > 0 ? new DetailDecoder(this.engine.runtime.libc, details) : undefined;
    return detail === "timestamp" && this.fd >= 0 ? this.#requestTimestamping() : 0;
  }

  /** For the receiver. */
  get controlDecoder(): ControlDecoder | undefined {
    return this.#decoder;
  }

  /** Before datagrams can come: of one that came before, the kernel does not know all. */
  protected requestDetails(): number {
    if (this.#details) {
      for (const detail of this.#details) {
        const result = this.#requestDetail(detail, true);
        if (result < 0) return result;
      }
    }
    return this.#details?.has("timestamp") || this.#sendTimestamps ? this.#requestTimestamping() : 0;
  }

  #requestDetail(detail: DetailName, on: boolean): number {
    const { abi } = this.engine.runtime.libc;
    for (const [option, value] of kernelOptions(abi, this.version, detail, on)) {
      const result = this.setOption(option, value);
      if (result < 0) return result;
    }
    return 0;
  }

  /** What makes control data of the options of `send`. */
  controlsEncoder(): SendControlsEncoder {
    return new SendControlsEncoder(this.engine.runtime.libc, this.version, () => this.#hasTxTime);
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
    this.#hasTxTime ||= result === 0;
    return result;
  }

  /**
   * Has it told when each datagram leaves, or no more; as {@linkcode EndpointControls.setDetail}. The kernel numbers payloads:
   * each message is one meanwhile. Linux only.
   */
  setSendTimestamps(on: boolean): number {
    const before = this.#sendTimestamps;
    this.#sendTimestamps = on;
    const result = this.fd >= 0 ? this.#requestTimestamping() : 0;
    if (result < 0) {
      this.#sendTimestamps = before;
      return result;
    }
    this.setSegments(!on);
    this.errorReceiver.onTimestamp = on ? (message) => this.#deliverQueued(message) : undefined;
    return 0;
  }

  /** One option has the flags of both directions. SO_TIMESTAMPNS alone would not give the device's time. */
  #requestTimestamping(): number {
    const { linux } = this.engine.runtime.libc.abi;
    if (!linux) return 0;
    const receive = this.#details?.has("timestamp") ? receiveTimestampFlags(linux) : 0;
    return this.setOption("SO_TIMESTAMPING", receive | (this.#sendTimestamps ? transmitTimestampFlags(linux) : 0));
  }

  #deliverQueued({ data, timestamps }: QueuedError): void {
    const { software, hardware } = timestamps ?? { software: 0n, hardware: 0n };
    const timestamp: TransmitTimestamp = { id: data };
    if (software > 0n) timestamp.timestamp = software;
    if (hardware > 0n) timestamp.hardwareTimestamp = hardware;
    this.deliverTimestamp(timestamp);
  }
}
