/**
 * The runtime the tests are running in, and how to start a script in the same one.
 *
 * @module
 */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** `koffi` is Node with the FFI of that package. */
export type RuntimeName = "deno" | "bun" | "node" | "koffi";

/** This one. */
export const runtime: RuntimeName = nameOf();

function nameOf(): RuntimeName {
  if (process.versions.deno) return "deno";
  if (process.versions.bun) return "bun";
  return process.env.DGRAM_FFI_BINDING === "koffi" || !process.getBuiltinModule("node:ffi") ? "koffi" : "node";
}

/** `.ts`, or `.js` where the tests run compiled. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));

/** The path of a script below tests/fixtures, given without extension. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}${extension}`, import.meta.url));
}

/** The path of one of the project's own modules, given without extension: `entry("register")`. */
export function entry(name: string): string {
  return fileURLToPath(new URL(`../../${name}${extension}`, import.meta.url));
}

/** The flags that have this runtime load a module before a script. */
export function preloading(module: string): string[] {
  return runtime === "deno" || runtime === "bun" ? [`--preload=${module}`] : [`--import=${pathToFileURL(module)}`];
}

/**
 * Whether this is macOS, or Linux with a C library that shows macOS's ABI (tests/darwin). There Node's children load what makes it so by
 * NODE_OPTIONS; Deno's and Bun's by {@linkcode commandFor}.
 */
export const isDarwin: boolean = process.platform === "darwin";

/** What the kernel says of a buffer size that was asked for: Linux doubles it. */
export function grantedSize(size: number): number {
  return isDarwin ? size : 2 * size;
}

/** Why a test cannot run here if it uses something that only Linux has; undefined: it can. */
export function linuxOnly(what: string): string | undefined {
  return process.platform === "linux" ? undefined : `only Linux has ${what}`;
}

/** The flags that have a child see macOS's ABI if this process does so. */
function darwinFlags(): string[] {
  const module = process.env.DGRAM_FFI_DARWIN;
  return module && (runtime === "deno" || runtime === "bun") ? preloading(module) : [];
}

/** The command line that runs a script in this runtime with all permissions. */
export function commandFor(
  script: string,
  args: readonly string[] = [],
  moreFlags: readonly string[] = [],
): [string, ...string[]] {
  const flags = runtime === "deno" ? ["run", "-A", "--quiet"] : runtime === "bun" ? [] : ["--no-warnings"];
  return [process.execPath, ...flags, ...darwinFlags(), ...moreFlags, script, ...args];
}

/** A script that ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** How long it ran, in milliseconds. */
  readonly duration: number;
}

/** Starts a fixture in this runtime. */
export function startFixture(
  name: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
  flags: readonly string[] = [],
): ChildProcess {
  const [command, ...rest] = commandFor(fixture(name), args, flags);
  return spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"], ...options });
}

/** Runs a fixture to its end, which must come within `timeout` milliseconds: later it is killed with SIGKILL. */
export function runFixture(
  name: string,
  args: readonly string[] = [],
  options: SpawnOptions & { timeout?: number } = {},
): Promise<Ended> {
  const { timeout = 40_000, ...rest } = options;
  return ended(startFixture(name, args, rest), timeout);
}

/** Waits for a process to end and collects what it printed. */
export function ended(child: ChildProcess, timeout: number): Promise<Ended> {
  const start = performance.now();
  const killer = setTimeout(() => child.kill("SIGKILL"), timeout);
  const printed = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk) => printed.stdout += chunk);
  child.stderr?.on("data", (chunk) => printed.stderr += chunk);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(killer);
      resolve({ code, signal, ...printed, duration: performance.now() - start });
    });
  });
}
