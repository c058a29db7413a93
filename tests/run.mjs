/**
 * Runs the test suite in every runtime and sums up. Plain JavaScript for Node 20.
 *
 * node tests/run.mjs [--only=NAME,...] [--darwin] [--package] [--packaged-suite] [file ...]
 *
 * The names: deno, bun, node, koffi, darwin, darwin-deno, darwin-bun, bun-musl, arm64, arm64-deno, arm64-bun, package.
 *
 * With `REQUIRE_ALL=1` in the environment, a test that is skipped for what the machine lacks (root, tcpdump, a peer) fails. Those for other
 * runtimes or systems are skipped as ever.
 *
 * `koffi` is the Node that runs this script, where it is older than 26, on compiled sources; otherwise Node 26 with koffi.
 * `darwin` (Node), `darwin-deno` and `darwin-bun` run on Linux with the C library of tests/darwin, which shows macOS's ABI: the files that
 * reach most of what differs, with `--darwin` all that can run there. They need gcc.
 * `bun-musl` is Bun for musl, which tests/platforms/musl.mjs installs: on Debian, as root or with its packages there.
 * `arm64` (Node), `arm64-deno` and `arm64-bun` run some files under qemu-user, likewise (tests/platforms/arm64.mjs); `npm run platforms` more.
 * `package` builds the npm package and uses it in other projects. It takes minutes, hence only where it is asked for; with
 * `--packaged-suite` it runs the suite on the package's modules as well, once for Node 26 and once for koffi.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildDarwinLibrary } from "./darwin/library.mjs";
import { ARM64_ENVIRONMENT, arm64Runtime, emulated, noArm64 } from "./platforms/arm64.mjs";
import { bunOnMusl, noBunOnMusl } from "./platforms/musl.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const work = join(root, ".work");
const bin = (name) => join(root, "node_modules", ".bin", name);

const args = process.argv.slice(2);
const only = args.find((arg) => arg.startsWith("--only="))?.slice("--only=".length).split(",");
const named = args.filter((arg) => !arg.startsWith("--"));
const allFiles = named.length > 0 ? named.map((file) => relative(root, file)) : testFiles();

function testFiles() {
  return readdirSync(join(root, "tests")).filter((name) => name.endsWith("_test.ts")).sort().map((name) =>
    `tests/${name}`
  );
}

/** The compiled twin of a source file. */
const compiled = (file) => join(".work/js", file.replace(/\.ts$/, ".js"));

/** Node older than 26, to be found where npm was started from; npm puts Node 26 first in PATH. */
function nodeForKoffi() {
  const outer = process.env.npm_node_execpath ?? process.execPath;
  const version = spawnSync(outer, ["--version"], { encoding: "utf8" }).stdout.trim();
  return Number(version.slice(1).split(".")[0]) < 26 ? outer : bin("node");
}

/**
 * Files of which next to no test runs on macOS's ABI, and what all of them use that only Linux has. A single test says so itself, by
 * `linuxOnly` of tests/support/runtime.ts.
 */
const LINUX_FILES = {
  brief_socket: "epoll, by the names of its calls",
  control_examples: "SO_TIMESTAMPNS and the error queue",
  cores: "SO_REUSEPORT that spreads the load",
  differential: "recorded outcomes with Linux's errors",
  examples: "network namespaces",
  forward: "UDP_SEGMENT",
  guide: "what Linux says of interfaces, and UDP_GRO",
  kernel: "versions of Linux",
  libc: "Linux's numbers",
  network_errors: "IP_RECVERR",
  packet_filter: "SO_ATTACH_FILTER",
  qdisc: "queueing disciplines",
  received_details: "Linux's control messages",
  recipes: "network namespaces and capabilities",
  sent_controls: "IP_TTL and IP_TOS of single datagrams",
  socket_options: "options of Linux",
  wire_matrix: "UDP_SEGMENT, and IP_MTU_DISCOVER",
  traceroute: "IP_RECVERR",
};
const runsOnDarwin = (file) => !(/(\w+)_test\.ts$/.exec(file)?.[1] in LINUX_FILES);
/** On a Mac every runtime leaves them out. */
const files = named.length === 0 && process.platform === "darwin" ? allFiles.filter(runsOnDarwin) : allFiles;

/** What runs on Darwin's ABI by default; `--darwin` runs all that can. */
const DARWIN_FILES = [
  ...["abi_darwin", "kqueue", "exchange", "close", "bind_connect", "multicast", "adoption", "batch"],
  "child_process",
].map((name) => `tests/${name}_test.ts`);
const darwinFiles = named.length > 0
  ? allFiles
  : args.includes("--darwin")
  ? allFiles.filter(runsOnDarwin)
  : DARWIN_FILES;
const preload = join(root, "tests/darwin/preload.mjs");
const hasDarwin = process.platform === "linux" && spawnSync("gcc", ["--version"]).status === 0;

/** Runs something with Darwin's ABI. The harness passes it on to children. */
function runOnDarwin(command, parameters, environment = {}) {
  const folder = join(work, "darwin");
  const errors = buildDarwinLibrary(join(root, "tests/darwin"), folder);
  if (errors) {
    console.error(errors);
    return 1;
  }
  return run(command, parameters, { DGRAM_FFI_DARWIN: preload, LD_LIBRARY_PATH: folder, ...environment });
}

const junit = (name) => join(work, `${name}.xml`);
const nodeFlags = (name) => [
  "--no-warnings",
  "--expose-gc",
  "--test",
  "--test-concurrency=1",
  "--test-reporter=spec",
  "--test-reporter-destination=stdout",
  "--test-reporter=junit",
  `--test-reporter-destination=${junit(name)}`,
];

/** What runs under qemu-user by default: seconds in each runtime, which take seven to start there. */
const ARM64_FILES = ["exchange", "libc"].map((name) => `tests/${name}_test.ts`);
/** The other file has Deno collect garbage for minutes there. */
const denoArm64Files = named.length > 0 ? allFiles : ["tests/exchange_test.ts"];
const arm64Files = named.length > 0 ? allFiles : ARM64_FILES;

/** Runs a runtime for arm64. An engine that crashes under emulation gets a second try. */
async function runEmulated(runtime, name, parameters) {
  const [command, rest] = emulated(arm64Runtime(runtime), parameters);
  const status = await run(command, rest, ARM64_ENVIRONMENT);
  if (status === 0 || count(name).failed > 0) return status;
  console.log(`\n${name} ended with exit code ${status} and no test that failed: once more`);
  return run(command, rest, ARM64_ENVIRONMENT);
}

const bunFlags = (name, some) => [
  "--timeout=120000",
  "--reporter=junit",
  `--reporter-outfile=${junit(name)}`,
  ...some.map((file) => `./${file}`),
];

/** Without it `bun test` says that it is one, and then the module waits otherwise than in programs (`isBunTest`). */
const AS_PROGRAM = { NODE_ENV: "development" };

/** How each column is run. Gives the exit code, or a promise of it. */
const runtimes = {
  deno: () => run(bin("deno"), ["test", "-A", "--quiet", `--junit-path=${junit("deno")}`, ...files]),
  bun: () => run(bin("bun"), ["test", ...bunFlags("bun", files)], AS_PROGRAM),
  node: () => run(bin("node"), [...nodeFlags("node"), ...files]),
  koffi: async () => {
    rmSync(join(work, "js"), { recursive: true, force: true });
    const built = await run(bin("tsc"), []);
    if (built !== 0) return built;
    return run(nodeForKoffi(), [...nodeFlags("koffi"), ...files.map(compiled)], { DGRAM_FFI_BINDING: "koffi" });
  },
  ...(hasDarwin ? darwinRuntimes() : {}),
  "bun-musl": () => {
    const { bun, environment } = bunOnMusl();
    return run(bun, ["test", ...bunFlags("bun-musl", files)], { ...environment, ...AS_PROGRAM });
  },
  arm64: () => runEmulated("node", "arm64", [...nodeFlags("arm64"), "--test-isolation=none", ...arm64Files]),
  "arm64-deno": () =>
    runEmulated("deno", "arm64-deno", [
      ...["test", "-A", "--quiet", "--no-check", `--junit-path=${junit("arm64-deno")}`],
      ...denoArm64Files,
    ]),
  "arm64-bun": () => runEmulated("bun", "arm64-bun", ["test", ...bunFlags("arm64-bun", arm64Files)]),
  package: () =>
    run(nodeForKoffi(), [...nodeFlags("package"), "tests/package_test.mjs"], {
      DGRAM_FFI_PACKAGED_SUITE: args.includes("--packaged-suite") ? "1" : "",
    }),
};

function darwinRuntimes() {
  return {
    darwin: () =>
      runOnDarwin(bin("node"), [...nodeFlags("darwin"), ...darwinFiles], { NODE_OPTIONS: `--import=${preload}` }),
    "darwin-deno": () =>
      runOnDarwin(bin("deno"), [
        "test",
        "-A",
        "--quiet",
        `--preload=${preload}`,
        `--junit-path=${junit("darwin-deno")}`,
        ...darwinFiles,
      ]),
    "darwin-bun": () =>
      runOnDarwin(bin("bun"), ["test", `--preload=${preload}`, ...bunFlags("darwin-bun", darwinFiles)]),
  };
}

/** Where the output of the columns goes that run beside others: the descriptor of a file. */
const output = new AsyncLocalStorage();

/** Runs a program to its end. @returns Its exit code. */
function run(command, parameters, environment = {}) {
  const env = { ...process.env, ...environment, NO_COLOR: "1" };
  const out = output.getStore() ?? "inherit";
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd: root, stdio: ["ignore", out, out], env });
    child.once("error", (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/** Node leaves a `>` in an attribute as it is. */
const TEST_CASE = /<testcase\b((?:\s+[\w:-]+="[^"]*")*)\s*(?:\/>|>(.*?)<\/testcase>)/gs;

/** Counts the test cases of a JUnit report, and collects what those that failed say. */
function count(name) {
  const counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
  let report;
  try {
    report = readFileSync(junit(name), "utf8");
  } catch {
    return counts;
  }
  for (const [, attributes, body = ""] of report.matchAll(TEST_CASE)) {
    if (/<skipped\b/.test(body)) counts.skipped++;
    else if (/<(failure|error)\b/.test(body) || /\bfailure=/.test(attributes)) {
      counts.failed++;
      counts.failures.push(`${name}: ${/\bname="([^"]*)"/.exec(attributes)?.[1]}\n${body.trim().slice(0, 3_000)}`);
    } else counts.passed++;
  }
  return counts;
}

/** What takes minutes, or cannot be had here, is run only if it is asked for. */
function isLeftOut(name) {
  if (name === "package") return !args.some((arg) => arg.startsWith("--package"));
  const obstacle = name === "bun-musl" ? noBunOnMusl() : name.startsWith("arm64") ? noArm64() : undefined;
  if (obstacle) console.log(`\n${name} is left out: ${obstacle}`);
  return obstacle !== undefined;
}

mkdirSync(work, { recursive: true });
const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
const failures = [];
let broken = false;

/** Those that take longest first. Columns of one kind share what they build, so they follow each other. */
const ORDER = ["deno", "koffi", "node", "bun-musl", "package", "bun", "darwin", "arm64"];
const kindOf = (name) => name.replace(/^(darwin|arm64)-.*/, "$1");
const wanted = Object.keys(runtimes).filter((name) => only ? only.includes(name) : !isLeftOut(name));
const queue = ORDER.map((kind) => wanted.filter((name) => kindOf(name) === kind)).filter(({ length }) => length > 0);
/** Tests wait more than they compute: two columns at a time. */
const lanes = Math.min(2, availableParallelism(), queue.length);

async function runLane() {
  for (let names = queue.shift(); names; names = queue.shift()) {
    for (const name of names) await runColumn(name);
  }
}

async function runColumn(name) {
  rmSync(junit(name), { force: true });
  if (lanes === 1) console.log(`\n=== ${name}`);
  const status = lanes === 1 ? await runtimes[name]() : await runQuietly(name);
  const counts = count(name);
  for (const key of Object.keys(total)) total[key] += counts[key];
  failures.push(...counts.failures);
  const empty = counts.passed === 0;
  broken ||= status !== 0 || counts.failed > 0 || empty;
  lines.push(
    `${name.padEnd(11)} passed ${counts.passed}, failed ${counts.failed}, skipped ${counts.skipped}` +
      (status !== 0 || empty ? `  (exit code ${status})` : ""),
  );
}

/** Prints what a column has printed once it is over. */
async function runQuietly(name) {
  const file = join(work, `${name}.log`);
  const out = openSync(file, "w");
  try {
    return await output.run(out, () => runtimes[name]());
  } finally {
    closeSync(out);
    console.log(`\n=== ${name}\n${readFileSync(file, "utf8")}`);
  }
}

await Promise.all(Array.from({ length: lanes }, runLane));
// Once more at the end: a long log is seldom kept whole.
for (const failure of failures) console.log(`\nfailed in ${failure}`);
console.log(`\n${lines.join("\n")}`);
if (broken && total.failed === 0) total.failed = 1;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = broken ? 1 : 0;
