/**
 * Garbage collection on demand.
 *
 * @module
 */
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects garbage now. */
export const collectGarbage: () => void = collector();

function collector(): () => void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  if (gc) return gc;
  if (Bun) return () => Bun.gc(true);
  // A new context sees what V8's flags say now.
  if (process.versions.v8) setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
