/**
 * Whether sockets that others had are still there, by their inodes: a port may have got another socket meanwhile.
 *
 * @module
 */
import { readFileSync } from "node:fs";

/** As the kernel's tables write the loopback addresses. */
const LOOPBACK = { udp4: "0100007F", udp6: "00000000000000000000000001000000" };

/** A socket that is bound to a loopback address, as the kernel's tables write that. */
export function placeOf(type: "udp4" | "udp6", port: number): string {
  return `${LOOPBACK[type]}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The UDP sockets of this network namespace. */
function udpSockets(): { place: string; inode: string }[] {
  const lines = ["/proc/self/net/udp", "/proc/self/net/udp6"].flatMap((table) =>
    readFileSync(table, "utf8").trim().split("\n").slice(1)
  );
  return lines.map((line) => line.trim().split(/\s+/)).map((row) => ({ place: row[1], inode: row[9] }));
}

/** The inodes of the sockets at some places. */
export function inodesOf(places: readonly string[]): string[] {
  const wanted = new Set(places);
  return udpSockets().filter(({ place }) => wanted.has(place)).map(({ inode }) => inode);
}

/** The places of those of the sockets that are still there. */
export function placesLeft(inodes: Iterable<string>): string[] {
  const wanted = new Set(inodes);
  return udpSockets().filter(({ inode }) => wanted.has(inode)).map(({ place }) => place);
}
