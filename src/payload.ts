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
  if (isBytes(payload)) return lengthGetter.call(payload);
  let sum = 0;
  for (let i = 0; i < payload.length; i++) sum += lengthGetter.call(payload[i]);
  return sum;
}

/** Copies a payload. It must fit. */
export function copyPayload(payload: Payload, target: Uint8Array, offset: number): void {
  if (isBytes(payload)) return copyBytes(payload, target, offset);
  for (let i = 0, end = offset; i < payload.length; i++) {
    copyBytes(payload[i], target, end);
    end += lengthGetter.call(payload[i]);
  }
}

/** A payload in memory that nobody else has. */
export function ownCopy(payload: Payload): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(lengthOf(payload));
  copyPayload(payload, copy, 0);
  return copy;
}

/** What was detached cannot be copied. */
function copyBytes(bytes: Uint8Array, target: Uint8Array, offset: number): void {
  if (lengthGetter.call(bytes) > 0) target.set(bytes, offset);
}
