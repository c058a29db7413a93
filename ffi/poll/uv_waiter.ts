/**
 * Node's main thread: libuv's `uv_poll_t` on the poller, in Node's own event loop. It needs no thread.
 *
 * It cannot be used in Node's Workers: a terminated Worker runs no more JavaScript, so its loop would end with this handle open,
 * and then Node aborts the process.
 *
 * @module
 */
import { UV_POLL, UV_READABLE } from "../abi/uv.ts";
import type { NodeFfi, NodeLibrary } from "../runtimes/node.ts";
import { clearImmediate, hostProcess, setImmediate } from "../runtimes/process.ts";
import type { Poller } from "./poller.ts";
import type { Waiter } from "./waiter.ts";

// size_t uv_handle_size(uv_handle_type type);
// int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
// int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb);
// int uv_poll_stop(uv_poll_t *handle);
// void uv_ref(uv_handle_t *handle);
// void uv_unref(uv_handle_t *handle);
// void uv_close(uv_handle_t *handle, uv_close_cb close_cb);
const SYMBOLS = {
  uv_handle_size: { arguments: ["i32"], return: "u64" },
  uv_poll_init: { arguments: ["u64", "u64", "i32"], return: "i32" },
  uv_poll_start: { arguments: ["u64", "i32", "u64"], return: "i32" },
  uv_poll_stop: { arguments: ["u64"], return: "i32" },
  uv_ref: { arguments: ["u64"], return: "void" },
  uv_unref: { arguments: ["u64"], return: "void" },
  uv_close: { arguments: ["u64", "u64"], return: "void" },
} as const;

// typedef void (*uv_poll_cb)(uv_poll_t *handle, int status, int events);
const UV_POLL_CB = { arguments: ["u64", "i32", "i32"], return: "void" };

/** No callback: libuv calls the last ones when the process ends, and then JavaScript must not be called. */
const NO_CLOSE_CB = 0n;

/** libuv, opened once per process, and the handles it holds addresses of. */
export class Uv {
  readonly functions: NodeLibrary<keyof typeof SYMBOLS>["functions"];
  readonly loop: bigint;
  /** The memory that libuv can still access, by address: open handles and those it has not finished closing. */
  readonly #handles = new Map<bigint, { memory: ArrayBuffer; onReadable: (() => void) | undefined }>();
  readonly #ffi: NodeFfi;
  readonly #lib: NodeLibrary<never>["lib"];
  /** One callback for all handles, registered while there are any: it keeps this module, and all that it can reach, in memory. */
  #pollCallback = 0n;
  readonly #onProcessExit = (): void => this.#stopAll();

  constructor(ffi: NodeFfi) {
    const { functions, lib } = ffi.dlopen(null, SYMBOLS);
    this.functions = functions;
    this.loop = ffi.getCurrentEventLoop!();
    this.#ffi = ffi;
    this.#lib = lib;
  }

  /** Opens a `uv_poll_t` on a descriptor. @returns Undefined if libuv refuses the descriptor: then it does not keep the memory. */
  openPoll(fd: number, onReadable: () => void): bigint | undefined {
    const memory = new ArrayBuffer(Number(this.functions.uv_handle_size(UV_POLL)));
    const handle = this.#ffi.getRawPointer(memory);
    const result = this.functions.uv_poll_init(this.loop, handle, fd);
    if (result < 0) return undefined;
    if (this.#handles.size === 0) this.#register();
    this.#handles.set(handle, { memory, onReadable });
    return handle;
  }

  /** Starts to wait for a handle's descriptor. */
  startPoll(handle: bigint): void {
    this.functions.uv_poll_start(handle, UV_READABLE, this.#pollCallback);
  }

  /** Closes a handle. libuv stops using the descriptor at once, and the memory at the end of the loop's turn. */
  closePoll(handle: bigint): void {
    this.#handles.get(handle)!.onReadable = undefined;
    this.functions.uv_poll_stop(handle);
    this.functions.uv_close(handle, NO_CLOSE_CB);
    // The second of two immediates certainly runs in a later turn.
    setImmediate(() => setImmediate(() => this.#forget(handle)).unref()).unref();
  }

  #register(): void {
    // It must not throw.
    this.#pollCallback = this.#lib.registerCallback(UV_POLL_CB, (handle) => this.#handles.get(handle)?.onReadable?.());
    hostProcess.on("exit", this.#onProcessExit);
  }

  #forget(handle: bigint): void {
    this.#handles.delete(handle);
    if (this.#handles.size > 0) return;
    this.#lib.unregisterCallback(this.#pollCallback);
    hostProcess.removeListener("exit", this.#onProcessExit);
  }

  /** The process ends: see {@linkcode NO_CLOSE_CB}. */
  #stopAll(): void {
    for (const [handle, { onReadable }] of this.#handles) {
      if (onReadable) this.functions.uv_poll_stop(handle);
    }
  }
}

/** Waits in Node's own loop. */
export class UvWaiter implements Waiter {
  readonly linger = 250;
  readonly #uv: Uv;
  readonly #handle: bigint;
  readonly #onReady: () => void;
  #started = false;
  #armed = false;
  #referenced = true;
  #immediate: ReturnType<typeof setImmediate> | undefined;

  private constructor(uv: Uv, handle: bigint, onReady: () => void) {
    this.#uv = uv;
    this.#handle = handle;
    this.#onReady = onReady;
  }

  /**
   * Creates one. Returns undefined if libuv refuses the poller's descriptor: libuv makes it non-blocking, for which a kqueue may
   * return ENOTTY.
   */
  static open(poller: Poller, onReady: () => void, uv: Uv): UvWaiter | undefined {
    const handle = uv.openPoll(poller.fd, () => waiter.#readable());
    if (handle === undefined) return undefined;
    const waiter = new UvWaiter(uv, handle, onReady);
    return waiter;
  }

  arm(): void {
    this.#armed = true;
    // Started only once: stopping and starting again would cost two system calls for each wake-up.
    if (!this.#started) this.#uv.startPoll(this.#handle);
    this.#started = true;
  }

  ref(): void {
    this.#referenced = true;
    this.#uv.functions.uv_ref(this.#handle);
    this.#immediate?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#uv.functions.uv_unref(this.#handle);
    this.#immediate?.unref();
  }

  /** The handle stays started. Its poller is empty, so nothing wakes it. */
  park(): void {
    this.#armed = false;
    if (this.#immediate) clearImmediate(this.#immediate);
    this.#immediate = undefined;
  }

  close(released: () => void): void {
    if (this.#immediate) clearImmediate(this.#immediate);
    this.#uv.closePoll(this.#handle);
    released();
  }

  /** Runs inside libuv, where nothing may throw and no promise jobs run. The work follows in the same turn of the loop. */
  #readable(): void {
    if (!this.#armed || this.#immediate) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#armed = false;
      this.#onReady();
    });
    if (!this.#referenced) this.#immediate.unref();
  }
}
