/**
 * The soak. Plain JavaScript for Node 20.
 *
 * node tests/soak/run.mjs [--minutes=N] [--seed=N] [--runtimes=deno,bun,node,koffi] [--only=traffic,engines,namespaces,ends,hostile,long] [--short]
 *   [--charts=folder]
 *
 * `--minutes` is the time for each part but the long runs, over all runtimes. `--short` is the form for CI: less than three minutes
 * in all. A run prints its seed; the same seed does the same. The output of each process is in .work/soak. As root each process runs in a
 * network namespace of its own, so that nobody else's datagrams come to its ports.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { enginesOf } from "./engines.mjs";
import { drawRun, growthOf } from "./report.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const work = join(root, ".work", "soak");
const bin = (name) => join(root, "node_modules", ".bin", name);
const outerNode = process.env.npm_node_execpath ?? process.execPath;

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string" },
    runtimes: { type: "string", default: "deno,bun,node,koffi" },
    only: { type: "string", default: "traffic,engines,namespaces,ends,hostile,long" },
    short: { type: "boolean", default: false },
    charts: { type: "string" },
  },
});
const seed = Number(options.seed ?? (options.short ? 1 : Date.now() % 1_000_000));
const names = options.runtimes.split(",");
const parts = options.only.split(",");
/** Seconds of each process of a part. */
const seconds = options.short ? 3 : Number(options.minutes ?? 1) * 60 / names.length;

/** What the long runs count to. */
const COUNTS = options.short
  ? { datagrams: 100_000, sockets: 1_000, peers: 2_000 }
  : { datagrams: 100_000_000, sockets: 1_000_000, peers: 1_000_000 };

/** How many datagrams a flood has. */
const FLOOD = options.short ? 3_000 : 1_000_000;

/** How many Workers and processes end, at most, and how many at once. */
const [ENDS, AT_ONCE] = options.short ? [12, 2] : [1_000, 4];

/** Flags and script of each runtime. */
const runtimes = {
  deno: { command: bin("deno"), args: ["run", "-A", "--quiet"] },
  bun: { command: bin("bun"), args: [] },
  node: { command: bin("node"), args: ["--no-warnings", "--expose-gc"] },
  koffi: {
    command: outerNode,
    args: ["--no-warnings", "--expose-gc"],
    environment: { DGRAM_FFI_BINDING: "koffi" },
    isCompiled: true,
  },
};

/** A command line that runs another one in a network namespace, which ends with it. */
const ISOLATED = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const isolation = spawnSync(ISOLATED[0], [...ISOLATED.slice(1), "true"]).status === 0 ? ISOLATED : [];

let isBroken = false;
mkdirSync(work, { recursive: true });
if (names.includes("koffi") || names.includes("node")) {
  spawnSync(bin("tsc"), ["--outDir", join(work, "js")], { cwd: root, stdio: "inherit" });
}
console.log(`npm run soak -- --seed=${seed}${options.short ? " --short" : ""} --only=${parts} --runtimes=${names}`);

const scriptOf = (name, file, isCompiled) =>
  isCompiled || runtimes[name].isCompiled
    ? join(work, "js/tests/soak", `${file}.js`)
    : join(root, "tests/soak", `${file}.ts`);

/** Runs a script to its end. @returns Its result, its samples, and whether it has failed. */
function run(name, file, args, { flags = [], environment = {}, isCompiled, within, hasNamespaces } = {}) {
  const runtime = runtimes[name];
  const env = { ...process.env, NO_COLOR: "1", ...runtime.environment, ...environment };
  const script = scriptOf(name, file, isCompiled);
  const isolated = hasNamespaces ? [] : isolation;
  const [command, ...words] = [...isolated, runtime.command, ...runtime.args, ...flags, script, ...args.map(String)];
  const child = spawn(command, words, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => output += chunk);
  child.stderr.on("data", (chunk) => output += chunk);
  const killer = within && setTimeout(() => child.kill("SIGKILL"), within * 1000);
  return new Promise((resolve) => {
    child.once("close", (code, signal) => {
      clearTimeout(killer);
      const told = output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
      const samples = told.flatMap(({ sample }) => sample ?? []);
      resolve({ code: code ?? signal, output, samples, result: told.find(({ result }) => result)?.result });
    });
  });
}

/** Prints what came of a process. */
function log(part, name, what, { code, result, output }, fault) {
  const isRight = code === 0 && result && !fault;
  isBroken ||= !isRight;
  const { faults = [], ...rest } = result ?? {};
  console.log(`${isRight ? "ok   " : "FAULT"} ${part} ${name}${what ? `, ${what}` : ""}: ${JSON.stringify(rest)}`);
  if (isRight) return;
  console.log([`exit code ${code}`, fault, ...faults].filter(Boolean).join("\n"));
  const file = join(work, `${part}-${name}.log`);
  writeFileSync(file, output);
  console.log(`its output: ${file}`);
}

const doing = {
  async traffic(name) {
    // Workers come and go beside it.
    log(
      "traffic",
      name,
      "",
      await run(name, "traffic", [seconds, seed, options.short ? 1 : 2], { within: 60 + 3 * seconds }),
    );
  },
  async engines(name) {
    const engines = options.short ? enginesOf(name).slice(0, 1) : enginesOf(name);
    const share = options.short ? 2 : seconds / engines.length;
    for (const { name: what, ...how } of engines) {
      // An engine under stress takes long over little.
      const collectEvery = options.short ? 64 : 1;
      const ended = await run(name, "traffic", [share, seed, 0, collectEvery], { ...how, within: 240 + 3 * share });
      log("engines", name, what, ended);
    }
  },
  async long(name) {
    for (const [task, count] of Object.entries(COUNTS)) {
      const ended = await run(name, "long_run", [task, count, seed]);
      writeFileSync(samplesFile(task, name), JSON.stringify({ count, samples: ended.samples }));
      log("long", name, task, ended, options.short ? undefined : growthOf(ended.samples));
    }
  },
  async ends(name) {
    for (const file of ["terminations", "ends"]) {
      const most = options.short ? 6 : seconds;
      const ended = await run(name, file, [ENDS, most, AT_ONCE, seed], { within: 240 + 3 * most });
      log("ends", name, file === "ends" ? "processes" : "Workers", ended);
    }
  },
  async hostile(name) {
    // The runtime's own module takes the same, for comparison. Not Deno's: it loses a fifth, for which the peer waits.
    for (const module of options.short || name === "deno" ? ["ours"] : ["ours", "built-in"]) {
      log(
        "hostile",
        name,
        module,
        await run(name, "hostile", [FLOOD, seed, module], { within: options.short ? 120 : 3600 }),
      );
    }
  },
  async namespaces(name) {
    const how = { within: 120 + 3 * seconds, hasNamespaces: true };
    const ended = await run(name, "networks", [options.short ? 3 : seconds, seed], how);
    log("namespaces", name, "", ended);
  },
};

/** Where the samples of a long run are, for the pictures. */
function samplesFile(task, name) {
  return join(work, `samples-${task}-${name}.json`);
}

/** The last samples of all runtimes, also those of earlier runs. */
function samplesOf(task) {
  return Object.fromEntries(
    Object.keys(runtimes).filter((name) => existsSync(samplesFile(task, name)))
      .map((name) => [name, JSON.parse(readFileSync(samplesFile(task, name), "utf8"))])
      .filter(([, { count, samples }]) => count === COUNTS[task] && samples.length > 0)
      .map(([name, { samples }]) => [name, samples]),
  );
}

const begin = Date.now();
for (const part of parts) {
  if (!(part in doing)) throw new Error(`There is no part ${part}: ${Object.keys(doing).join(", ")}`);
  // Short processes wait more than they compute.
  if (options.short) await Promise.all(names.map((name) => doing[part](name)));
  else for (const name of names) await doing[part](name);
}
const charts = options.charts ?? work;
if (parts.includes("long")) {
  for (const [task, count] of Object.entries(COUNTS)) {
    drawRun(join(charts, `long_run_${task}.svg`), `${count.toLocaleString("en")} ${task}`, samplesOf(task));
  }
}
console.log(`${isBroken ? "faults were found" : "no fault"}, in ${Math.round((Date.now() - begin) / 1000)} s`);
process.exitCode = isBroken ? 1 : 0;
