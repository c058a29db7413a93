/**
 * A C compiler, where the machine has one.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether a compiler is installed. */
export function hasCompiler(name: string): boolean {
  return spawnSync(name, ["--version"]).status === 0;
}

/** Why programs can't be compiled here; undefined: they can. */
export const noCompiler: string | undefined = hasCompiler("cc") ? undefined : "there is no C compiler (cc)";

/** A program that was compiled, and, if that went well, run. */
export interface CompiledRun {
  /** What the compiler complained of; empty where it did not. */
  readonly errors: string;
  readonly stdout: string;
}

/** Compiles C source and runs the program. */
export function compileAndRun(source: string, flags: readonly string[] = []): CompiledRun {
  const folder = mkdtempSync(join(tmpdir(), "dgram-ffi-"));
  try {
    const [input, output] = [join(folder, "main.c"), join(folder, "main")];
    writeFileSync(input, source);
    const compiler = spawnSync("cc", ["-std=gnu11", "-Werror", ...flags, "-o", output, input], { encoding: "utf8" });
    if (compiler.status !== 0) return { errors: compiler.stderr || "cc failed", stdout: "" };
    return { errors: "", stdout: spawnSync(output, [], { encoding: "utf8" }).stdout };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compiles C source with some compiler. @returns What it complained of; empty if it did not. */
export function compileOnly(source: string, flags: readonly string[], compiler: string): string {
  const { status, stderr } = spawnSync(compiler, ["-std=gnu11", "-fsyntax-only", ...flags, "-x", "c", "-"], {
    input: source,
    encoding: "utf8",
  });
  return status === 0 ? "" : stderr || `${compiler} failed`;
}
