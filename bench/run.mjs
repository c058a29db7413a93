/**
 * The benchmark. Plain JavaScript for Node 20.
 *
 * node bench/run.mjs [--packages] [--only=send64,...] [--runtimes=deno,bun,node,koffi] [--rounds=N] [--warm=MS]
 *   [--quick] [--out=folder]
 *
 * Every measurement is a process of its own. In each round every contender of a workload runs once, in an order that is drawn
 * anew, so that whatever else the machine does strikes all alike. Figures are medians over the rounds; ratios are made within a
 * round first. Writes results.json, charts/*.svg and the tables in README.md and bench/README.md; with --packages, which measures npm
 * packages instead, packages.json and its table in bench/README.md. With --out=folder it writes there, and no table.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { arch, cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawCharts } from "./charts.mjs";
import { packages } from "./packages.mjs";
import { measure } from "./patterns.mjs";
import { writeTable } from "./readme.mjs";
import { build, format as layOut, root, runtimes, versionOf } from "./processes.mjs";
import { summarize } from "./statistics.mjs";
import { tableOf } from "./table.mjs";
import { workloads } from "./workloads.mjs";

const { values: options } = parseArgs({
  options: {
    packages: { type: "boolean", default: false },
    only: { type: "string" },
    runtimes: { type: "string" },
    rounds: { type: "string" },
    warm: { type: "string" },
    quick: { type: "boolean", default: false },
    out: { type: "string" },
  },
});
/** Before the window a process has the time in which an engine compiles what runs often. */
const times = { warm: Number(options.warm ?? (options.quick ? 300 : 2000)), window: options.quick ? 400 : 1000 };
const rounds = Number(options.rounds ?? (options.quick ? 1 : 7));
/** What is measured, and where its figures go. Packages are not measured with koffi: some need a newer Node. */
const suite = options.packages
  ? {
    workloads: packages,
    runtimes: ["deno", "bun", "node"],
    results: "packages.json",
    tables: [["bench/README.md", "figures of packages"]],
  }
  : {
    workloads,
    runtimes: Object.keys(runtimes),
    results: "results.json",
    tables: [["README.md", "figures"], ["bench/README.md", "all figures"]],
  };
const wanted = options.runtimes?.split(",") ?? suite.runtimes;

build();
const results = {
  date: new Date().toISOString(),
  machine: { processor: cpus()[0].model, cores: cpus().length, kernel: release(), architecture: arch() },
  versions: Object.fromEntries(wanted.map((name) => [name, versionOf(name)])),
  rounds,
  milliseconds: times,
  workloads: {},
};
for (const name of options.only?.split(",") ?? Object.keys(suite.workloads)) {
  results.workloads[name] = await runWorkload(name);
  save();
}
printTable(results.table);
process.exitCode = results.table.some(({ met }) => met === false) ? 1 : 0;

/** After each workload: it takes a while. */
function save() {
  results.table = tableOf(results.workloads, wanted);
  const out = options.out ?? join(root, "bench");
  mkdirSync(join(out, "charts"), { recursive: true });
  writeFileSync(join(out, suite.results), `${JSON.stringify(results, null, 1)}\n`);
  if (!options.packages) drawCharts(results, join(out, "charts"));
  if (options.out) return;
  for (const [file, name] of suite.tables) writeTable(results, join(root, file), name, suite.results);
  layOut(...suite.tables.map(([file]) => join(root, file)), join(out, suite.results));
}

/** Figures of all contenders by their names, `node/dgram-ffi` or `C, sendmmsg`: one value a round. */
async function runWorkload(name) {
  const workload = suite.workloads[name];
  let contenders = contendersOf(workload);
  const collected = {};
  console.log(`\n${name}: ${workload.title}`);
  for (let round = 0; round < rounds; round++) {
    for (const { key, runtime, contender } of shuffled(contenders)) {
      const figures = await measured(() => measure(runtime, contender, workload, times));
      if (!figures) {
        console.log(`  ${key} cannot be measured`);
        contenders = contenders.filter((other) => other.key !== key);
        delete collected[key];
        continue;
      }
      for (const [figure, value] of Object.entries(figures)) ((collected[key] ??= {})[figure] ??= []).push(value);
    }
  }
  const summary = {};
  for (const { key } of contenders) {
    summary[key] = summarize(collected[key]);
    const shown = Object.entries(summary[key]).map(([figure, { median, low, high }]) =>
      `${figure} ${format(median)} (${format(low)} - ${format(high)})`
    );
    console.log(`  ${key.padEnd(30)} ${shown.join(", ")}`);
  }
  return summary;
}

/** Some contender's process ends early now and then, by no fault of the others: it is measured again, but not for ever. */
async function measured(attempt, attempts = 3) {
  try {
    return await attempt();
  } catch (error) {
    console.log(`  ${error.message}`);
    if (attempts === 1) return undefined;
    return await measured(attempt, attempts - 1);
  }
}

function contendersOf({ contenders, limits }) {
  const inRuntimes = wanted.flatMap((runtime) =>
    contenders.filter(({ only }) => !only || only === runtime).map((contender) => ({
      key: `${runtime}/${contender.name}`,
      runtime,
      contender,
    }))
  );
  return [...inRuntimes, ...limits.map((contender) => ({ key: contender.name, contender }))];
}

function shuffled(list) {
  return list.map((item) => [Math.random(), item]).sort(([left], [right]) => left - right).map(([, item]) => item);
}

function format(value) {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function printTable(rows) {
  const cells = rows.map((
    { workload, bar, runtime, measured, verdict },
  ) => [workload, bar, runtime, measured, verdict]);
  const all = [["workload", "at least", "runtime", "measured", ""], ...cells];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  console.log();
  for (const row of all) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
}
