/**
 * What a Unix socket tells of itself.
 *
 * @module
 */
import { readCredentials, type UnixCredentials } from "../../ffi/wire/ancillary.ts";
import { BufferSizes } from "../options/buffer_sizes.ts";
import { notConnected, unavailable } from "../errors/node_errors.ts";
import { endpointOf, engineOf, runningEndpoint } from "../endpoint/socket_base.ts";
import type { UnixAddress, UnixSocketEvents } from "./types.ts";

/** Its address, what waits in it, whether it keeps the process alive. A part of {@linkcode UnixSocket}. */
export abstract class UnixStatus extends BufferSizes<UnixSocketEvents> {
  /** The socket's own path (getsockname(2)); empty while it is not bound. */
  address(): UnixAddress {
    const endpoint = runningEndpoint(this);
    engineOf(this).errors.check(endpoint.open(), "socket");
    const local = endpoint.localAddress();
    if (typeof local === "number") throw engineOf(this).errors.ofCall(-local, "getsockname");
    return { family: "unix", path: local.address };
  }

  /**
   * Who made the pair that this socket is one of (SO_PEERCRED; Linux). The peer of another socket is known by `recvCredentials` only.
   *
   * @throws {Error} ERR_SOCKET_DGRAM_NOT_CONNECTED where the socket is not one of a pair.
   * @throws {TypeError} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM
   */
  getPeerCredentials(): UnixCredentials {
    const { abi } = engineOf(this).runtime.libc;
    if (!abi.linux) throw unavailable("SO_PEERCRED", abi.platform);
    const value = this.getsockopt("SOL_SOCKET", "SO_PEERCRED", abi.linux.ucred.size);
    const credentials = readCredentials(abi, new DataView(value.buffer, value.byteOffset, value.byteLength), 0);
    // So the kernel says that it does not know.
    if (credentials.pid === 0) throw notConnected();
    return credentials;
  }

  /** From now on the socket keeps the process alive, once it is bound or connected. That is how it starts. */
  ref(): this {
    endpointOf(this)?.setReferenced(true);
    return this;
  }

  /** From now on the socket does not keep the process alive; messages that wait do. */
  unref(): this {
    endpointOf(this)?.setReferenced(false);
    return this;
  }

  /** Bytes that `send()` was given and the kernel has no room for yet. */
  getSendQueueSize(): number {
    return runningEndpoint(this).sendQueue.size;
  }

  /** Messages that `send()` was given and the kernel has no room for yet. */
  getSendQueueCount(): number {
    return runningEndpoint(this).sendQueue.count;
  }
}
