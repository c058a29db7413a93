/**
 * Random traffic: `traffic <seconds> <seed> [workers] [steps between two collections]`. Rounds follow each other, each with sockets of
 * its own; the n-th round's seed is `seed + n`. Workers come and go that do the same, some of which are terminated. Prints the result as
 * JSON.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { descriptorCount, until } from "../support/process.ts";
import { randomIntegers } from "../support/random.ts";
import { runtime } from "../support/runtime.ts";
import { tell } from "./samples.ts";
import { type Tally, World } from "./world.ts";

/** How much is done in one round. */
const STEPS = 400;
/** How often a Worker is terminated rather than left to end. */
const TERMINATED = 2;

interface Totals {
  rounds: number;
  workers: number;
  terminated: number;
  sums: Record<string, number>;
  errors: Record<string, number>;
  faults: string[];
}

const totals: Totals = { rounds: 0, workers: 0, terminated: 0, sums: {}, errors: {}, faults: [] };

function add(seed: number, tally: Tally): void {
  totals.rounds++;
  for (const [key, value] of Object.entries(tally)) {
    if (typeof value === "number") totals.sums[key] = (totals.sums[key] ?? 0) + value;
  }
  for (const [code, count] of Object.entries(tally.errors)) totals.errors[code] = (totals.errors[code] ?? 0) + count;
  for (const fault of tally.faults) totals.faults.push(`seed ${seed}: ${fault}`);
}

/** Has a Worker do rounds, and ends it in one way or the other. */
async function startWorker(seed: number, random: (below: number) => number): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { seed } });
  totals.workers++;
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.once("error", (error: unknown) => totals.faults.push(`seed ${seed}: a Worker failed: ${error}`));
  // With koffi Node aborts if a Worker is terminated while it, or the thread that waits for it, loads koffi: docs/platforms.md.
  const mayEnd = random(TERMINATED) > 0 || runtime === "koffi";
  const wait = random(400);
  const isUp = new Promise<void>((resolve) => {
    worker.on("message", (told: "up" | Tally) => {
      if (told === "up") resolve();
      else add(seed, told);
    });
    worker.once("exit", () => resolve());
  });
  await isUp;
  if (mayEnd) return ended;
  await delay(wait);
  totals.terminated++;
  await worker.terminate();
}

async function main(): Promise<void> {
  const [seconds, firstSeed, workers, collectEvery] = process.argv.slice(2).map(Number);
  const begin = performance.now();
  const random = randomIntegers(firstSeed);
  const isOver = (): boolean => performance.now() - begin > seconds * 1000;
  let seed = firstSeed;
  const descriptors = descriptorCount();
  const lanes = Array.from({ length: workers || 0 }, async () => {
    while (!isOver()) await startWorker(1_000_000 + seed++, random);
  });
  do {
    const own = firstSeed + totals.rounds;
    add(own, await new World(own, collectEvery).run(STEPS));
  } while (!isOver() && totals.faults.length === 0);
  await Promise.all(lanes);
  // Deno leaks the epoll descriptor and the eventfd of its own event loop if a Worker is terminated while JavaScript runs.
  const kept = KEPT + (runtime === "deno" ? 2 * totals.terminated : 0);
  try {
    await until(() => descriptorCount() <= descriptors + kept, "the sockets' descriptors are closed");
  } catch (error) {
    totals.faults.push(String(error));
  }
  const left = descriptorCount() - descriptors;
  tell({ result: { runtime, ...totals, left, seconds: Math.round((performance.now() - begin) / 1000) } });
  process.exitCode = totals.faults.length > 0 ? 1 : 0;
}

/** Rounds of a Worker. */
const WORKER_ROUNDS = 2;

/** Descriptors that runtimes open at first use and keep. */
const KEPT = 12;

async function work(): Promise<void> {
  parentPort!.postMessage("up");
  for (let i = 0; i < WORKER_ROUNDS; i++) parentPort!.postMessage(await new World(workerData.seed + i).run(STEPS));
}

if (isMainThread) await main();
// Not awaited: of a Worker that is terminated in the midst of a module, Deno keeps two descriptors of its own.
else void work();
