/**
 * Runs tests with one mutant after the other active, in one process: the modules are loaded once. run.mjs starts it, and tells it which.
 *
 * @module
 */
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

const collector = new URL("./collector.mjs", import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "node:test" ? { url: collector, shortCircuit: true } : next(specifier, context),
});

/** What the instrumented code looks at: which mutant is active, which test runs, and what was reached. */
const state = globalThis.__stryker__ = {
  mutantCoverage: { static: {}, perTest: {} },
  activeMutant: process.argv[2] || undefined,
};

/** A mutant that runs without end is stopped after so many times, or after so long (in milliseconds). */
const [HITS, PATIENCE] = [100_000, 6000];

let onUncaught;
process.on("uncaughtException", (error) => onUncaught?.(error));
process.on("unhandledRejection", (error) => onUncaught?.(error));

/** @returns Why the test fails, or undefined. */
async function failureOf(test) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("takes too long")), PATIENCE + 3 * (test.time ?? 0));
    onUncaught = reject;
  });
  try {
    await Promise.race([test.run(), late]);
  } catch (error) {
    return String(error?.message ?? error).split("\n")[0] || "fails";
  } finally {
    clearTimeout(timer);
    onUncaught = undefined;
  }
}

const tests = [];

async function load(files) {
  const { collected } = await import(collector);
  for (const file of files) await import(pathToFileURL(file).href);
  collected.forEach(({ name, run }, id) => tests.push({ id: String(id), name, run }));
}

/** Runs all tests without a mutant. @returns What each reaches. */
async function explore() {
  const failures = [];
  for (const test of tests) {
    state.currentTestId = test.id;
    const start = performance.now();
    const failure = await failureOf(test);
    test.time = performance.now() - start;
    if (failure) failures.push(`${test.name}: ${failure}`);
  }
  state.currentTestId = undefined;
  const { static: loaded, perTest } = state.mutantCoverage;
  for (const test of tests) test.reached = new Set(Object.keys(perTest[test.id] ?? {}));
  tests.sort((one, other) => one.time - other.time);
  state.mutantCoverage = { static: {}, perTest: {} };
  return { failures, loaded: Object.keys(loaded), reached: [...new Set(tests.flatMap(({ reached }) => [...reached]))] };
}

/** @returns The test that fails with a mutant, and whether another process is to go on: this one may be spoiled. */
async function judge(mutant) {
  for (const test of tests) {
    if (!test.reached.has(mutant)) continue;
    Object.assign(state, { activeMutant: mutant, hitCount: 0, hitLimit: HITS });
    const failure = await failureOf(test);
    state.activeMutant = undefined;
    if (failure === undefined) continue;
    return { killer: test.name, failure, isSpoiled: await failureOf(test) !== undefined };
  }
  return {};
}

/** The mutant that is active from the start. */
async function judgeLoaded() {
  for (const test of tests) {
    state.hitCount = 0;
    const failure = await failureOf(test);
    if (failure !== undefined) return { killer: test.name, failure };
  }
  return {};
}

const orders = {
  load: ({ files }) => load(files),
  explore,
  judge: ({ mutant }) => judge(mutant),
  judgeLoaded,
};

process.on("message", async (order) => {
  let answer;
  try {
    answer = await orders[order.what](order);
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.send({ ...answer });
});
