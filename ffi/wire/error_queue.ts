/**
 * Linux: the error queue of a socket (ip(7), IP_RECVERR). It holds ICMP errors about datagrams that were sent, and transmit
 * timestamps.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import { type Libc, retryOnEintr } from "../libc/libc.ts";
import type { Memory } from "../libc/memory.ts";
import { type ControlReader, controlSpace } from "./control.ts";
import { MessageVector } from "./message_vector.ts";
import { decodeAddress, maxAddressSize, type SocketAddress } from "./sockaddr.ts";

/** Messages taken in one system call. */
const SLOTS = 16;
/** How much of a datagram is read: as much as ICMPv6 returns (RFC 4443, the minimum MTU). ICMP returns at most 576 bytes. */
const SLOT_SIZE = 1280;

/** One message of the queue: `struct sock_extended_err`, and its metadata. */
export interface QueuedError {
  /** The errno: ECONNREFUSED for a closed port, ENOMSG for a timestamp. */
  readonly errno: number;
  /** SO_EE_ORIGIN_*: the origin of the error. */
  readonly origin: number;
  /** ICMP's type. */
  readonly type: number;
  /** ICMP's code. */
  readonly code: number;
  /** For EMSGSIZE the MTU; for a timestamp its kind (SCM_TSTAMP_*). */
  readonly info: number;
  /** For a timestamp the datagram's number (SOF_TIMESTAMPING_OPT_ID). */
  readonly data: number;
  /** Who sent the ICMP message. */
  readonly offender: SocketAddress | undefined;
  /** Where the datagram was sent to. */
  readonly destination: SocketAddress | undefined;
  /** For a timestamp the kernel's time and the device's (SCM_TIMESTAMPING), in nanoseconds; 0 if there is none. */
  readonly timestamps: { readonly software: bigint; readonly hardware: bigint } | undefined;
  /** The part of the datagram that was returned. Valid until the next read. */
  readonly payload: Uint8Array;
}

type Parts = Pick<QueuedError, "errno" | "origin" | "type" | "code" | "info" | "data" | "offender">;

/** Reads error queues: one reader for all sockets of a thread. */
export class ErrorQueue {
  readonly #libc: Libc;
  #vector: MessageVector | undefined;
  #offender: Memory | undefined;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * Reads messages from a socket's queue, as many as one call returns. Reading an ICMP error also clears the errno that it left
   * for the socket's next call, unless another error follows it.
   *
   * @returns The messages, none if the queue is empty; or a negative errno.
   */
  read(fd: number): QueuedError[] | number {
    const libc = this.#libc;
    if (!libc.abi.linux) return [];
    const vector = this.#vector ??= this.#allocate();
    vector.setIncoming(0, SLOTS);
    const { MSG_ERRQUEUE } = libc.abi.linux;
    const count = retryOnEintr(libc.abi, () => libc.recvmmsg(fd, vector.at(0), SLOTS, MSG_ERRQUEUE));
    if (count === -libc.abi.errno.EAGAIN) return [];
    if (count < 0) return count;
    const errors: QueuedError[] = [];
    for (let slot = 0; slot < count; slot++) {
      const error = this.#decode(vector, slot);
      if (error) errors.push(error);
    }
    return errors;
  }

  #allocate(): MessageVector {
    const vector = new MessageVector(this.#libc, SLOTS, SLOTS * SLOT_SIZE);
    for (let slot = 0; slot < SLOTS; slot++) vector.setPayload(slot, slot * SLOT_SIZE, SLOT_SIZE);
    vector.reserveControl(controlRoom(this.#libc.abi));
    return vector;
  }

  /** @returns Undefined if the kernel did not say what it is about. */
  #decode(vector: MessageVector, slot: number): QueuedError | undefined {
    const { levels, linux } = this.#libc.abi;
    const { options } = linux!;
    let parts: Parts | undefined;
    let timestamps: QueuedError["timestamps"];
    for (const reader = vector.controlsAt(slot); reader.next();) {
      const { level, type } = reader;
      if (
        (level === levels.IPPROTO_IP && type === options.IP_RECVERR) ||
        (level === levels.IPPROTO_IPV6 && type === options.IPV6_RECVERR)
      ) {
        parts = this.#decodeError(reader) ?? parts;
      } else if (level === levels.SOL_SOCKET && type === options.SO_TIMESTAMPING) {
        timestamps = decodeTimestamps(this.#libc.abi, reader) ?? timestamps;
      }
    }
    if (!parts) return undefined;
    const start = slot * SLOT_SIZE;
    const payload = vector.data.bytes.subarray(start, start + Math.min(vector.lengthAt(slot), SLOT_SIZE));
    const named = vector.nameLengthAt(slot) > 0;
    const destination = named ? decodeAddress(this.#libc, vector.names, vector.nameOffset(slot)) : undefined;
    return { ...parts, destination, timestamps, payload };
  }

  /** `struct sock_extended_err`, followed by the offender's `struct sockaddr`. */
  #decodeError({ view, at, size }: ControlReader): Parts | undefined {
    const { sock_extended_err: layout } = this.#libc.abi.linux!;
    if (size < layout.size) return undefined;
    return {
      errno: view.getUint32(at + layout.ee_errno, true),
      origin: view.getUint8(at + layout.ee_origin),
      type: view.getUint8(at + layout.ee_type),
      code: view.getUint8(at + layout.ee_code),
      info: view.getUint32(at + layout.ee_info, true),
      data: view.getUint32(at + layout.ee_data, true),
      offender: this.#decodeOffender(view, at + layout.size, size - layout.size),
    };
  }

  /** Decodes an address from memory with room for any address, so that a short one is not read past its end. */
  #decodeOffender(view: DataView, at: number, size: number): SocketAddress | undefined {
    const room = this.#offender ??= this.#libc.allocate(maxAddressSize(this.#libc.abi));
    room.clear();
    room.bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, Math.min(size, room.size)));
    return decodeAddress(this.#libc, room, 0);
  }
}

/** Room for an error with its address, for timestamps, and for whatever other metadata the socket has enabled. */
function controlRoom(abi: Abi): number {
  const { sock_extended_err } = abi.linux!;
  const { timespec } = abi.layouts;
  const rest = 256;
  return controlSpace(abi, sock_extended_err.size + maxAddressSize(abi)) + controlSpace(abi, 3 * timespec.size) + rest;
}

/** `struct scm_timestamping { struct timespec ts[3]; }`: software, an obsolete one, hardware. */
function decodeTimestamps(abi: Abi, { view, at, size }: ControlReader): QueuedError["timestamps"] {
  const { timespec } = abi.layouts;
  if (size < 3 * timespec.size) return undefined;
  const read = (index: number): bigint => {
    const start = at + index * timespec.size;
    const seconds = view.getBigInt64(start + timespec.tv_sec, true);
    return seconds * 1_000_000_000n + view.getBigInt64(start + timespec.tv_nsec, true);
  };
  return { software: read(0), hardware: read(2) };
}
