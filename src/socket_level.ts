/**
 * The methods of a socket for options of the level SOL_SOCKET: those that any protocol has (socket(7)).
 *
 * @module
 */
import { BufferSizes } from "./buffer_sizes.ts";
import { engineOf, runningEndpoint, setOption } from "./socket_base.ts";
import { validateString } from "./validate.ts";

/** Options that any protocol has. A part of {@linkcode Socket}. */
export abstract class SocketLevel extends BufferSizes {
  /**
   * Allows sending to broadcast addresses (SO_BROADCAST).
   *
   * @returns True. (Node: nothing.)
   * @throws {Error} EBADF before the socket is bound.
   */
  setBroadcast(flag: boolean): true {
    return setOption(this, "SO_BROADCAST", flag ? 1 : 0, "setBroadcast");
  }

  /**
   * Has the socket use one interface only (SO_BINDTODEVICE; IP_BOUND_IF and IPV6_BOUND_IF on macOS). Best called before
   * `bind()`. Not in Node.
   *
   * @param device The interface's name; left out, null or empty: any interface again.
   * @returns True.
   * @throws {Error} ENODEV without such an interface; EPERM where the system wants a privilege (Linux: CAP_NET_RAW, to change
   * an interface that is set).
   */
  bindToDevice(device?: string | null): true {
    const endpoint = runningEndpoint(this);
    if (device !== undefined && device !== null) validateString(device, "device");
    return engineOf(this).errors.check(endpoint.bindToDevice(device ?? ""), "bindToDevice");
  }
}
