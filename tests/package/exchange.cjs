const { createSocket, Socket } = require("dgram-ffi");
const jsre = require("dgram-ffi/jsre");
const { exchange } = require("./echo.cjs");

if (!(jsre.createSocket("udp4") instanceof Socket)) throw new Error("two copies of one module");
exchange(createSocket);
