/**
 * What is on the wire, as tcpdump sees it.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { parseIp } from "../../ffi/wire/inet.ts";
import type { Tools } from "./harness.ts";
import { Mailbox } from "./mailbox.ts";
import type { Host } from "./namespaces.ts";

/** Why nothing can be captured here; undefined: it can. */
export const noCapture: string | undefined = spawnSync("tcpdump", ["--version"]).error
  ? "tcpdump is not installed"
  : undefined;

/** A captured UDP packet. */
export interface Packet {
  /** TTL or hop limit. */
  readonly hops: number;
  /** Type of service or traffic class. */
  readonly tos: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly port: number;
  readonly text: string;
  /** The flags and offset of fragmentation, as IPv4's header has them: 0x4000 is don't-fragment. Of IPv6 "more" and the offset. */
  readonly flags: number;
  /** IPv4's identification, or that of IPv6's fragments; 0: none. */
  readonly id: number;
  /** Whether UDP's checksum is right; undefined: the packet is a fragment. */
  readonly isSound: boolean | undefined;
}

/** Captures UDP packets on an interface of a host until the test's end. */
export class Capture {
  readonly #packets = new Mailbox<Packet>();
  #hex = "";

  private constructor(child: ChildProcess) {
    createInterface({ input: child.stdout! }).on("line", (line) => this.#read(line));
  }

  /** Starts capturing, and waits until tcpdump does. @param direction `in`: only what the host receives. */
  static async start(tools: Tools, host: Host, device: string, direction: "in" | "inout" = "inout"): Promise<Capture> {
    // Short slots, so that the ring buffer has many.
    const options = ["-s", "2048", "-n", "-q", "-x", "-l", "-p", "--immediate-mode", "-Z", "root", "-Q", direction];
    const [command, ...args] = host.command("tcpdump", ...options, "-i", device, "udp");
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    tools.cleanup(() => stopped(child));
    const capture = new Capture(child);
    await new Promise<void>((resolve, reject) => {
      let said = "";
      child.stderr!.on("data", (chunk) => {
        said += chunk;
        if (said.includes("listening on")) resolve();
      });
      child.once("close", () => reject(new Error(said)));
    });
    return capture;
  }

  /** The next packet that has not been asked for yet. */
  next(): Promise<Packet> {
    return this.#packets.next();
  }

  /** A line that tells of a packet, or one of its bytes in hex, as `0x0010:  0a4d 0001 ...`. */
  #read(line: string): void {
    const bytes = /^\s+0x[0-9a-f]+:\s+([0-9a-f ]+)/.exec(line)?.[1];
    this.#hex = bytes ? this.#hex + bytes.replaceAll(" ", "") : "";
    if (this.#hex.length / 2 < lengthIn(this.#hex)) return;
    const packet = decode(Uint8Array.from(this.#hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)));
    if (packet) this.#packets.put(packet);
  }
}

/** An address as a packet has it. */
export function bytesOf(address: string): Uint8Array {
  return parseIp(address)!.bytes;
}

/** The length of a packet, in bytes, that its first ones say; Infinity while they are not enough. */
function lengthIn(hex: string): number {
  if (hex.length < 40) return Infinity;
  return hex.startsWith("4") ? parseInt(hex.slice(4, 8), 16) : 40 + parseInt(hex.slice(8, 12), 16);
}

/** Next header: a fragment (RFC 8200, 4.5), and UDP. */
const [FRAGMENT, UDP] = [44, 17];

/** Reads an IP packet (RFC 791, RFC 8200); undefined while it is not complete. */
function decode(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < 48 && bytes[0] >> 4 !== 4 || bytes.length < 20) return undefined;
  const view = new DataView(bytes.buffer);
  const isIPv4 = bytes[0] >> 4 === 4;
  const end = isIPv4 ? view.getUint16(2) : 40 + view.getUint16(4);
  if (bytes.length < end) return undefined;
  const isFragment = isIPv4 ? (view.getUint16(6) & 0x3fff) !== 0 : bytes[6] === FRAGMENT;
  const start = isIPv4 ? (bytes[0] & 15) * 4 : isFragment ? 48 : 40;
  const flags = isIPv4 ? view.getUint16(6) : isFragment ? view.getUint16(42) : 0;
  const hasHeader = isIPv4 ? (flags & 0x1fff) === 0 : flags >> 3 === 0;
  const [source, destination] = isIPv4
    ? [bytes.slice(12, 16), bytes.slice(16, 20)]
    : [bytes.slice(8, 24), bytes.slice(24, 40)];
  return {
    hops: bytes[isIPv4 ? 8 : 7],
    tos: isIPv4 ? bytes[1] : view.getUint16(0) >> 4 & 0xff,
    source,
    destination,
    port: hasHeader ? view.getUint16(start + 2) : 0,
    text: new TextDecoder().decode(bytes.subarray(hasHeader ? start + 8 : start, end)),
    flags,
    id: isIPv4 ? view.getUint16(4) : isFragment ? view.getUint32(44) : 0,
    isSound: isFragment ? undefined : isSound(source, destination, bytes.subarray(start, end)),
  };
}

/** Whether UDP's checksum is right (RFC 768; RFC 8200, 8.1). */
function isSound(source: Uint8Array, destination: Uint8Array, datagram: Uint8Array): boolean {
  const { length } = datagram;
  const bytes = [...source, ...destination, 0, UDP, length >> 8, length & 0xff, ...datagram, 0];
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  while (sum > 0xffff) sum = (sum >>> 16) + (sum & 0xffff);
  return sum === 0xffff;
}

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("close", () => resolve());
    child.kill("SIGTERM");
  });
}
