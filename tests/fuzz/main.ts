/**
 * Attacks subjects in this runtime and prints what each came to, as a line of JSON: `main <seed> <from> <count> <subject> ...`.
 *
 * @module
 */
import process from "node:process";
import { attack } from "./subject.ts";
import { SUBJECTS } from "./subjects.ts";

const [seed, from, count, ...names] = process.argv.slice(2);
const wanted = SUBJECTS.filter(({ name }) => names.length === 0 || names.includes(name));
for (const subject of wanted) {
  const outcome = await attack(subject, { seed: Number(seed), from: Number(from), count: Number(count) });
  console.log(JSON.stringify(outcome));
  if (outcome.findings.length > 0) process.exitCode = 1;
}
