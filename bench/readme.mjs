/**
 * The tables in README.md and in the benchmark's: what was measured, between two marks.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root, runtimes } from "./processes.mjs";

const BEGIN = "<!-- npm run bench writes this -->";
const END = "<!-- end -->";

/** Koffi's figures are in results.json. */
const SHOWN = ["deno", "bun", "node"];

/** Replaces the table of a file. @param results The file in bench/ that has all figures. */
export function writeTable({ table, date, machine }, file, results) {
  const text = readFileSync(file, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for the table`);
  const labelOf = ({ workload, unit }) => `${workload}, ${unit}`;
  const measuredOf = (label, name) =>
    table.find((row) => labelOf(row) === label && row.runtime === runtimes[name].title)?.measured ?? "";
  const labels = [...new Set(table.map(labelOf))];
  const rows = labels.map((label) => [label, ...SHOWN.map((name) => measuredOf(label, name))]);
  const head = ["", ...SHOWN.map((name) => runtimes[name].title)];
  const command = results === "packages.json" ? "npm run bench -- --packages" : "npm run bench";
  const note =
    `Medians of ${date.slice(0, 10)}, ${machine.cores} cores, loopback; all figures, with their spread, are in ` +
    `[bench/${results}](${relative(dirname(file), join(root, "bench", results))}). \`${command}\` repeats it.`;
  const content = [BEGIN, "", ...markdown([head, ...rows]), "", note, ""].join("\n");
  writeFileSync(file, text.slice(0, begin) + content + "\n" + text.slice(end));
}

function markdown(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [line(rows[0]), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)];
}
