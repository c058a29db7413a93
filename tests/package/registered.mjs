// Knows nothing of the package, which is preloaded.
import { createSocket } from "node:dgram";
import { exchange } from "./echo.cjs";

if (!("bindToDevice" in createSocket("udp4"))) throw new Error("the built-in's socket");
exchange(createSocket);
