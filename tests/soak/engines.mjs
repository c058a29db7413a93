/**
 * The ways in which the engines can be stressed, by runtime: flags, environment, and the name in the log. Plain JavaScript for Node 20.
 */

/** V8's, for Node, koffi and Deno. */
const V8 = {
  "compacts at each collection": ["--stress-compaction"],
  "scavenges all the time": ["--stress-scavenge=50"],
  "interprets": ["--jitless"],
  "never optimises": ["--no-opt"],
  "optimises after a few calls": ["--no-lazy-feedback-allocation", "--invocation-count-for-turbofan=1"],
  "collects at short intervals": ["--gc-interval=500"],
};

/** Node 20 has another flag for it. */
const OLD_V8 = { ...V8, "optimises after a few calls": ["--always-turbofan"] };

/** JavaScriptCore's. bun:ffi compiles its calls: without a compiler (useJIT=0) it opens no library. */
const JSC = {
  "collects all the time": { BUN_JSC_collectContinuously: "1" },
  "never optimises": { BUN_JSC_useDFGJIT: "0" },
  "optimises after a few calls": {
    BUN_JSC_thresholdForJITAfterWarmUp: "1",
    BUN_JSC_thresholdForJITSoon: "1",
    BUN_JSC_thresholdForOptimizeAfterWarmUp: "1",
    BUN_JSC_thresholdForOptimizeAfterLongWarmUp: "1",
    BUN_JSC_thresholdForOptimizeSoon: "1",
    BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "5",
    BUN_JSC_thresholdForFTLOptimizeSoon: "5",
  },
  "slow path of all allocations": { BUN_JSC_slowPathAllocsBetweenGCs: "50" },
};

/** Each: its name, the runtime's flags, its environment. */
export function enginesOf(runtime) {
  if (runtime === "bun") return Object.entries(JSC).map(([name, environment]) => ({ name, flags: [], environment }));
  return Object.entries(runtime === "koffi" ? OLD_V8 : V8).map(([name, flags]) => ({
    name,
    flags: runtime === "deno" ? [`--v8-flags=${flags.join(",")}`] : flags,
    environment: {},
    // Node strips types by WebAssembly, which needs the compiler.
    isCompiled: runtime === "node" && name === "interprets",
  }));
}
