/**
 * Where datagrams arrive: one arena for all sockets of a thread, used by one of them at a time.
 *
 * @module
 */
import { type Libc, retryOnEintr } from "../../ffi/libc/libc.ts";
import type { Runtime } from "../../ffi/runtime.ts";
import { AddressCache } from "../../ffi/wire/address_cache.ts";
import type { ControlReader } from "../../ffi/wire/control.ts";
import { MessageVector } from "../../ffi/wire/message_vector.ts";
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { Received } from "./message_batch.ts";
import type { ReceiveDetails } from "./types.ts";

/** What an arena is made for. */
export interface InboxShape {
  /** Messages taken in one system call. */
  readonly slots: number;
  /** Room for each message, in bytes. */
  readonly slotSize: number;
  /** Flags of recvmmsg. */
  readonly flags: number;
  /** Whether the kernel may give control data even where no decoder asks for it. */
  readonly takesControl: boolean;
}

/** More than the largest datagram (65,507 bytes over IPv4, 65,527 over IPv6), and than what the kernel coalesces. */
const UDP: InboxShape = { slots: 64, slotSize: 65_536, flags: 0, takesControl: true };
/**
 * Bytes of control data that are taken at least: more than was asked for, as somebody may have asked behind this module's back, and
 * what then is cut off may be the segment size, without which several datagrams look like one.
 */
const CONTROL_ROOM = 256;

/** Stands for a sender that the kernel did not name: a Unix socket without an address. */
const NOBODY: SocketAddress = { address: "", family: "unix", port: 0 };

/** {@linkcode Received}, to be filled anew. */
type Payload = { -readonly [Key in keyof Received]: Received[Key] };

/** Reads the control messages of one socket's payloads. */
export interface ControlDecoder {
  /** Bytes that they may have. */
  readonly space: number;
  /** What is read from now on was received together. */
  beginBatch?(): void;
  /**
   * Reads those of one payload.
   *
   * @param flags What recvmsg said: MSG_TRUNC, MSG_CTRUNC.
   * @param length Bytes of the payload.
   * @returns What is to be added to `rinfo` of each datagram in it, if anything.
   */
  decode(reader: ControlReader, flags: number, length: number): ReceiveDetails | undefined;
  /** The size of the datagrams in the payload decoded last (UDP_GRO); 0 or left out: it is one. */
  readonly segmentSize?: number;
}

/** The arena. */
export class Inbox {
  readonly #libc: Libc;
  readonly #shape: InboxShape;
  readonly #addresses: AddressCache;
  #vector: MessageVector | undefined;
  #nameWords = new Uint32Array();
  /** Slots the kernel has written to since they were last emptied. */
  #used: number;
  /** What {@linkcode Inbox.receive} returns, and an object for each slot: used again and again. */
  readonly #received: Payload[] = [];
  readonly #payloads: Payload[] = [];
  /** Whether user code may have {@linkcode Inbox.bytes}: no transfer detaches it. */
  isShowable = false;

  constructor({ libc }: Pick<Runtime, "libc">, shape: InboxShape = UDP) {
    this.#libc = libc;
    this.#shape = shape;
    this.#used = shape.slots;
    this.#addresses = new AddressCache(libc);
  }

  /**
   * Takes what waits on a descriptor, as much as one call gives, and keeps it until the next call.
   *
   * @param atMost How many payloads (which may be several datagrams each) to take.
   * @param decoder What the socket wants to know of each, if anything.
   * @returns The payloads, in place, until the next call; or a negative errno.
   */
  receive(fd: number, atMost = this.#shape.slots, decoder?: ControlDecoder): readonly Received[] | number {
    const libc = this.#libc;
    const vector = this.#vector ??= this.#allocate();
    if (decoder && vector.reserveControl(decoder.space)) this.#used = this.#shape.slots;
    for (let slot = 0; slot < this.#used; slot++) vector.setIncoming(slot);
    this.#used = 0;
    const count = retryOnEintr(libc.abi, () => libc.recvmmsg(fd, vector.at(0), atMost, this.#shape.flags));
    if (count < 0) return count;
    this.#used = count;
    this.#addresses.beginBatch();
    decoder?.beginBatch?.();
    this.#received.length = 0;
    for (let slot = 0; slot < count; slot++) this.#received.push(this.#describe(vector, slot, decoder));
    return this.#received;
  }

  /** The memory that the payloads lie in. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#vector!.data.bytes;
  }

  #allocate(): MessageVector {
    const { slots, slotSize, takesControl } = this.#shape;
    const shown = this.#libc.allocateShown(slots * slotSize);
    this.isShowable = shown !== undefined;
    const vector = new MessageVector(this.#libc, slots, shown ?? slots * slotSize, takesControl);
    if (takesControl) vector.reserveControl(CONTROL_ROOM);
    for (let slot = 0; slot < slots; slot++) vector.setPayload(slot, slot * slotSize, slotSize);
    this.#nameWords = new Uint32Array(vector.names.buffer);
    return vector;
  }

  #describe(vector: MessageVector, slot: number, decoder: ControlDecoder | undefined): Payload {
    const payload = this.#payloads[slot] ??= emptyPayload(slot * this.#shape.slotSize);
    const length = payload.length = vector.lengthAt(slot);
    payload.details = decoder?.decode(vector.controlsAt(slot), vector.flagsAt(slot), length);
    const given = decoder ? decoder.segmentSize : vector.segmentSizeAt(slot);
    const segmentSize = given || length;
    if (segmentSize !== payload.segmentSize) payload.views = [];
    payload.segmentSize = segmentSize;
    payload.count = length > segmentSize ? Math.ceil(length / segmentSize) : 1;
    payload.sender = this.#senderOf(vector, slot);
    return payload;
  }

  #senderOf(vector: MessageVector, slot: number): SocketAddress {
    const length = vector.nameLengthAt(slot);
    if (length === 0) return NOBODY;
    return this.#addresses.decode(vector.names, this.#nameWords, vector.nameOffset(slot), length) ?? NOBODY;
  }
}

function emptyPayload(start: number): Payload {
  return { start, length: 0, segmentSize: 0, count: 1, sender: NOBODY, details: undefined, views: [] };
}
