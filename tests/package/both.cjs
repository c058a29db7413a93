// One program that requires and imports: one set of classes.
const required = require("dgram-ffi");
const jsre = require("dgram-ffi/jsre");
const { exchange } = require("./echo.cjs");
import("dgram-ffi").then(async (imported) => {
  for (const name of Object.keys(required)) if (required[name] !== imported[name]) throw new Error(`two of ${name}`);
  if ((await import("dgram-ffi/jsre")).createSocket !== jsre.createSocket) throw new Error("two of jsre");
  exchange(imported.createSocket);
});
