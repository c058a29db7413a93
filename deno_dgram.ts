/**
 * The module that replaces imports of `dgram` in Deno while this module is registered: the built-in's exports, but ours. The default
 * export is the built-in's own object, as `require("dgram")` returns it.
 *
 * @module
 */
import process from "node:process";

export { createSocket, Socket } from "./mod.ts";

/** The part of the built-in module that is replaced. */
export interface Builtin {
  createSocket: unknown;
  Socket: unknown;
}

const builtin: Builtin = process.getBuiltinModule?.("node:dgram") as unknown as Builtin;
export default builtin;
