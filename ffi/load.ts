/**
 * Picks the runtime's FFI and opens the C library, once for each thread, when the first socket is created. Importing this opens
 * nothing.
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";
import { abiOf } from "./current_abi.ts";
import type { Binding } from "./libc/binding.ts";
import type { Libc } from "./libc/libc.ts";
import { NativeLibc } from "./libc/native_libc.ts";
import { OwningLibc } from "./libc/owning_libc.ts";
import { openRealmOwner } from "./libc/realm_owner.ts";
import { openThreadOwner, type ThreadOwner } from "./libc/thread_exit.ts";
import { LoopPlaces } from "./poll/bun_loop.ts";
import { bunPollSource, koffiPollSource, nodePollSource } from "./poll/poll_source.ts";
import { opReferences, PoolWaiter } from "./poll/pool_waiter.ts";
import { PollThreads, ThreadWaiter } from "./poll/thread_waiter.ts";
import { Uv, UvWaiter } from "./poll/uv_waiter.ts";
import type { WaiterFactory } from "./poll/waiter.ts";
import type { Runtime } from "./runtime.ts";
import { resourceContexts } from "./runtimes/async_context.ts";
import { bunBinding, bunConnect, bunDrain, type BunFfi, bunFfi, isBunTest } from "./runtimes/bun.ts";
import { debugFor } from "./runtimes/debug.ts";
import {
  denoAsyncContexts,
  denoBeforeEnd,
  denoBinding,
  type DenoNamespace,
  denoNamespace,
  denoNetworkPermission,
  denoProgramEnd,
  denoTicks,
  denoVariable,
} from "./runtimes/deno.ts";
import { koffiBinding, koffiPath, loadKoffi } from "./runtimes/koffi.ts";
import { UNRESTRICTED } from "./runtimes/network_permission.ts";
import { nodeBinding, type NodeFfi, nodeFfi, nodeNetworkPermission, nodeTicks } from "./runtimes/node.ts";
import process, { nextTick, workerThreads } from "./runtimes/process.ts";
import { stepPerTurn, stepsAsTicks, stepsWithTicks } from "./runtimes/turns.ts";
import { obstacle, wantsKoffi } from "./support.ts";

/** How long a thread stays in `poll` in Bun, in milliseconds. Bun can end with a thread in native code, so it need rarely return. */
const BUN_LONGEST_POLL = 30_000;

/** The environment variable that disables offload for a whole process, whatever the options of its sockets. */
const OFFLOAD = "DGRAM_FFI_OFFLOAD";

/** Node's own variable for what modules tell of themselves. */
const DEBUG = "NODE_DEBUG";

let loaded: Runtime | undefined;

/**
 * This thread's runtime.
 *
 * @throws {Error} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on a system that is not supported.
 * @throws {Error} ERR_DGRAM_FFI_UNAVAILABLE if the runtime is too old or has no FFI: it says what to install.
 * @throws The runtime's own error if FFI is not permitted.
 */
export function currentRuntime(): Runtime {
  return loaded ??= told(load());
}

/** For tests: replaces this thread's C library. @returns A function that undoes it. */
export function replaceLibc(replace: (libc: Libc) => Libc): () => void {
  const before = currentRuntime();
  loaded = { ...before, libc: replace(before.libc) };
  return () => void (loaded = before);
}

/** Says what was chosen. */
function told(runtime: Runtime): Runtime {
  const { binding, debug, libc, offload } = runtime;
  debug?.(`C functions by ${binding}, constants of ${libc.abi.platform}`);
  debug?.(`offload (UDP_SEGMENT, UDP_GRO) ${offload && libc.abi.linux ? "is tried" : "is off"}`);
  debug?.(`batches by ${libc.abi.linux ? "recvmmsg and sendmmsg" : "calls of recvmsg and sendmsg"}`);
  return runtime;
}

function load(): Runtime {
  const found = obstacle();
  if (found) throw found;
  const abi = abiOf()!;
  const deno = denoNamespace();
  if (deno) return onDeno(deno, abi);
  const bun = bunFfi();
  if (bun) return onBun(bun, abi);
  return wantsKoffi() ? onKoffi(abi) : onNode(nodeFfi()!, abi);
}

function allowsOffload(value: string | undefined): boolean {
  return value !== "off" && value !== "0";
}

function onDeno(deno: DenoNamespace, abi: Abi): Runtime {
  const binding = denoBinding(deno, abi);
  const libc = libcOn(binding, abi, true);
  const references = opReferences(deno);
  return {
    binding: "deno",
    libc,
    offload: allowsOffload(denoVariable(deno, OFFLOAD)),
    debug: debugFor(denoVariable(deno, DEBUG)),
    network: denoNetworkPermission(deno),
    listsSockets: false,
    asyncContexts: denoAsyncContexts(deno) ?? resourceContexts,
    runSteps: stepsWithTicks(denoTicks(deno)),
    beforeEnd: denoBeforeEnd,
    createWaiter: (set, onReady) => new PoolWaiter(set, onReady, libc, binding, references),
    onProgramEnd: denoProgramEnd,
  };
}

function onBun(bun: BunFfi, abi: Abi): Runtime {
  const binding = bunBinding(bun, abi);
  const isTest = isBunTest();
  const libc = libcOn(binding, abi, isTest);
  const drain = bunDrain();
  return {
    binding: "bun",
    libc,
    offload: allowsOffload(process.env[OFFLOAD]),
    debug: debugFor(process.env[DEBUG]),
    network: UNRESTRICTED,
    listsSockets: false,
    asyncContexts: resourceContexts,
    runSteps: drain ? stepsAsTicks(drain, nextTick) : stepPerTurn,
    beforeEnd: beforeExit,
    createWaiter: onBunLoop(libc, binding, !isTest),
  };
}

function onNode(node: NodeFfi, abi: Abi): Runtime {
  const binding = nodeBinding(node, abi);
  const libc = libcOn(binding, abi);
  let createWaiter = onThreads(libc, nodePollSource(abi));
  if (workerThreads().isMainThread && node.getCurrentEventLoop) createWaiter = onUv(node, createWaiter);
  return {
    binding: "node:ffi",
    libc,
    offload: allowsOffload(process.env[OFFLOAD]),
    debug: debugFor(process.env[DEBUG]),
    network: nodeNetworkPermission(),
    listsSockets: true,
    asyncContexts: resourceContexts,
    runSteps: stepsWithTicks(nodeTicks()),
    beforeEnd: beforeExit,
    createWaiter,
  };
}

function onKoffi(abi: Abi): Runtime {
  const path = koffiPath()!;
  const binding = koffiBinding(loadKoffi(path), abi);
  const libc = libcOn(binding, abi);
  return {
    binding: "koffi",
    libc,
    offload: allowsOffload(process.env[OFFLOAD]),
    debug: debugFor(process.env[DEBUG]),
    network: nodeNetworkPermission(),
    listsSockets: true,
    asyncContexts: resourceContexts,
    runSteps: stepsWithTicks(nodeTicks()),
    beforeEnd: beforeExit,
    createWaiter: onThreads(libc, koffiPollSource(abi, path)),
  };
}

/** Node and Bun emit `'exit'` at every end at which code can still run, including an uncaught exception and the end of a Worker. */
function beforeExit(action: () => void): void {
  process.on("exit", action);
}

/**
 * A Worker's thread ends before the process, so there descriptors have an owner. So they have where one program may follow another in the
 * main thread.
 *
 * @param isFollowed Whether that may be.
 */
function libcOn(binding: Binding, abi: Abi, isFollowed = false): Libc {
  const isMain = workerThreads().isMainThread && !isWebWorker();
  const open = (): ThreadOwner | undefined => {
    if (!isMain) return openThreadOwner(binding, abi);
    return isFollowed ? openRealmOwner(binding, abi, process) : undefined;
  };
  const owner = open();
  return owner ? new OwningLibc(abi, binding, owner) : new NativeLibc(abi, binding);
}

/** In Deno `isMainThread` is true in a Web Worker. */
function isWebWorker(): boolean {
  const { WorkerGlobalScope } = globalThis as { WorkerGlobalScope?: new () => object };
  return typeof WorkerGlobalScope === "function" && globalThis instanceof WorkerGlobalScope;
}

/** Waits in libuv's loop, or as `fallback` does if libuv refuses the descriptor. */
export function onUv(node: NodeFfi, fallback: WaiterFactory): WaiterFactory {
  let uv: Uv | undefined;
  return (set, onReady) => UvWaiter.open(set, onReady, uv ??= new Uv(node)) ?? fallback(set, onReady);
}

/** In Bun's own loop, on Linux: elsewhere the numbers of descriptors are watched, and not files. */
function onBunLoop(libc: Libc, binding: Binding, isWhole: boolean): WaiterFactory {
  const threads = new PollThreads(libc, bunPollSource(libc.abi), BUN_LONGEST_POLL);
  const watches = workerThreads().isMainThread && isWhole && libc.abi.linux
    ? new LoopPlaces(libc, binding, bunConnect, threads)
    : threads;
  return (set, onReady) => new ThreadWaiter(set, onReady, watches);
}

function onThreads(libc: Libc, source: string, longestPoll?: number): WaiterFactory {
  const threads = new PollThreads(libc, source, longestPoll);
  return (set, onReady) => new ThreadWaiter(set, onReady, threads);
}
