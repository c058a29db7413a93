/**
 * Sends every datagram back to where it came from. Prints its port.
 *
 * @module
 */
import { createSocket } from "../mod.ts";

const server = createSocket("udp4", (message, remote) => server.send(message, remote.port, remote.address));
server.bind(0, "127.0.0.1", () => console.log(server.address().port));
