/**
 * A C library without a C library: memory at addresses that are made up, and the functions that a test writes. Nothing reaches the
 * kernel, and a function that was not written throws.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { linuxAbi } from "../../ffi/abi/linux.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { Memory, Pointer } from "../../ffi/libc/memory.ts";
import { PROCESS } from "../../ffi/libc/thread_exit.ts";

/** The ABI of most tests, whatever system they run on. */
export const LINUX: Abi = linuxAbi("x64");

/** A system's numbers by their names in its headers. */
export function headerOf({ constants, linux, levels, options }: Abi): Readonly<Record<string, number>> {
  const all = { ...constants, ...linux, ...levels, ...options } as unknown as Readonly<Record<string, number>>;
  const { SO_TIMESTAMPING, IP_RECVORIGDSTADDR, IPV6_RECVORIGDSTADDR } = all;
  // What has the number of the option that asks for it.
  return {
    ...all,
    SCM_TIMESTAMPING: SO_TIMESTAMPING,
    IP_ORIGDSTADDR: IP_RECVORIGDSTADDR,
    IPV6_ORIGDSTADDR: IPV6_RECVORIGDSTADDR,
  };
}

/** Interfaces by their numbers, for {@linkcode scriptedInterfaces}. */
export type InterfaceTable = Map<number, string>;

/** The functions of a scripted C library. */
export class ScriptedLibc {
  readonly libc: Libc;
  readonly abi: Abi;
  /** What was written; more may be added at any time. */
  readonly script: Partial<Libc>;
  readonly #memories: Memory[] = [];
  #nextAddress = 0x7f12_ffff_0000n;

  constructor(script: Partial<Libc> = {}, abi: Abi = LINUX) {
    this.abi = abi;
    this.script = script;
    const own: Partial<Libc> = {
      abi,
      owner: PROCESS,
      allocate: (size) => this.#allocate(size),
      allocateShown: (size) => this.#allocate(Math.ceil(size / 65_536) * 65_536),
      addressable: (buffer) => this.#place(buffer),
      pointer: (memory, offset = 0) => new Pointer(memory.address + BigInt(offset), memory, offset),
    };
    this.libc = new Proxy({} as Libc, {
      get: (_, key) => {
        const value = this.script[key as keyof Libc] ?? own[key as keyof Libc];
        if (value === undefined && !(key in this.script)) throw new Error(`${String(key)} is not scripted`);
        return value;
      },
    });
  }

  /** The bytes at an address, as the kernel would find them. */
  bytesAt(address: bigint, length: number): Uint8Array {
    if (length === 0) return new Uint8Array();
    for (const memory of this.#memories) {
      const offset = Number(address - memory.address);
      if (offset >= 0 && offset + length <= memory.size) return memory.bytes.subarray(offset, offset + length);
    }
    throw new Error(`${length} bytes at ${address} are in no memory that was allocated`);
  }

  /** The same to read numbers. */
  viewAt(address: bigint, length: number): DataView {
    const bytes = this.bytesAt(address, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  /** The address that a pointer stands for. */
  addressOf(pointer: Pointer): bigint {
    return pointer.memory.address + BigInt(pointer.memory.size - pointer.room);
  }

  /** Blocks lie on both sides of a multiple of 2^32, so that both halves of an address count. */
  #allocate(size: number): Memory {
    return this.#place(new ArrayBuffer(size));
  }

  #place(buffer: ArrayBuffer): Memory {
    const memory = new Memory(buffer, this.#nextAddress);
    this.#nextAddress += BigInt(Math.ceil(memory.size / 4096) * 4096 + 4096);
    this.#memories.push(memory);
    return memory;
  }
}

/** if_nametoindex(3) and if_indextoname(3) of the interfaces in a table, which may change. */
export function scriptedInterfaces(table: InterfaceTable, { errno }: Abi = LINUX): Partial<Libc> {
  return {
    if_nametoindex: ({ memory: { bytes } }) => {
      const name = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
      for (const [index, known] of table) if (known === name) return index;
      return -errno.ENODEV;
    },
    if_indextoname: (index, { memory: { bytes } }) => {
      const name = table.get(index);
      if (name === undefined) return -errno.ENXIO;
      bytes.set(new TextEncoder().encode(`${name}\0`));
      return 0;
    },
  };
}

/** One payload that recvmmsg(2) gives. */
export interface Arrival {
  readonly bytes: Uint8Array;
  /** The sender's address as the kernel has it; left out: none. */
  readonly name?: Uint8Array;
  /** Control data. */
  readonly controls?: Uint8Array;
  readonly flags?: number;
}

/** What a slot offers recvmmsg(2) for one message. */
export interface Slot {
  readonly nameRoom: number;
  readonly controlRoom: number;
  readonly room: number;
  /** The iovecs, which have that room together. */
  readonly iovecs: number;
}

/**
 * Fills the slots of a call of recvmmsg(2), as the kernel does.
 *
 * @returns What each slot offered, all `vlen` of them.
 */
export function fillSlots(scripted: ScriptedLibc, at: Pointer, vlen: number, arrivals: readonly Arrival[]): Slot[] {
  const { mmsghdr, msghdr } = scripted.abi.layouts;
  const start = scripted.addressOf(at);
  return Array.from({ length: vlen }, (_, i) => {
    const header = scripted.viewAt(start + BigInt(i * mmsghdr.size), mmsghdr.size);
    const iovecs = Number(header.getBigUint64(msghdr.msg_iovlen, true));
    const rooms = roomsOf(scripted, header.getBigUint64(msghdr.msg_iov, true), iovecs);
    const slot = {
      nameRoom: header.getUint32(msghdr.msg_namelen, true),
      controlRoom: header.getUint32(msghdr.msg_controllen, true),
      room: rooms.reduce((sum, { length }) => sum + length, 0),
      iovecs,
    };
    const arrival = arrivals[i];
    if (arrival === undefined) return slot;
    const { bytes, name = new Uint8Array(), controls = new Uint8Array(), flags = 0 } = arrival;
    const put = (field: number, data: Uint8Array, room: number): void =>
      scripted.bytesAt(header.getBigUint64(field, true), Math.min(data.length, room)).set(data.subarray(0, room));
    let written = 0;
    for (const room of rooms) {
      const part = bytes.subarray(written, written + room.length);
      room.set(part);
      written += part.length;
    }
    put(msghdr.msg_name, name, slot.nameRoom);
    put(msghdr.msg_control, controls, slot.controlRoom);
    header.setUint32(msghdr.msg_namelen, name.length, true);
    header.setUint32(msghdr.msg_controllen, Math.min(controls.length, slot.controlRoom), true);
    header.setInt32(msghdr.msg_flags, flags, true);
    header.setUint32(mmsghdr.msg_len, bytes.length, true);
    return slot;
  });
}

/** The memory of an array of iovecs. */
function roomsOf(scripted: ScriptedLibc, at: bigint, count: number): Uint8Array[] {
  const { iovec } = scripted.abi.layouts;
  return Array.from({ length: count }, (_, i) => {
    const vector = scripted.viewAt(at + BigInt(i * iovec.size), iovec.size);
    return scripted.bytesAt(
      vector.getBigUint64(iovec.iov_base, true),
      Number(vector.getBigUint64(iovec.iov_len, true)),
    );
  });
}
