/**
 * Ports in the workers of `node:cluster`.
 *
 * @module
 */
import process from "node:process";

/**
 * Whether this process is a cluster worker. Node's workers share one descriptor, which the primary hands out; here each opens
 * its own with SO_REUSEPORT, among which the kernel spreads senders.
 */
export function isClusterWorker(): boolean {
  return isWorker ??= Boolean(
    (process.getBuiltinModule("node:cluster") as { isWorker?: boolean } | undefined)?.isWorker,
  );
}

/** Not asked before the first bind: it loads a module of the runtime. */
let isWorker: boolean | undefined;
