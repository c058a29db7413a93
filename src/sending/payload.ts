/**
 * The bytes of a message. Their number is read with the getter of the typed array itself, as a property can have any
 * value: that of a subclass or of one array, or of an array whose buffer was detached or has shrunk.
 *
 * @module
 */

/** The payload of one message: bytes, or pieces to concatenate. */
export type Payload = Uint8Array | readonly Uint8Array[];

const lengthGetter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), "length")!.get!;

/** Whether a value is a Uint8Array. An object that only inherits from one, or a Proxy, is not. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && ArrayBuffer.isView(value);
}

/** The current number of bytes: 0 if the buffer was detached, or has become too short for the array. */
export function byteLength(bytes: Uint8Array): number {
  // An element that was read tells V8 the kind of array, so that it reads the length without calling the getter, which takes 4 ns.
  return bytes[0] === undefined ? 0 : lengthGetter.call(bytes);
}

/** The current length of a payload in bytes. */
export function lengthOf(payload: Payload): number {
  if (payload instanceof Uint8Array) return lengthGetter.call(payload);
  let sum = 0;
  for (let i = 0; i < payload.length; i++) sum += lengthGetter.call(payload[i]);
  return sum;
}

/**
 * Copies a payload. It must fit.
 *
 * @param length What {@linkcode lengthOf} has just returned. In Bun, reading it again takes as long as the copy.
 */
export function copyPayload(payload: Payload, length: number, target: Uint8Array, offset: number): void {
  // A detached array cannot be copied.
  if (length === 0) return;
  if (payload instanceof Uint8Array) target.set(payload, offset);
  else copyPieces(payload, target, offset);
}

function copyPieces(pieces: readonly Uint8Array[], target: Uint8Array, offset: number): void {
  for (let i = 0, end = offset; i < pieces.length; i++) {
    const piece = pieces[i]!;
    const size = lengthGetter.call(piece);
    if (size > 0) target.set(piece, end);
    end += size;
  }
}

/** Copies a payload to new memory. */
export function ownCopy(payload: Payload): Uint8Array<ArrayBuffer> {
  const length = lengthOf(payload);
  const copy = new Uint8Array(length);
  copyPayload(payload, length, copy, 0);
  return copy;
}

/** The engine's own getters of a view, as its properties can have any value. */
function gettersOf(prototype: object): readonly (() => never)[] {
  const get = (name: string): () => never => Object.getOwnPropertyDescriptor(prototype, name)!.get as () => never;
  return ["buffer", "byteOffset", "byteLength"].map(get);
}

const TypedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const kindGetter = Object.getOwnPropertyDescriptor(TypedArray, Symbol.toStringTag)!.get!;
const VIEW_GETTERS = { array: gettersOf(TypedArray), view: gettersOf(DataView.prototype) };

/**
 * The bytes of any view, not copied. As in Node, they are empty if the buffer was detached or is now too short for the
 * view.
 */
export function bytesOfView(view: ArrayBufferView): Uint8Array<ArrayBuffer> {
  const isArray = kindGetter.call(view) !== undefined;
  try {
    const [buffer, byteOffset, byteLength] = VIEW_GETTERS[isArray ? "array" : "view"].map((get) => get.call(view));
    return new Uint8Array(buffer!, byteOffset, byteLength);
  } catch {
    return new Uint8Array();
  }
}
