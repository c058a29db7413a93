/**
 * Control messages: `struct cmsghdr` (layout in abi/), one after the other, each followed by its data and padded.
 *
 *     | cmsg_len | cmsg_level | cmsg_type | data ... | padding | cmsg_len | ...
 *     '---------------- cmsg_len ------------------'
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";

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
  // A size_t on Linux; its upper half stays zero.
  view.setUint32(offset + cmsg_len, roundUp(size, align) + dataLength, true);
  view.setInt32(offset + cmsg_level, level, true);
  view.setInt32(offset + cmsg_type, type, true);
  return offset + roundUp(size, align);
}

/**
 * Finds a control message by level and type.
 *
 * @param start Where the control data starts in `view`.
 * @param length How much of it the kernel gave; nothing behind is read.
 * @param dataLength The least its data must have.
 * @returns The offset of its data, or -1. Malformed control data ends the search.
 */
export function findControl(
  abi: Abi,
  view: DataView,
  start: number,
  length: number,
  level: number,
  type: number,
  dataLength: number,
): number {
  const { size, cmsg_len, cmsg_level, cmsg_type, align } = abi.layouts.cmsghdr;
  const header = roundUp(size, align);
  const end = start + length;
  for (let at = start; at + header <= end;) {
    const messageLength = view.getUint32(at + cmsg_len, true);
    if (messageLength < header || at + messageLength > end) return -1;
    const isWanted = view.getInt32(at + cmsg_level, true) === level && view.getInt32(at + cmsg_type, true) === type;
    if (isWanted && messageLength >= header + dataLength) return at + header;
    at += roundUp(messageLength, align);
  }
  return -1;
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
