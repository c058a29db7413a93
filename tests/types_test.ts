/**
 * The types hold without this project's own settings: in Deno without our declarations of Node, and in TypeScript with the declarations
 * of libraries checked, too.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { test, type Tools } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";
import { runtime } from "./support/runtime.ts";

/** Compilers are the same in all runtimes: once is enough. */
const skip = { skip: runtime === "node" ? undefined : "run in Node 26" };

/** A folder without `node_modules` that has the published sources. */
function sourcesAlone(t: Tools): string {
  const folder = mkdtempSync(join(tmpdir(), "dgram-ffi-types-"));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  for (const name of readdirSync(projectRoot)) {
    if (name.endsWith(".ts") || name === "src" || name === "ffi") {
      cpSync(join(projectRoot, name), join(folder, name), { recursive: true });
    }
  }
  return folder;
}

function run(folder: string, ...[command, ...args]: [string, ...string[]]): string {
  const path = join(projectRoot, "node_modules/.bin", command);
  // A compiler that takes Linux for macOS does not find its executable.
  const env = { ...process.env, NODE_OPTIONS: "" };
  const { status, stdout, stderr } = spawnSync(path, args, { cwd: folder, encoding: "utf8", env });
  return status === 0 ? "" : stdout + stderr;
}

test("deno check passes without our @types/node", (t) => {
  const folder = sourcesAlone(t);
  writeFileSync(join(folder, "deno.json"), JSON.stringify({ compilerOptions: { strict: true } }));
  const entries = ["mod.ts", "promises.ts", "jsre.ts", "unix_dgram.ts", "register.ts"];
  assertEquals(run(folder, "deno", "check", "--quiet", ...entries), "");
}, skip);

test("declarations and typed events pass TypeScript with skipLibCheck off", (t) => {
  const folder = sourcesAlone(t);
  const declarations = ["--declaration", "--emitDeclarationOnly", "--outDir", join(folder, "declarations")];
  assertEquals(run(projectRoot, "tsc", "--noEmit", "false", ...declarations), "");
  cpSync(join(projectRoot, "tests/types/events.ts"), join(folder, "declarations/use/events.ts"));
  const compilerOptions = {
    target: "es2022",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ["node"],
    typeRoots: [join(projectRoot, "node_modules/@types")],
    paths: { "dgram-ffi": ["./mod.d.ts"], "dgram-ffi/promises": ["./promises.d.ts"] },
  };
  const settings = { compilerOptions, include: ["use", "*.d.ts"] };
  writeFileSync(join(folder, "declarations/tsconfig.json"), JSON.stringify(settings));
  assertEquals(run(join(folder, "declarations"), "tsc", "--project", "."), "");
}, skip);
