/**
 * Descriptors of a realm that are closed when another realm follows in the same thread. The descriptors of a realm are listed in native
 * memory, which outlives it; the next realm closes them before it opens any.
 *
 * `bun test --isolate` gives each file a new global object and new modules, and does not report when one ends. `deno run --watch` starts a
 * program again in the same process, and emits no `unload` if the last one has failed.
 *
 * Each thread has its own list: `deno test --parallel` runs files side by side. A thread that has ended may leave its list to one that gets
 * its pthread_t, and with it what is still open.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Binding } from "./binding.ts";
import { Memory } from "./memory.ts";
import type { Prototype } from "./prototypes.ts";
import { type Slot, THREAD_EXIT_PROTOTYPES, ThreadOwner } from "./thread_exit.ts";

/**
 * The functions. `tests/headers_test.ts` compares them with the headers by a C compiler. What they return is read as a number, as addresses
 * are written to the list.
 */
export const REALM_PROTOTYPES = {
  bindtextdomain: {
    declaration: "char *bindtextdomain(const char *domainname, const char *dirname)",
    result: "size_t",
    parameters: [["pointer", "domainname"], ["pointer", "dirname"]],
  },
  pthread_self: {
    declaration: "pthread_t pthread_self(void)",
    result: "size_t",
    parameters: [],
  },
} as const satisfies Record<string, Prototype>;

/** One block of the list: the address of the next one, and descriptors, -1 for none. */
const BLOCK = { size: 4096, next: 0, descriptors: 8 };

/**
 * The name under which the C library keeps the start of a thread's list, as text, for the process. Children do not inherit it. The thread's
 * number follows.
 */
const NAME = "dgram-ffi";

/** The key of a realm's slots, which copies of this module share. */
const SLOTS = Symbol.for("dgram-ffi.slots");

/** Returns an unused slot. */
type SlotSource = () => Slot | undefined;

/**
 * The owner that lists a realm's descriptors. Descriptors that the previous realm has left open are closed.
 *
 * @param realm An object of which each realm has one.
 * @returns Undefined if the C library has no place for the list.
 */
export function openRealmOwner(binding: Binding, abi: Abi, realm: object): ThreadOwner | undefined {
  const known = (realm as { [SLOTS]?: SlotSource })[SLOTS];
  if (known) return new ThreadOwner(known);
  try {
    const source = openSlots(binding, abi);
    Object.defineProperty(realm, SLOTS, { value: source });
    return new ThreadOwner(source);
  } catch {
    // macOS: no such functions.
    return undefined;
  }
}

function openSlots(binding: Binding, abi: Abi): SlotSource {
  const calloc = { ...THREAD_EXIT_PROTOTYPES.calloc, result: "size_t" } as const;
  const functions = binding.open({ calloc, ...REALM_PROTOTYPES }, abi.libraries);
  const free: Slot[] = [];
  const add = (address: number): ArrayBuffer => {
    const block = viewAt(binding, address, BLOCK.size);
    for (let at = BLOCK.descriptors; at < BLOCK.size; at += 4) free.push(new Int32Array(block, at, 1));
    return block;
  };
  const makeBlock = (): number => {
    const address = Number(functions.calloc(binding.toSizeT(1), binding.toSizeT(BLOCK.size)));
    if (address === 0) throw new Error("calloc failed");
    new Int32Array(viewAt(binding, address, BLOCK.size), BLOCK.descriptors).fill(-1);
    return address;
  };
  const nextOf = (block: ArrayBuffer): BigUint64Array => new BigUint64Array(block, BLOCK.next, 1);
  const name = `${NAME}-${functions.pthread_self()}`;
  let last: ArrayBuffer | undefined;
  for (let address = firstOf(binding, functions.bindtextdomain, name, makeBlock); address > 0;) {
    last = add(address);
    address = Number(nextOf(last)[0]);
  }
  // What is open was left by another realm, as this one has opened nothing yet.
  for (const slot of free) closeLeft(slot, (fd) => binding.functions.close(binding.toInt(fd)));
  return () => {
    if (free.length === 0) {
      const address = makeBlock();
      nextOf(last!)[0] = BigInt(address);
      last = add(address);
    }
    return free.pop();
  };
}

/** The memory at an address. */
function viewAt(binding: Binding, address: number, length: number): ArrayBuffer {
  return binding.view(binding.pointerTo(new Memory(new ArrayBuffer(0), BigInt(address)), 0), length);
}

function closeLeft(slot: Slot, close: (fd: number) => number): void {
  const fd = slot[0]!;
  if (fd < 0) return;
  slot[0] = -1;
  close(fd);
}

/** The address of the first block, which the first realm allocates. */
function firstOf(
  binding: Binding,
  bindtextdomain: (...text: unknown[]) => unknown,
  name: string,
  make: () => number,
): number {
  const key = text(binding, name);
  const known = Number(bindtextdomain(binding.pointerTo(key, 0), binding.nullPointer));
  const found = known ? new RegExp(`^/${name}/(\\d+)$`).exec(textAt(binding, known)) : undefined;
  if (found) return Number(found[1]);
  const address = make();
  bindtextdomain(binding.pointerTo(key, 0), binding.pointerTo(text(binding, `/${name}/${address}`), 0));
  return address;
}

function text(binding: Binding, value: string): Memory {
  const buffer = new ArrayBuffer(value.length + 1);
  new Uint8Array(buffer).set(new TextEncoder().encode(value));
  return new Memory(buffer, binding.addressOf(buffer));
}

/** A string of C, read byte by byte, so that nothing after its end is read. */
function textAt(binding: Binding, address: number): string {
  let value = "";
  for (let at = address;; at++) {
    const byte = new Uint8Array(viewAt(binding, at, 1))[0]!;
    if (byte === 0) return value;
    value += String.fromCharCode(byte);
  }
}
