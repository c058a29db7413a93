/**
 * Descriptors that end with their thread, without any JavaScript: the C library closes them.
 *
 * Descriptors belong to the process. A Worker that is terminated runs no more of our code, and what it had open would stay open.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Binding } from "./binding.ts";
import { Memory } from "./memory.ts";
import type { Prototype } from "./prototypes.ts";

/** Sees to it that descriptors are closed when the calling thread ends. */
export interface DescriptorOwner {
  /** From now on an open descriptor is. What {@linkcode Libc} itself opens is from the start, and until it is closed. */
  own(fd: number): void;
  /** From now on it is not: somebody else closes it. */
  disown(fd: number): void;
}

/** For the main thread, which ends with the process. */
export const PROCESS: DescriptorOwner = { own: () => {}, disown: () => {} };

/** Where the thread's end finds a descriptor to close, or -1. */
export type Slot = Int32Array | Int16Array;

/** Makes a slot without a descriptor. Gives undefined if there is no memory for one more. @param fd Any open descriptor. */
type SlotMaker = (fd: number) => Slot | undefined;

/**
 * What is registered for a thread's end cannot be taken back; but it takes the number of its descriptor from memory, and -1 closes
 * nothing. Hence there are as many slots as descriptors were open at once, and one to spare, each of use again and again.
 */
export class ThreadOwner implements DescriptorOwner {
  readonly #make: SlotMaker;
  /** By descriptor. */
  readonly #slots: (Slot | undefined)[] = [];
  readonly #free: Slot[] = [];

  constructor(make: SlotMaker) {
    this.#make = make;
  }

  /** A slot for a descriptor that is about to be opened: to be written to at once, as a Worker can be terminated in between. */
  reserve(): Slot | undefined {
    return this.#free.pop();
  }

  /** The result of opening it is known. @param slot What was reserved. @param fd Negative: there is no descriptor. */
  settle(slot: Slot | undefined, fd: number): void {
    if (fd < 0) {
      if (slot) this.#free.push(slot);
      return;
    }
    if (slot) this.#slots[fd] = slot;
    else this.own(fd);
    if (this.#free.length === 0) this.#add(fd);
  }

  own(fd: number): void {
    if (this.#slots[fd]) return;
    if (this.#free.length === 0) this.#add(fd);
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

  /** Where a descriptor stands that is about to be closed: -1 is to be written there at once before. */
  slotOf(fd: number): Slot | undefined {
    return this.#slots[fd];
  }

  /** It was closed. */
  vacate(fd: number, slot: Slot): void {
    this.#slots[fd] = undefined;
    this.#free.push(slot);
  }

  #add(fd: number): void {
    const slot = this.#make(fd);
    if (slot) this.#free.push(slot);
  }
}

/** Who closes a Worker's descriptors: the first way that the C library has. */
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

/** The functions; `tests/headers_test.ts` has a C compiler compare those with the headers that stand there. */
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

/** Those that stand in no header, or in that of musl only. */
const UNDECLARED = {
  __cxa_thread_atexit_impl: {
    declaration: "int __cxa_thread_atexit_impl(void (*dtor)(void *), void *obj, void *dso_symbol)",
    result: "int",
    parameters: [["pointer", "dtor"], ["pointer", "obj"], ["pointer", "dso_symbol"]],
  },
  _tlv_atexit: {
    // It returns nothing: what is read as its result has no meaning.
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
 * glibc and macOS: the thread's end calls fclose(3) on a `FILE`, which closes its descriptor. Nothing is ever read through it; it takes some
 * 600 bytes.
 */
function fileSlots(binding: Binding, abi: Abi): SlotMaker {
  const { register, FILE } = abi.threadExit;
  const { fdopen } = THREAD_EXIT_PROTOTYPES;
  const functions = binding.open({ fdopen, [register]: UNDECLARED[register] }, abi.libraries);
  const fclose = addressOf("fclose", binding, abi);
  const modes = [text(binding, "r"), text(binding, "w")];
  // The first will do for any but a descriptor that is open for writing only, such as a pipe's that came with a message.
  const open = (fd: number, mode: Memory): unknown => functions.fdopen(fd, binding.pointerTo(mode, 0));
  return (fd) => {
    const readable = open(fd, modes[0]);
    const file = isNull(readable) ? open(fd, modes[1]) : readable;
    if (isNull(file)) return undefined;
    const memory = binding.view(file, FILE.fileno + FILE.filenoSize);
    const Numbers = FILE.filenoSize === 2 ? Int16Array : Int32Array;
    const slot = new Numbers(memory, FILE.fileno, 1);
    // Otherwise it is not laid out as in the headers: hands off.
    if (slot[0] !== fd) return undefined;
    slot[0] = -1;
    // The third argument says which library has to stay loaded. Any address in it will do; glibc follows NULL if it is the first to be given.
    functions[register](fclose, file, fclose);
    return slot;
  };
}

/**
 * musl: the thread's end runs the functions of pthread_cleanup_push(3), close(2) among them, as if it was cancelled. They stand in a list
 * whose memory is the caller's.
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

/** Where a function of the C library begins. glibc before 2.34 has dlsym(3) in a library of its own. */
function addressOf(name: string, binding: Binding, { libraries }: Abi): unknown {
  const { dlsym } = binding.open({ dlsym: THREAD_EXIT_PROTOTYPES.dlsym }, [...libraries, "libdl.so.2"]);
  const symbol = text(binding, name);
  const address = dlsym(binding.nullPointer, binding.pointerTo(symbol, 0));
  // macOS takes NULL for no handle at all, where Linux has RTLD_DEFAULT: then there is nothing to register.
  if (isNull(address)) throw new Error(`${name} was not found`);
  return address;
}

/** A string as C has it. */
function text(binding: Binding, value: string): Memory {
  const buffer = new ArrayBuffer(value.length + 1);
  new Uint8Array(buffer).set(new TextEncoder().encode(value));
  return new Memory(buffer, binding.addressOf(buffer));
}

function isNull(pointer: unknown): boolean {
  return pointer === null || pointer === 0 || pointer === 0n;
}
