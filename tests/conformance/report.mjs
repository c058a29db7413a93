/**
 * What a run of Node's tests has to say, as text and as tables.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { COVERED } from "./covered.mjs";

const NAMES = { node: "Node 26", bun: "Bun", deno: "Deno", builtin: "built-in", ours: "this module" };

/** Outcomes as the table of all tests has them. */
const WORDS = { passed: "passes", internals: "by internals" };

/** In the order in which they are told. */
const OUTCOMES = ["passed", "skipped", "internals", "not applicable", "failed"];

/** Whether nothing is to be done about a result. The built-in's are its own affair. */
export function isExpected({ module, outcome, test }) {
  return module === "builtin" || (outcome !== "failed" && (outcome !== "internals" || nameOf(test) in COVERED));
}

/** Node's tests that reach into internals, with those of this project that check the same. */
function coverage() {
  const lines = Object.entries(COVERED).map(([name, own]) =>
    row([name, own.map((reference) => reference.replace(/^(\S+):/, "`$1`:")).join("<br>")])
  );
  const heads = ["Node's test, which reaches into internals", "checked here by"];
  return [row(heads), row(heads.map(() => "---")), ...lines].join("\n");
}

/** How many tests ended how, for each runtime and module. */
export function summaryOf(results, runtimes, modules) {
  const lines = runtimes.flatMap((runtime) =>
    modules.map((module) => {
      const own = results.filter((result) => result.runtime === runtime && result.module === module);
      const counts = OUTCOMES.map((wanted) => own.filter(({ outcome }) => outcome === wanted).length);
      const open = own.filter(({ test }) => !(nameOf(test) in COVERED));
      const passed = open.filter(({ outcome }) => outcome === "passed").length;
      return row([NAMES[runtime], NAMES[module], own.length, ...counts, `${passed} of ${open.length}`]);
    })
  );
  const heads = [
    "runtime",
    "dgram",
    "tests",
    "passed",
    "skipped by the test",
    "fails by internals",
    "not applicable",
    "failed",
    "passed by public API",
  ];
  return [row(heads), row(heads.map(() => "---")), ...lines].join("\n");
}

/** What did not pass, one line each. */
export function failuresOf(results) {
  return results.filter(({ outcome }) => outcome !== "passed").map(({ runtime, module, test, outcome, reason }) =>
    `${runtime} ${module} ${outcome} ${test}: ${reason}`
  );
}

/** One line a test: how it ends with this module in each runtime, and where the built-in ends otherwise. */
export function detailsOf(results, runtimes) {
  const reasons = [...new Set(results.filter(isExcused).map(({ reason }) => reason))];
  const cell = (test, runtime) => {
    const find = (module) =>
      results.find((result) => result.test === test && result.runtime === runtime && result.module === module);
    const [ours, builtin] = [find("ours"), find("builtin")];
    const note = isExcused(ours) ? ` (${reasons.indexOf(ours.reason) + 1})` : "";
    const other = builtin && builtin.outcome !== ours.outcome && builtin.outcome !== "not applicable"
      ? `; built-in: ${builtin.outcome === "internals" ? "failed" : builtin.outcome}`
      : "";
    return `${WORDS[ours.outcome] ?? ours.outcome}${note}${other}`;
  };
  const tests = [...new Set(results.map(({ test }) => test))].sort();
  const lines = tests.map((test) => row([nameOf(test), ...runtimes.map((runtime) => cell(test, runtime))]));
  const heads = ["Node's test", ...runtimes.map((runtime) => NAMES[runtime])];
  const notes = reasons.map((reason, i) => `${i + 1}. ${reason}`);
  return [row(heads), row(heads.map(() => "---")), ...lines, "", ...notes, ""].join("\n");
}

/** Puts the tables between the marks of a file. */
export function writeInto(file, results, runtimes, modules) {
  const text = readFileSync(file, "utf8");
  const tables = [summaryOf(results, runtimes, modules), detailsOf(results, runtimes), coverage()].join("\n\n");
  const marked = /(<!-- results -->\n)[^]*(<!-- end of results -->)/;
  if (!marked.test(text)) throw new Error(`no marks for the results in ${file}`);
  writeFileSync(file, text.replace(marked, (_, start, end) => `${start}\n${tables}\n\n${end}`));
}

function isExcused({ outcome }) {
  return outcome === "not applicable" || outcome === "skipped";
}

function nameOf(test) {
  return test.replace(/\.m?js$/, "");
}

function row(cells) {
  return `| ${cells.join(" | ")} |`;
}
