/**
 * Sockets that are sent to child processes, `child.send(message, socket)`: the runtime asks the socket for its handle by a symbol
 * of its own, and has a socket bind to the handle it received. Some send only what they opened themselves.
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import type { SharedDescriptor } from "../endpoint/shared_descriptor.ts";
import { endpointOf, engineOf } from "../endpoint/socket_state.ts";
import { UdpEndpoint } from "../endpoint/udp_endpoint.ts";

/** A UDP handle of the runtime's, as far as it is used here. It never reads: only its descriptor counts. */
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

/** Found by name: it is no registered symbol. */
const STATE_SYMBOL = /^(state symbol|kStateSymbol)$/;

const handles = new WeakMap<object, Handle>();

/**
 * Has the runtime's `child_process` accept sockets of a class in the place of its own.
 *
 * @returns Undoes it.
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

/** Where there is `fdForIpc`, the class is asked for as it was before anybody replaced it. */
function inherit({ prototype }: { readonly prototype: object }, builtin: SocketClass): () => void {
  const before = Object.getPrototypeOf(prototype);
  Object.setPrototypeOf(prototype, builtin.prototype);
  return () => void Object.setPrototypeOf(prototype, before);
}

/** The descriptor of a handle that the runtime gave `bind()` in the place of options; undefined: it is something else. */
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

/** A handle with a descriptor of its own, which is closed with the socket; null where there is none. */
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
