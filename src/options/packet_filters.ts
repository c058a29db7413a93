/**
 * Packet filters in the kernel: classic BPF programs that say which datagrams a socket gets.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import type { FilterInstruction } from "../../ffi/wire/packet_filter.ts";
import { type OptionName, optionOf } from "../../ffi/wire/sockopt.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { invalidArgType, invalidArgValue } from "../errors/node_errors.ts";
import { setInt } from "./access.ts";
import { missingOption, optionError } from "./errors.ts";
import { engineOf, runningEndpoint, type SocketBase } from "../endpoint/socket_base.ts";
import { SocketLevel } from "./socket.ts";
import { validateInteger, validateObject } from "../errors/validate.ts";

/** Filters in the kernel (Linux). A part of {@linkcode Socket}. */
export abstract class PacketFilters extends SocketLevel {
  /**
   * Has the kernel drop datagrams before they come to the socket, as a classic BPF program says (SO_ATTACH_FILTER, Linux). Not in Node.
   * What `tcpdump -dd` prints is such a program, but for a packet that starts with its Ethernet header.
   *
   * The program is run on each datagram, which starts with its UDP header: the payload is at offset 8; the IP header is reached by
   * SKF_NET_OFF. It returns how many bytes to keep, from the UDP header on: 0 drops the datagram, 4294967295 keeps all of it. So that
   * each datagram is seen, the kernel hands none over together with others (`gro`) while a filter is attached. It replaces a
   * filter that is attached already. Datagrams that wait already are not filtered: attach it before `bind()` to miss none.
   *
   * @param program 1 to 4096 instructions; jumps must not lead out of it, and the last one must be a BPF_RET.
   * @returns True.
   * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
   * @throws {RangeError} ERR_OUT_OF_RANGE.
   * @throws {Error} EINVAL for a program that the kernel finds wrong; EPERM where a filter is locked; ENOMEM for more than
   * net.core.optmem_max; ENOPROTOOPT on macOS.
   */
  attachFilter(program: readonly FilterInstruction[]): true {
    return attach(this, "SO_ATTACH_FILTER", program, (endpoint) => endpoint.keepApart("filter", true));
  }

  /**
   * Takes the filter away again (SO_DETACH_FILTER).
   *
   * @returns True.
   * @throws {Error} ENOENT where there is none; EPERM where it is locked.
   */
  detachFilter(): true {
    setInt(this, "SO_DETACH_FILTER", 0);
    runningEndpoint(this).keepApart("filter", false);
    return true;
  }

  /**
   * Locks what is attached: from now on the filter can be neither replaced nor taken away, not even by this socket
   * (SO_LOCK_FILTER, Linux 3.9).
   *
   * @returns True.
   */
  lockFilter(): true {
    return setInt(this, "SO_LOCK_FILTER", 1);
  }

  /**
   * Has a program say which of several sockets of one port (`reusePort`) gets a datagram (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5).
   * It is attached to all of them through any one. Not in Node.
   *
   * The program is run on the datagram's payload, which starts at offset 0. It returns the socket's index in the order in which they
   * were bound, from 0; with any other number the kernel chooses as it does without a program. It has to see each datagram: so
   * the kernel hands over none together with others (`gro`) to the sockets of the port in this thread, those bound later too. Make
   * the sockets of the port in other threads and processes with `gro: false`. Datagrams that a sender on this host hands to the
   * kernel together (`gso`) go where the first one goes.
   *
   * @param program As in {@linkcode Socket.attachFilter}.
   * @returns True.
   * @throws What {@linkcode Socket.attachFilter} throws; EINVAL also before the socket is bound, and without `reusePort`.
   */
  attachReusePortFilter(program: readonly FilterInstruction[]): true {
    return attach(this, "SO_ATTACH_REUSEPORT_CBPF", program, (endpoint) => endpoint.setPortFiltered(true));
  }

  /**
   * Takes that program away again, for all sockets of the port (SO_DETACH_REUSEPORT_BPF, Linux 5.3).
   *
   * @returns True.
   * @throws {Error} ENOENT where there is none.
   */
  detachReusePortFilter(): true {
    setInt(this, "SO_DETACH_REUSEPORT_BPF", 0);
    runningEndpoint(this).setPortFiltered(false);
    return true;
  }
}

function attach(
  socket: SocketBase,
  name: OptionName,
  program: readonly FilterInstruction[],
  attached: (endpoint: Endpoint) => void,
): true {
  const endpoint = runningEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  const option = optionOf(abi, name);
  if (!option || !abi.linux) throw missingOption(abi, "setsockopt", name);
  const result = endpoint.attachFilter(option.level, option.name, checked(abi, program));
  if (result < 0) throw optionError(abi, -result, "setsockopt", name);
  attached(endpoint);
  return true;
}

/** The program, copied, so that it stays what was checked. */
function checked({ linux }: Abi, program: unknown): FilterInstruction[] {
  const { BPF_MAXINSNS, BPF_RET } = linux!;
  if (!Array.isArray(program)) throw invalidArgType("program", "an instance of Array", program);
  validateInteger(program.length, "program.length", 1, BPF_MAXINSNS);
  const instructions = Array.from(program, (instruction, i) => checkedInstruction(instruction, `program[${i}]`));
  instructions.forEach((instruction, i) => checkJumps(linux!, instruction, i, instructions.length));
  const { code } = instructions[instructions.length - 1];
  if (classOf(code) !== BPF_RET) throw invalidArgValue("program", "must end with a BPF_RET", code);
  return instructions;
}

function checkedInstruction(instruction: unknown, name: string): FilterInstruction {
  validateObject(instruction, name);
  const { code, jt, jf, k } = instruction as FilterInstruction;
  validateInteger(code, `${name}.code`, 0, 0xffff);
  validateInteger(jt, `${name}.jt`, 0, 0xff);
  validateInteger(jf, `${name}.jf`, 0, 0xff);
  validateInteger(k, `${name}.k`, 0, 0xffffffff);
  return { code, jt, jf, k };
}

/** Jumps count from the instruction behind; an unconditional one has its distance in `k`. */
function checkJumps(
  { BPF_JMP, BPF_JA }: NonNullable<Abi["linux"]>,
  at: FilterInstruction,
  i: number,
  length: number,
): void {
  const { code, jt, jf, k } = at;
  if (classOf(code) !== BPF_JMP) return;
  const distance = operationOf(code) === BPF_JA ? k : Math.max(jt, jf);
  if (i + 1 + distance >= length) throw invalidArgValue(`program[${i}]`, "must not jump out of the program", at);
}

/** BPF_CLASS of `<linux/bpf_common.h>`: the lowest three bits. */
function classOf(code: number): number {
  return code % 8;
}

/** BPF_OP: the upper four of the lowest eight. */
function operationOf(code: number): number {
  return (code & 0xff) >> 4;
}
