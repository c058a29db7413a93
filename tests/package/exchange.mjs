import dgram, { createSocket, Socket } from "dgram-ffi";
import { createSocket as createJsreSocket } from "dgram-ffi/jsre";
import { exchange } from "./echo.cjs";

if (dgram.createSocket !== createSocket || !(createSocket("udp4") instanceof Socket)) throw new Error("not one module");
if (createJsreSocket("udp4").setTTL(1000) !== false) throw new Error("not JSRE's convention");
exchange(createSocket);
