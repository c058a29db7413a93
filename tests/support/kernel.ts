/**
 * What the kernel says of a socket, and sockets that were made without this module's `Socket` (Linux).
 *
 * @module
 */
import { readdirSync, readlinkSync } from "node:fs";
import { release } from "node:os";
import { Descriptor } from "../../ffi/descriptor.ts";
import { currentRuntime } from "../../ffi/load.ts";
import { encodeAddress } from "../../ffi/wire/sockaddr.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { Family } from "./harness.ts";
import { udpSocketRows } from "./process.ts";

/** Whether Linux is of a version or later. */
export function isKernelSince(version: string): boolean {
  const [own, wanted] = [release(), version].map((text) => (text.match(/\d+/g) ?? []).map(Number));
  const differing = wanted.findIndex((number, i) => number !== own[i]);
  return differing < 0 || own[differing] > wanted[differing];
}

/** The number of this process's UDP socket that is bound to a port. */
export function descriptorAt(port: number): number {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = udpSocketRows().filter(({ place }) => place.endsWith(ending));
  const inodes = new Set(rows.map(({ inode }) => `socket:[${inode}]`));
  const found = readdirSync("/proc/self/fd").find((fd) => inodes.has(targetOf(fd)));
  if (found === undefined) throw new Error(`no UDP socket of this process is bound to port ${port}`);
  return Number(found);
}

/** A descriptor's target; the one that read the list is closed by now. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

/** getsockopt(2) of the socket bound to a port. */
export function kernelOption(port: number, name: OptionName): number {
  return Descriptor.adopt(currentRuntime().libc, descriptorAt(port)).getOption(name);
}

/** setsockopt(2) of the socket bound to a port, which may be another module's. */
export function setKernelOption(port: number, name: OptionName, value: number): number {
  return Descriptor.adopt(currentRuntime().libc, descriptorAt(port)).setOption(name, value);
}

/** The interface that the socket bound to a port uses (SO_BINDTODEVICE); empty: any. */
export function kernelDevice(port: number): string {
  const { libc } = currentRuntime();
  const { SOL_SOCKET } = libc.abi.levels;
  const { IF_NAMESIZE } = libc.abi.constants;
  const [name, length] = [libc.allocate(IF_NAMESIZE), libc.allocate(4)];
  length.view.setInt32(0, IF_NAMESIZE, true);
  const option = libc.abi.linux!.options.SO_BINDTODEVICE;
  const result = libc.getsockopt(descriptorAt(port), SOL_SOCKET, option, libc.pointer(name), libc.pointer(length));
  if (result < 0) throw new Error(`getsockopt: errno ${-result}`);
  return new TextDecoder().decode(name.bytes).split("\0")[0];
}

/** Opens a UDP socket bound to the loopback address, whose descriptor can be taken over. */
export function openDescriptor(family: Family): { fd: number; port: number } {
  const { libc } = currentRuntime();
  const descriptor = Descriptor.open(libc, family.version);
  if (typeof descriptor === "number") throw new Error(`socket: errno ${-descriptor}`);
  descriptor.bind(encodeAddress(libc, family.version, family.loopback, 0)!);
  const local = descriptor.localAddress();
  if (typeof local === "number") throw new Error(`getsockname: errno ${-local}`);
  return { fd: descriptor.fd, port: local.port };
}
