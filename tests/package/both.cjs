// One program that requires and imports: one set of classes.
const required = require("dgram-ffi");
const jsre = require("dgram-ffi/jsre");
const { exchange } = require("./echo.cjs");
import("dgram-ffi").then(async (imported) => {
  for (const name of Object.keys(required)) {
    // In Deno, import() within CommonJS takes what is for require(), all of which is the default then.
    if (name === "default" && imported.default === required) continue;
    if (required[name] !== imported[name]) throw new Error(`two of ${name}`);
  }
  if ((await import("dgram-ffi/jsre")).createSocket !== jsre.createSocket) throw new Error("two of jsre");
  exchange(imported.createSocket);
});
