/**
 * Packet filters in the kernel: classic BPF programs that decide which datagrams a socket receives.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import type { FilterInstruction } from "../../ffi/wire/packet_filter.ts";
import { type OptionName, optionOf } from "../../ffi/wire/sockopt.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningUdpEndpoint } from "../endpoint/socket_state.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { invalidArgType, invalidArgValue } from "../errors/node_errors.ts";
import { validateInteger, validateObject } from "../errors/validate.ts";
import { setInt } from "./access.ts";
import { missingOption, optionError } from "./errors.ts";

/** See {@linkcode Socket.attachFilter}. */
export function attachFilter(socket: AnySocket, program: readonly FilterInstruction[]): true {
  return attach(socket, "SO_ATTACH_FILTER", program, (endpoint) => endpoint.keepApart("filter", true));
}

/** See {@linkcode Socket.detachFilter}. */
export function detachFilter(socket: AnySocket): true {
  setInt(socket, "SO_DETACH_FILTER", 0);
  runningUdpEndpoint(socket).keepApart("filter", false);
  return true;
}

/** See {@linkcode Socket.lockFilter}. */
export function lockFilter(socket: AnySocket): true {
  return setInt(socket, "SO_LOCK_FILTER", 1);
}

/** See {@linkcode Socket.attachReusePortFilter}. */
export function attachReusePortFilter(socket: AnySocket, program: readonly FilterInstruction[]): true {
  return attach(socket, "SO_ATTACH_REUSEPORT_CBPF", program, (endpoint) => endpoint.setPortFiltered(true));
}

/** See {@linkcode Socket.detachReusePortFilter}. */
export function detachReusePortFilter(socket: AnySocket): true {
  setInt(socket, "SO_DETACH_REUSEPORT_BPF", 0);
  runningUdpEndpoint(socket).setPortFiltered(false);
  return true;
}

function attach(
  socket: AnySocket,
  name: OptionName,
  program: readonly FilterInstruction[],
  attached: (endpoint: UdpEndpoint) => void,
): true {
  const endpoint = runningUdpEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  const option = optionOf(abi, name);
  if (!option || !abi.linux) throw missingOption(abi, "setsockopt", name);
  const result = endpoint.attachFilter(option.level, option.name, checked(abi, program));
  if (result < 0) throw optionError(abi, -result, "setsockopt", name);
  attached(endpoint);
  return true;
}

/** The checked program, as a copy that cannot change. */
function checked({ linux }: Abi, program: unknown): FilterInstruction[] {
  const { BPF_MAXINSNS, BPF_RET } = linux!;
  if (!Array.isArray(program)) throw invalidArgType("program", "an instance of Array", program);
  const { length } = program;
  validateInteger(length, "program.length", 1, BPF_MAXINSNS);
  // By index, as an iterator of the array's own may give any number of instructions.
  const instructions = Array.from({ length }, (_, i) => checkedInstruction(program[i], `program[${i}]`));
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

/** Jumps count from the next instruction. An unconditional one has its distance in `k`. */
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
