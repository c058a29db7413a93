/**
 * Prints what a worker of `node:cluster` is told when it asks the primary for a UDP socket, as the runtime's own `dgram` asks.
 */
const cluster = require("node:cluster");
const { getSystemErrorName } = require("node:util");

if (cluster.isPrimary) {
  cluster.fork().on("message", ({ errno, hasHandle }) => {
    const answer = hasHandle ? "a socket" : `no socket, ${getSystemErrorName(errno)}`;
    console.log(`a cluster worker that asks for a UDP socket gets ${answer}`);
    process.exit();
  });
} else {
  const socket = { once() {}, address: () => ({ address: "127.0.0.1", port: 0 }) };
  const wanted = { address: "127.0.0.1", port: 0, addressType: "udp4", fd: -1, flags: 0 };
  cluster._getServer(socket, wanted, (errno, handle) => process.send({ errno, hasHandle: Boolean(handle) }));
}
