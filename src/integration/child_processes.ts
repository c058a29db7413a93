/**
 * Sockets that are sent to child processes, `child.send(message, socket)`. The runtime reads the socket's handle under an
 * internal symbol; in the child it calls `bind()` of a new socket with the handle it received. Bun sends only its own sockets.
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import type { SharedDescriptor } from "../endpoint/shared_descriptor.ts";
import { endpointOf, engineOf } from "../endpoint/socket_state.ts";
import { UdpEndpoint } from "../endpoint/udp_endpoint.ts";

/** The parts of the runtime's UDP handle that are used here. The handle never reads: only its descriptor matters. */
interface Handle {
  readonly fd?: number;
  fdForIpc?(): number;
  open(fd: number): number;
  close(): void;
}

/** A socket of the runtime's own `dgram`. */
interface BuiltinSocket {
  close(): void;
}

interface SocketClass {
  new (type: string): BuiltinSocket;
  readonly prototype: object;
}

/** Found by its description, as it is not a registered symbol. */
const STATE_SYMBOL = /^(state symbol|kStateSymbol)$/;

const handles = new WeakMap<object, Handle>();

/**
 * Lets the runtime's `child_process` accept sockets of a class instead of its own.
 *
 * @returns A function that undoes it.
 */
export function acceptByChildProcesses(ours: { readonly prototype: object }, builtin: SocketClass): () => void {
  const sample = new builtin("udp4");
  const key = Object.getOwnPropertySymbols(sample).find(({ description }) => STATE_SYMBOL.test(description ?? ""));
  const handle = key && (sample as unknown as Record<symbol, { handle?: Handle } | undefined>)[key]?.handle;
  sample.close();
  // Bun's is a plain object.
  if (!key || typeof handle?.open !== "function") return () => {};
  const HandleClass = handle.constructor as new () => Handle;
  const undo = handle.fdForIpc ? inherit(ours, builtin) : () => {};
  Object.defineProperty(ours.prototype, key, {
    configurable: true,
    get(this: AnySocket) {
      return { handle: handleOf(this, HandleClass) };
    },
  });
  return () => {
    Reflect.deleteProperty(ours.prototype, key);
    undo();
  };
}

/** If handles have `fdForIpc`, the runtime checks `instanceof` with its original class. */
function inherit({ prototype }: { readonly prototype: object }, builtin: SocketClass): () => void {
  const before = Object.getPrototypeOf(prototype);
  Object.setPrototypeOf(prototype, builtin.prototype);
  return () => void Object.setPrototypeOf(prototype, before);
}

/** The descriptor of a handle that the runtime passes to `bind()` instead of options. Undefined if the value is not a handle. */
export function descriptorOfHandle(value: unknown): SharedDescriptor | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const handle = value as Handle;
  if (typeof handle.open !== "function" || typeof handle.close !== "function") return undefined;
  const fd = handle.fdForIpc?.() ?? handle.fd;
  return fd !== undefined && fd >= 0 ? { fd, close: () => handle.close() } : undefined;
}

function duplicateOf(socket: AnySocket): number {
  const endpoint = endpointOf(socket);
  return endpoint instanceof UdpEndpoint ? endpoint.duplicate() : -1;
}

/** A handle with a duplicate of the descriptor, which is closed with the socket. Null if the socket has no descriptor. */
function handleOf(socket: AnySocket, HandleClass: new () => Handle): Handle | null {
  const known = handles.get(socket);
  if (known) return known;
  const fd = duplicateOf(socket);
  if (fd < 0) return null;
  const handle = new HandleClass();
  if (handle.open(fd) !== 0) {
    engineOf(socket).runtime.libc.close(fd);
    return null;
  }
  handles.set(socket, handle);
  socket.once("close", () => handle.close());
  return handle;
}
