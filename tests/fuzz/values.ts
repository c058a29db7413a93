/**
 * Values of every kind that a program may hand to a method, by mistake or on purpose.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Random } from "./random.ts";

/** What made-up values do when they are looked at. */
export class Mischief {
  /** Whether values may change between two looks. Two implementations look as often as they like, so they could not be compared. */
  readonly isFickle: boolean;
  /** Functions among the values; called back or not. */
  readonly newCallback: () => (...values: unknown[]) => unknown;
  static readonly #errors = new WeakSet<Error>();

  constructor(isFickle = true, newCallback: () => (...values: unknown[]) => unknown = () => () => {}) {
    this.isFickle = isFickle;
    this.newCallback = newCallback;
  }

  /** Throws an error that is known again. */
  thrown(): never {
    const error = new Error("mischief");
    Mischief.#errors.add(error);
    throw error;
  }

  /** Whether an error is one of them. */
  static made(error: unknown): boolean {
    return error instanceof Error && Mischief.#errors.has(error);
  }
}

/** What the engines say if a value cannot be converted, or a Proxy is revoked: the fault is the caller's. */
const CONVERSION =
  /symbol|bigint|primitive|revoked|proxy|is not a function|circular|not iterable|array length|default value|out of bounds|detached|incompatible receiver|typed array|TypedArray|call stack/i;

/** Whether an error is one that a caller of that value deserves. */
export function isExpectedError(error: unknown): boolean {
  if (Mischief.made(error)) return true;
  if (!(error instanceof Error)) return false;
  const { code, name } = error as { code?: unknown; name: string };
  if (typeof code === "string" && /^(ERR_\w+|E[A-Z0-9]+|ABORT_ERR)$/.test(code)) return true;
  return (error instanceof TypeError || error instanceof RangeError) && /^(Type|Range)Error$/.test(name) &&
    CONVERSION.test(error.message);
}

const PLAIN: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  ...[
    0,
    -0,
    1,
    -1,
    2,
    0.5,
    -0.5,
    1.5,
    9,
    64,
    255,
    256,
    1024,
    65_535,
    65_536,
    1e9,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    1e300,
  ],
  ...[NaN, Infinity, -Infinity, -(2 ** 31), Number.MIN_VALUE],
  ...[
    "",
    "x",
    "0",
    "1",
    " 9 ",
    "0x10",
    "1e3",
    "65536",
    "127.0.0.1",
    "::1",
    "lo",
    "\0",
    "a\0b",
    "\ud800",
    "é",
    "%",
    "::%lo",
  ],
  ...["message", "close", "__proto__", "constructor", "x".repeat(70_000)],
  0n,
  5n,
  -(2n ** 70n),
  Symbol("s"),
  Symbol.iterator,
];

/** A value of any kind. */
export function madeUpValue(random: Random, mischief: Mischief, depth = 0): unknown {
  switch (random.below(depth > 2 ? 4 : 8)) {
    case 0:
    case 1:
    case 2:
      return random.pick(PLAIN);
    case 3:
    case 4:
      return madeUpBytes(random, mischief);
    case 5:
      return madeUpArray(random, mischief, depth);
    case 6:
      return random.oneIn(2) ? mischief.newCallback() : random.pick(OBJECTS)(random, mischief);
    default:
      return madeUpObject(random, mischief, depth, ["port", "address", "message", "fd", "signal", "path", "type"]);
  }
}

type Maker = (random: Random, mischief: Mischief) => unknown;

/** What throws in all traps. */
function throwingProxy(target: object, mischief: Mischief): object {
  const handler = new Proxy({}, { get: () => () => mischief.thrown() });
  return new Proxy(target, handler);
}

const OBJECTS: readonly Maker[] = [
  () => ({}),
  () => Object.create(null),
  () => new Date(0),
  () => /x/,
  () => new Map(),
  () => new Error("x"),
  () => Object(5),
  () => Object("127.0.0.1"),
  () => AbortSignal.abort(),
  () => new AbortController().signal,
  () => ({ aborted: false, addEventListener: 5 }),
  () =>
    (function () {
      return arguments;
    })(),
  (_, mischief) => throwingProxy({}, mischief),
  (_, mischief) => throwingProxy(() => {}, mischief),
  (_, mischief) => throwingProxy([], mischief),
  (_, mischief) => throwingProxy(new Uint8Array(4), mischief),
  () => revoked({}),
  () => revoked([]),
  () => new Proxy({ port: 1 }, {}),
  () => ({ valueOf: () => 9, toString: () => "127.0.0.1" }),
  (_, mischief) => ({ valueOf: () => mischief.thrown(), toString: () => mischief.thrown() }),
  (_, mischief) => ({ [Symbol.toPrimitive]: () => mischief.thrown() }),
  () => ({ [Symbol.toPrimitive]: () => ({}) }),
  () => ({ toString: () => "x", length: 5, byteLength: 5, buffer: new ArrayBuffer(5), byteOffset: 0 }),
];

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** `structuredClone` that takes the buffer away. */
function detached<View extends ArrayBufferView>(view: View): View {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return view;
}

type Resizable = ArrayBuffer & { resize(length: number): void };
const resizable = (length: number): Resizable =>
  // deno-lint-ignore no-explicit-any
  new (ArrayBuffer as any)(length, { maxByteLength: 4096 });

class Liar extends Uint8Array {
  override get byteLength(): number {
    return 1e6;
  }
  override get length(): number {
    return 1e6;
  }
  override get byteOffset(): number {
    return 1e9;
  }
}

const BYTES: readonly Maker[] = [
  (random) => new Uint8Array(random.below(20)),
  (random) => Buffer.alloc(random.below(2000)),
  () => Buffer.from("pooled"),
  () => new Uint8Array(70_000),
  () => new Uint8Array(100).subarray(90, 95),
  () => new DataView(new ArrayBuffer(8), 4),
  () => new Float64Array(3),
  () => new BigInt64Array(2),
  () => new ArrayBuffer(8),
  () => detached(new Uint8Array(8)),
  () => detached(new DataView(new ArrayBuffer(8))),
  () => detached(Buffer.alloc(10_000)),
  () => new Uint8Array(resizable(16)),
  () => new Uint8Array(resizable(16), 4, 8),
  () => shrunk((buffer) => new Uint8Array(buffer, 8, 8)),
  () => shrunk((buffer) => new Uint8Array(buffer, 8)),
  () => shrunk((buffer) => new DataView(buffer, 8, 8)),
  () => new Uint8Array(new SharedArrayBuffer(8)),
  () => new Uint8Array(new SharedArrayBuffer(8, { maxByteLength: 64 } as never)),
  () => new Liar(8),
  () => Object.defineProperty(new Uint8Array(8), "byteLength", { value: 1e6 }),
  () => Object.defineProperty(new Uint8Array(8), "length", { value: -1 }),
  () => Object.defineProperty(Buffer.from("x"), "byteLength", { value: "5" }),
  () => Object.defineProperty(new Uint8Array(8), "buffer", { value: new ArrayBuffer(2) }),
  () => Object.defineProperty(new Uint8Array(8), "byteOffset", { value: 4096 }),
  (_, mischief) => Object.defineProperty(new Uint8Array(8), "byteLength", { get: () => mischief.thrown() }),
  (_, mischief) => Object.defineProperty(new Uint8Array(8), "buffer", { get: () => mischief.thrown() }),
  () => new Proxy(new Uint8Array(4), {}),
  () => Object.create(Uint8Array.prototype),
  () => Object.setPrototypeOf(new Uint8Array(4), Array.prototype),
  () => Object.setPrototypeOf(new Uint8Array(4), null),
  () => Object.setPrototypeOf([1, 2], Uint8Array.prototype),
];

/** Bytes that change while they are looked at. */
const FICKLE_BYTES: readonly Maker[] = [
  () => {
    let looks = 0;
    return Object.defineProperty(new Uint8Array(8), "byteLength", { get: () => looks++ % 2 ? 1e6 : 8 });
  },
  () => {
    const buffer = resizable(64);
    const view = new Uint8Array(buffer);
    return Object.defineProperty(view, "byteOffset", { get: () => (buffer.resize(1), 0) });
  },
  () => {
    const view = new Uint8Array(8);
    return Object.defineProperty(view, "byteLength", {
      get: () => (view.buffer.byteLength > 0 && detached(view), 8),
    });
  },
];

function shrunk<View>(make: (buffer: ArrayBuffer) => View): View {
  const buffer = resizable(16);
  const view = make(buffer);
  buffer.resize(10);
  return view;
}

/** Bytes of every kind, and what only looks like bytes. */
export function madeUpBytes(random: Random, mischief: Mischief): unknown {
  const makers = mischief.isFickle && random.oneIn(5) ? FICKLE_BYTES : BYTES;
  return random.pick(makers)(random, mischief);
}

function madeUpArray(random: Random, mischief: Mischief, depth: number): unknown {
  const array: unknown[] = Array.from({ length: random.below(4) }, () => madeUpValue(random, mischief, depth + 1));
  switch (random.below(8)) {
    case 0:
      array.length += 2;
      break;
    case 1:
      array.push(array);
      break;
    case 2:
      Object.defineProperty(array, "0", { get: () => mischief.thrown() });
      break;
    case 3:
      return new Proxy(array, {});
    case 4:
      if (mischief.isFickle) Object.defineProperty(array, "0", { get: () => (array.length = 1, "x") });
      break;
  }
  return array;
}

/** An object with some of the properties that a method looks for. */
export function madeUpObject(
  random: Random,
  mischief: Mischief,
  depth: number,
  keys: readonly string[],
  good: (key: string) => unknown = () => undefined,
): object {
  const object: Record<string, unknown> = random.oneIn(20) ? Object.create(null) : {};
  for (const key of keys) {
    const kind = random.below(10);
    const value = kind < 6 ? good(key) : kind < 8 ? undefined : madeUpValue(random, mischief, depth + 1);
    if (kind === 9 && random.oneIn(3)) {
      Object.defineProperty(object, key, {
        enumerable: true,
        get: () => mischief.thrown(),
      });
    } else if (kind === 9 && mischief.isFickle) {
      let looks = 0;
      Object.defineProperty(object, key, { enumerable: true, get: () => looks++ ? value : good(key) });
    } else if (value !== undefined) object[key] = value;
  }
  return random.oneIn(15) ? new Proxy(object, {}) : object;
}
