/**
 * Checks of arguments, with Node's errors.
 *
 * @module
 */
import type { BlockList } from "node:net";
import { ipVersionOf } from "../../ffi/wire/inet.ts";
import { badPort, invalidArgType, invalidArgValue, outOfRange } from "./node_errors.ts";

/** A port as a number, from a number or a numeric string. */
export function validatePort(port: unknown, name: string): number {
  return checkPort(port, name, false);
}

/** The same, or 0, with which the system chooses one. */
export function validatePortOrZero(port: unknown, name: string): number {
  return checkPort(port, name, true);
}

function checkPort(port: unknown, name: string, allowZero: boolean): number {
  const isNumeric = typeof port === "number" || (typeof port === "string" && port.trim() !== "");
  const value = isNumeric ? Number(port) : NaN;
  if (value !== value >>> 0 || value > 0xffff || (value === 0 && !allowZero)) throw badPort(name, port, allowZero);
  return value;
}

/** A string. */
export function validateString(value: unknown, name: string): asserts value is string {
  if (typeof value !== "string") throw invalidArgType(name, "of type string", value);
}

/** A number. */
export function validateNumber(value: unknown, name: string): asserts value is number {
  if (typeof value !== "number") throw invalidArgType(name, "of type number", value);
}

/** A boolean. */
export function validateBoolean(value: unknown, name: string): asserts value is boolean {
  if (typeof value !== "boolean") throw invalidArgType(name, "of type boolean", value);
}

/** A function. */
export function validateFunction(value: unknown, name: string): asserts value is (...args: never[]) => unknown {
  if (typeof value !== "function") throw invalidArgType(name, "of type function", value);
}

/** An integer from 0 to 2^32 - 1. */
export function validateUint32(value: unknown, name: string): asserts value is number {
  if (typeof value !== "number") throw invalidArgType(name, "of type number", value);
  if (!Number.isInteger(value)) throw outOfRange(name, "an integer", value);
  if (value < 0 || value > 0xffffffff) throw outOfRange(name, ">= 0 && <= 4294967295", value);
}

/** An integer from `least` to `most`. */
export function validateInteger(value: unknown, name: string, least: number, most: number): asserts value is number {
  if (typeof value !== "number") throw invalidArgType(name, "of type number", value);
  if (!Number.isInteger(value)) throw outOfRange(name, "an integer", value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
}

/**
 * An AbortSignal. As in Node, an object like one is taken, too. If it is not aborted yet, it must have the methods by
 * which a listener is added and removed: a call that is missing would be noticed only when the operation is under way.
 */
export function validateAbortSignal(value: unknown, name: string): asserts value is AbortSignal {
  if (value !== null && typeof value === "object" && "aborted" in value) {
    const { aborted, addEventListener, removeEventListener } = value as AbortSignal;
    if (aborted || (typeof addEventListener === "function" && typeof removeEventListener === "function")) return;
  }
  throw invalidArgType(name, "an instance of AbortSignal", value);
}

/** An object that is not an array. */
export function validateObject(value: unknown, name: string): asserts value is object {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw invalidArgType(name, "of type object", value);
  }
}

/** An IP address, not a host name. @param caller The method, for the message. */
export function validateIp(value: string, name: string, caller: string): void {
  if (ipVersionOf(value) === 0) {
    throw invalidArgValue(name, `must be a numeric IP address; ${caller} does not perform DNS resolution`, value);
  }
}

/** A `net.BlockList`, or nothing. Recognized by its method, as each runtime has its own class. */
export function validateBlockList(value: unknown, name: string): asserts value is BlockList | undefined {
  if (!value) return;
  if (typeof (value as BlockList).check !== "function") throw invalidArgType(name, "an net.BlockList", value);
}
