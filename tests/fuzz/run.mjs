/**
 * Attacks the module in each runtime with made-up input. Plain JavaScript for Node 20.
 *
 *     node tests/fuzz/run.mjs [--seed=S] [--count=N] [--from=N] [--only=SUBJECT,...] [--runtimes=NAME,...]
 *
 * `seed` and `from` (the number of the first case) make the same cases again; a finding says both. `count` is how many inputs are tried for
 * each subject, `only` names subjects (tests/fuzz/subjects.ts), `runtimes` is of deno, bun, node, koffi. As root it runs in a network
 * namespace that has nothing but a loopback interface, as some inputs are addresses.
 */
import { spawn, spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const bin = (name) => join(root, "node_modules", ".bin", name);
const options = Object.fromEntries(
  process.argv.slice(2).map((arg) => /^--(\w+)=(.*)$/.exec(arg)?.slice(1) ?? [arg, ""]),
);
const { seed = String(Date.now() % 1e6), count = "1000", from = "0", only = "", runtimes = "node,deno,bun,koffi" } =
  options;
const unknown = Object.keys(options).filter((name) => !/^(seed|count|from|only|runtimes)$/.test(name));
if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}`);

/** Node older than 26, to be found where npm was started from; npm puts Node 26 first in PATH. */
function nodeForKoffi() {
  const outer = process.env.npm_node_execpath ?? process.execPath;
  const version = spawnSync(outer, ["--version"], { encoding: "utf8" }).stdout.trim();
  return Number(version.slice(1).split(".")[0]) < 26 ? outer : bin("node");
}

const FLAGS = ["--no-warnings", "--expose-gc"];
const COMMANDS = {
  deno: () => [bin("deno"), "run", "-A", "--quiet", "--no-check", "--v8-flags=--expose-gc", "tests/fuzz/main.ts"],
  bun: () => [bin("bun"), "tests/fuzz/main.ts"],
  node: () => [bin("node"), ...FLAGS, "tests/fuzz/main.ts"],
  koffi: () => {
    const { status } = spawnSync(bin("tsc"), [], { cwd: root, stdio: "inherit" });
    if (status !== 0) throw new Error("the sources do not compile");
    return [nodeForKoffi(), ...FLAGS, ".work/js/tests/fuzz/main.js"];
  },
};

/** A command line that runs another one in a network namespace, which ends with it. */
const ISOLATED = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const isIsolated = spawnSync(ISOLATED[0], [...ISOLATED.slice(1), "true"]).status === 0;
if (!isIsolated) console.log("there are no network namespaces: inputs that need one are left out");

function run(name) {
  const words = [...(isIsolated ? ISOLATED : []), ...COMMANDS[name](), seed, from, count, ...only.split(",")];
  const env = {
    ...process.env,
    NO_COLOR: "1",
    ...(name === "koffi" ? { DGRAM_FFI_BINDING: "koffi" } : {}),
    ...(isIsolated ? { DGRAM_FFI_ISOLATED: "1" } : {}),
  };
  const child = spawn(words[0], words.slice(1).filter(Boolean), {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout }).on("line", (line) => tell(name, line));
  return new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
}

function tell(name, line) {
  let outcome;
  try {
    outcome = JSON.parse(line);
  } catch {
    return console.log(`${name}: ${line}`);
  }
  const { subject, inputs, milliseconds, findings, figures } = outcome;
  const seconds = (milliseconds / 1000).toFixed(1);
  const time = new Date().toISOString().slice(0, 19);
  console.log(`${time} ${name} ${subject}: ${inputs} inputs in ${seconds} s, ${findings.length} findings`);
  for (const [what, value] of Object.entries(figures ?? {})) console.log(`  ${what}: ${value}`);
  for (const finding of findings) console.log(finding);
}

console.log(`seed ${seed}`);
for (const name of runtimes.split(",")) {
  const status = await run(name);
  if (status !== 0) {
    console.log(`${name} ended with ${status}`);
    process.exitCode = 1;
  }
}
