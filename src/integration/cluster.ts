/**
 * Ports in the workers of `node:cluster`.
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";
import type { SharedDescriptor } from "../endpoint/shared_descriptor.ts";

/** What the primary has to open, as Node's cluster describes it: an address, or a descriptor of the primary. */
interface Wanted {
  readonly address: string | null;
  readonly port: number | null;
  readonly addressType: "udp4" | "udp6";
  readonly fd: number;
  readonly flags: number | null;
}

/** An address that the primary has to bind to. */
export interface WantedAddress {
  readonly address: string;
  readonly port: number;
  readonly reuseAddr: boolean;
  readonly ipv6Only: boolean;
}

/** The parts of a socket that the cluster uses: it reports `'listening'` to the primary. */
interface ClusteredSocket {
  readonly type: "udp4" | "udp6";
  once(event: "listening", listener: () => void): unknown;
  address(): { address: string; port: number };
}

/** Watches the socket that asks. */
export interface ShareWatcher {
  /** Whether it is still open. */
  isOpen(): boolean;
  /** Called if the cluster closes the descriptor because the worker is being disconnected. */
  onClosed(): void;
}

/** In Node a UDP handle, which never reads here; in Bun an object with a descriptor. */
interface ClusterHandle {
  readonly fd?: number;
  readonly sharedFd?: number;
  close: (...values: unknown[]) => void;
}

/** `_getServer` is what the runtime's own `dgram` and `net` call; there is no public function. */
interface Cluster {
  readonly isWorker?: boolean;
  _getServer?(
    socket: ClusteredSocket,
    wanted: Wanted,
    callback: (errno: number, handle: ClusterHandle | null) => void,
  ): void;
}

// <uv.h>
const UV_UDP_IPV6ONLY = 1;
const UV_UDP_REUSEADDR = 4;

/** Whether this process is a cluster worker. A worker has an IPC channel; without one `node:cluster` need not be loaded. */
export function isClusterWorker(): boolean {
  return process.send !== undefined && Boolean(cluster()?.isWorker);
}

/**
 * Asks the primary for a socket.
 *
 * @param wanted Its address, or the number of its descriptor in the primary.
 * @param callback Called with the socket, or a negative errno: ENOTSUP if the runtime's cluster shares no UDP sockets (Deno).
 */
export function shareDescriptor(
  socket: ClusteredSocket,
  wanted: WantedAddress | number,
  ENOTSUP: number,
  watcher: ShareWatcher,
  callback: (result: SharedDescriptor | number) => void,
): void {
  const workers = cluster();
  if (!workers?._getServer) return callback(-ENOTSUP);
  workers._getServer(whileOpen(socket, watcher), inNodesWords(socket.type, wanted), (errno, handle) => {
    const fd = handle?.sharedFd ?? handle?.fd;
    callback(handle && fd !== undefined ? watched(handle, fd, watcher.onClosed) : errno || -ENOTSUP);
  });
}

/**
 * The socket as the cluster sees it. The cluster reads the address at `'listening'`. In Deno it does so even if another listener
 * has already closed the socket, so `address()` would throw.
 */
function whileOpen(socket: ClusteredSocket, { isOpen }: ShareWatcher): ClusteredSocket {
  const once = (event: "listening", listener: () => void): unknown =>
    socket.once(event, () => {
      if (isOpen()) listener.call(socket);
    });
  return Object.create(socket, { once: { value: once } });
}

function inNodesWords(addressType: "udp4" | "udp6", wanted: WantedAddress | number): Wanted {
  if (typeof wanted === "number") return { address: null, port: null, addressType, fd: wanted, flags: null };
  const { address, port, reuseAddr, ipv6Only } = wanted;
  const flags = (reuseAddr ? UV_UDP_REUSEADDR : 0) | (ipv6Only ? UV_UDP_IPV6ONLY : 0);
  return { address, port, addressType, fd: -1, flags };
}

/** Replaces the handle's `close`, which the cluster calls when it takes the descriptor back. */
function watched(handle: ClusterHandle, fd: number, onClosed: () => void): SharedDescriptor {
  const close = handle.close;
  handle.close = (...values) => {
    onClosed();
    close.apply(handle, values);
  };
  return { fd, close: () => close.call(handle) };
}

/** Called at the first bind, as it loads a module of the runtime. */
function cluster(): Cluster | undefined {
  return process.getBuiltinModule("node:cluster") as unknown as Cluster | undefined;
}
