/**
 * Methods of UDP sockets that Unix sockets do not support.
 *
 * @module
 */
import { notUdp } from "../errors/node_errors.ts";
import { Socket } from "../socket/socket.ts";

/** Adds the methods of UDP sockets that a class does not have. They throw ERR_SOCKET_DGRAM_NOT_UDP. */
export function stubUdpOnlyMethods(ours: { readonly prototype: object }): void {
  for (const name of Object.getOwnPropertyNames(Socket.prototype)) {
    if (name in ours.prototype) continue;
    const value = (): never => {
      throw notUdp(`${name}()`);
    };
    Object.defineProperty(ours.prototype, name, { value, writable: true, configurable: true });
  }
}
