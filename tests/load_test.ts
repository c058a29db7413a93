/**
 * Finding the C library and a way to call it, and what is said where there is none.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert, assertEquals, assertMatch, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { abiOf } from "../ffi/current_abi.ts";
import { openFirst } from "../ffi/libc/binding.ts";
import { currentRuntime, replaceLibc } from "../ffi/load.ts";
import { FaultyLibc } from "./support/faulty_libc.ts";
import { test, type Tools } from "./support/harness.ts";
import { codeRoot } from "./support/project.ts";
import { ended, runFixture, runtime } from "./support/runtime.ts";

const extension = existsSync(join(codeRoot, "mod.ts")) ? "ts" : "js";
const entryIn = (folder: string): string => pathToFileURL(join(folder, `mod.${extension}`)).href;

/** What tests/fixtures/create.ts prints. */
interface Outcome {
  readonly address?: string;
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
}

async function create(args: readonly string[], options: Parameters<typeof runFixture>[2] = {}): Promise<Outcome> {
  const { stdout, stderr } = await runFixture("create", args, options);
  assert(stdout !== "", stderr);
  return JSON.parse(stdout);
}

test("a socket is made on this platform", async () => {
  assertEquals(await create([entryIn(codeRoot)]), { address: "127.0.0.1" });
});

for (const [platform, arch] of [["freebsd", "x64"], ["win32", "x64"], ["linux", "ia32"], ["darwin", "arm"]]) {
  test(`on ${platform} ${arch} the first socket throws, and says what is supported`, async () => {
    const { name, code, message = "" } = await create([entryIn(codeRoot), platform, arch]);
    assertEquals([name, code], ["TypeError", "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM"]);
    assertStringIncludes(message, `${platform} ${arch}`);
    for (const supported of ["Linux", "macOS", "x64", "arm64"]) assertStringIncludes(message, supported);
  });
}

test("there is an ABI for each supported system and for no other", () => {
  const found = ["linux", "darwin", "freebsd", "win32", "android", "sunos"].flatMap((platform) =>
    ["x64", "arm64", "ia32", "arm", "riscv64", "ppc64", "s390x"].filter((arch) => abiOf(platform, arch))
      .map((arch) => `${platform} ${arch}`)
  );
  assertEquals(found, ["linux x64", "linux arm64", "darwin x64", "darwin arm64"]);
});

test("the C library is opened under the first of its names that works", () => {
  const abi = linuxAbi("x64");
  const tried: string[] = [];
  const open = (name: string): string => {
    tried.push(name);
    if (name !== abi.libraries[1]) throw new Error(`${name}: cannot open shared object file`);
    return `opened ${name}`;
  };
  assertEquals(openFirst(abi, open), `opened ${abi.libraries[1]}`);
  assertEquals(tried, ["libc.so.6", "libc.musl-x86_64.so.1"]);
});

test("a C library that can't be opened is an error with all names and reasons", () => {
  const abi = linuxAbi("arm64");
  const reasons = abi.libraries.map((name) => new Error(`no ${name}`));
  const error = assertThrows(
    () =>
      openFirst(abi, (name) => {
        throw reasons[abi.libraries.indexOf(name)];
      }),
    Error,
    "Cannot open the C library, tried libc.so.6, libc.musl-aarch64.so.1, libc.so",
  );
  assertEquals(error.cause, reasons);
});

for (const refusal of [{ name: "NotCapable" }, { name: "PermissionDenied" }, { code: "ERR_ACCESS_DENIED" }]) {
  test(`no other name is tried after ${refusal.name ?? refusal.code}`, () => {
    const error = Object.assign(new Error("not permitted"), refusal);
    let tries = 0;
    const open = (): never => {
      tries++;
      throw error;
    };
    assertStrictEquals(assertThrows(() => openFirst(linuxAbi("x64"), open)), error);
    assertEquals(tries, 1);
  });
}

test("the runtime's own FFI is in use, and opened once", () => {
  const { binding } = currentRuntime();
  assertEquals(binding, runtime === "node" ? "node:ffi" : runtime);
  assertStrictEquals(currentRuntime(), currentRuntime());
});

test("a C library that was put in place is there until it is taken away", () => {
  const { libc } = currentRuntime();
  const undo = replaceLibc((real) => new FaultyLibc(real).libc);
  assert(currentRuntime().libc !== libc);
  undo();
  assertStrictEquals(currentRuntime().libc, libc);
});

/** A copy of the module with nothing around it, so that no package is found from there. */
function copyOfModule(t: Tools): string {
  const folder = mkdtempSync(join(tmpdir(), "dgram-ffi-"));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  for (const name of readdirSync(codeRoot)) {
    if (name === "src" || name === "ffi" || name.endsWith(`.${extension}`)) {
      cpSync(join(codeRoot, name), join(folder, name), { recursive: true });
    }
  }
  cpSync(join(codeRoot, "tests", "fixtures", `create.${extension}`), join(folder, `create.${extension}`));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return folder;
}

const notNode = runtime === "deno" || runtime === "bun" ? "koffi is for Node" : undefined;

/** Runs the copy of the fixture in the copy of the module, in Node with koffi or nothing. */
async function createIn(folder: string, cwd = folder, version?: string): Promise<Outcome> {
  const env = { ...process.env, DGRAM_FFI_BINDING: "koffi" };
  const pretended = version ? ["", "", version] : [];
  const args = ["--no-warnings", join(folder, `create.${extension}`), entryIn(folder), ...pretended];
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const { stdout, stderr } = await ended(child, 20_000);
  assert(stdout !== "", stderr);
  return JSON.parse(stdout);
}

test("Node without node:ffi and without koffi throws, and says what to install", async (t) => {
  const { name, code, message = "" } = await createIn(copyOfModule(t));
  assertEquals([name, code], ["Error", "ERR_DGRAM_FFI_UNAVAILABLE"]);
  assertMatch(message, /npm install koffi/);
  assertMatch(message, /Node 26\.9 or later/);
}, { skip: notNode });

test("a Node that has node:ffi behind a flag only is told the flag, and that koffi would do", async (t) => {
  const folder = copyOfModule(t);
  for (const [version, flag] of [["26.0.0", false], ["26.1.0", true], ["26.8.2", true], ["26.9.0", false]] as const) {
    const { code, message = "" } = await createIn(folder, folder, version);
    assertEquals([code, message.includes("--experimental-ffi")], ["ERR_DGRAM_FFI_UNAVAILABLE", flag], version);
    assertMatch(message, /Node 26\.9 or later/);
    assertMatch(message, /npm install koffi/);
  }
}, { skip: notNode });

/** The folder of the package koffi that this project has. */
const koffiFolder = (): string => {
  let folder = dirname(createRequire(import.meta.url).resolve("koffi"));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
};

test("koffi is found beside the module, or from the program's folder", async (t) => {
  const places = { module: copyOfModule(t), program: mkdtempSync(join(tmpdir(), "dgram-ffi-")) };
  t.cleanup(() => rmSync(places.program, { recursive: true }));
  for (const place of ["module", "program"] as const) {
    const packages = join(places[place], "node_modules");
    mkdirSync(packages);
    symlinkSync(koffiFolder(), join(packages, "koffi"));
    const outcome = await createIn(places.module, places.program);
    assertEquals(outcome, { address: "127.0.0.1" }, place);
    rmSync(packages, { recursive: true });
  }
}, { skip: notNode ?? (process.env.DGRAM_FFI_DARWIN && "koffi looks for the file of a Mac") });
