/**
 * Ports in the workers of `node:cluster`.
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";
import type { SharedDescriptor } from "../endpoint/shared_descriptor.ts";

/** What to have opened, in the words of Node's cluster: an address, or a descriptor of the primary's. */
interface Wanted {
  readonly address: string | null;
  readonly port: number | null;
  readonly addressType: "udp4" | "udp6";
  readonly fd: number;
  readonly flags: number | null;
}

/** An address to have opened. */
export interface WantedAddress {
  readonly address: string;
  readonly port: number;
  readonly reuseAddr: boolean;
  readonly ipv6Only: boolean;
}

/** What of a socket the cluster uses: it tells the primary of `'listening'`. */
interface ClusteredSocket {
  readonly type: "udp4" | "udp6";
  once(event: "listening", listener: () => void): unknown;
  address(): { address: string; port: number };
}

/** What becomes of a socket that asks. */
export interface ShareWatcher {
  /** Whether it is open still. */
  isOpen(): boolean;
  /** Called if the cluster closes what it gave: the worker is being disconnected. */
  onClosed(): void;
}

/** Node's is one of its UDP handles, which never reads here; Bun's is an object with a descriptor. */
interface ClusterHandle {
  readonly fd?: number;
  readonly sharedFd?: number;
  close: (...values: unknown[]) => void;
}

/** `_getServer` is how the runtime's own `dgram` and `net` ask the primary; there is no public way. */
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

/** Whether this process is a cluster worker. Such a process was forked: without its channel the module need not be loaded. */
export function isClusterWorker(): boolean {
  return process.send !== undefined && Boolean(cluster()?.isWorker);
}

/**
 * Asks the primary for a socket.
 *
 * @param wanted Its address, or the number that its descriptor has in the primary.
 * @param callback Gets it, or a negative errno: ENOTSUP where the runtime's cluster shares no UDP sockets (Deno).
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
 * The socket as the cluster gets it. The cluster asks for the address in `'listening'`; Deno's does so even if another listener has
 * closed the socket before, which then throws.
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

/** The cluster closes the handles it gave out by their `close`: that is how to hear of it. */
function watched(handle: ClusterHandle, fd: number, onClosed: () => void): SharedDescriptor {
  const close = handle.close;
  handle.close = (...values) => {
    onClosed();
    close.apply(handle, values);
  };
  return { fd, close: () => close.call(handle) };
}

/** Not asked before the first bind: it loads a module of the runtime. */
function cluster(): Cluster | undefined {
  return process.getBuiltinModule("node:cluster") as unknown as Cluster | undefined;
}
