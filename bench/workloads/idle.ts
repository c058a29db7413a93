/**
 * Many bound sockets that do nothing: the milliseconds it takes to make them one after the other, and the bytes that each
 * of them adds to what is resident with one (whose own share, with all that sockets have in common, is `firstSocket`).
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
  const sockets = [await bound(dgram)];
  const withOne = await residentMemory();
  const start = performance.now();
  while (sockets.length <= options.idle) sockets.push(await bound(dgram));
  const creation = performance.now() - start;
  const memory = (await residentMemory() - withOne) / options.idle;
  return { creation, memory, firstSocket: withOne - before };
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
