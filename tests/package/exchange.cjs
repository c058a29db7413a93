const { createSocket, Socket } = require("dgram-ffi");
const jsre = require("dgram-ffi/jsre");
const { createSocket: createUnixSocket } = require("dgram-ffi/unix-dgram");
const { exchange } = require("./echo.cjs");

if (!(jsre.createSocket("udp4") instanceof Socket)) throw new Error("two copies of one module");
createUnixSocket("unix_dgram").close();
exchange(createSocket);
