/**
 * Builds the package's code with `deno pack`, which needs no registry.
 *
 * @module
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./command.ts";
import { CODE, documents, onlyOnJsr } from "./package.ts";

/** Writes the modules and their declarations to a folder of `out`. It checks their types. */
export function buildWithDenoPack(out: string): void {
  const scratch = mkdtempSync(join(tmpdir(), "dgram-ffi-pack-"));
  try {
    const tarball = join(scratch, "package.tgz");
    // The sources are not in the package a second time, as source maps.
    run("deno", ["pack", "--quiet", "--allow-dirty", "--no-source-maps", `--output=${tarball}`]);
    run("tar", ["-xzf", tarball, "-C", scratch]);
    cpSync(join(scratch, "package"), join(out, CODE), { recursive: true });
  } finally {
    rmSync(scratch, { recursive: true });
  }
  // These stand at the package's top.
  for (const name of ["package.json", ...documents, ...onlyOnJsr]) {
    rmSync(join(out, CODE, name), { recursive: true, force: true });
  }
}
