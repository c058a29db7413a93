/**
 * Linux: classic BPF programs as the kernel takes them, `struct sock_fprog` and `struct sock_filter` (layouts in abi/).
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import type { Pointer } from "../libc/memory.ts";

/**
 * One instruction of a classic BPF program: `struct sock_filter` of `<linux/filter.h>`.
 *
 * @example
 * ```ts
 * import type { FilterInstruction } from "@dgram/ffi";
 *
 * // Keeps datagrams whose payload begins with a byte of 1.
 * const program: FilterInstruction[] = [
 *   { code: 0x30, jt: 0, jf: 0, k: 8 }, // Load the byte at offset 8, behind the UDP header.
 *   { code: 0x15, jt: 0, jf: 1, k: 1 }, // Compare it with 1; otherwise skip an instruction.
 *   { code: 0x06, jt: 0, jf: 0, k: 0xffffffff }, // Keep all of it.
 *   { code: 0x06, jt: 0, jf: 0, k: 0 }, // Drop it.
 * ];
 * socket.attachFilter(program);
 * ```
 */
export interface FilterInstruction {
  /** The operation: BPF_LD, BPF_JMP, BPF_RET and so on with their modifiers, 0 to 65535. */
  code: number;
  /** For a conditional jump, how many instructions to skip if the condition is true, 0 to 255. */
  jt: number;
  /** For a conditional jump, how many instructions to skip otherwise, 0 to 255. */
  jf: number;
  /** The operand, 0 to 4294967295. */
  k: number;
}

/** Makes a call with a `struct sock_fprog`, whose program stays reachable during the call. */
export function withProgram(
  libc: Libc,
  program: readonly FilterInstruction[],
  call: (fprog: Pointer, length: number) => number,
): number {
  const { sock_filter, sock_fprog } = libc.abi.linux!;
  const filter = libc.allocate(program.length * sock_filter.size);
  program.forEach(({ code, jt, jf, k }, i) => {
    const at = i * sock_filter.size;
    filter.view.setUint16(at + sock_filter.code, code, true);
    filter.view.setUint8(at + sock_filter.jt, jt);
    filter.view.setUint8(at + sock_filter.jf, jf);
    filter.view.setUint32(at + sock_filter.k, k, true);
  });
  const fprog = libc.allocate(sock_fprog.size);
  fprog.view.setUint16(sock_fprog.len, program.length, true);
  fprog.setAddress(sock_fprog.filter, filter);
  const result = call(libc.pointer(fprog), sock_fprog.size);
  // Read after the call, so that it is not collected before: `fprog` has only its address.
  return filter.size > 0 ? result : 0;
}
