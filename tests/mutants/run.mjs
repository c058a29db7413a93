/**
 * Mutation testing: faults are put into the code one by one, with Stryker's operators, and the unit tests must notice each.
 *
 * npm run mutants -- <room> [--file=<name>]
 *
 * A room is a folder that rooms.mjs names. The code is instrumented once: each mutant is a switch in it, so that the tests of thousands
 * run in one process. What cannot be noticed is listed in equivalent.mjs, with reasons. Run with Node 26.
 *
 * @module
 */
import { fork } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Instrumenter } from "@stryker-mutator/instrumenter";
import { EQUIVALENT } from "./equivalent.mjs";
import { ROOMS } from "./rooms.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const work = join(root, `.work/mutants-${process.argv[2]}`);
/** Processes at a time: tests wait more than they work. */
const JOBS = 3;
/** Longer than any test, and its check afterwards: then the mutant has the process hang. In milliseconds. */
const LIMIT = 30_000;
/** Longer than all tests of a room on a busy machine. */
const LONG_LIMIT = 600_000;

const [name, ...flags] = process.argv.slice(2);
const room = ROOMS[name];
if (!room) {
  console.error(`Which room? ${Object.keys(ROOMS).join(", ")}`);
  process.exit(2);
}
const only = flags.find((flag) => flag.startsWith("--file="))?.slice("--file=".length);

/** Copies the project, the room instrumented. */
async function instrument() {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const modules = readdirSync(root).filter((file) => file.endsWith(".ts"));
  for (const path of ["src", "ffi", "tests", "package.json", ...modules]) {
    cpSync(join(root, path), join(work, path), { recursive: true });
  }
  const names = readdirSync(join(root, room.folder)).filter((file) => file.endsWith(".ts") && (!only || file === only));
  const files = names.map((file) => {
    const path = join(room.folder, file);
    return { name: join(work, path), mutate: true, content: readFileSync(join(root, path), "utf8") };
  });
  const logger = { debug() {}, info() {}, warn: console.warn, error: console.error, isDebugEnabled: () => false };
  const options = { plugins: null, excludedMutations: [], noHeader: false, ignorers: [] };
  const instrumented = await new Instrumenter(logger).instrument(files, options);
  for (const { name, content } of instrumented.files) writeFileSync(name, content);
  const sources = new Map(files.map(({ name, content }) => [name, content.split("\n")]));
  return instrumented.mutants.map((mutant) => describe(mutant, sources.get(mutant.fileName)));
}

/** What a mutant changes, in words that stay when lines move. */
function describe({ id, fileName, location: { start, end }, replacement, mutatorName }, lines) {
  const part = lines.slice(start.line, end.line + 1);
  part[part.length - 1] = part.at(-1).slice(0, end.column);
  part[0] = part[0].slice(start.column);
  const squeeze = (text) => text.replace(/\s+/g, " ").trim();
  return {
    id,
    file: fileName.slice(work.length + 1),
    line: start.line + 1,
    operator: mutatorName,
    original: squeeze(part.join("\n")),
    replacement: squeeze(replacement),
  };
}

/** A process with the tests loaded. */
class Child {
  #process;

  static async start(mutant = "") {
    const child = new Child();
    const script = join(work, "tests/mutants/child.mjs");
    const execArgv = ["--no-warnings", "--expose-gc"];
    child.#process = fork(script, [mutant], { execArgv, cwd: work, stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const files = room.tests.map((test) => join(work, `tests/${test}_test.ts`)).filter((file) => existsSync(file));
    const loaded = await child.ask({ what: "load", files });
    if (loaded.error && mutant === "") throw new Error(loaded.error);
    return { child, loaded };
  }

  /** @returns The answer; `isGone` if there is none in time. */
  ask(order, limit = LIMIT) {
    return new Promise((resolve) => {
      const finish = (answer) => {
        clearTimeout(timer);
        this.#process.removeAllListeners();
        resolve(answer);
      };
      const timer = setTimeout(() => finish({ isGone: true, failure: "hangs" }), limit);
      this.#process.once("message", finish);
      this.#process.once("exit", () => finish({ isGone: true, failure: "ends the process" }));
      if (this.#process.connected) this.#process.send(order);
    });
  }

  end() {
    this.#process.kill("SIGKILL");
  }
}

async function ready() {
  const { child } = await Child.start();
  const explored = await child.ask({ what: "explore" }, LONG_LIMIT);
  if (explored.isGone) throw new Error(`Without a mutant a process ${explored.failure}`);
  if (explored.failures.length > 0) throw new Error(`Without a mutant:\n${explored.failures.join("\n")}`);
  return { child, ...explored };
}

/** A mutant in what runs when a module is loaded: it has a process of its own. */
async function judgeLoaded({ id }) {
  const { child, loaded } = await Child.start(id);
  const answer = loaded.error || loaded.isGone
    ? { failure: "cannot be loaded" }
    : await child.ask({ what: "judgeLoaded" });
  child.end();
  return answer;
}

const known = (mutant) =>
  EQUIVALENT.find(({ file, original, replacement }) =>
    mutant.file.endsWith(file) && mutant.original === original && mutant.replacement === replacement
  );

const mutants = await instrument();
const first = await ready();
const [atLoad, inTests] = [new Set(first.loaded), new Set(first.reached)];
const counts = { killed: 0, survived: 0, "not reached": 0, equivalent: 0 };
const left = [];

/** Judges mutants with one process, or those that follow it, until there are none left. */
async function judgeAll(queue, { child }) {
  for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
    let answer = {};
    if (inTests.has(mutant.id)) answer = await child.ask({ what: "judge", mutant: mutant.id });
    if (answer.isGone || answer.isSpoiled) {
      child.end();
      ({ child } = await ready());
    }
    if (answer.failure === undefined && atLoad.has(mutant.id)) answer = await judgeLoaded(mutant);
    if (answer.failure !== undefined) counts.killed++;
    else counts.survived++;
    if (answer.failure === undefined) left.push({ ...mutant, isReached: true });
  }
  child.end();
}

const queue = [];
for (const mutant of mutants) {
  if (known(mutant)) {
    counts.equivalent++;
  } else if (atLoad.has(mutant.id) || inTests.has(mutant.id)) {
    queue.push(mutant);
  } else {
    counts["not reached"]++;
    left.push({ ...mutant, isReached: false });
  }
}
const others = Array.from({ length: JOBS - 1 }, ready);
await Promise.all([Promise.resolve(first), ...others].map(async (child) => judgeAll(queue, await child)));
left.sort((one, other) => Number(one.id) - Number(other.id));

for (const { file, line, operator, original, replacement, isReached } of left) {
  console.log(
    `${file}:${line} ${isReached ? "survived" : "not reached"} (${operator})\n  - ${original}\n  + ${replacement}`,
  );
}
const judged = mutants.length - counts.equivalent;
const score = (100 * counts.killed / judged).toFixed(1);
console.log(
  `${name}: ${score} % of ${judged} mutants are noticed (${
    Object.entries(counts).map(([what, n]) => `${n} ${what}`).join(", ")
  })`,
);
process.exitCode = Number(score) >= 85 ? 0 : 1;
