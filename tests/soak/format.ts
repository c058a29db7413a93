/**
 * What a datagram of the soak carries: its number in its flow, the flow, its length, the sender's port, a checksum over the rest of it. The
 * rest follows from flow and number.
 *
 * A datagram that is shorter than that carries as much of it as there is room for, the number first.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Number (4 bytes), flow (4), length (2), sender's port (2), checksum (4). */
export const HEADER_SIZE = 16;

/** The most that UDP over IPv4 carries. */
export const MAX_SIZE = 65_507;

/** Random bytes, of which each datagram has a part: where it begins depends on flow and number. */
const NOISE_SIZE = 1 << 18;
const noise = noiseOf(NOISE_SIZE);

function noiseOf(size: number): Uint8Array {
  const words = new Uint32Array(size / 4);
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}

/** Mixes two numbers to 32 bits. */
export function mix(one: number, other: number): number {
  let mixed = Math.imul(one ^ 0x85ebca6b, 0x9e3779b1) ^ Math.imul(other + 0x7f4a7c15, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

const bodyStart = (flow: number, number: number): number => mix(flow, number) % (NOISE_SIZE - MAX_SIZE);

/** The header as numbers. */
export interface Header {
  readonly number: number;
  readonly flow: number;
  readonly length: number;
  readonly port: number;
}

/** A sum over the bytes (Adler-32, over every byte of a short datagram and a part of a long one, as all are compared anyway). */
function checksum(bytes: Uint8Array, start: number, end: number): number {
  let [low, high] = [1, end - start];
  const step = Math.max(1, Math.floor((end - start) / 256));
  for (let i = start; i < end; i += step) {
    low = (low + bytes[i]) % 65_521;
    high = (high + low) % 65_521;
  }
  return ((high << 16) | low) >>> 0;
}

/** Writes a datagram into memory. */
export function fill(bytes: Uint8Array, { number, flow, length, port }: Header): void {
  const whole = length >= HEADER_SIZE ? bytes : new Uint8Array(HEADER_SIZE);
  const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  view.setUint32(0, number, true);
  view.setUint32(4, flow, true);
  view.setUint16(8, length, true);
  view.setUint16(10, port, true);
  if (length < HEADER_SIZE) return bytes.set(whole.subarray(0, length));
  const at = bodyStart(flow, number);
  bytes.set(noise.subarray(at, at + length - HEADER_SIZE), HEADER_SIZE);
  view.setUint32(12, checksum(bytes, HEADER_SIZE, length), true);
}

/** The datagram in memory made for it. */
export function datagram(header: Header): Uint8Array {
  const bytes = new Uint8Array(header.length);
  fill(bytes, header);
  return bytes;
}

/** The header of a received datagram that is long enough to have one. */
export function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    number: view.getUint32(0, true),
    flow: view.getUint32(4, true),
    length: view.getUint16(8, true),
    port: view.getUint16(10, true),
  };
}

/** What is wrong with the bytes of a received datagram that has a header; undefined: nothing. */
export function faultOf(bytes: Uint8Array): string | undefined {
  const { number, flow, length } = readHeader(bytes);
  if (length !== bytes.length) return `${bytes.length} bytes instead of ${length}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(12, true) !== checksum(bytes, HEADER_SIZE, length)) return "the checksum is wrong";
  const at = bodyStart(flow, number);
  const body = noise.subarray(at, at + length - HEADER_SIZE);
  if (Buffer.compare(bytes.subarray(HEADER_SIZE), body) !== 0) return "the bytes are others";
  return undefined;
}
