// MODULES stands for the address that the modules are served from.
import { createSocket } from "MODULES/mod.ts";
import { exchange } from "./echo.cjs";

exchange(createSocket);
