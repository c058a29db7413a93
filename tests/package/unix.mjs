// A message to a Unix socket of the main entry and back, from the entry with the surface of npm's unix-dgram.
import { Buffer } from "node:buffer";
import { rmSync } from "node:fs";
import { createSocket, UnixSocket } from "dgram-ffi";
import unix from "dgram-ffi/unix-dgram";

const server = createSocket({ type: "unix_dgram", unlinkOnClose: true }, (message, { path }) => {
  server.send(message, path);
});
if (!(server instanceof UnixSocket)) throw new Error("not one module");
server.bind("./server.sock", () => {
  const client = unix.createSocket("unix_dgram", (message, { path }) => {
    console.log(`${message} from ${path}`);
    client.close();
    rmSync("./client.sock");
    server.close();
  });
  client.bind("./client.sock");
  client.send(Buffer.from("hello"), 0, 5, "./server.sock");
});
