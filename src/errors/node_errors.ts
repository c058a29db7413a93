/**
 * Errors as Node makes them: class, `code` and message are what programs test for.
 *
 * @module
 */
import type { InspectOptions } from "node:util";
import process from "../../ffi/runtimes/process.ts";

interface ErrorClass {
  new (message: string): Error;
  readonly prototype: Error;
}

/** An error like Node's: its class, a `code`, and the code in its text. */
function coded(
  ErrorClass: ErrorClass,
  code: string,
  message: string,
  name: string = ErrorClass.prototype.name,
): Error & { code: string } {
  const error = new ErrorClass(message);
  // The first line of the stack is made from the name when the stack is first read, so it shows the code as well.
  error.name = `${name} [${code}]`;
  void error.stack;
  Object.defineProperty(error, "name", { value: name, configurable: true, writable: true, enumerable: false });
  Object.defineProperty(error, "toString", {
    value: () => `${name} [${code}]: ${error.message}`,
    configurable: true,
    writable: true,
    enumerable: false,
  });
  return Object.assign(error, { code });
}

/** ERR_INVALID_ARG_TYPE. @param expected What follows "must be" in the message, such as `of type number`. */
export function invalidArgType(name: string, expected: string, value: unknown): Error {
  const kind = name.includes(".") ? "property" : "argument";
  const message = `The "${name}" ${kind} must be ${expected}. Received ${describe(value)}`;
  return coded(TypeError, "ERR_INVALID_ARG_TYPE", message);
}

/** ERR_OUT_OF_RANGE */
export function outOfRange(name: string, range: string, value: unknown): Error {
  return coded(
    RangeError,
    "ERR_OUT_OF_RANGE",
    `The value of "${name}" is out of range. It must be ${range}. Received ${withSeparators(value)}`,
  );
}

/** How much of a value's text stands in an error, as in Node. */
const LONGEST_VALUE = 128;

/** ERR_INVALID_ARG_VALUE */
export function invalidArgValue(name: string, reason: string, value: unknown): Error {
  const kind = name.includes(".") ? "property" : "argument";
  const text = inspect(value);
  const received = text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text;
  const message = `The ${kind} '${name}' ${reason}. Received ${received}`;
  return coded(TypeError, "ERR_INVALID_ARG_VALUE", message);
}

/** ERR_MISSING_ARGS for one argument. */
export function missingArg(name: string): Error {
  return coded(TypeError, "ERR_MISSING_ARGS", `The "${name}" argument must be specified`);
}

/** ERR_SOCKET_BAD_PORT */
export function badPort(name: string, port: unknown, allowZero: boolean): Error {
  const message = `${name} should be ${allowZero ? ">=" : ">"} 0 and < 65536. Received ${describe(port)}.`;
  return coded(RangeError, "ERR_SOCKET_BAD_PORT", message);
}

/** ERR_SOCKET_BAD_TYPE */
export function badSocketType(): Error {
  return coded(TypeError, "ERR_SOCKET_BAD_TYPE", "Bad socket type specified. Valid types are: udp4, udp6");
}

/** ERR_SOCKET_BAD_BUFFER_SIZE */
export function badBufferSize(): Error {
  return coded(TypeError, "ERR_SOCKET_BAD_BUFFER_SIZE", "Buffer size must be a positive integer");
}

/** ERR_SOCKET_ALREADY_BOUND */
export function alreadyBound(): Error {
  return coded(Error, "ERR_SOCKET_ALREADY_BOUND", "Socket is already bound");
}

/** ERR_SOCKET_DGRAM_NOT_RUNNING */
export function notRunning(): Error {
  return coded(Error, "ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running");
}

/** ERR_SOCKET_DGRAM_IS_CONNECTED */
export function isConnected(): Error {
  return coded(Error, "ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");
}

/** ERR_SOCKET_DGRAM_NOT_CONNECTED */
export function notConnected(): Error {
  return coded(Error, "ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected");
}

/** ERR_SOCKET_DGRAM_NOT_UDP, which Node does not have. @param what A method or an option that only UDP sockets have. */
export function notUdp(what: string): Error {
  return coded(TypeError, "ERR_SOCKET_DGRAM_NOT_UDP", `${what} is for UDP sockets; this is a Unix datagram socket`);
}

/** ERR_BUFFER_OUT_OF_BOUNDS */
export function outOfBufferBounds(name: string): Error {
  return coded(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", `"${name}" is outside of buffer bounds`);
}

/** ERR_FEATURE_UNAVAILABLE_ON_PLATFORM for an option that the system does not have. */
export function unavailable(option: string, platform: string): Error {
  const system = platform === "darwin" ? "macOS" : platform;
  return coded(TypeError, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", `${option} is unavailable on ${system}`);
}

/** ERR_INCOMPATIBLE_OPTION_PAIR */
export function incompatibleOptions(one: string, other: string): Error {
  const message = `Option "${one}" cannot be used in combination with option "${other}"`;
  return coded(TypeError, "ERR_INCOMPATIBLE_OPTION_PAIR", message);
}

/** ERR_INVALID_FD_TYPE */
export function invalidFdType(type: string): Error {
  return coded(TypeError, "ERR_INVALID_FD_TYPE", `Unsupported fd type: ${type}`);
}

/** ABORT_ERR: an AbortError with the signal's reason as its cause. */
export function aborted(signal: AbortSignal): Error & { code: string } {
  const error = new Error("The operation was aborted", { cause: signal.reason });
  error.name = "AbortError";
  return Object.assign(error, { code: "ABORT_ERR" });
}

/** The signal's AbortError instead of ECANCELED, if the signal is the reason; otherwise the error. */
export function orAborted<E extends Error>(error: E, signal: AbortSignal | undefined): E {
  if (!signal?.aborted || (error as Partial<SystemError>).code !== "ECANCELED") return error;
  return aborted(signal) as Error as E;
}

/** ERR_IP_BLOCKED */
export function ipBlocked(ip: string): Error {
  return coded(Error, "ERR_IP_BLOCKED", `IP(${ip}) is blocked by net.BlockList`);
}

/** A failed system call, as it appears in `'error'` events and callbacks. */
export interface SystemError extends Error {
  /** The negative errno. */
  errno: number;
  /** Its name. */
  code: string;
  /** The call that failed. */
  syscall: string;
  /** The address, if the call concerns one. */
  address?: string;
  /** The port, if the call concerns one. */
  port?: number;
}

/** ENAMETOOLONG, before the kernel is called: it would return EINVAL, or no error. @param limit In bytes, like `length`. */
export function pathTooLong(errno: number, syscall: string, path: string, length: number, limit: number): SystemError {
  const error = new Error(`${syscall} ENAMETOOLONG ${path}: the path has ${length} bytes, sun_path holds ${limit}`);
  return Object.assign(error, { errno: -errno, code: "ENAMETOOLONG", syscall, address: path });
}

/** A failed call that concerns no address. */
export function errnoError(errno: number, code: string, syscall: string): SystemError {
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -errno, code, syscall });
}

/** A failed call that concerns an address and perhaps a port. */
export function hostPortError(
  errno: number,
  code: string,
  syscall: string,
  address: unknown,
  port: unknown,
): SystemError {
  const details = port && port as number > 0 ? ` ${address}:${port}` : address ? ` ${address}` : "";
  const error = new Error(`${syscall} ${code}${details}`);
  return Object.assign(error, { errno: -errno, code, syscall, address }, port ? { port } : {}) as SystemError;
}

/** ERR_SOCKET_BUFFER_SIZE, the only SystemError of Node's dgram. */
export function bufferSizeError(errno: number, code: string, syscall: string): Error {
  const description = process.getBuiltinModule("node:util").getSystemErrorMap().get(-errno)?.[1] ?? code;
  const error = coded(
    Error,
    "ERR_SOCKET_BUFFER_SIZE",
    `Could not get or set buffer size: ${syscall} returned ${code} (${description})`,
    "SystemError",
  );
  const info = { errno: -errno, code, message: description, syscall };
  Object.defineProperties(Object.assign(error, { info }), {
    errno: accessor(info, "errno"),
    syscall: accessor(info, "syscall"),
    [Symbol.for("nodejs.util.inspect.custom")]: {
      value: (_depth: number, options: InspectOptions) =>
        inspect(error, { ...options, getters: true, customInspect: false }),
    },
  });
  return error;
}

function accessor<T extends object>(target: T, key: keyof T): PropertyDescriptor {
  return {
    get: () => target[key],
    set: (value) => target[key] = value,
    enumerable: true,
    configurable: true,
  };
}

/** `inspect` of `node:util`. */
function inspect(value: unknown, options?: InspectOptions): string {
  return process.getBuiltinModule("node:util").inspect(value, options);
}

/** Describes a received value as Node's messages do. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return value.name ? `function ${value.name}` : "function ";
  if (typeof value === "object") {
    const { constructor } = value;
    return constructor?.name ? `an instance of ${constructor.name}` : inspect(value, { depth: -1 });
  }
  return `type ${typeof value} (${typeof value === "string" ? quote(value) : inspect(value)})`;
}

/** Separates the thousands of large numbers; only this message does that. */
function withSeparators(value: unknown): string {
  const isLarge = Number.isInteger(value) && Math.abs(value as number) > 2 ** 32;
  return isLarge ? String(value).replace(/\B(?=(\d{3})+$)/g, "_") : inspect(value);
}

/** Truncates long strings and, unlike `inspect`, escapes only those with an apostrophe. */
function quote(text: string): string {
  const cut = text.length > 28 ? `${text.slice(0, 25)}...` : text;
  return cut.includes("'") ? JSON.stringify(cut) : `'${cut}'`;
}
