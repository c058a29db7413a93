// Served from where the modules are, so that nothing but what README names has to be allowed.
import { createSocket } from "./mod.ts";
import { exchange } from "./echo.mjs";

exchange(createSocket);
