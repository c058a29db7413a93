/**
 * Processes that end in every manner, at random moments under traffic: `ends <processes> <seconds> <at once> <seed>`, so
 * many processes or for so long. Prints as JSON what became of them. It starts itself as `child <JSON of a task>`.
 *
 * Half of the signals come after the process has said that its sockets are open and traffic runs, the others at any moment after its start.
 * Checked: the exit code, or the signal; that it ends soon; that what it sent in its last turn has left; that its sockets are gone.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createSocket, type Socket } from "../../mod.ts";
import { descriptorCount, threadCount, threadNames } from "../support/process.ts";
import { openDescriptors, openedSince } from "../support/harness.ts";
import { randomIntegers } from "../support/random.ts";
import { commandFor, runtime } from "../support/runtime.ts";
import { Bustle, type Place, PLACES } from "./bustle.ts";
import { inodesOf, placesLeft } from "./left_sockets.ts";
import { tell } from "./samples.ts";

type Signal = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGKILL" | "SIGSEGV" | "SIGABRT" | "SIGUSR2";

/** How a process ends, and what its parent has to see. */
interface Manner {
  /** The signal that the parent sends. */
  readonly sends?: Signal;
  /** Before that, the parent stops the process, and has it go on. */
  readonly stops?: boolean;
  /** What the process does by itself. */
  readonly does?: keyof typeof DEEDS;
  readonly code?: number;
  readonly signal?: Signal;
  /** Whether the last turn's messages have to leave. */
  readonly speaks?: boolean;
}

/** A handler of SIGTERM is there once the sockets are open: such a signal comes after that only. */
const MANNERS: Record<string, Manner> = {
  "exits": { does: "exit", code: 7, speaks: true },
  "throws": { does: "throw", code: 1, speaks: true },
  "rejects": { does: "reject", code: 1, speaks: true },
  "aborts": { does: "abort", signal: "SIGABRT" },
  "kills itself": { does: "kill", signal: "SIGKILL" },
  "terminates itself": { does: "terminate", signal: "SIGTERM" },
  "closes all": { does: "close", code: 0, speaks: true },
  "unreferences all": { does: "unref", code: 0, speaks: true },
  "SIGTERM": { sends: "SIGTERM", signal: "SIGTERM" },
  "SIGINT": { sends: "SIGINT", signal: "SIGINT" },
  "SIGHUP": { sends: "SIGHUP", signal: "SIGHUP" },
  "SIGKILL": { sends: "SIGKILL", signal: "SIGKILL" },
  "SIGSEGV": { sends: "SIGSEGV", signal: "SIGSEGV" },
  "stopped, then SIGTERM": { sends: "SIGTERM", stops: true, signal: "SIGTERM" },
  "SIGTERM is handled by process.exit()": { sends: "SIGTERM", does: "exit at SIGTERM", code: 7, speaks: true },
  "SIGTERM is handled by closing all": { sends: "SIGTERM", does: "close at SIGTERM", code: 0, speaks: true },
  "stopped, then goes on and exits": { stops: true, does: "exit", code: 7, speaks: true },
};

/** Bun catches SIGSEGV to report a crash to its makers. In Deno V8 takes the first one for a fault of WebAssembly, and goes on. */
const hasSegv = runtime !== "bun" && runtime !== "deno";
const names = Object.keys(MANNERS).filter((name) => hasSegv || name !== "SIGSEGV");

/** How long a process may take to start, and to end when it has to, on a busy machine, in milliseconds. */
const PATIENCE = 120_000;

/** How many messages a process sends in its last turn. */
const LAST_WORDS = 3;

interface Task {
  readonly seed: number;
  readonly name: string;
  readonly place: Place;
  /** How long after it is up it ends by itself, in milliseconds. */
  readonly moment: number;
  /** How many Workers with sockets it has. */
  readonly workers: number;
  /** The parent's port. */
  readonly witness: number;
}

const DEEDS = {
  "exit": (): never => process.exit(7),
  "throw"(): never {
    throw new Error("the end");
  },
  "reject": (): void => void Promise.reject(new Error("the end")),
  "abort": (): never => process.abort(),
  "kill": (): void => void process.kill(process.pid, "SIGKILL"),
  "terminate": (): void => void process.kill(process.pid, "SIGTERM"),
  "close": (traffic: Bustle): void => traffic.close(),
  "unref": (traffic: Bustle): void => traffic.unref(),
  "exit at SIGTERM": (): never => process.exit(7),
  "close at SIGTERM": (traffic: Bustle): void => traffic.close(),
} as const;

async function child(task: Task): Promise<void> {
  const { does, speaks } = MANNERS[task.name];
  const traffic = new Bustle(randomIntegers(task.seed));
  const last = createSocket("udp4").unref();
  last.bindSync({ address: "127.0.0.1" });
  await traffic.start();
  const workers = await Promise.all(Array.from({ length: task.workers }, (_, i) => withSockets(task.seed + i)));
  const end = (): void => {
    if (speaks) { for (let i = 0; i < LAST_WORDS; i++) last.send(`${task.seed} ${i}`, task.witness, "127.0.0.1"); }
    // Otherwise they keep the process alive.
    if (does === "unref" || does?.startsWith("close")) { for (const worker of workers) void worker.terminate(); }
    DEEDS[does!](traffic);
  };
  if (does?.endsWith("SIGTERM")) process.once("SIGTERM", end);
  console.log(JSON.stringify(inodesOf(traffic.places)));
  if (!does || does.endsWith("SIGTERM")) return;
  await delay(task.moment);
  traffic.at(task.place, end);
}

/** A Worker with traffic. */
async function withSockets(seed: number): Promise<Worker> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: seed });
  await new Promise((resolve) => worker.once("message", resolve));
  return worker;
}

async function work(seed: number): Promise<void> {
  const traffic = new Bustle(randomIntegers(seed));
  await traffic.start();
  parentPort!.postMessage("up");
}

/** Who hears the last words. */
class Witness {
  readonly #socket: Socket;
  readonly #heard = new Map<number, number>();
  readonly port: number;

  constructor() {
    this.#socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
    this.port = this.#socket.bindSync({ address: "127.0.0.1" }).port;
    this.#socket.on("message", (message) => {
      const seed = Number(message.toString().split(" ")[0]);
      this.#heard.set(seed, (this.#heard.get(seed) ?? 0) + 1);
    });
  }

  /** How many words were heard. What has left a process on this host is in the receive buffer when that has ended. */
  async heard(seed: number): Promise<number> {
    for (let i = 0; i < 200 && (this.#heard.get(seed) ?? 0) < LAST_WORDS; i++) await delay(10);
    return this.#heard.get(seed) ?? 0;
  }

  close(): void {
    this.#socket.close();
  }
}

class Report {
  readonly ended: Record<string, number> = {};
  withSockets = 0;
  withWorkers = 0;
  words = 0;
  /** The longest time from the signal, or from when the process was up, to its end, in milliseconds. */
  longest = 0;
  readonly faults: string[] = [];
}

function taskOf(seed: number, random: (below: number) => number, witness: number): Task {
  const name = names[random(names.length)];
  const [place, moment] = [PLACES[random(PLACES.length)], random(60)];
  return { seed, name, place, moment, workers: random(6) === 0 ? 1 + random(2) : 0, witness };
}

/** What a process has printed. */
interface Printed {
  readonly up: Promise<string[] | undefined>;
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  errors: string;
}

function listen(process: ChildProcess): Printed {
  let isUp = (_: string[] | undefined): void => {};
  const up = new Promise<string[] | undefined>((resolve) => isUp = resolve);
  let output = "";
  process.stdout!.on("data", (chunk) => {
    output += chunk;
    if (output.includes("\n")) isUp(JSON.parse(output.split("\n")[0]));
  });
  const ended = new Promise<[number | null, string | null]>((resolve) =>
    process.once("close", (code, signal) => {
      isUp(undefined);
      resolve([code, signal]);
    })
  );
  const printed: Printed = { up, ended, errors: "" };
  process.stderr!.on("data", (chunk) => printed.errors += chunk);
  return printed;
}

/** Crashes of a runtime, as it writes of them. */
const CRASH = /panicked|FATAL ERROR|Assertion|Segmentation|AddressSanitizer|Bun has crashed|double free|corrupt/i;

async function lifetime(seed: number, report: Report, witness: Witness): Promise<void> {
  const random = randomIntegers(seed);
  const task = taskOf(seed, random, witness.port);
  const manner = MANNERS[task.name];
  const isAnyMoment = manner.does === undefined && random(2) === 0;
  const [wait, pause] = [random(isAnyMoment ? 400 : 60), random(30)];
  const [command, ...args] = commandFor(fileURLToPath(import.meta.url), ["child", JSON.stringify(task)]);
  const started = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const printed = listen(started);
  const killer = setTimeout(() => {
    report.faults.push(`seed ${seed}, ${task.name}, ${task.place}: it has not ended`);
    started.kill("SIGKILL");
  }, 2 * PATIENCE);
  const inodes = isAnyMoment ? undefined : await printed.up;
  if (inodes) report.withSockets++;
  const due = performance.now();
  const done = await Promise.race([printed.ended, disturb(started, manner, wait, pause).then(() => printed.ended)]);
  clearTimeout(killer);
  report.longest = Math.max(report.longest, Math.round(performance.now() - due - (isAnyMoment ? wait : 0)));
  report.ended[task.name] = (report.ended[task.name] ?? 0) + 1;
  if (task.workers > 0) report.withWorkers++;
  const fault = (what: string): void => void report.faults.push(`seed ${seed}, ${task.name}, ${task.place}: ${what}`);
  const expected = [manner.code ?? null, manner.signal ?? null];
  if (String(done) !== String(expected) || manner.signal !== "SIGABRT" && CRASH.test(printed.errors)) {
    fault(`${done} instead of ${expected}; it wrote:\n${printed.errors}`);
  }
  if (manner.speaks) {
    const heard = await witness.heard(seed);
    report.words += heard;
    if (heard !== LAST_WORDS) fault(`${heard} of its last words were heard`);
  }
  const left = placesLeft(inodes ?? []);
  if (left.length > 0) fault(`${left} are still bound`);
}

/** What the parent does to it. */
async function disturb(child: ChildProcess, { stops, sends }: Manner, wait: number, pause: number): Promise<void> {
  // Not child.kill(): Deno then says that the process ended by the signal, although it has handled it.
  const send = (signal: string): void => {
    if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, signal);
  };
  await delay(wait);
  if (stops) {
    send("SIGSTOP");
    await delay(pause);
    send("SIGCONT");
    await delay(pause);
  }
  if (sends) send(sends);
}

/** Deno opens two sockets of its own with one of the first 200 children that it has, whatever they do, and keeps them. */
async function childrenOfNothing(atOnce: number): Promise<void> {
  for (let i = 0; i < 300; i += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, () => once(spawn("true", { stdio: "pipe" }), "close")));
  }
}

async function main(processes: number, most: number, atOnce: number, firstSeed: number): Promise<void> {
  const [report, witness] = [new Report(), new Witness()];
  let seed = firstSeed;
  const begin = performance.now();
  const lane = async (last: number): Promise<void> => {
    while (seed < last && performance.now() < begin + most * 1000) await lifetime(seed++, report, witness);
  };
  await lane(firstSeed + 1);
  if (runtime === "deno") await childrenOfNothing(atOnce);
  const before = { descriptors: descriptorCount(), threads: threadCount(), links: openDescriptors() };
  await Promise.all(Array.from({ length: atOnce }, () => lane(firstSeed + processes)));
  const isAsBefore = (): boolean => descriptorCount() <= before.descriptors && threadCount() <= before.threads;
  for (let i = 0; i < 200 && !isAsBefore(); i++) await delay(50);
  if (!isAsBefore()) {
    report.faults.push(
      `left in the parent: ${descriptorCount() - before.descriptors} descriptors (${openedSince(before.links)}), ` +
        `${threadCount() - before.threads} threads (${threadNames()})`,
    );
  }
  witness.close();
  const seconds = Math.round((performance.now() - begin) / 1000);
  tell({ result: { runtime, processes: seed - firstSeed, ...report, seconds } });
  process.exitCode = report.faults.length > 0 ? 1 : 0;
}

const args = process.argv.slice(2);
if (!isMainThread) void work(workerData);
else if (args[0] === "child") void child(JSON.parse(args[1]));
else {
  const [processes, seconds, atOnce, seed] = args.map(Number);
  await main(processes, seconds, atOnce, seed);
}
