/**
 * Received bytes in memory of their own.
 *
 * @module
 */
import { Buffer } from "node:buffer";

type Copy = (bytes: Uint8Array) => Buffer<ArrayBuffer>;

/** The class that parts of a Buffer are of (ECMAScript's @@species): `Buffer` itself, or what `Buffer` makes. */
const Species = (Buffer as unknown as { [Symbol.species]: new (bytes: Uint8Array) => Buffer<ArrayBuffer> })[
  Symbol.species
];

/** One call, which is the fastest way in V8 and JavaScriptCore alike. V8 keeps up to 64 bytes on its heap. */
const construct: Copy = (bytes) => new Species(bytes);

const allocate: Copy = (bytes) => {
  const buffer = Buffer.allocUnsafeSlow(bytes.byteLength) as Buffer<ArrayBuffer>;
  buffer.set(bytes);
  return buffer;
};

/** Whether the constructor, of which no document says so, makes a Buffer with an ArrayBuffer to itself. */
function isSound(copy: Copy): boolean {
  const copied = copy(new Uint8Array([1, 2, 3]).subarray(1));
  return Object.getPrototypeOf(copied) === Buffer.prototype && copied.buffer.byteLength === 2 && copied[1] === 3;
}

/**
 * A copy that has its ArrayBuffer to itself: it starts at 0 and ends with it, so that it can be transferred, and read through
 * another view, without touching anybody else's bytes. `Buffer.from` would take memory of a pool.
 */
export const ownBuffer: Copy = typeof Species === "function" && isSound(construct) ? construct : allocate;
