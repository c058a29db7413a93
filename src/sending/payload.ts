/**
 * The bytes of a message. How many there are is asked of the array itself and not of its properties, which may say anything:
 * a property of a subclass or of one array, a buffer that was detached or has shrunk.
 *
 * @module
 */

/** The payload of one message: bytes, or pieces of them. */
export type Payload = Uint8Array | readonly Uint8Array[];

const lengthGetter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), "length")!.get!;

/** Whether a value is an array of bytes. What only inherits from one, or stands before one as a Proxy, is not. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && ArrayBuffer.isView(value);
}

/** How many bytes there are now: 0 if the buffer was detached, or is too short for the array by now. */
export function byteLength(bytes: Uint8Array): number {
  return lengthGetter.call(bytes);
}

/** A payload's length in bytes as it is now. */
export function lengthOf(payload: Payload): number {
  if (payload instanceof Uint8Array) return lengthGetter.call(payload);
  let sum = 0;
  for (let i = 0; i < payload.length; i++) sum += lengthGetter.call(payload[i]);
  return sum;
}

/**
 * Copies a payload. It must fit.
 *
 * @param length What {@linkcode lengthOf} has just said: asking again takes Bun as long as the copy.
 */
export function copyPayload(payload: Payload, length: number, target: Uint8Array, offset: number): void {
  // What was detached cannot be copied.
  if (length === 0) return;
  if (payload instanceof Uint8Array) return target.set(payload, offset);
  for (let i = 0, end = offset; i < payload.length; i++) {
    const size = lengthGetter.call(payload[i]);
    if (size > 0) target.set(payload[i], end);
    end += size;
  }
}

/** A payload in memory that nobody else has. */
export function ownCopy(payload: Payload): Uint8Array<ArrayBuffer> {
  const length = lengthOf(payload);
  const copy = new Uint8Array(length);
  copyPayload(payload, length, copy, 0);
  return copy;
}
