/**
 * Copies received bytes to memory that nothing else uses.
 *
 * @module
 */
import { Buffer } from "node:buffer";

type Copy = (bytes: Uint8Array) => Buffer<ArrayBuffer>;

/** The class that creates parts of a Buffer (ECMAScript's @@species): `Buffer` itself, or a class of the same objects. */
const Species = (Buffer as unknown as { [Symbol.species]: new (bytes: Uint8Array) => Buffer<ArrayBuffer> })[
  Symbol.species
];

/** One call, the fastest way in both V8 and JavaScriptCore. V8 keeps up to 64 bytes on its heap. */
const construct: Copy = (bytes) => new Species(bytes);

const allocate: Copy = (bytes) => {
  const buffer = Buffer.allocUnsafeSlow(bytes.byteLength) as Buffer<ArrayBuffer>;
  buffer.set(bytes);
  return buffer;
};

/** Whether the constructor makes a Buffer that has its ArrayBuffer to itself; that is not documented. */
function isSound(copy: Copy): boolean {
  const copied = copy(new Uint8Array([1, 2, 3]).subarray(1));
  return Object.getPrototypeOf(copied) === Buffer.prototype && copied.buffer.byteLength === 2 && copied[1] === 3;
}

/**
 * A copy that has its ArrayBuffer to itself: it fills it from start to end. So it can be transferred, and read through another view,
 * without affecting other bytes. `Buffer.from` would use pooled memory.
 */
export const ownBuffer: Copy = typeof Species === "function" && isSound(construct) ? construct : allocate;
