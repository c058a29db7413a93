/**
 * Control messages: `struct cmsghdr` (layout in abi/), one after the other, each followed by its data and padded.
 *
 *     | cmsg_len | cmsg_level | cmsg_type | data ... | padding | cmsg_len | ...
 *     '---------------- cmsg_len ------------------'
 *
 * What they mean is in received_controls.ts and sent_controls.ts.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";

/** One control message to be sent. */
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** Control messages as the kernel takes them. Messages sent with the same object have the same control data. */
export type EncodedControls = Uint8Array<ArrayBuffer>;

/** The space one control message takes with its padding: CMSG_SPACE(3). */
export function controlSpace(abi: Abi, dataLength: number): number {
  const { size, align } = abi.layouts.cmsghdr;
  return roundUp(size, align) + roundUp(dataLength, align);
}

/** Writes the header of a control message; its data goes to the offset that is returned. */
export function writeControlHeader(
  abi: Abi,
  view: DataView,
  offset: number,
  level: number,
  type: number,
  dataLength: number,
): number {
  const { size, cmsg_len, cmsg_level, cmsg_type, align } = abi.layouts.cmsghdr;
  if (offset + controlSpace(abi, dataLength) > view.byteLength) {
    throw new RangeError(`A control message with ${dataLength} bytes does not fit at ${offset} of ${view.byteLength}`);
  }
  view.setUint32(offset + cmsg_len, roundUp(size, align) + dataLength, true);
  // A size_t on Linux, whose upper half may have other data.
  if (cmsg_level - cmsg_len === 8) view.setUint32(offset + cmsg_len + 4, 0, true);
  view.setInt32(offset + cmsg_level, level, true);
  view.setInt32(offset + cmsg_type, type, true);
  return offset + roundUp(size, align);
}

/** Encodes control messages one after the other. */
export function encodeControls(abi: Abi, messages: readonly ControlMessage[]): EncodedControls {
  const bytes = new Uint8Array(messages.reduce((sum, { data }) => sum + controlSpace(abi, data.length), 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const { level, type, data } of messages) {
    bytes.set(data, writeControlHeader(abi, view, offset, level, type, data.length));
    offset += controlSpace(abi, data.length);
  }
  return bytes;
}

/** The data of one C int. */
export function intData(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, value, true);
  return data;
}

/**
 * Goes through control data, message by message. One reader serves for any number of them, as nothing is allocated:
 *
 *     for (reader.open(view, start, length); reader.next();) use(reader.level, reader.type, reader.at, reader.size);
 *
 * It reads nothing outside the given range, whatever the data says. Malformed data ends it: a message that is shorter than its own
 * header, or longer than what is left. On macOS a message that is longer was truncated by the kernel (MSG_CTRUNC) and keeps its
 * original length; it is read as far as it goes, as it may hold descriptors.
 */
export class ControlReader {
  /** The level and type of the message it stands at. */
  level = 0;
  type = 0;
  /** Where that message's data starts in the view, and how many bytes it has. */
  at = 0;
  size = 0;
  /** The memory that is read. */
  view: DataView = new DataView(new ArrayBuffer(0));
  readonly #header: number;
  readonly #align: number;
  readonly #lengthAt: number;
  readonly #levelAt: number;
  readonly #typeAt: number;
  /** Whether the length is a size_t, whose upper half is zero in a valid message. */
  readonly #isWide: boolean;
  #next = 0;
  #end = 0;

  constructor(abi: Abi) {
    const { size, cmsg_len, cmsg_level, cmsg_type, align } = abi.layouts.cmsghdr;
    this.#header = roundUp(size, align);
    this.#align = align;
    this.#lengthAt = cmsg_len;
    this.#levelAt = cmsg_level;
    this.#typeAt = cmsg_type;
    this.#isWide = cmsg_level - cmsg_len === 8;
  }

  /**
   * Stands before the first message.
   *
   * @param start Where the control data starts in `view`.
   * @param length How much of it the kernel returned. Nothing after it is read.
   */
  open(view: DataView, start: number, length: number): void {
    this.view = view;
    this.#next = start;
    this.#end = Math.min(start + length, view.byteLength);
  }

  /** Goes to the next message. @returns Whether there is one. */
  next(): boolean {
    const { view } = this;
    const message = this.#next;
    const end = this.#end;
    if (message + this.#header > end) return false;
    const length = view.getUint32(message + this.#lengthAt, true);
    const isTooLong = message + length > end ||
      (this.#isWide && view.getUint32(message + this.#lengthAt + 4, true) !== 0);
    const isCut = isTooLong && !this.#isWide;
    if (length < this.#header || (isTooLong && !isCut)) {
      this.#next = end;
      return false;
    }
    this.level = view.getInt32(message + this.#levelAt, true);
    this.type = view.getInt32(message + this.#typeAt, true);
    this.at = message + this.#header;
    this.size = (isCut ? end - message : length) - this.#header;
    this.#next = isCut ? end : message + roundUp(length, this.#align);
    return true;
  }
}

/** @param multiple A power of two. */
function roundUp(value: number, multiple: number): number {
  return (value + multiple - 1) & -multiple;
}
