/**
 * `isSupported`, the errors of what is not supported, and `register` there: by pretending, and by the runtimes' permissions.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isSupported } from "../mod.ts";
import type { Pretence, Report } from "./fixtures/faked.ts";
import { test } from "./support/harness.ts";
import { commandFor, ended, entry, fixture, runtime } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";

const url = (path: string): string => pathToFileURL(path).href;

async function pretending(
  pretence: Pretence,
  flags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<Report> {
  const args = [url(entry("mod")), url(entry("register")), JSON.stringify(pretence)];
  const [command, ...rest] = commandFor(fixture("faked"), args, flags);
  const child = spawn(command, rest, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  const { stdout, stderr } = await ended(child, 20_000);
  assert(stdout !== "", stderr);
  return JSON.parse(stdout);
}

/** Not supported: the first socket throws, and register warns once and leaves the built-in where it is. */
function assertRefused(report: Report, code: string, ...texts: string[]): void {
  assertEquals([report.isSupported, report.registered], [false, false]);
  assertEquals(report.error?.code, code);
  for (const text of texts) assertStringIncludes(report.error!.message, text);
  assertEquals(report.warnings, [
    `DGRAM_FFI_NOT_REGISTERED The built-in dgram stays in its place. ${report.error!.message}`,
  ]);
}

test("the runtime that the tests run in is supported, and register takes the built-in's place", async () => {
  assertEquals(isSupported, true);
  assertEquals(await pretending({}), { isSupported: true, registered: true, warnings: [] });
});

for (const [platform, arch] of [["freebsd", "x64"], ["win32", "arm64"], ["linux", "ia32"]]) {
  test(`on ${platform} ${arch} nothing is supported, and the error says what would be`, async () => {
    const report = await pretending({ platform, arch });
    assertRefused(report, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "Linux", "macOS", "x64", "arm64", "node:dgram");
  });
}

const own = { deno: ["2.8.1", "2.8.2"], bun: ["1.3.14", "1.4.0"] }[runtime as string];

test("a Deno or Bun that is too old is told which is not", async () => {
  const [old, oldest] = own!;
  const report = await pretending({ versions: { [runtime]: old } });
  assertRefused(report, "ERR_DGRAM_FFI_UNAVAILABLE", `${oldest} or later`, old);
  const { isSupported, registered } = await pretending({ versions: { [runtime]: oldest } });
  assertEquals([isSupported, registered], [true, true]);
  assertEquals((await pretending({ versions: { [runtime]: `${oldest}-canary.1` } })).isSupported, true);
}, { skip: own ? undefined : "for Deno and Bun" });

const isNode = runtime === "node" || runtime === "koffi";
const notNode = isNode ? undefined : "for Node";
const notNodeFfi = runtime === "node" ? undefined : "for Node with node:ffi";

test("a Node without process.getBuiltinModule is told which have it", async () => {
  const report = await pretending({ versions: { node: "20.15.1" }, without: "*" });
  assertRefused(report, "ERR_DGRAM_FFI_UNAVAILABLE", "Node 20.19", "20.15.1");
}, { skip: notNode });

const notDeno = runtime === "deno" ? undefined : "only Deno has these permissions";
const DENO = ["run", "--quiet"];

/** Runs the fixture with these flags instead of all permissions, without a terminal. */
async function permitted(...flags: string[]): Promise<Report> {
  const args = [url(entry("mod")), url(entry("register")), "{}"];
  const child = spawn(process.execPath, [...DENO, ...flags, fixture("faked"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { stdout, stderr } = await ended(child, 20_000);
  assert(stdout !== "", stderr);
  return JSON.parse(stdout);
}

for (const flags of [["--allow-net"], ["--allow-net", "--deny-ffi"]]) {
  test(`Deno with ${flags.join(" ")} and no terminal keeps the built-in, and says so`, async () => {
    const { isSupported, registered, error, warnings } = await permitted("--allow-read", ...flags);
    assertEquals([isSupported, registered, error?.name], [false, false, "NotCapable"]);
    assertEquals(warnings.length, 1);
    assertStringIncludes(warnings[0], "--allow-ffi");
  }, { skip: notDeno });
}

const noScript = spawnSync("script", ["--version"]).error
  ? "script(1), which makes terminals, is not there"
  : undefined;

test("Deno on a terminal asks for FFI once, and a yes is enough", async (t) => {
  const program = `import { createSocket, isSupported } from ${JSON.stringify(url(entry("mod")))};
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1", () => { console.log("bound", isSupported); socket.close(); });`;
  const folder = scratch(t, { "main.mjs": program });
  const command = `'${process.execPath}' run --quiet --allow-net '${join(folder, "main.mjs")}'`;
  const env = { ...process.env, NO_COLOR: "1", TERM: "xterm", SHELL: "/bin/sh" };
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { env });
  let shown = "";
  child.stdout.on("data", (chunk) => shown += chunk);
  // Deno throws away what was typed before it listens.
  const typing = setInterval(() => {
    if (shown.includes("Allow? [") && !shown.includes("Granted")) child.stdin.write("y\n");
  }, 200);
  t.cleanup(() => clearInterval(typing));
  const { code } = await ended(child, 20_000);
  assertEquals([code, shown.match(/requests \S+ access/g)], [0, ["requests ffi access"]], shown);
  assertMatch(shown, /bound true/);
}, { skip: notDeno ?? noScript });

test("under --permission without --allow-ffi, Node keeps the built-in, and says so", async () => {
  const report = await pretending({}, ["--permission", "--allow-net", "--allow-fs-read=*"]);
  assertEquals([report.isSupported, report.registered, report.error?.code], [false, false, "ERR_ACCESS_DENIED"]);
  assertEquals(report.warnings.length, 1);
  assertStringIncludes(report.warnings[0], "--allow-ffi");
}, { skip: notNodeFfi });

const [major] = process.versions.node.split(".").map(Number);
const permission = process.allowedNodeEnvironmentFlags?.has("--permission")
  ? "--permission"
  : "--experimental-permission";

test("a permission model that knows no --allow-net does not refuse the network", async () => {
  const flags = [permission, "--allow-fs-read=*", "--allow-addons", "--allow-worker"];
  const report = await pretending({}, flags);
  assertEquals([report.isSupported, report.error], [true, undefined]);
}, { skip: runtime === "koffi" && major < 25 ? undefined : "for Node before 25" });
