/**
 * Many bound sockets that do nothing: the time it takes to make them, and the memory they hold.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { bound, type Dgram, type Figures, type Options } from "../support.ts";

/** Milliseconds for a runtime to give back what it no longer needs. */
const SETTLING = 300;

export default async function idle(dgram: Dgram, options: Options): Promise<Figures> {
  const before = await residentMemory();
  const start = performance.now();
  const sockets = await Promise.all(Array.from({ length: options.idle }, () => bound(dgram)));
  const creation = performance.now() - start;
  const memory = (await residentMemory() - before) / sockets.length;
  return { creation, memory };
}

/** What is resident once garbage is gone, in bytes. */
async function residentMemory(): Promise<number> {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  for (let i = 0; i < 3; i++) {
    if (gc) gc();
    else Bun?.gc(true);
    await delay(SETTLING);
  }
  return process.memoryUsage().rss;
}
