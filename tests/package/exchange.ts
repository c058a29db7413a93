// TypeScript that is run as CommonJS: what `import` becomes there is `require`.
import dgram, { createSocket, Socket } from "dgram-ffi";
import jsre from "dgram-ffi/jsre";
import { exchange } from "./echo.cjs";

if (!(jsre.createSocket("udp4") instanceof Socket) || dgram.createSocket !== createSocket) {
  throw new Error("not one module");
}
exchange(createSocket);
