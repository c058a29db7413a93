/**
 * Workers that end at random moments under traffic: `terminations <workers> <seconds> <at once> <seed>`, so many
 * Workers or for so long. Prints as JSON what they left.
 *
 * Half of them are terminated, or end by themselves, after they have said that their sockets are open and traffic runs; the others at any
 * moment after their start. Meanwhile this thread opens and closes files, and looks whether each is still its own.
 *
 * @module
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openDescriptors, openedSince } from "../support/harness.ts";
import { descriptorCount, threadCount, threadNames } from "../support/process.ts";
import { randomIntegers } from "../support/random.ts";
import { runtime } from "../support/runtime.ts";
import { Bustle, type Place, PLACES } from "./bustle.ts";
import { inodesOf, placesLeft } from "./left_sockets.ts";
import { tell } from "./samples.ts";

/** How a Worker ends. `web` is a Web Worker that is terminated. */
const MANNERS = [
  "terminate",
  "terminate",
  "terminate",
  "exit",
  "throw",
  "reject",
  "close",
  "web",
  "web closes",
] as const;
type Manner = typeof MANNERS[number];
const hasWebWorkers = runtime === "deno" || runtime === "bun";

/** What a Worker is told: how it is to end by itself, if it is, and where. */
interface Task {
  readonly seed: number;
  readonly manner: Manner;
  readonly place: Place;
  readonly moment: number;
  /** A descriptor of {@linkcode CARRIED}. */
  readonly carried: number;
}

/**
 * What messages with descriptors carry. A Worker that is terminated between recvmmsg(2) and the next line leaves what came open: nobody
 * knows the numbers yet. So these are counted, and no fault unless there are many.
 */
const CARRIED = "/dev/full";

/** Such descriptors that may be left for each Worker. */
const LEFT_CARRIED = 0.2;

/** How long a Worker may take to start and to end on a busy machine, in milliseconds. */
const PATIENCE = 120_000;

interface Port {
  postMessage(message: unknown): void;
  onmessage: ((event: { data: unknown }) => void) | null;
}
const web = globalThis as unknown as Port & {
  close(): void;
  Worker: new (url: string, options: object) => Port & {
    terminate(): void;
    onerror: ((event: { message?: string; preventDefault(): void }) => void) | null;
  };
};

function fail(): never {
  throw new Error("the end");
}

async function bustle(
  { seed, manner, place, moment, carried }: Task,
  tellSockets: (inodes: string[]) => void,
): Promise<void> {
  const traffic = new Bustle(randomIntegers(seed), carried);
  await traffic.start();
  tellSockets(inodesOf(traffic.places));
  const ends: Partial<Record<Manner, () => unknown>> = {
    "exit": () => process.exit(7),
    "throw": fail,
    "reject": () => void Promise.reject(new Error("the end")),
    "close": () => traffic.close(),
    "web closes": () => web.close(),
  };
  const end = ends[manner];
  if (!end) return;
  await delay(moment);
  traffic.at(place, end);
}

/** Opens and closes files all the time, and looks whether each is still the one that was opened. */
function otherFiles(): { stop(): { strange: number; looks: number } } {
  const open: { fd: number; ino: number }[] = [];
  let [strange, looks] = [0, 0];
  const check = ({ fd, ino }: { fd: number; ino: number }): void => {
    looks++;
    try {
      if (fstatSync(fd).ino !== ino) strange++;
    } catch {
      strange++;
    }
  };
  const timer = setInterval(() => {
    for (const file of open.splice(0, 5)) {
      check(file);
      closeSync(file.fd);
    }
    while (open.length < 40) {
      const fd = openSync(["/dev/null", "/dev/zero", "/proc/self/stat"][open.length % 3], "r");
      open.push({ fd, ino: fstatSync(fd).ino });
    }
    for (const file of open) check(file);
  }, 1);
  return {
    stop() {
      clearInterval(timer);
      for (const file of open.splice(0)) {
        check(file);
        closeSync(file.fd);
      }
      return { strange, looks };
    },
  };
}

/** What became of the Workers. */
class Report {
  /** How many ended how, and how many of all had sockets then. */
  readonly ended: Partial<Record<Manner, number>> = {};
  up = 0;
  readonly inodes: string[] = [];
  readonly faults: string[] = [];
}

/** A Worker of either kind. */
interface Running {
  /** Once its sockets are open. */
  readonly up: Promise<void>;
  readonly ended: Promise<void>;
  terminate(): unknown;
}

function start(task: Task, report: Report): Running {
  const fault = (what: unknown): void => void report.faults.push(`seed ${task.seed}, ${task.manner}: ${what}`);
  let isUp = (): void => {};
  const up = new Promise<void>((resolve) => isUp = resolve);
  const hear = (inodes: unknown): void => {
    report.inodes.push(...inodes as string[]);
    report.up++;
    isUp();
  };
  if (task.manner.startsWith("web")) {
    const worker = new web.Worker(import.meta.url, { type: "module" });
    worker.onmessage = ({ data }) => hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      // Bun reports the exception by which it stops a Worker that closes itself. With its own sockets, too.
      if (runtime !== "bun" || task.manner !== "web closes") fault(`it has failed: ${event.message}`);
    };
    worker.postMessage(task);
    // Nothing says that a Web Worker has ended.
    return { up, ended: Promise.resolve(), terminate: () => worker.terminate() };
  }
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
  worker.on("message", hear);
  worker.on("error", (error: unknown) => {
    if (!/the end/.test(String(error))) fault(error);
  });
  const ended = new Promise<void>((resolve) =>
    worker.once("exit", (code: number) => {
      if (task.manner === "exit" && code !== 7 || task.manner === "close" && code !== 0) fault(`exit code ${code}`);
      isUp();
      resolve();
    })
  );
  return { up, ended, terminate: () => worker.terminate() };
}

/** Starts a Worker and sees to its end. */
async function lifetime(seed: number, carried: number, report: Report): Promise<void> {
  const random = randomIntegers(seed);
  const all = MANNERS.filter((manner) => hasWebWorkers || !manner.startsWith("web"));
  const [manner, place, moment] = [all[random(all.length)], PLACES[random(PLACES.length)], random(60)];
  const task = { seed, manner, place, moment, carried };
  // Node aborts, inside koffi, if a Worker is terminated while it loads that.
  const isAnyMoment = random(2) === 0 && runtime !== "koffi";
  const wait = random(isAnyMoment ? 400 : 60);
  const isTerminated = task.manner === "terminate" || task.manner === "web";
  report.ended[task.manner] = (report.ended[task.manner] ?? 0) + 1;
  const worker = start(task, report);
  const inTime = async (what: string, promise: Promise<void>): Promise<void> => {
    const timer = new AbortController();
    const late = delay(PATIENCE, "late", { signal: timer.signal }).catch(() => {});
    if (await Promise.race([promise, late]) === "late") report.faults.push(`seed ${seed}, ${task.manner}: ${what}`);
    timer.abort();
  };
  if (!isTerminated || !isAnyMoment) await inTime("no sockets", worker.up);
  if (isTerminated) {
    await delay(wait);
    await worker.terminate();
  } else await inTime("it goes on", worker.ended);
}

async function main(workers: number, most: number, atOnce: number, firstSeed: number): Promise<void> {
  const carried = openSync(CARRIED, "r");
  let [seed, last, end] = [firstSeed, firstSeed, Infinity];
  const run = async (count: number, report: Report): Promise<Report> => {
    last += count;
    await Promise.all(Array.from({ length: atOnce }, async () => {
      while (seed < last && performance.now() < end) await lifetime(seed++, carried, report);
    }));
    return report;
  };
  // What the runtime starts with the first ones and keeps is not theirs.
  const first = await run(2 * atOnce, new Report());
  await delay(2500);
  const before = { descriptors: descriptorCount(), threads: threadCount(), links: openDescriptors() };
  const begin = performance.now();
  const files = otherFiles();
  end = begin + most * 1000;
  const report = await run(workers, new Report());
  const seconds = Math.round((performance.now() - begin) / 1000);
  const { strange, looks } = files.stop();
  const deadline = performance.now() + 10_000;
  const leftOpen = (): string[] => openedSince(before.links).filter((link) => link !== CARRIED);
  while (performance.now() < deadline && (leftOpen().length > 0 || threadCount() > before.threads)) await delay(50);
  const open = leftOpen();
  const left = {
    // Runtimes close some of their own meanwhile, and open others.
    descriptors: Math.min(open.length, Math.max(descriptorCount() - before.descriptors, 0)),
    threads: Math.max(threadCount() - before.threads, 0),
    boundPorts: placesLeft([...first.inodes, ...report.inodes]).length,
    strange,
  };
  const { ended, up, faults } = report;
  const all = Object.values(ended).reduce((sum, count) => sum + count, 0);
  const carriedLeft = openDescriptors().filter((link) => link === CARRIED).length - 1;
  for (const [what, count] of Object.entries(left)) if (count > 0) faults.push(`${count} ${what}`);
  if (carriedLeft > Math.max(2, LEFT_CARRIED * all)) faults.push(`${carriedLeft} descriptors that came are left`);
  if (left.descriptors > 0) faults.push(`open: ${open}`);
  if (left.threads > 0) faults.push(`threads: ${threadNames()}`);
  tell({ result: { runtime, workers: all, withSockets: up, ended, left, carriedLeft, looks, seconds, faults } });
  process.exitCode = faults.length > 0 ? 1 : 0;
}

// Not awaited: of a Worker that is terminated in the midst of a module, Deno keeps two descriptors of its own.
if (!isMainThread && workerData) void bustle(workerData, (inodes) => parentPort!.postMessage(inodes));
else if ("DedicatedWorkerGlobalScope" in globalThis || !isMainThread) {
  web.onmessage = ({ data }) => void bustle(data as Task, (inodes) => web.postMessage(inodes));
} else {
  const [workers, seconds, atOnce, seed] = process.argv.slice(2).map(Number);
  await main(workers, seconds, atOnce, seed);
}
