/**
 * Memory that JavaScript owns and native code addresses.
 *
 * The kernel writes through addresses that the garbage collector does not see. Hence two rules: an address is only made from a
 * {@linkcode Memory}, which has an ArrayBuffer to itself (pooled Buffers may be moved); and code that stores an address inside other
 * memory also keeps the object it came from.
 *
 * User code could detach a block by transferring its ArrayBuffer (`postMessage`, `structuredClone`, `transfer()`). So a block that
 * user code can access is made by {@linkcode undetachableBuffer}.
 *
 * @module
 */

/** A block of native-visible memory with the views needed to fill and read it. */
export class Memory {
  /** The block itself. */
  readonly buffer: ArrayBuffer;
  /** All of it, as bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** All of it, for fields of other widths. */
  readonly view: DataView<ArrayBuffer>;
  /** Its address in this process. */
  readonly address: bigint;

  /** Wraps a block whose address the runtime's binding has found. */
  constructor(buffer: ArrayBuffer, address: bigint) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.address = address;
  }

  /** The size in bytes. */
  get size(): number {
    return this.buffer.byteLength;
  }

  /** Sets every byte to zero. */
  clear(): void {
    this.bytes.fill(0);
  }

  /** Writes the address of another block into this one. The caller keeps the other block reachable. */
  setAddress(offset: number, target: Memory, targetOffset = 0): void {
    checkRange(target, targetOffset);
    this.view.setBigUint64(offset, target.address + BigInt(targetOffset), true);
  }
}

/** The size of a WebAssembly memory is a multiple of this many bytes. */
const WASM_PAGE = 65_536;

type WasmMemoryConstructor = new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };

/**
 * Zeroed memory that no transfer detaches, so that user code may access it. The engine refuses to detach the buffer of a
 * WebAssembly.Memory. Node before 22 lets `postMessage` detach it anyway, unless it is marked.
 *
 * @param size Rounded up to 64 KiB.
 * @returns Undefined if the engine runs without WebAssembly (V8's `--jitless`).
 */
export function undetachableBuffer(size: number): ArrayBuffer | undefined {
  const { WebAssembly } = globalThis as { WebAssembly?: { Memory: WasmMemoryConstructor } };
  if (!WebAssembly) return undefined;
  const pages = Math.max(Math.ceil(size / WASM_PAGE), 1);
  const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
  // Loaded here, as that takes Node 4 ms.
  globalThis.process.getBuiltinModule("node:worker_threads").markAsUntransferable?.(buffer);
  return buffer;
}

/** An address as the runtime's FFI takes it as an argument. It keeps the memory that it points into reachable. */
export class Pointer {
  /** The runtime's own form of the address. */
  readonly value: unknown;
  /** The memory pointed into. */
  readonly memory: Memory;
  /** Bytes from the pointer to the end of its memory. */
  readonly room: number;

  /** Made by `Libc.pointer`. */
  constructor(value: unknown, memory: Memory, offset: number) {
    checkRange(memory, offset);
    this.value = value;
    this.memory = memory;
    this.room = memory.size - offset;
  }
}

/** The pointer's value, after a check that its memory has as many bytes as the call may read or write. */
export function checkedPointer(pointer: Pointer, length: number): unknown {
  if (!(length >= 0 && length <= pointer.room)) {
    throw new RangeError(`A native call would touch ${length} bytes where ${pointer.room} are`);
  }
  return pointer.value;
}

function checkRange(memory: Memory, offset: number): void {
  if (!(offset >= 0 && offset < memory.size)) {
    throw new RangeError(`Cannot point at byte ${offset} of a block of ${memory.size} bytes`);
  }
}
