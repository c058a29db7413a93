/**
 * Replaces the built-in `dgram` by this module, and restores it. `register.ts` does the former when it is loaded.
 *
 * @module
 */
import module from "node:module";
import process from "node:process";
import type { Builtin } from "./deno_dgram.ts";
import { whyUnsupported } from "./ffi/support.ts";
import { createSocket, Socket } from "./mod.ts";
import { acceptByChildProcesses } from "./src/integration/child_processes.ts";

/** How to restore the built-in module. */
interface Registration {
  readonly before: Builtin;
  readonly undo: readonly (() => void)[];
}

/** Functions that Node's types or some runtimes do not have. */
interface ModuleHooks {
  registerHooks?(hooks: { resolve: ResolveHook }): { deregister(): void };
  syncBuiltinESMExports?(): void;
}

type ResolveHook = (
  specifier: string,
  context: { readonly conditions: readonly string[] },
  next: (specifier: string, context: unknown) => unknown,
) => unknown;

/** The module that is replaced. It is loaded when it is: whoever does not register need not wait for it. */
const builtin = (): Builtin => process.getBuiltinModule("node:dgram") as unknown as Builtin;

let registration: Registration | undefined;

let hasWarned = false;

/**
 * Replaces the built-in module. Importing `register` does it. A second call does nothing. If this module cannot work, it prints a
 * warning, and the built-in is not replaced.
 *
 * @example
 * ```ts
 * import { register, unregister } from "@dgram/ffi/register";
 *
 * register(); // Did so already when it was imported.
 * const dgram = process.getBuiltinModule("node:dgram");
 * const socket = dgram.createSocket("udp4");
 * console.log("getStatistics" in socket); // true
 * socket.close();
 * unregister();
 * ```
 */
export function register(): void {
  if (registration) return;
  const reason = whyUnsupported();
  if (reason !== undefined) return warn(reason);
  const before = { ...builtin() };
  const undo = [redirectImports(), acceptByChildProcesses(Socket, before.Socket as never)];
  registration = { before, undo };
  replace({ createSocket, Socket });
}

/**
 * Restores the built-in module. In Deno and Bun, named imports that were linked in between keep this module.
 *
 * @example
 * ```ts
 * import { unregister } from "@dgram/ffi/register";
 *
 * unregister();
 * const dgram = process.getBuiltinModule("node:dgram");
 * const socket = dgram.createSocket("udp4");
 * console.log("getStatistics" in socket); // false
 * socket.close();
 * ```
 */
export function unregister(): void {
  if (!registration) return;
  for (const undo of registration.undo) undo();
  replace(registration.before);
  registration = undefined;
}

function warn(reason: string): void {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning(`The built-in dgram stays in its place. ${reason}`, { code: "DGRAM_FFI_NOT_REGISTERED" });
}

function replace({ createSocket, Socket }: Builtin): void {
  Object.assign(builtin(), { createSocket, Socket });
  // Node: named imports follow.
  (module as ModuleHooks).syncBuiltinESMExports?.();
}

/**
 * Redirects imports in Deno, which does not change the named exports of a built-in. `require` is not redirected: it returns the
 * built-in's object anyway, and would load a second copy of the stand-in.
 */
function redirectImports(): () => void {
  const { registerHooks } = module as ModuleHooks;
  const isFile = Boolean(import.meta.url); // A bundle may not know where it is.
  if (!process.versions.deno || !registerHooks || !isFile) return () => {};
  const url = new URL(import.meta.url.endsWith(".ts") ? "./deno_dgram.ts" : "./deno_dgram.js", import.meta.url).href;
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const isDgram = specifier === "dgram" || specifier === "node:dgram";
      return isDgram && !context.conditions.includes("require")
        ? { url, shortCircuit: true }
        : next(specifier, context);
    },
  });
  return () => hooks.deregister();
}
