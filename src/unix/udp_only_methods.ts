/**
 * What UDP sockets can do and Unix sockets cannot.
 *
 * @module
 */
import { notUdp } from "../errors/node_errors.ts";
import { Socket } from "../socket/socket.ts";

/** Gives a class all methods of UDP sockets that it does not have; they throw ERR_SOCKET_DGRAM_NOT_UDP. */
export function stubUdpOnlyMethods(ours: { readonly prototype: object }): void {
  for (const name of Object.getOwnPropertyNames(Socket.prototype)) {
    if (name in ours.prototype) continue;
    const value = (): never => {
      throw notUdp(`${name}()`);
    };
    Object.defineProperty(ours.prototype, name, { value, writable: true, configurable: true });
  }
}
