/**
 * Reading, writing and closing descriptors that were received with a message.
 *
 * @module
 */
import { type Libc, retryOnEintr } from "../../ffi/libc/libc.ts";
import type { Engine } from "../endpoint/engine.ts";
import { byteLength } from "../sending/payload.ts";
import type { DescriptorAccess } from "./received_descriptors.ts";

/** The most bytes that one call reads or writes. */
const MAX_LENGTH = 65_536;

/**
 * Uses the C library, which unlike a runtime's own functions accepts any descriptor. @param socket Makes a descriptor a
 * socket.
 */
export function descriptorAccess({ runtime, errors }: Engine, socket: DescriptorAccess["socket"]): DescriptorAccess {
  const { libc } = runtime;
  return {
    read: (fd, bytes) => read(libc, fd, bytes),
    write: (fd, bytes) => write(libc, fd, bytes),
    close: (fd) => libc.close(fd),
    disown: (fd) => libc.owner.disown(fd),
    socket,
    check: (result, call) => void errors.check(result, call),
  };
}

/** Reads into memory that cannot be detached meanwhile, and copies from there. */
function read(libc: Libc, fd: number, bytes: Uint8Array): number {
  const length = Math.min(byteLength(bytes), MAX_LENGTH);
  const memory = libc.allocate(Math.max(length, 1));
  const count = retryOnEintr(libc.abi, () => libc.read(fd, libc.pointer(memory), length));
  if (count > 0) bytes.set(memory.bytes.subarray(0, count));
  return count;
}

function write(libc: Libc, fd: number, bytes: Uint8Array): number {
  const length = Math.min(byteLength(bytes), MAX_LENGTH);
  const memory = libc.allocate(Math.max(length, 1));
  memory.bytes.set(bytes.subarray(0, length));
  return retryOnEintr(libc.abi, () => libc.write(fd, libc.pointer(memory), length));
}
