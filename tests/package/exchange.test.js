const { createSocket, Socket } = require("dgram-ffi");
const jsre = require("dgram-ffi/jsre");
require("dgram-ffi/unix-dgram");

test("a datagram to an echo server and back", async () => {
  expect(jsre.createSocket("udp4")).toBeInstanceOf(Socket);
  const server = createSocket("udp4", (message, { port, address }) => server.send(message, port, address));
  await new Promise((listening) => server.bind(0, "127.0.0.1", listening));
  const client = createSocket("udp4");
  const answered = new Promise((resolve) => client.on("message", resolve));
  client.send("hello", server.address().port, "127.0.0.1");
  expect(String(await answered)).toBe("hello");
  for (const socket of [client, server]) await new Promise((closed) => socket.close(closed));
});
