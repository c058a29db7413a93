/**
 * How test files are run in a runtime, and how what came of them is counted. Plain JavaScript for Node 20.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The compiled twin of a source file. */
export const compiled = (file) => join(".work/js", file.replace(/\.ts$/, ".js"));

/**
 * The command that runs test files in `deno`, `bun`, `node` (26) or `koffi` (any Node, on compiled sources) and writes a report of JUnit's
 * form. @returns The file, its parameters, and variables of the environment.
 */
export function columnCommand(runtime, file, sources, report, flags = []) {
  const node = [
    ...["--no-warnings", "--expose-gc", ...flags, "--test", "--test-concurrency=1"],
    ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
  ];
  const parameters = {
    deno: ["test", "-A", "--quiet", "--no-check", ...flags, `--junit-path=${report}`, ...sources],
    bun: [
      ...["test", "--timeout=120000", ...flags, "--reporter=junit", `--reporter-outfile=${report}`],
      ...sources.map((name) => `./${name}`),
    ],
    node: [...node, ...sources],
    koffi: [...node, ...sources.map(compiled)],
  };
  return {
    file,
    parameters: parameters[runtime],
    environment: runtime === "koffi" ? { DGRAM_FFI_BINDING: "koffi" } : {},
  };
}

/** Counts the test cases of a report; all 0 if there is none. `failures` are the names of those that failed, `texts` what is said of them. */
export function countCases(report) {
  const counts = { passed: 0, failed: 0, skipped: 0, failures: [], texts: [] };
  const text = existsSync(report) ? readFileSync(report, "utf8") : "";
  for (const [, attributes, body = ""] of text.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    if (/<skipped\b/.test(body)) counts.skipped++;
    else if (/<(failure|error)\b/.test(body) || /\bfailure=/.test(attributes)) {
      counts.failed++;
      counts.failures.push(/\bname="([^"]*)"/.exec(attributes)?.[1]);
      counts.texts.push(`${attributes}${body}`);
    } else counts.passed++;
  }
  return counts;
}
