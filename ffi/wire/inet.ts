/**
 * IP addresses as text and as bytes: inet_pton(3) and inet_ntop(3), with the zone of RFC 4007.
 *
 * @module
 */

/** The protocol versions, as in a socket's `type`. */
export type IpVersion = 4 | 6;

/** The default destination address, if only a port is given. */
export const LOOPBACK: Record<IpVersion, string> = { 4: "127.0.0.1", 6: "::1" };

/** The address that means all local addresses. */
export const ANY: Record<IpVersion, string> = { 4: "0.0.0.0", 6: "::" };

/** An IP address, parsed. */
export interface IpAddress {
  /** 4 or 6. */
  readonly version: IpVersion;
  /** 4 or 16 bytes, in network order. */
  readonly bytes: Uint8Array;
  /** What follows `%`: the name or the number of an interface. Empty if there is none. */
  readonly zone: string;
}

/** Parses an IPv4 or IPv6 address; undefined if the text is neither. */
export function parseIp(text: string): IpAddress | undefined {
  const ipv4 = parseIPv4(text);
  if (ipv4) return { version: 4, bytes: ipv4, zone: "" };
  const percent = text.indexOf("%");
  const bytes = parseIPv6(percent < 0 ? text : text.slice(0, percent));
  if (!bytes) return undefined;
  return { version: 6, bytes, zone: percent < 0 ? "" : text.slice(percent + 1) };
}

/** The result of `isIP` of `node:net`: 4, 6, or 0 if the text is not an IP address. */
export function ipVersionOf(text: string): 4 | 6 | 0 {
  if (text === lastText) return lastVersion;
  const version = findVersion(text);
  if (version === 0) return 0;
  lastVersion = version;
  lastText = text;
  return version;
}

/** The last address that was tested, as each send tests it more than once. */
let lastText = "0.0.0.0";
let lastVersion: 4 | 6 = 4;

function findVersion(text: string): 4 | 6 | 0 {
  if (readIPv4(text) >= 0) return 4;
  const ip = parseIp(text);
  if (!ip) return 0;
  return text.includes("%") && !/^[0-9A-Za-z.:-]+$/.test(ip.zone) ? 0 : ip.version;
}

/** Dotted decimal, four parts, no leading zeros. */
export function parseIPv4(text: string): Uint8Array | undefined {
  const address = readIPv4(text);
  return address < 0 ? undefined : Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}

const ZERO = "0".charCodeAt(0);
const NINE = "9".charCodeAt(0);
const DOT = ".".charCodeAt(0);

/** The address as one number, or -1. It allocates nothing, as texts are tested more often than they are parsed. */
export function readIPv4(text: string): number {
  let [address, parts, part] = [0, 0, -1];
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (part < 0) return -1;
      address = address * 256 + part;
      parts++;
      part = -1;
    } else {
      // No leading zeros.
      if (code < ZERO || code > NINE || part === 0) return -1;
      part = Math.max(part, 0) * 10 + code - ZERO;
      if (part > 255) return -1;
    }
  }
  return parts === 4 ? address : -1;
}

/** RFC 4291, section 2.2, in all three forms, without a zone. */
export function parseIPv6(text: string): Uint8Array | undefined {
  const [before = "", after, more] = text.split("::");
  if (more !== undefined) return undefined;
  const head = parseGroups(before, after === undefined);
  const tail = after === undefined ? [] : parseGroups(after, true);
  if (!head || !tail) return undefined;
  const given = head.length + tail.length;
  // "::" stands for at least one group of zeros.
  if (after === undefined ? given !== 16 : given > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** Groups of up to four hex digits. The last may be an IPv4 address if the text ends with it. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const embedded = endsAddress && index === groups.length - 1 ? parseIPv4(group) : undefined;
    if (!embedded) return undefined;
    bytes.push(...embedded);
  }
  return bytes;
}

/** Four bytes at `offset` as dotted decimal. */
export function formatIPv4(bytes: Uint8Array, offset = 0): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/** Sixteen bytes at `offset` in the form of RFC 5952. Mapped and compatible IPv4 addresses end in dotted decimal. */
export function formatIPv6(bytes: Uint8Array, offset = 0): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes[offset + 2 * i]! * 256 + bytes[offset + 2 * i + 1]!);
  const zeros = longestRunOfZeros(groups);
  const endsInIPv4 = zeros.start === 0 && (zeros.length === 6 || (zeros.length === 5 && groups[5] === 0xffff));
  const texts = groups.map((group) => group.toString(16));
  if (endsInIPv4) texts.splice(6, 2, formatIPv4(bytes, offset + 12));
  if (zeros.length < 2) return texts.join(":");
  const behind = zeros.start + zeros.length;
  return `${texts.slice(0, zeros.start).join(":")}::${texts.slice(behind).join(":")}`;
}

function longestRunOfZeros(groups: number[]): { start: number; length: number } {
  let best = { start: -1, length: 0 };
  let start = -1;
  for (let i = 0; i <= groups.length; i++) {
    if (i < groups.length && groups[i] === 0) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      if (i - start > best.length) best = { start, length: i - start };
      start = -1;
    }
  }
  return best;
}
