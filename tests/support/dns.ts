/**
 * As much of DNS (RFC 1035) as the tests need: questions for IPv4 addresses, and answers.
 *
 * @module
 */

const HEADER = 12;
const TYPE_A = 1;
const CLASS_IN = 1;
const IS_RESPONSE = 0x8000;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;
const AUTHORITATIVE = 0x0400;

/** A question. */
export interface Question {
  readonly id: number;
  readonly name: string;
}

/** An answer. */
export interface Answer extends Question {
  /** The IPv4 addresses. */
  readonly addresses: string[];
}

/** Writes a question for the IPv4 addresses of a name. */
export function encodeQuestion({ id, name }: Question): Uint8Array {
  return concat(header(id, RECURSION_DESIRED, 0), question(name));
}

/** Reads a question; undefined where it asks for something else than an IPv4 address. */
export function decodeQuestion(message: Uint8Array): Question | undefined {
  const view = viewOf(message);
  const [name, end] = readName(message, HEADER);
  return view.getUint16(end) === TYPE_A ? { id: view.getUint16(0), name } : undefined;
}

/** Writes an answer. */
export function encodeAnswer({ id, name, addresses }: Answer): Uint8Array {
  const flags = IS_RESPONSE | AUTHORITATIVE | RECURSION_DESIRED | RECURSION_AVAILABLE;
  const records = addresses.map((address) => {
    // The name is where the question has it; 60 seconds to live.
    return concat(words(0xc000 | HEADER, TYPE_A, CLASS_IN, 0, 60, 4), Uint8Array.from(address.split("."), Number));
  });
  return concat(header(id, flags, addresses.length), question(name), ...records);
}

/** Reads an answer. */
export function decodeAnswer(message: Uint8Array): Answer {
  const view = viewOf(message);
  const addresses: string[] = [];
  const [name, nameEnd] = readName(message, HEADER);
  let at = nameEnd + 4;
  for (let left = view.getUint16(6); left > 0; left--) {
    const [, end] = readName(message, at);
    const length = view.getUint16(end + 8);
    at = end + 10 + length;
    if (view.getUint16(end) === TYPE_A) addresses.push(message.subarray(at - length, at).join("."));
  }
  return { id: view.getUint16(0), name, addresses };
}

function header(id: number, flags: number, answers: number): Uint8Array {
  return words(id, flags, 1, answers, 0, 0);
}

function question(name: string): Uint8Array {
  const labels = name.split(".").map((label) => Uint8Array.of(label.length, ...new TextEncoder().encode(label)));
  return concat(...labels, Uint8Array.of(0), words(TYPE_A, CLASS_IN));
}

/** A name and where it ends. */
function readName(message: Uint8Array, start: number): [string, number] {
  const labels: string[] = [];
  let at = start;
  for (; message[at] !== 0; at += 1 + message[at]) {
    // A pointer ends a name.
    if (message[at] >= 0xc0) {
      const [rest] = readName(message, (message[at] & 0x3f) << 8 | message[at + 1]);
      return [[...labels, rest].join("."), at + 2];
    }
    labels.push(new TextDecoder().decode(message.subarray(at + 1, at + 1 + message[at])));
  }
  return [labels.join("."), at + 1];
}

function viewOf(message: Uint8Array): DataView {
  return new DataView(message.buffer, message.byteOffset, message.byteLength);
}

/** 16-bit numbers in network order. */
function words(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
