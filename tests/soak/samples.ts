/**
 * What the process holds in the course of a run: memory, descriptors, threads, entries of Maps and Sets.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { collectGarbage } from "../support/garbage.ts";
import { descriptorCount, threadCount } from "../support/process.ts";
import { countedEntries } from "./counted_maps.ts";

/** One look. Sizes are in bytes. */
export interface Sample {
  /** How much of the run is done. */
  readonly done: number;
  readonly seconds: number;
  readonly rss: number;
  readonly heap: number;
  /** Memory outside of the heap, that of ArrayBuffers included. */
  readonly external: number;
  readonly descriptors: number;
  readonly threads: number;
  /** Entries of all Maps and Sets, and of the largest one. */
  readonly entries: number;
  readonly largest: number;
}

const begin = performance.now();

/** Looks at the process once garbage has been collected. */
export async function look(done: number): Promise<Sample> {
  for (let i = 0; i < 2; i++) {
    collectGarbage();
    await delay(5);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  const { total, largest } = countedEntries();
  const seconds = (performance.now() - begin) / 1000;
  const [descriptors, threads] = [descriptorCount(), threadCount()];
  return { done, seconds, rss, heap: heapUsed, external, descriptors, threads, entries: total, largest };
}

/** Prints something for the runner: one object a line. */
export function tell(it: object): void {
  console.log(JSON.stringify(it));
}
