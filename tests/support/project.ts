/**
 * Where the project's own files are, also when the tests run compiled from another folder.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder with deno.json. */
export const projectRoot: string = find(dirname(fileURLToPath(import.meta.url)));

/** The folder with mod.ts, or with mod.js where the tests run compiled. */
export const codeRoot: string = fileURLToPath(new URL("../../", import.meta.url));

function find(folder: string): string {
  return existsSync(join(folder, "deno.json")) ? folder : find(dirname(folder));
}
