/**
 * The two ways to make a Buffer over a part of a block. Which is faster, by a third, depends on the runtime.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Makes a Buffer over `size` bytes of a block, which has all of its `memory`, from `start` on. */
export type BufferPart = (
  block: Buffer<ArrayBuffer>,
  memory: ArrayBuffer,
  start: number,
  size: number,
) => Buffer<ArrayBuffer>;

type BufferConstructor = new (memory: ArrayBuffer, start: number, size: number) => Buffer<ArrayBuffer>;

/** What `Buffer.from` makes, without the checks before it: the class that parts of a Buffer are of (ECMAScript's @@species). */
const Species = (Buffer as unknown as { [Symbol.species]?: BufferConstructor })[Symbol.species];

/** Faster in Node and Deno. `Buffer` itself is not to be called with `new`, so it takes a class of its own. */
export const partBySpecies: BufferPart = Species && Species.prototype === Buffer.prototype &&
    (Species as unknown) !== Buffer
  ? (_block, memory, start, size) => new Species(memory, start, size)
  : (_block, memory, start, size) => Buffer.from(memory, start, size);

/** Faster in Bun. */
export const partBySubarray: BufferPart = (block, _memory, start, size) => block.subarray(start, start + size);
