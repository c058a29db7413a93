/**
 * Runs Node's own dgram tests, which are not part of this project, on Node 26, Bun and Deno: with the runtime's built-in module and
 * with this one in its place. Plain JavaScript for Node 20.
 *
 * node tests/conformance/run.mjs <Node's test folder> [--only=node,bun,deno] [--with=builtin,ours] [--write] [--report] [--required] [text in the file name ...]
 *
 * The folder is the `test` of Node's sources, or of https://github.com/denoland/node_test. Everything runs in a network namespace of its
 * own, so that nothing leaves this machine; that takes root, without which the tests below `internet` are left out. `--write` puts the
 * results into README.md. `--required` runs the few of required.mjs, each of which must be there and pass.
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { NOT_APPLICABLE } from "./not_applicable.mjs";
import { REQUIRED } from "./required.mjs";
import { failuresOf, isExpected, summaryOf, writeInto } from "./report.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const work = join(root, ".work", "conformance");
const resultsFile = join(work, "results.json");
const bin = (name) => join(root, "node_modules", ".bin", name);
const register = join(root, "register.ts");
const prelude = join(root, "tests", "conformance", "prelude.cjs");
const readme = join(root, "tests", "conformance", "README.md");

const LIMIT_MS = 30_000;
const AT_A_TIME = 3;
const NAMESPACE = "DGRAM_FFI_CONFORMANCE_NAMESPACE";

/** Node's tests that are about dgram, by folder. */
const ABOUT_DGRAM = {
  parallel:
    /^test-(dgram-|diagnostics-channel-udp|permission-net-udp|cluster-dgram-|cluster-disconnect-unshared-udp|cluster-child-index-dgram|child-process-.*dgram)/,
  sequential: /^test-dgram-/,
  "async-hooks": /^test-.*(dgram|udp)/,
  internet: /^test-dgram-/,
};

/** What only Node's own module has: the test asks for Node's internals, not for dgram's behaviour. */
const INTERNALS = /internalBinding|require\('internal\/|kStateSymbol|init-hooks/;

/**
 * How each runtime runs a script. Bun and Deno fix a built-in's named exports before a program can replace it: hence a flag there, besides
 * the prelude.
 */
const RUNTIMES = {
  node: {
    // Without web storage, as some tests count warnings, and looking at the globals makes one.
    command: (flags) => [bin("node"), "--no-warnings", "--no-experimental-webstorage", ...flags],
    // Under the permission model this module needs its libraries and FFI allowed, which the built-in does not.
    flagsOf: (flags, preload) => preload && flags.includes("--permission") ? [...flags, "--allow-ffi"] : flags,
  },
  bun: {
    // What uses node:test runs under Bun's own test command only.
    command: (_flags, preload, usesTestRunner) => [
      bin("bun"),
      ...(usesTestRunner ? ["test"] : []),
      ...(preload ? ["--preload", register] : []),
    ],
    flagsOf: () => [],
  },
  deno: {
    command: (flags, preload) => [
      bin("deno"),
      "run",
      "-A",
      "--quiet",
      "--unstable-detect-cjs",
      ...(flags.includes("--expose-gc") ? ["--v8-flags=--expose-gc"] : []),
      ...(preload ? [`--preload=${register}`] : []),
    ],
    flagsOf: (flags) => flags,
  },
};

const args = process.argv.slice(2);
const named = args.filter((arg) => !arg.startsWith("--"));
const listed = (name, all) => args.find((arg) => arg.startsWith(`--${name}=`))?.split("=")[1].split(",") ?? all;
const [folder, ...filters] = named;
const runtimes = listed("only", Object.keys(RUNTIMES));
const onlyRequired = args.includes("--required");
const modules = listed("with", onlyRequired ? ["ours"] : ["builtin", "ours"]);

if (args.includes("--report")) {
  const results = JSON.parse(readFileSync(resultsFile, "utf8"));
  const kinds = new Set(results.map(({ runtime, module }) => `${runtime} ${module}`));
  report(results, kinds.size === 6 && results.some(({ test }) => test.startsWith("internet")));
  process.exit();
}
if (!folder || !existsSync(join(folder, "common"))) {
  console.error("usage: node tests/conformance/run.mjs <folder with Node's tests: common, parallel, sequential ...>");
  process.exit(2);
}
if (!process.env[NAMESPACE] && runInNamespace()) process.exit();
await main();

/**
 * Runs this script again where there is only a loopback interface and one whose cable ends nowhere, and where all processes end
 * with it.
 */
function runInNamespace() {
  const setUp = [
    "ip link set lo up multicast on",
    "ip link add cable0 type veth peer name cable1",
    "ip addr add 10.99.0.1/24 brd + dev cable0",
    "ip -6 addr add fd00:99::1/64 dev cable0 nodad",
    // Of two interfaces for IPv6 multicast the tests could not know which is taken.
    "echo 1 > /proc/sys/net/ipv6/conf/cable1/disable_ipv6",
    "ip link set cable0 up",
    "ip link set cable1 up",
    "ip route add default dev cable0",
    'exec "$0" "$@"',
  ].join("\n");
  const unshared = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const command = [...unshared, "sh", "-ec", setUp, process.execPath, fileURLToPath(import.meta.url), ...args];
  const possible = spawnSync("unshare", ["--net", "true"]).status === 0;
  if (!possible) return false;
  const env = { ...process.env, [NAMESPACE]: "1" };
  process.exitCode = spawnSync("unshare", command, { stdio: "inherit", env }).status ?? 1;
  return true;
}

async function main() {
  const copy = prepare(folder);
  const isolated = Boolean(process.env[NAMESPACE]);
  const tests = Object.entries(ABOUT_DGRAM).flatMap(([part, pattern]) => {
    if (!existsSync(join(copy, part)) || (part === "internet" && !isolated)) return [];
    return readdirSync(join(copy, part)).filter((name) => pattern.test(name) && /\.m?js$/.test(name)).map((name) =>
      join(part, name)
    );
  }).filter((name) => !onlyRequired || REQUIRED.includes(name)).filter((name) =>
    filters.length === 0 || filters.some((text) => name.includes(text))
  );
  const jobs = runtimes.flatMap((runtime) =>
    modules.flatMap((module) => tests.map((test) => ({ runtime, module, test })))
  );
  const complete = !onlyRequired && modules.length === 2 && runtimes.length === 3 && filters.length === 0 && isolated;
  // Those of two folders use ports that are given, or count on being alone.
  const [together, alone] = [true, false].map((wanted) => jobs.filter(({ test }) => isIndependent(test) === wanted));
  const run = async (job, slot) => ({ ...job, ...await runTest(copy, job, slot) });
  const results = [...await inParallel(together, AT_A_TIME, run), ...await inParallel(alone, 1, run)];
  mkdirSync(work, { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  report(results, complete);
}

/** @param complete Whether nothing was left out. */
function report(results, complete) {
  for (const runtime of runtimes) console.log(`${runtime}: ${sharingOf(runtime)}`);
  console.log(`\n${summaryOf(results, runtimes, modules)}\n`);
  console.log(failuresOf(results).join("\n"));
  if (args.includes("--write")) {
    if (!complete) throw new Error("--write takes all tests on all runtimes, in a namespace");
    writeInto(readme, results, runtimes, modules);
    spawnSync(bin("deno"), ["fmt", "--quiet", readme], { stdio: "inherit" });
  }
  if (!results.every(isExpected)) process.exitCode = 1;
  if (!onlyRequired) return;
  const passed = results.filter(({ outcome }) => outcome === "passed").length;
  if (passed < REQUIRED.length * runtimes.length) process.exitCode = 1;
}

/** What the primary of the runtime's `node:cluster` says to a worker that asks for a UDP socket. */
function sharingOf(runtime) {
  const script = join(root, "tests", "conformance", "cluster_sharing.cjs");
  const [program, ...rest] = RUNTIMES[runtime].command([], false, false);
  return spawnSync(program, [...rest, script], { encoding: "utf8", timeout: LIMIT_MS }).stdout.trim();
}

/** A copy, where no package.json above says that .js files are modules, as this project's does. */
function prepare(source) {
  const copy = mkdtempSync(join(tmpdir(), "node-dgram-tests-"));
  process.once("exit", () => rmSync(copy, { recursive: true, force: true }));
  const parts = ["common", "fixtures", ...Object.keys(ABOUT_DGRAM)];
  for (const part of parts.filter((part) => existsSync(join(source, part)))) {
    cpSync(join(source, part), join(copy, part), { recursive: true });
  }
  replaceInChildren(join(copy, "common", "index.js"));
  return copy;
}

/** All tests load `common` first of all, in the processes they start, too; a flag is not handed on to these by every runtime. */
function replaceInChildren(common) {
  const loading = "if (globalThis.process.env.DGRAM_FFI_PRELUDE) require(globalThis.process.env.DGRAM_FFI_PRELUDE);";
  writeFileSync(common, readFileSync(common, "utf8").replace("'use strict';", (strict) => `${strict} ${loading}`));
}

function isIndependent(test) {
  return /^(parallel|async-hooks)\b/.test(test);
}

async function inParallel(jobs, atATime, run) {
  const waiting = jobs.entries();
  const results = [];
  const workOff = async (_, slot) => {
    for (const [i, job] of waiting) results[i] = await run(job, slot);
  };
  await Promise.all(Array.from({ length: atATime }, workOff));
  return results;
}

async function runTest(copy, { runtime, module, test }, slot) {
  const excuse = NOT_APPLICABLE.find(({ tests, runtimes, ours }) =>
    tests.includes(test) && runtimes.includes(runtime) && (module === "ours" || !ours)
  );
  if (excuse?.never) return { outcome: "not applicable", reason: excuse.reason };
  const file = join(copy, test);
  const source = readFileSync(file, "utf8");
  const flags = source.match(/^\/\/ Flags: (.*)$/m)?.[1].trim().split(/\s+/) ?? [];
  const { command, flagsOf } = RUNTIMES[runtime];
  const isOurs = module === "ours";
  const [program, ...rest] = command(flagsOf(flags, isOurs), isOurs, /node:test'/.test(source));
  const env = {
    ...process.env,
    NO_COLOR: "1",
    TEST_THREAD_ID: String(slot),
    // The globals of other runtimes are none of our business.
    NODE_TEST_KNOWN_GLOBALS: "0",
    // Some tests give the processes they start five seconds: so this project's TypeScript is stripped once for all of them.
    NODE_COMPILE_CACHE: join(copy, "cache"),
    // A test that misses Node's flags starts itself anew with them, and so without end where they are not handed on.
    ...(runtime === "deno" ? { NODE_SKIP_FLAG_CHECK: "1" } : {}),
    ...(isOurs ? { DGRAM_FFI_PRELUDE: prelude } : {}),
  };
  const ended = await runToEnd(program, [...rest, file], { cwd: copy, env });
  const skipped = /^1\.\.0 # Skipped: (.*)$/m.exec(ended.output)?.[1];
  if (skipped !== undefined) return { outcome: "skipped", reason: skipped };
  if (ended.code === 0) return { outcome: "passed" };
  if (excuse) return { outcome: "not applicable", reason: excuse.reason };
  return { outcome: INTERNALS.test(source) ? "internals" : "failed", reason: reasonOf(ended) };
}

function reasonOf({ code, signal, output }) {
  const lines = output.split("\n").map((line) => line.trim());
  const telling = lines.find((line) => /^(\S*Error\b|error:|Mismatched)/.test(line)) ??
    lines.find((line) => /Error/.test(line));
  return `${signal ? "time limit" : `exit code ${code}`}: ${telling ?? lines.find(Boolean) ?? ""}`.slice(0, 200);
}

function runToEnd(program, parameters, options) {
  return new Promise((resolve) => {
    const child = spawn(program, parameters, { ...options, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk);
    // The whole group: some tests start processes of their own.
    const killer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), LIMIT_MS);
    child.once("close", (code, signal) => {
      clearTimeout(killer);
      resolve({ code, signal, output });
    });
  });
}
