/**
 * Puts this module in the place of the built-in `dgram`, for a whole thread: `require("dgram")`, default and named
 * imports of `dgram` and `node:dgram`, and `process.getBuiltinModule`, in the program and in the packages it uses.
 *
 * Load it before anything else:
 *
 * ```sh
 * deno run --preload=jsr:@dgram/ffi/register main.ts
 * bun --preload=dgram-ffi/register main.ts
 * node --import=dgram-ffi/register main.js
 * ```
 *
 * A program may also import it itself, first of all. Then it reaches all but the named imports
 * (`import { createSocket } from "node:dgram"`) of modules that are linked together with the program, which in Deno and
 * Bun are the built-in's; those of modules that are loaded later, by `await import()`, are reached.
 *
 * Workers: Node hands `--import` on to them. In Bun they take the option `preload` of their own. Anywhere a Worker can
 * import this module itself, as above.
 *
 * Sockets of the built-in that exist already stay as they are. In Node and Deno, sockets can be sent to child processes
 * (`child.send(message, socket)`); from then on both processes receive. Bun sends its own only.
 *
 * @module
 */
import module from "node:module";
import process from "node:process";
import { acceptByChildProcesses } from "./src/child_processes.ts";
import builtin, { type Builtin, createSocket, Socket } from "./stand_in.ts";

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

/** Takes the built-in module's place. Done by importing this module. A second call does nothing. */
export function register(): void {
  if (registration) return;
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
  if (!process.versions.deno || !registerHooks) return () => {};
  const url = new URL(import.meta.url.endsWith(".ts") ? "./stand_in.ts" : "./stand_in.js", import.meta.url).href;
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

register();
