/**
 * Puts this module in the place of the built-in `dgram`, for a whole process: `require("dgram")`, default and named imports of
 * `dgram` and `node:dgram`, and `process.getBuiltinModule`, in the program and in the packages it uses.
 *
 * Load it before anything else:
 *
 * ```sh
 * deno run --preload=jsr:@dgram/ffi/register main.ts
 * bun --preload=dgram-ffi/register main.ts
 * node --import=dgram-ffi/register main.js
 * ```
 *
 * What it does not reach: sockets of the built-in that exist already; in Bun, and in Deno below 2.8, named imports of modules
 * that were loaded before it; Workers that are not given the same flag (Node and Bun hand it on, see the tests).
 *
 * @module
 */
import module from "node:module";
import process from "node:process";
import { createSocket, Socket } from "./mod.ts";

/** The built-in module's own functions, and how to take this module out of their place. */
interface Registration {
  readonly createSocket: unknown;
  readonly Socket: unknown;
  readonly removeHooks: () => void;
}

/** What Node types do not know, or some runtime does not have. */
interface ModuleHooks {
  registerHooks?(hooks: { resolve: ResolveHook }): { deregister(): void };
  syncBuiltinESMExports?(): void;
}

type ResolveHook = (
  specifier: string,
  context: unknown,
  next: (specifier: string, context: unknown) => unknown,
) => unknown;

let registration: Registration | undefined;

/** Takes the built-in module's place. Done by importing this module. A second call does nothing. */
export function register(): void {
  if (registration) return;
  const builtin = builtinDgram();
  registration = {
    createSocket: builtin.createSocket,
    Socket: builtin.Socket,
    removeHooks: redirectImports(),
  };
  replace(createSocket, Socket);
}

/** Gives the built-in module its place back. Imports that were resolved in between keep this module. */
export function unregister(): void {
  if (!registration) return;
  registration.removeHooks();
  replace(registration.createSocket, registration.Socket);
  registration = undefined;
}

/** The object that every `require("dgram")` returns. */
function builtinDgram(): Record<"createSocket" | "Socket", unknown> {
  return process.getBuiltinModule("node:dgram") as unknown as Record<"createSocket" | "Socket", unknown>;
}

function replace(newCreateSocket: unknown, newSocket: unknown): void {
  const builtin = builtinDgram();
  builtin.createSocket = newCreateSocket;
  builtin.Socket = newSocket;
  // Node: named imports follow.
  (module as ModuleHooks).syncBuiltinESMExports?.();
}

/** Deno fixes a built-in's named exports: there its imports are sent to this module. */
function redirectImports(): () => void {
  const { registerHooks } = module as ModuleHooks;
  if (!process.versions.deno || !registerHooks) return () => {};
  const url = new URL(import.meta.url.endsWith(".ts") ? "./mod.ts" : "./mod.js", import.meta.url).href;
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "dgram" || specifier === "node:dgram" ? { url, shortCircuit: true } : next(specifier, context),
  });
  return () => hooks.deregister();
}

register();
