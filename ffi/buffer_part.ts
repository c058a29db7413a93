/**
 * The two ways to make a Buffer over a part of a block. Which is faster, by a fifth, depends on the runtime.
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

/** Faster in Node and Deno. */
export const partByFrom: BufferPart = (_block, memory, start, size) => Buffer.from(memory, start, size);

/** Faster in Bun. */
export const partBySubarray: BufferPart = (block, _memory, start, size) => block.subarray(start, start + size);
