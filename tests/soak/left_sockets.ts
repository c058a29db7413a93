/**
 * Whether sockets that others had are still there, by their inodes: a port may have got another socket meanwhile.
 *
 * @module
 */
import { udpSocketRows } from "../support/process.ts";

/** As the kernel's tables write the loopback addresses. */
const LOOPBACK = { udp4: "0100007F", udp6: "00000000000000000000000001000000" };

/** A socket that is bound to a loopback address, as the kernel's tables write that. */
export function placeOf(type: "udp4" | "udp6", port: number): string {
  return `${LOOPBACK[type]}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The inodes of the sockets at some places. */
export function inodesOf(places: readonly string[]): string[] {
  const wanted = new Set(places);
  return udpSocketRows().filter(({ place }) => wanted.has(place)).map(({ inode }) => inode);
}

/** The places of those of the sockets that are still there. */
export function placesLeft(inodes: Iterable<string>): string[] {
  const wanted = new Set(inodes);
  return udpSocketRows().filter(({ inode }) => wanted.has(inode)).map(({ place }) => place);
}
