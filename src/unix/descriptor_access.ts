/**
 * Reading, writing and closing descriptors that came with a message.
 *
 * @module
 */
import { type Libc, retryOnEintr } from "../../ffi/libc/libc.ts";
import type { Engine } from "../endpoint/engine.ts";
import type { DescriptorAccess } from "./received_descriptors.ts";

/** What one call reads or writes at most, in bytes. */
const MAX_LENGTH = 65_536;

/** By the C library, which unlike a runtime's own functions takes any descriptor. @param socket Makes a socket of one. */
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

/** By way of memory that nobody can detach meanwhile. */
function read(libc: Libc, fd: number, bytes: Uint8Array): number {
  const length = Math.min(bytes.byteLength, MAX_LENGTH);
  const memory = libc.allocate(Math.max(length, 1));
  const count = retryOnEintr(libc.abi, () => libc.read(fd, libc.pointer(memory), length));
  if (count > 0) bytes.set(memory.bytes.subarray(0, count));
  return count;
}

function write(libc: Libc, fd: number, bytes: Uint8Array): number {
  const length = Math.min(bytes.byteLength, MAX_LENGTH);
  const memory = libc.allocate(Math.max(length, 1));
  memory.bytes.set(bytes.subarray(0, length));
  return retryOnEintr(libc.abi, () => libc.write(fd, libc.pointer(memory), length));
}
