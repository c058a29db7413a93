/**
 * The memory into which datagrams are received: one arena for all sockets of a thread, used by one of them at a time.
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
import { OwnMemory } from "./own_memory.ts";
import type { ReceiveDetails } from "./types.ts";

/** The sizes of an arena. */
export interface InboxShape {
  /** The most messages in one system call. */
  readonly slots: number;
  /** The room for each message, in bytes. */
  readonly slotSize: number;
  /** Flags of recvmmsg. */
  readonly flags: number;
  /** Whether there is room for control data even if there is no decoder. */
  readonly takesControl: boolean;
}

/** A slot is larger than the largest datagram (65,507 bytes over IPv4, 65,527 over IPv6) and the largest coalesced payload. */
const UDP: InboxShape = { slots: 64, slotSize: 65_536, flags: 0, takesControl: true };
/**
 * The minimum room for control data in bytes. It is more than this module requests, as other code may have enabled more on the
 * descriptor. Otherwise the segment size could be truncated, and several datagrams would look like one.
 */
const CONTROL_ROOM = 256;

/** The sender if the kernel gives none: a Unix socket without an address. */
const NOBODY: SocketAddress = { address: "", family: "unix", port: 0 };

/** {@linkcode Received}, writable. */
type Payload = { -readonly [Key in keyof Received]: Received[Key] };

/** Decodes the control messages of one socket's payloads. */
export interface ControlDecoder {
  /** The room that they need, in bytes. */
  readonly space: number;
  /** Begins a batch of payloads that were received together. */
  beginBatch?(): void;
  /**
   * Decodes those of one payload.
   *
   * @param flags The flags that recvmsg returned: MSG_TRUNC, MSG_CTRUNC.
   * @param length The payload's size in bytes.
   * @returns The metadata for `rinfo` of each datagram in it, if any.
   */
  decode(reader: ControlReader, flags: number, length: number): ReceiveDetails | undefined;
  /** The size of the datagrams in the payload that was decoded last (UDP_GRO). 0 or undefined if it is one datagram. */
  readonly segmentSize?: number;
}

/** The arena. */
export class Inbox {
  readonly #libc: Libc;
  readonly #shape: InboxShape;
  readonly #addresses: AddressCache;
  #vector: MessageVector | undefined;
  #ownMemory: OwnMemory | undefined;
  #nameWords = new Uint32Array();
  /** How many slots the kernel has written to since they were last prepared. */
  #used: number;
  /** The result of {@linkcode Inbox.receive}, and an object for each slot. They are reused. */
  readonly #received: Payload[] = [];
  readonly #payloads: Payload[] = [];
  /** Whether the last call was for as many payloads as there is room for, and returned as many as it could. */
  wasFull = false;
  /** Whether user code may access {@linkcode Inbox.bytes}, as no transfer detaches them. */
  isShowable = false;

  constructor({ libc }: Pick<Runtime, "libc">, shape: InboxShape = UDP) {
    this.#libc = libc;
    this.#shape = shape;
    this.#used = shape.slots;
    this.#addresses = new AddressCache(libc);
  }

  /** The most payloads of one call. */
  get slots(): number {
    return this.#shape.slots;
  }

  /**
   * Receives what waits on a descriptor, as much as one call returns.
   *
   * @param atMost The most payloads to receive. Each may be several datagrams.
   * @param decoder Decodes the metadata that the socket has enabled, if any.
   * @param givesMemory Whether large datagrams may have memory of their own. They are not in the arena then.
   * @returns The payloads, in place, which are valid until the next call; or a negative errno.
   */
  receive(
    fd: number,
    atMost = this.#shape.slots,
    decoder?: ControlDecoder,
    givesMemory = false,
  ): readonly Received[] | number {
    const libc = this.#libc;
    const vector = this.#vector ??= this.#allocate();
    if (decoder && vector.reserveControl(decoder.space)) this.#used = this.#shape.slots;
    vector.setIncoming(0, this.#used);
    this.#used = 0;
    const most = this.#ownMemory!.prepare(atMost, givesMemory);
    const count = retryOnEintr(libc.abi, () => libc.recvmmsg(fd, vector.at(0), most, this.#shape.flags));
    if (count < 0) return count;
    this.#used = count;
    this.wasFull = count === most && atMost === this.#shape.slots;
    this.#addresses.beginBatch();
    decoder?.beginBatch?.();
    this.#received.length = 0;
    for (let slot = 0; slot < count; slot++) this.#received.push(this.#describe(vector, slot, decoder));
    const last = this.#received[count - 1];
    if (last) this.#ownMemory!.note(last.length, last.count === 1);
    return this.#received;
  }

  /** Whether that is the memory of this arena. */
  owns(bytes: Uint8Array): boolean {
    return this.#vector?.data.bytes === bytes;
  }

  /** The memory in which the payloads are, once something was received. */
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
    this.#ownMemory = new OwnMemory(this.#libc, vector, slotSize);
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
    payload.own = this.#ownMemory!.take(slot, length, payload.count === 1);
    return payload;
  }

  #senderOf(vector: MessageVector, slot: number): SocketAddress {
    const length = vector.nameLengthAt(slot);
    if (length === 0) return NOBODY;
    return this.#addresses.decode(vector.names, this.#nameWords, vector.nameOffset(slot), length) ?? NOBODY;
  }
}

function emptyPayload(start: number): Payload {
  return { start, length: 0, segmentSize: 0, count: 1, sender: NOBODY, details: undefined, views: [], own: undefined };
}
