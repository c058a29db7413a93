/**
 * The differential check: a table of calls, in every state of a socket, run on Node's built-in `dgram` and on this module. What is
 * returned, thrown, emitted and called back, and in which order, must be the same, or the difference is listed with its reason.
 *
 * Node's built-in is there in Node 26 only. There our outcomes are also compared with a record, and the other runtimes with that.
 * After a change that is meant, write the record anew: DGRAM_FFI_RECORD=1 node --test tests/differential_test.ts
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import * as ours from "../mod.ts";
import { comparable, type Difference, DIFFERENCES, inNodesWords } from "./support/differential/accepted.ts";
import { type Outcomes, runAll } from "./support/differential/run.ts";
import type { Dgram } from "./support/differential/scenario.ts";
import { allScenarios } from "./support/differential/scenarios.ts";
import { test } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";
import { runtime } from "./support/runtime.ts";

const RECORD = join(projectRoot, "tests", "differential_outcomes.json");
const REFERENCE = runtime === "node" ? undefined : "Node 26's built-in dgram is the reference";

const scenarios = allScenarios();
const isRecording = runtime === "node" && Boolean(process.env.DGRAM_FFI_RECORD);
const record: Outcomes = isRecording ? {} : JSON.parse(readFileSync(RECORD, "utf8"));

/** Those for which two outcomes differ, with both. */
function differing(one: Outcomes, other: Outcomes): Outcomes {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => one[name] !== other[name]);
  return Object.fromEntries(names.map((name) => [name, `\n${one[name]}\n${other[name]}\n`]));
}

test("all calls have the recorded outcome in this runtime", async () => {
  const said = await runAll(ours as unknown as Dgram, scenarios, record);
  // In the table's order, whichever was done first.
  const outcomes = Object.fromEntries(scenarios.map(({ name }) => [name, inNodesWords(runtime, said[name])]));
  console.log(`${scenarios.length} scenarios`);
  if (isRecording) writeFileSync(RECORD, `${JSON.stringify(outcomes, null, 2)}\n`);
  else assertEquals(differing(record, outcomes), {});
});

test("all calls have the outcome they have in Node, or an accepted difference that occurs", async () => {
  const builtin = process.getBuiltinModule("node:dgram") as unknown as Dgram;
  const [node, own] = [await runAll(builtin, scenarios, {}), await runAll(ours as unknown as Dgram, scenarios, record)];
  const used = new Set<Difference>();
  const unexplained: Outcomes = {};
  for (const { name } of scenarios) {
    if (node[name] === own[name]) continue;
    const pair = comparable(name, node[name], own[name], used);
    if (pair.node !== pair.ours) unexplained[name] = `\n${node[name]}\n${own[name]}\n`;
  }
  assertEquals(unexplained, {});
  assertEquals(DIFFERENCES.filter((difference) => !used.has(difference)), []);
}, { skip: REFERENCE });

test("the table has each method in each state and is the same in every run", () => {
  assert(scenarios.length > 2_000);
  assertEquals(allScenarios().map(({ name }) => name), scenarios.map(({ name }) => name));
});
