/**
 * As much of the DNS (RFC 1035) as it takes to ask for an IPv4 address and read the answer.
 *
 * @module
 */

const TYPE_A = 1;
const CLASS_IN = 1;
const RECURSION_DESIRED = 0x0100;
const HEADER_SIZE = 12;

/** A query for the A records of a name. @param id 0 to 65535; the response has the same. */
export function encodeQuery(id: number, name: string): Uint8Array {
  const labels = name.split(".").map((label) => new TextEncoder().encode(label));
  const size = HEADER_SIZE + labels.reduce((sum, label) => sum + 1 + label.length, 1) + 4;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, RECURSION_DESIRED);
  view.setUint16(4, 1);
  let at = HEADER_SIZE;
  for (const label of labels) {
    bytes[at++] = label.length;
    bytes.set(label, at);
    at += label.length;
  }
  view.setUint16(at + 1, TYPE_A);
  view.setUint16(at + 3, CLASS_IN);
  return bytes;
}

/** The id and the IPv4 addresses of a response. */
export function decodeResponse(bytes: Uint8Array): { id: number; addresses: string[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [questions, answers] = [view.getUint16(4), view.getUint16(6)];
  let at = HEADER_SIZE;
  for (let i = 0; i < questions; i++) at = skipName(bytes, at) + 4;
  const addresses: string[] = [];
  for (let i = 0; i < answers; i++) {
    at = skipName(bytes, at);
    const [type, length] = [view.getUint16(at), view.getUint16(at + 8)];
    at += 10;
    if (type === TYPE_A && length === 4) addresses.push(bytes.subarray(at, at + 4).join("."));
    at += length;
  }
  return { id: view.getUint16(0), addresses };
}

function skipName(bytes: Uint8Array, at: number): number {
  for (;;) {
    const length = bytes[at];
    if (length === undefined) throw new RangeError("The message ends within a name");
    // A pointer to a name further up ends this one.
    if (length >= 0xc0) return at + 2;
    at += length + 1;
    if (length === 0) return at;
  }
}
