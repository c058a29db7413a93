/**
 * A long run in one process: `long_run <datagrams|sockets|peers> <count> <seed>`. Prints a line of JSON for each look at what the process
 * holds, and the result at last.
 *
 * @module
 */
import process from "node:process";
import "./counted_maps.ts";
import { look, tell } from "./samples.ts";

const [task, count, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

/** How often it looks. */
const LOOKS = count < 1_000_000 ? 5 : 100;

/** Looks whenever another share of the run is done. */
export class Progress {
  #next = 0;
  #looked = 0;

  /** @returns A promise if it looks now; nothing may happen meanwhile. */
  at(done: number): Promise<void> | undefined {
    if (done < this.#next) return undefined;
    this.#looked++;
    this.#next = count * this.#looked / LOOKS;
    return look(done).then((sample) => tell({ sample }));
  }
}

type Task = (count: number, seed: number, progress: Progress) => Promise<object>;

// Imported here, as what they import has to find the Maps that count.
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const { default: run } = await import(`./long_${task}${extension}`) as { default: Task };
const begin = performance.now();
const result = await run(count, seed, new Progress());
const seconds = (performance.now() - begin) / 1000;
tell({ sample: await look(count) });
tell({ result: { ...result, seconds: Number(seconds.toFixed(1)) } });
