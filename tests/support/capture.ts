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
  /** The flags and offset of fragmentation, as IPv4's header has them: 0x4000 is don't-fragment. Of IPv6: 0. */
  readonly flags: number;
}

/** Captures UDP packets on an interface of a host until the test's end. */
export class Capture {
  readonly #packets = new Mailbox<Packet>();
  #hex = "";

  private constructor(child: ChildProcess) {
    createInterface({ input: child.stdout! }).on("line", (line) => this.#read(line));
  }

  /** Starts capturing, and waits until tcpdump does. */
  static async start(tools: Tools, host: Host, device: string): Promise<Capture> {
    // Short slots, so that the ring buffer has many.
    const options = ["-s", "2048", "-n", "-q", "-x", "-l", "-p", "--immediate-mode", "-Z", "root", "-i", device, "udp"];
    const [command, ...args] = host.command("tcpdump", ...options);
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
    const packet = decode(Uint8Array.from(this.#hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)));
    if (packet) this.#packets.put(packet);
  }
}

/** An address as a packet has it. */
export function bytesOf(address: string): Uint8Array {
  return parseIp(address)!.bytes;
}

/** Reads an IP packet (RFC 791, RFC 8200); undefined while it is not complete. */
function decode(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < 40 && bytes[0] >> 4 !== 4 || bytes.length < 20) return undefined;
  const view = new DataView(bytes.buffer);
  const isIPv4 = bytes[0] >> 4 === 4;
  const [start, end, hops, destination] = isIPv4
    ? [(bytes[0] & 15) * 4, view.getUint16(2), bytes[8], bytes.slice(16, 20)]
    : [40, 40 + view.getUint16(4), bytes[7], bytes.slice(24, 40)];
  const tos = isIPv4 ? bytes[1] : view.getUint16(0) >> 4 & 0xff;
  const source = isIPv4 ? bytes.slice(12, 16) : bytes.slice(8, 24);
  if (bytes.length < end) return undefined;
  const text = new TextDecoder().decode(bytes.subarray(start + 8, end));
  return {
    hops,
    tos,
    source,
    destination,
    port: view.getUint16(start + 2),
    text,
    flags: isIPv4 ? view.getUint16(6) : 0,
  };
}

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("close", () => resolve());
    child.kill("SIGTERM");
  });
}
