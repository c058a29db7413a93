/**
 * Checks the paths of Unix sockets that a program passes.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { maxPathLength, pathLength } from "../../ffi/wire/sockaddr_un.ts";
import { invalidArgValue, pathTooLong, unavailable } from "../errors/node_errors.ts";
import { validateString } from "../errors/validate.ts";

/**
 * Returns a path that can be encoded. A leading `@` stands for the NUL of an abstract path; for a file of that name use
 * `./@...`.
 *
 * @param name The argument's name, for errors.
 * @param syscall The call it is for, for errors.
 * @throws {TypeError} ERR_INVALID_ARG_TYPE; ERR_INVALID_ARG_VALUE if it is empty or has a NUL inside;
 * ERR_FEATURE_UNAVAILABLE_ON_PLATFORM for an abstract path on other systems than Linux.
 * @throws {Error} ENAMETOOLONG
 */
export function validatePath(abi: Abi, value: unknown, name: string, syscall: string): string {
  validateString(value, name);
  const isAbstract = /^[@\0]/.test(value);
  const path = isAbstract ? `\0${value.slice(1)}` : value;
  if (path === "") throw invalidArgValue(name, "must not be empty", value);
  if (isAbstract && !abi.linux) throw unavailable(`An abstract path (${readable(path)})`, abi.platform);
  if (!isAbstract && path.includes("\0")) throw invalidArgValue(name, "must be a path without NUL", value);
  const [length, limit] = [pathLength(path), maxPathLength(abi, isAbstract)];
  if (length > limit) throw pathTooLong(abi.errno.ENAMETOOLONG, syscall, readable(path), length, limit);
  return path;
}

/** A path as text: `@` stands for the NUL of an abstract one. */
export function readable(path: string): string {
  return path.replace(/^\0/, "@");
}
