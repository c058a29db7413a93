/**
 * The tables in README.md and in the benchmark's: what was measured, between marks.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root, runtimes } from "./processes.mjs";

const END = "<!-- end -->";

/** Koffi's figures are in results.json. */
const SHOWN = ["deno", "bun", "node"];

/** The workloads in the project's README. The benchmark's has all. */
const FRONT = [
  "bulk send() with callbacks, 64 B",
  "bulk receive by 'message', 64 B",
  "round trip, p50",
  "1,000 peers, rate",
  "mixed sizes, rate",
  "100 sockets, 4 messages each a turn",
  "a socket for each message, 8 at a time",
  "one send() a turn, to an address",
  "32 questions under way on one socket",
  "await once() after each question",
  "1,000 messages a second each way, CPU",
  "slowest of all workloads",
];

const isFront = ({ workload, unit }) => FRONT.includes(workload) && unit !== "share of C's";

/**
 * Replaces a table in a file.
 *
 * @param name What the marks around it call it: `figures` are some of the workloads, `all figures` all of them.
 * @param results The file in bench/ that has all figures.
 */
export function writeTable({ table, date, machine }, file, name, results) {
  const text = readFileSync(file, "utf8");
  const mark = `<!-- npm run bench writes ${name} -->`;
  const begin = text.indexOf(mark);
  const end = text.indexOf(END, begin);
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for ${name}`);
  const labelOf = ({ workload, unit }) => `${workload}, ${unit}`;
  const measuredOf = (label, title) =>
    table.find((row) => labelOf(row) === label && row.runtime === title)?.measured ?? "";
  const shown = name === "figures" ? table.filter(isFront) : table;
  const labels = [...new Set(shown.map(labelOf))];
  const titles = SHOWN.map((runtime) => runtimes[runtime].title);
  const rows = labels.map((label) => [label, ...titles.map((title) => measuredOf(label, title))]);
  const head = ["", ...titles];
  const command = results === "packages.json" ? "npm run bench -- --packages" : "npm run bench";
  const note =
    `Medians of ${date.slice(0, 10)}, ${machine.cores} cores, loopback; all figures, with their spread, are in ` +
    `[bench/${results}](${relative(dirname(file), join(root, "bench", results))}). \`${command}\` repeats it.`;
  const content = [mark, "", ...markdown([head, ...rows]), "", note, ""].join("\n");
  writeFileSync(file, text.slice(0, begin) + content + "\n" + text.slice(end));
}

function markdown(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [line(rows[0]), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)];
}
