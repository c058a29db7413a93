/**
 * Puts this module in the place of the built-in `dgram`, and takes it out again. `register.ts` does the first when it is loaded.
 *
 * @module
 */
import module from "node:module";
import process from "node:process";
import { whyUnsupported } from "./ffi/support.ts";
import { acceptByChildProcesses } from "./src/integration/child_processes.ts";
import builtin, { type Builtin, createSocket, Socket } from "./deno_dgram.ts";

/** How to take this module out of the built-in's place. */
interface Registration {
  readonly before: Builtin;
  readonly undo: readonly (() => void)[];
}

/** What Node's types do not know, or some runtime does not have. */
interface ModuleHooks {
  registerHooks?(hooks: { resolve: ResolveHook }): { deregister(): void };
  syncBuiltinESMExports?(): void;
}

type ResolveHook = (
  specifier: string,
  context: { readonly conditions: readonly string[] },
  next: (specifier: string, context: unknown) => unknown,
) => unknown;

let registration: Registration | undefined;

let hasWarned = false;

/**
 * Takes the built-in module's place. Done by importing this module. A second call does nothing, nor does one where this module cannot
 * work: it warns, and the built-in stays.
 */
export function register(): void {
  if (registration) return;
  const reason = whyUnsupported();
  if (reason !== undefined) return warn(reason);
  const before = { ...builtin };
  const undo = [redirectImports(), acceptByChildProcesses(Socket, before.Socket as never)];
  registration = { before, undo };
  replace({ createSocket, Socket });
}

/** Gives the built-in module its place back. In Deno and Bun, named imports made in between keep this module. */
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
  Object.assign(builtin, { createSocket, Socket });
  // Node: named imports follow.
  (module as ModuleHooks).syncBuiltinESMExports?.();
}

/**
 * Deno fixes a built-in's named exports: there imports are sent to the stand-in. `require` is left alone: it returns
 * the built-in's object anyway, and would load a second copy of the stand-in.
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
