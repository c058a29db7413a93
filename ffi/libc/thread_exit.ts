/**
 * Descriptors that the C library closes when their thread ends, without any JavaScript.
 *
 * Descriptors belong to the process. A terminated Worker runs no more code, so its descriptors would stay open.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Binding } from "./binding.ts";
import { Memory } from "./memory.ts";
import type { Prototype } from "./prototypes.ts";

/** Has descriptors closed when the calling thread ends. */
export interface DescriptorOwner {
  /** Adds an open descriptor. Those that {@linkcode Libc} opens are added by it, and removed when it closes them. */
  own(fd: number): void;
  /** Removes a descriptor, which someone else closes. */
  disown(fd: number): void;
}

/** The owner in the main thread, which ends with the process: it does nothing. */
export const PROCESS: DescriptorOwner = { own: () => {}, disown: () => {} };

/** Memory in which the thread's end finds a descriptor to close, or -1. */
export type Slot = Int32Array | Int16Array;

/** Makes an empty slot, or returns undefined if there is no memory for one more. @param fd Any open descriptor. */
type SlotMaker = (fd: number) => Slot | undefined;

/** How many slots are kept in reserve: as many as descriptors that one call opens (socketpair(2)). */
const RESERVE = 2;

/** STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO */
const STANDARD_STREAMS = [0, 1, 2];

/**
 * What is registered for a thread's end cannot be removed. But it reads its descriptor from memory, and -1 closes nothing. So slots are
 * used again; there are as many as descriptors were ever open at once, and {@linkcode RESERVE}.
 */
export class ThreadOwner implements DescriptorOwner {
  readonly #make: SlotMaker;
  /** By descriptor. */
  readonly #slots: (Slot | undefined)[] = [];
  readonly #free: Slot[] = [];

  constructor(make: SlotMaker) {
    this.#make = make;
    // The first descriptors need slots, too. One of the standard streams is usually open.
    for (const fd of STANDARD_STREAMS) this.#makeReserve(fd);
  }

  /** A slot for a descriptor that is about to be opened. It must be written at once, as the Worker may be terminated in between. */
  reserve(): Slot | undefined {
    return this.#free.pop();
  }

  /** Takes the result of opening. @param slot The reserved slot. @param fd Negative if there is no descriptor. */
  settle(slot: Slot | undefined, fd: number): void {
    if (fd < 0) {
      if (slot) this.#free.push(slot);
      return;
    }
    if (slot) this.#slots[fd] = slot;
    else this.own(fd);
    this.#makeReserve(fd);
  }

  own(fd: number): void {
    if (this.#slots[fd]) return;
    this.#makeReserve(fd);
    const slot = this.#free.pop();
    if (!slot) return;
    slot[0] = fd;
    this.#slots[fd] = slot;
  }

  disown(fd: number): void {
    const slot = this.slotOf(fd);
    if (!slot) return;
    slot[0] = -1;
    this.vacate(fd, slot);
  }

  /** The slot of a descriptor that is about to be closed. The caller must write -1 to it right before. */
  slotOf(fd: number): Slot | undefined {
    return this.#slots[fd];
  }

  /** Takes back the slot of a descriptor that was closed. */
  vacate(fd: number, slot: Slot): void {
    this.#slots[fd] = undefined;
    this.#free.push(slot);
  }

  #makeReserve(fd: number): void {
    while (this.#free.length < RESERVE) {
      const slot = this.#make(fd);
      if (!slot) return;
      this.#free.push(slot);
    }
  }
}

/** The owner of a Worker's descriptors, by the first way that the C library supports. */
export function openThreadOwner(binding: Binding, abi: Abi): ThreadOwner | undefined {
  for (const slots of [fileSlots, cleanupSlots]) {
    try {
      return new ThreadOwner(slots(binding, abi));
    } catch {
      // This C library has other functions.
    }
  }
  return undefined;
}

/** The functions that are declared in headers. `tests/headers_test.ts` compares them by a C compiler. */
export const THREAD_EXIT_PROTOTYPES = {
  fdopen: {
    declaration: "FILE *fdopen(int fd, const char *mode)",
    result: "pointer",
    parameters: [["int", "fd"], ["pointer", "mode"]],
  },
  calloc: {
    declaration: "void *calloc(size_t nmemb, size_t size)",
    result: "pointer",
    parameters: [["size_t", "nmemb"], ["size_t", "size"]],
  },
  dlsym: {
    declaration: "void *dlsym(void *handle, const char *symbol)",
    result: "pointer",
    parameters: [["pointer", "handle"], ["pointer", "symbol"]],
  },
} as const satisfies Record<string, Prototype>;

/** Functions that are declared in no header, or only in musl's. */
const UNDECLARED = {
  __cxa_thread_atexit_impl: {
    declaration: "int __cxa_thread_atexit_impl(void (*dtor)(void *), void *obj, void *dso_symbol)",
    result: "int",
    parameters: [["pointer", "dtor"], ["pointer", "obj"], ["pointer", "dso_symbol"]],
  },
  _tlv_atexit: {
    // It returns nothing. The result that is read has no meaning.
    declaration: "void _tlv_atexit(void (*dtor)(void *), void *obj)",
    result: "int",
    parameters: [["pointer", "dtor"], ["pointer", "obj"]],
  },
  _pthread_cleanup_push: {
    declaration: "void _pthread_cleanup_push(struct __ptcb *cb, void (*f)(void *), void *x)",
    result: "int",
    parameters: [["pointer", "cb"], ["pointer", "f"], ["size_t", "x"]],
  },
} as const satisfies Record<string, Prototype>;

/**
 * glibc and macOS: the thread's end calls fclose(3) on a `FILE`, which closes its descriptor. Nothing is read through the `FILE`. It takes
 * some 600 bytes.
 */
function fileSlots(binding: Binding, abi: Abi): SlotMaker {
  const { register, FILE } = abi.threadExit;
  const { fdopen } = THREAD_EXIT_PROTOTYPES;
  const functions = binding.open({ fdopen, [register]: UNDECLARED[register] }, abi.libraries);
  const fclose = addressOf("fclose", binding, abi);
  const modes = [text(binding, "r"), text(binding, "w")] as const;
  // The first will do for any but a descriptor that is open for writing only, such as a pipe's that came with a message.
  const open = (fd: number, mode: Memory): unknown => functions.fdopen!(binding.toInt(fd), binding.pointerTo(mode, 0));
  return (fd) => {
    const readable = open(fd, modes[0]);
    const file = isNull(readable) ? open(fd, modes[1]) : readable;
    if (isNull(file)) return undefined;
    const memory = binding.view(file, FILE.fileno + FILE.filenoSize);
    const Numbers = FILE.filenoSize === 2 ? Int16Array : Int32Array;
    const slot = new Numbers(memory, FILE.fileno, 1);
    // Otherwise its layout is not that of the headers, and it must not be changed.
    if (slot[0] !== fd) return undefined;
    slot[0] = -1;
    // The third argument is any address in a library that has to stay loaded. If the first one registered is NULL, glibc dereferences it.
    functions[register]!(fclose, file, fclose);
    return slot;
  };
}

/**
 * musl: the thread's end runs the functions of pthread_cleanup_push(3), here close(2), as if the thread were cancelled. They are in a list
 * whose memory the caller provides.
 */
function cleanupSlots(binding: Binding, abi: Abi): SlotMaker {
  // <pthread.h>: struct __ptcb { void (*__f)(void *); void *__x; struct __ptcb *__next; };
  const __ptcb = { size: 24, __x: 8 };
  const { calloc } = THREAD_EXIT_PROTOTYPES;
  const { _pthread_cleanup_push } = UNDECLARED;
  const functions = binding.open({ calloc, _pthread_cleanup_push }, abi.libraries);
  const close = addressOf("close", binding, abi);
  return () => {
    const block = functions.calloc(binding.toSizeT(1), binding.toSizeT(__ptcb.size));
    if (isNull(block)) return undefined;
    functions._pthread_cleanup_push(block, close, binding.toSizeT(0));
    // close() takes the lower half.
    const slot = new Int32Array(binding.view(block, __ptcb.size), __ptcb.__x, 1);
    slot[0] = -1;
    return slot;
  };
}

/** The address of a function of the C library. glibc before 2.34 has dlsym(3) in another library. */
function addressOf(name: string, binding: Binding, { libraries }: Abi): unknown {
  const { dlsym } = binding.open({ dlsym: THREAD_EXIT_PROTOTYPES.dlsym }, [...libraries, "libdl.so.2"]);
  const symbol = text(binding, name);
  const address = dlsym(binding.nullPointer, binding.pointerTo(symbol, 0));
  // On Linux NULL is RTLD_DEFAULT. On macOS it is not a valid handle, so nothing is found and nothing is registered.
  if (isNull(address)) throw new Error(`${name} was not found`);
  return address;
}

/** A string of C. */
function text(binding: Binding, value: string): Memory {
  const buffer = new ArrayBuffer(value.length + 1);
  new Uint8Array(buffer).set(new TextEncoder().encode(value));
  return new Memory(buffer, binding.addressOf(buffer));
}

function isNull(pointer: unknown): boolean {
  return pointer === null || pointer === 0 || pointer === 0n;
}
