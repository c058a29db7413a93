/**
 * Tries the npm package on other versions of the runtimes than those the project develops with: the oldest that are promised, those
 * between, and some that are too old, which have to say so. Plain JavaScript for Node 20.
 *
 * node tests/platforms.mjs [--suite] [--only=deno,bun,node,node@24.21.0,arm64,gvisor,kernels,kernel@bookworm-arm64] [--write] [file ...]
 *
 * Runtimes come from npm and are kept in .work/platforms. With `--suite` the whole test suite runs in those that are promised, which
 * takes two to four minutes each, or the files that are named. `arm64` runs more files under qemu-user than the columns of run.mjs.
 * `gvisor` and `kernels` run some files in gVisor and under Debian's kernels in virtual machines (tests/platforms/kernels.mjs), only if they
 * are named. `--write` puts the table into docs/platforms.md.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { arch, release, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { noArm64, refusedOptions, tryEmulated } from "./platforms/arm64.mjs";
import { columnCommand, countCases } from "./platforms/columns.mjs";
import { noGvisor, tryGvisor } from "./platforms/gvisor.mjs";
import { KERNELS, noKernels, tryKernel } from "./platforms/kernels.mjs";

const tests = dirname(fileURLToPath(import.meta.url));
const root = dirname(tests);
const work = join(root, ".work/platforms");
/** Outside the tree, which has a deno.json and a koffi. */
const scratch = mkdtempSync(join(tmpdir(), "dgram-ffi-platforms-"));
process.on("exit", () => rmSync(scratch, { recursive: true }));
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { version } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
const tarball = join(root, `.work/npm/dgram-ffi-${version}.tgz`);
const current = (name) => devDependencies[name];

const args = process.argv.slice(2);
const only = args.find((arg) => arg.startsWith("--only="))?.slice("--only=".length).split(",");
const wantsSuite = args.includes("--suite");
const named = args.filter((arg) => !arg.startsWith("--"));
/** Whether a runtime is to be tried, or one version of it. */
const isWanted = ({ runtime, version }) => !only || only.includes(runtime) || only.includes(`${runtime}@${version}`);

/** What is tried. `refusal` is what one that is not supported has to say; `koffi` is the version that is installed beside it. */
const PLATFORMS = [
  { runtime: "deno", version: "2.8.1", refusal: /needs Deno 2\.8\.2 or later/ },
  { runtime: "deno", version: "2.8.2", oldest: true },
  { runtime: "deno", version: current("deno") },
  { runtime: "bun", version: "1.3.14", refusal: /needs Bun 1\.4\.0 or later/ },
  { runtime: "bun", version: "1.4.0", oldest: true },
  { runtime: "bun", version: current("bun") },
  { runtime: "node", version: "20.15.1", koffi: current("koffi"), refusal: /needs Node 20\.19, 22\.12 or later/ },
  { runtime: "node", version: "20.19.0", koffi: "2.16.3", oldest: true },
  { runtime: "node", version: "22.12.0", koffi: current("koffi"), oldest: true },
  { runtime: "node", version: "24.21.0", koffi: current("koffi") },
  { runtime: "node", version: "25.9.0", koffi: current("koffi") },
  { runtime: "node", version: "25.9.0", refusal: /npm install koffi/ },
  { runtime: "node", version: "26.5.0", refusal: /only with --experimental-ffi/ },
  { runtime: "node", version: "26.5.0", flags: ["--experimental-ffi"] },
  { runtime: "node", version: "26.9.0", oldest: true },
  { runtime: "node", version: current("node") },
];

const EXCHANGES = ["hello over udp4", "hello over udp6"];

/** What is run in each, with what it has to print. */
const PROGRAMS = [
  { name: "import", file: "exchange.mjs", prints: EXCHANGES },
  { name: "require", file: "exchange.cjs", prints: EXCHANGES },
  { name: "both", file: "both.cjs", prints: EXCHANGES },
  { name: "register", file: "registered.mjs", prints: EXCHANGES, preload: true },
  { name: "Unix sockets", file: "unix.mjs", prints: ["hello from ./server.sock"] },
];

/** What `--only` may name. */
const KNOWN = new Set([
  ...["arm64", "gvisor", "kernels", ...KERNELS.map(({ release, architecture }) => `kernel@${release}-${architecture}`)],
  ...PLATFORMS.flatMap(({ runtime, version }) => [runtime, `${runtime}@${version}`]),
]);
for (const name of only ?? []) if (!KNOWN.has(name)) throw new Error(`${name} is none of ${[...KNOWN].join(", ")}`);

function run(command, parameters, cwd, timeout = 60_000, environment = {}) {
  const env = { ...process.env, NO_COLOR: "1", DENO_DIR: join(work, "deno_dir"), ...environment };
  const options = { cwd, env, encoding: "utf8", timeout, killSignal: "SIGKILL", maxBuffer: 1 << 28 };
  const { status, stdout, stderr, error } = spawnSync(command, parameters, options);
  return { status, stdout: stdout ?? "", stderr: `${stderr ?? ""}${error ? error.message : ""}` };
}

function npmInstall(folder, ...packages) {
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, "package.json"))) writeFileSync(join(folder, "package.json"), "{}");
  const { status, stderr } = run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--prefer-offline", ...packages],
    folder,
    300_000,
  );
  if (status !== 0) throw new Error(`npm install ${packages.join(" ")}: ${stderr}`);
}

/** The runtime's file, installed if need be. */
function executable({ runtime, version }) {
  const folder = join(work, "runtimes", `${runtime}-${version}`);
  const file = join(folder, "node_modules/.bin", runtime);
  if (!existsSync(file)) npmInstall(folder, `${runtime}@${version}`);
  const shown = run(file, ["--version"], folder).stdout;
  if (!shown.includes(version)) throw new Error(`${file} is ${shown.trim()}`);
  return file;
}

/** An empty project with the package, and koffi if it is wanted. */
function projectFor({ runtime, version, koffi, flags = [] }) {
  const folder = join(scratch, [runtime, version, koffi, ...flags].join("_"));
  cpSync(join(tests, "package"), folder, { recursive: true });
  npmInstall(folder, tarball, ...(koffi ? [`koffi@${koffi}`] : []));
  return folder;
}

function commandOf({ runtime, flags = [] }, file, preload) {
  const flag = {
    deno: ["--preload=./node_modules/dgram-ffi/register.mjs"],
    bun: ["--preload=dgram-ffi/register"],
    node: ["--import=dgram-ffi/register"],
  };
  const base = { deno: ["run", "--quiet", "-A"], bun: [], node: ["--no-warnings"] };
  return [...base[runtime], ...flags, ...(preload ? flag[runtime] : []), file];
}

/** Runs the programs, and returns what came of them in a few words. */
function exchange(platform, file, folder) {
  const failures = [];
  for (const { name, file: program, prints, preload } of PROGRAMS) {
    const { status, stdout, stderr } = run(file, commandOf(platform, program, preload), folder);
    const lines = stdout.trim().split("\n").sort();
    if (status === 0 && lines.join() === prints.join()) continue;
    failures.push(name);
    console.error(`${platform.runtime} ${platform.version}: ${name}: exit code ${status}\n${stdout}${stderr}`);
  }
  return failures.length === 0
    ? { ok: true, text: PROGRAMS.map(({ name }) => name).join(", ") }
    : { ok: false, text: `FAILED: ${failures.join(", ")}` };
}

function refuses(platform, file, folder) {
  const { status, stderr } = run(file, commandOf(platform, "exchange.cjs"), folder);
  const [said] = platform.refusal.exec(stderr) ?? [];
  if (status !== 0 && said) return { ok: true, text: `refused: "${said}"` };
  console.error(`${platform.runtime} ${platform.version}: exit code ${status}\n${stderr}`);
  return { ok: false, text: "FAILED: not refused as it should be" };
}

const today = new Date().toISOString().slice(0, 10);

/** Runs the test suite on the sources, and counts. On a busy machine it takes an hour. */
function suite({ runtime, koffi, flags = [] }, file, folder) {
  const report = join(folder, "junit.xml");
  const all = readdirSync(tests).filter((name) => name.endsWith("_test.ts")).sort().map((name) => `tests/${name}`);
  const sources = named.length > 0 ? named : all;
  // On compiled sources, as Node 20 does not run TypeScript.
  const { parameters } = columnCommand(runtime === "node" ? "koffi" : runtime, file, sources, report, flags);
  // Tests start other scripts by the name of their runtime.
  const environment = { PATH: `${dirname(file)}${delimiter}${process.env.PATH}`, DENO_DIR: undefined };
  if (koffi) environment.DGRAM_FFI_BINDING = "koffi";
  const started = Date.now();
  const { status } = run(file, parameters, root, 5_400_000, environment);
  const counts = countCases(report);
  for (const name of counts.failures) console.error(`failed: ${name}`);
  const ok = status === 0 && counts.failed === 0 && counts.passed > 0;
  const ending = status === 0 || counts.failed > 0 ? "" : ` (exit code ${status})`;
  console.log(`${runtime}: ${sources.length} files took ${Math.round((Date.now() - started) / 1000)} s`);
  return { ok, text: `${said(counts)}${ending}, ${today}` };
}

const said = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`;

/** How a platform reads in the table. */
function title({ runtime, version, koffi, flags = [] }) {
  const name = { deno: "Deno", bun: "Bun", node: "Node" }[runtime];
  return [`${name} ${version}`, ...(koffi ? [`koffi ${koffi}`] : []), ...flags].join(", ");
}

if (PLATFORMS.some(isWanted)) {
  const built = run("npm", ["run", "build"], root, 600_000, { DENO_DIR: undefined });
  if (built.status !== 0) throw new Error(`${built.stdout}${built.stderr}`);
}
const wantsKernels = only?.some((name) => name.startsWith("kernel") || name === "gvisor");
if (wantsSuite || wantsKernels) run(join(root, "node_modules/.bin/tsc"), [], root, 300_000);

const page = join(root, "docs/platforms.md");
const TABLE = /<!-- npm run platforms[\s\S]*<!-- end -->/;

/** The rows of the table as it is, by the runtime that they begin with. */
function formerRows() {
  const lines = TABLE.exec(readFileSync(page, "utf8"))[0].split("\n").filter((line) => line.startsWith("| "));
  return new Map(
    lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim())).map((row) => [row[0], row]),
  );
}

/** The rows that this run makes, by the same. */
const rows = new Map();
const former = formerRows();
let failed = false;
for (const platform of PLATFORMS) {
  if (!isWanted(platform)) continue;
  const file = executable(platform);
  const folder = projectFor(platform);
  const tried = platform.refusal ? refuses(platform, file, folder) : exchange(platform, file, folder);
  const tests = wantsSuite && !platform.refusal ? suite(platform, file, folder) : undefined;
  failed ||= !tried.ok || tests?.ok === false;
  const [name, oldest] = [title(platform), platform.oldest ? "yes" : ""];
  rows.set(name, [name, oldest, tried.text, (named.length === 0 && tests?.text) || former.get(name)?.[3] || ""]);
  console.log(`| ${rows.get(name).join(" | ")} |`);
}

/** The arm64 columns of the suite, and what the emulator refuses by itself. */
function tryArm64() {
  const reason = noArm64();
  if (reason) return console.log(`arm64 is left out: ${reason}`);
  const { native, emulated } = refusedOptions();
  const refused = emulated.filter((line) => !native.includes(line));
  console.log(`Refused by qemu-user, and not by this kernel, in C: ${refused.join(", ")}`);
  const excused = new Set();
  for (const name of ["node", "bun", "deno"]) {
    const { failures, excused: number, seconds, status, ...counts } = tryEmulated(name, refused, excused);
    console.log(`arm64, ${name}: ${said(counts)}, ${number} that qemu-user cannot run, ${seconds} s`);
    for (const failure of failures) console.error(`failed: ${failure}`);
    failed ||= counts.failed > 0 || counts.passed === 0 || status === null;
  }
  console.log(["Tests that qemu-user cannot run, as it refuses an option:", ...excused].join("\n  "));
}

/** Runs some files of the suite under another kernel, in all runtimes. */
async function tryFiles(title, tried) {
  const { version, results, seconds, processorSeconds } = await tried();
  for (const { name, failures, ...counts } of results) {
    console.log(`${title}, ${version}, ${name}: ${said(counts)}`);
    for (const failure of failures) console.error(`failed: ${failure}`);
    failed ||= counts.failed > 0 || counts.passed === 0;
  }
  const ofProcessors = processorSeconds === undefined ? "" : `, ${processorSeconds} s of the processors`;
  console.log(`${title}: ${seconds} s${ofProcessors}`);
}

async function tryKernels() {
  const reason = noKernels();
  if (reason) return console.log(`kernels are left out: ${reason}`);
  for (const kernel of KERNELS) {
    const { release, architecture } = kernel;
    if (only.includes("kernels") || only.includes(`kernel@${release}-${architecture}`)) {
      await tryFiles(`Debian ${release}, ${architecture}`, () => tryKernel(kernel));
    }
  }
}

if (!only || only.includes("arm64")) tryArm64();
// These take minutes: only if they are asked for.
if (only?.includes("gvisor")) {
  const reason = noGvisor();
  if (reason) console.log(`gVisor is left out: ${reason}`);
  else await tryFiles("gVisor", tryGvisor);
}
if (only?.some((name) => name.startsWith("kernel"))) await tryKernels();

function table() {
  const all = PLATFORMS.map(title).map((name) => rows.get(name) ?? former.get(name)).filter(Boolean);
  return `<!-- npm run platforms -- --write writes this -->

| runtime | oldest promised | the npm package | test suite |
| --- | --- | --- | --- |
${all.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}

Linux ${release()}, ${arch()}, glibc, ${today}: \`npm run platforms -- --suite\`

<!-- end -->`;
}
if (args.includes("--write") && rows.size > 0) {
  writeFileSync(page, readFileSync(page, "utf8").replace(TABLE, table));
  run(join(root, "node_modules/.bin/deno"), ["fmt", page], root);
}
process.exitCode = failed ? 1 : 0;
