/**
 * A kernel that a test decides for: it reads what sendmmsg(2) is given, as the real one would, and takes or refuses each message.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Memory, Pointer } from "../../ffi/libc/memory.ts";

/** One payload that sendmmsg is to send. */
export interface Submitted {
  readonly fd: number;
  /** The bytes of the destination's address; empty without one. */
  readonly address: string;
  /** The datagrams that it is. */
  readonly datagrams: readonly Uint8Array[];
  /** Whether they were given as segments of one payload. */
  readonly isSegmented: boolean;
  /** The control data beside that. */
  readonly controls: Uint8Array;
  /** Its index among the payloads of one call. */
  readonly index: number;
}

/** What becomes of a payload: 0, or the name of an error; or it throws, before the kernel has taken it or afterwards. */
export type Verdict = 0 | string | "throw before" | "throw after";

/** What a scripted call throws. */
export class Interrupted extends Error {}

/** A C library whose sendmmsg is scripted. Sockets cannot be made, so that nothing else reaches the kernel. */
export class ScriptedKernel {
  readonly libc: Libc;
  /** All datagrams that were taken, in order. */
  readonly taken: { readonly address: string; readonly bytes: Uint8Array }[] = [];
  /** How often sendmmsg was called. */
  calls = 0;
  readonly #memories: Memory[] = [];
  readonly #real: Libc;
  readonly #judge: (submitted: Submitted) => Verdict;

  constructor(real: Libc, judge: (submitted: Submitted) => Verdict) {
    this.#real = real;
    this.#judge = judge;
    const { errno } = real.abi;
    const scripted: Partial<Libc> = {
      allocate: (size) => {
        const memory = real.allocate(size);
        this.#memories.push(memory);
        return memory;
      },
      pointer: (memory, offset) => real.pointer(memory, offset),
      socket: () => -errno.EMFILE,
      sendmmsg: (fd, at, vlen) => this.#sendmmsg(fd, at, vlen),
    };
    this.libc = new Proxy(real, {
      get(_, key) {
        const value = scripted[key as keyof Libc];
        if (value) return value;
        if (key === "abi") return real.abi;
        throw new Error(`${String(key)} is not scripted`);
      },
    });
  }

  #sendmmsg(fd: number, at: Pointer, vlen: number): number {
    this.calls++;
    const { mmsghdr } = this.#real.abi.layouts;
    const start = at.memory.size - at.room;
    for (let i = 0; i < vlen; i++) {
      const header = start + i * mmsghdr.size;
      const submitted = this.#read(fd, at.memory, header, i);
      const verdict = this.#judge(submitted);
      if (verdict === "throw before") throw new Interrupted(verdict);
      if (verdict !== 0 && verdict !== "throw after") return i > 0 ? i : -this.#real.abi.errno[verdict];
      const { address, datagrams } = submitted;
      for (const bytes of datagrams) this.taken.push({ address, bytes });
      at.memory.view.setUint32(header + mmsghdr.msg_len, datagrams.reduce((sum, { length }) => sum + length, 0), true);
      if (verdict === "throw after") throw new Interrupted(verdict);
    }
    return vlen;
  }

  #read(fd: number, headers: Memory, header: number, index: number): Submitted {
    const { layouts: { msghdr, iovec }, levels, options } = this.#real.abi;
    const { view } = headers;
    const vector = this.#bytesAt(view.getBigUint64(header + msghdr.msg_iov, true), iovec.size);
    const iov = new DataView(vector.buffer, vector.byteOffset, iovec.size);
    const length = Number(iov.getBigUint64(iovec.iov_len, true));
    const payload = this.#bytesAt(iov.getBigUint64(iovec.iov_base, true), length).slice();
    const nameLength = view.getUint32(header + msghdr.msg_namelen, true);
    const name = this.#bytesAt(view.getBigUint64(header + msghdr.msg_name, true), nameLength);
    const controlLength = view.getUint32(header + msghdr.msg_controllen, true);
    const given = this.#bytesAt(view.getBigUint64(header + msghdr.msg_control, true), controlLength).slice();
    // UDP_SEGMENT stands last: a cmsghdr of 16 bytes and a uint16_t in 8.
    const last = new DataView(given.buffer, Math.max(given.length - 24, 0));
    const isSegmented = given.length >= 24 && last.getUint32(8, true) === levels.IPPROTO_UDP &&
      last.getUint32(12, true) === options.UDP_SEGMENT;
    const size = isSegmented ? last.getUint16(16, true) : length;
    const controls = isSegmented ? given.subarray(0, -24) : given;
    const datagrams: Uint8Array[] = [];
    for (let offset = 0; offset < length; offset += size) datagrams.push(payload.subarray(offset, offset + size));
    if (length === 0) datagrams.push(payload);
    return { fd, address: String(name), datagrams, isSegmented, controls, index };
  }

  #bytesAt(address: bigint, length: number): Uint8Array {
    if (length === 0) return new Uint8Array();
    for (const memory of this.#memories) {
      const offset = Number(address - memory.address);
      if (offset >= 0 && offset + length <= memory.size) return memory.bytes.subarray(offset, offset + length);
    }
    throw new Error(`${length} bytes at ${address} are in no memory that was allocated`);
  }
}
