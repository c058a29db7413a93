/**
 * What tests/conformance/README.md says of this project's own tests.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";

const folder = join(projectRoot, "tests");

/** What a declared name may be once the variable parts of a template are filled in. */
function pattern(declared: string): RegExp {
  const parts = declared.slice(1, -1).replaceAll('\\"', '"').split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/);
  return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`);
}

/** The names that a test file declares, of whatever helper's making. */
function namesIn(file: string): RegExp[] {
  const source = readFileSync(join(folder, file), "utf8");
  return [...source.matchAll(/\btest\w*\(\s*("(?:[^"\\\n]|\\.)*"|`[^`]*`)/g)].map(([, declared]) => pattern(declared));
}

test("every test of ours that stands for one of Node's, or for a point easily missed, exists", () => {
  const files = readdirSync(folder).filter((name) => name.endsWith("_test.ts"));
  const names = new Map(files.map((file) => [file, namesIn(file)]));
  const readme = readFileSync(join(folder, "conformance", "README.md"), "utf8");
  const named = [...readme.matchAll(/`(\w+_test\.ts)`: ([^|]+?) *(?=\||<br>)/g)];
  assert(named.length > 50, `only ${named.length} found`);
  const missing = named.filter(([, file, name]) => !names.get(file)?.some((known) => known.test(name)));
  assertEquals(missing.map(([reference]) => reference), []);
});

test("every one of Node's tests that fails by internals has one of ours in the README", () => {
  const readme = readFileSync(join(folder, "conformance", "README.md"), "utf8");
  const rows = readme.split("\n").filter((line) => /^\| (parallel|sequential|async-hooks|internet)\/test-/.test(line));
  const byInternals = rows.filter((row) => row.includes("internals") && !row.includes("_test.ts"));
  const covered = rows.filter((row) => row.includes("_test.ts")).map((row) => row.split(" ")[1]);
  assert(rows.length > 90, `only ${rows.length} rows`);
  assertEquals(byInternals.map((row) => row.split(" ")[1]).filter((name) => !covered.includes(name)), []);
});

test("what CI requires of Node's tests passes on every runtime, says the README", async () => {
  const { REQUIRED } = await import(pathToFileURL(join(folder, "conformance", "required.mjs")).href) as {
    REQUIRED: readonly string[];
  };
  const readme = readFileSync(join(folder, "conformance", "README.md"), "utf8");
  const passing = new Set(
    [...readme.matchAll(/^\| (\S+) +\| passes +\| passes +\| passes[ ;]/gm)].map(([, name]) => name),
  );
  assert(REQUIRED.length > 10);
  assertEquals(REQUIRED.filter((name) => !passing.has(name.replace(/\.js$/, ""))), []);
});
