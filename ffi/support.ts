/**
 * Whether this module can work here, and the error if it cannot.
 *
 * @module
 */
import { abiOf, SUPPORTED_SYSTEMS } from "./current_abi.ts";
import { denoNamespace, isDenoFfiRefused } from "./runtimes/deno.ts";
import { koffiPath } from "./runtimes/koffi.ts";
import { hasNodeFfi, isNodeFfiRefused } from "./runtimes/node.ts";
import process from "./runtimes/process.ts";

/** The oldest supported versions. They are also in README and docs/platforms.md. */
const OLDEST = { deno: "2.8.2", bun: "1.4.0" };

/** The numbers of a version. */
function numbersOf(version: string): number[] {
  return version.replace(/-.*/, "").split(".").map(Number);
}

/** Whether one version is older than another. What follows a hyphen (`-canary`) is ignored. */
function isOlder(version: string, than: string): boolean {
  const [own, other] = [numbersOf(version), numbersOf(than)];
  const difference = own.map((number, i) => number - (other[i] ?? 0)).find((number) => number !== 0) ?? 0;
  return difference < 0;
}

function unavailable(message: string): Error {
  return Object.assign(new Error(message), { code: "ERR_DGRAM_FFI_UNAVAILABLE" });
}

/**
 * Why no socket can be created here: a system that is not supported, a runtime that is too old, a Node without FFI. Opens and loads
 * nothing, and asks for no permission. Permissions are not checked.
 */
export function obstacle(): Error | undefined {
  const { platform, arch, versions } = process;
  if (!abiOf()) {
    return Object.assign(
      new TypeError(
        `UDP through libc is not available on ${platform} ${arch}: ${SUPPORTED_SYSTEMS} are supported. ` +
          "There the runtime's own node:dgram does for what both have",
      ),
      { code: "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM" },
    );
  }
  for (const [name, oldest] of Object.entries(OLDEST)) {
    const version = versions[name];
    if (version && isOlder(version, oldest)) {
      const title = name === "deno" ? "Deno" : "Bun";
      return unavailable(`dgram-ffi needs ${title} ${oldest} or later: this is ${title} ${version}`);
    }
  }
  if (versions.deno || versions.bun) return undefined;
  if (typeof process.getBuiltinModule !== "function") {
    return unavailable(
      `dgram-ffi needs Node 20.19, 22.12 or later: this is Node ${versions.node}, which has no process.getBuiltinModule`,
    );
  }
  return wantsKoffi() && !koffiPath() ? unavailable(withoutFfi(versions.node)) : undefined;
}

/** Whether to use koffi: if there is no `node:ffi`, or with `DGRAM_FFI_BINDING=koffi` in the environment. */
export function wantsKoffi(): boolean {
  return process.env.DGRAM_FFI_BINDING === "koffi" || !hasNodeFfi();
}

function withoutFfi(version: string): string {
  const isFlagged = !isOlder(version, "26.1.0") && isOlder(version, "26.9.0");
  return isFlagged
    ? `Node ${version} has node:ffi only with --experimental-ffi. Start it with that flag, use Node 26.9 or later, ` +
      "or install the npm package koffi beside this one (npm install koffi)"
    : `Node ${version} has no node:ffi. Install the npm package koffi beside this one (npm install koffi), ` +
      "or use Node 26.9 or later";
}

/** As {@linkcode obstacle}, or because FFI is not permitted and there is no terminal to ask on. */
export function whyUnsupported(): string | undefined {
  const found = obstacle();
  if (found) return found.message;
  const deno = denoNamespace();
  if (deno) return isDenoFfiRefused(deno) ? "FFI is not permitted: start Deno with --allow-ffi" : undefined;
  if (process.versions.bun || wantsKoffi() || !isNodeFfiRefused()) return undefined;
  return "FFI is not permitted: start Node with --allow-ffi";
}

/**
 * Whether sockets can be created here, for programs and libraries that otherwise use the built-in `node:dgram`. It is false on a
 * system that is not supported, in a runtime that is too old, in a Node without `node:ffi` and without koffi, and if the runtime's
 * permissions exclude FFI. It is determined once, when the module is imported. That loads nothing and never throws.
 *
 * @example
 * ```ts
 * import * as builtin from "node:dgram";
 * import * as ours from "@dgram/ffi";
 *
 * const { createSocket } = ours.isSupported ? ours : builtin;
 * createSocket("udp4").close();
 * ```
 */
export const isSupported: boolean = whyUnsupported() === undefined;
