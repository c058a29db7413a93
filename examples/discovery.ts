/**
 * Finds other processes by multicast.
 *
 * @module
 */
import { createSocket } from "../mod.ts";

/** A group of the range for private use (RFC 2365). */
export const GROUP = "239.255.37.1";
/** The address of the interface to use: here the loopback one, so that nothing leaves this machine. */
export const INTERFACE = "127.0.0.1";

/** Asks the group who is there; resolves with the first answer. */
export function discover(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4", (message, remote) => {
      socket.close();
      resolve(`${message} at ${remote.address}:${remote.port}`);
    });
    socket.on("error", reject);
    socket.bind(0, () => {
      socket.setMulticastInterface(INTERFACE);
      socket.send("who is there?", port, GROUP);
    });
  });
}
