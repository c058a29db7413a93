/**
 * Small projects on disk for a test: programs and npm packages.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Tools } from "./harness.ts";

/** Writes files, given by their paths, into a new folder that is gone after the test. Returns the folder. */
export function scratch(tools: Tools, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "dgram-ffi-"));
  tools.cleanup(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
