// The package in a `vm` context whose `process` is a copy, as in a Jest test: `'exit'` is emitted by the true one only. Prints how
// many listeners that has while a socket waits, and a while after it was closed.
const { EventEmitter } = require("node:events");
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { dirname, join } = require("node:path");
const { setTimeout: delay } = require("node:timers/promises");
const vm = require("node:vm");

const copy = Object.create(process);
copy._events = undefined;
EventEmitter.call(copy);
const path = join(dirname(require.resolve("dgram-ffi")), "core.js");
const context = vm.createContext({
  process: copy,
  performance,
  console,
  TextEncoder,
  TextDecoder,
});
const source = `(module, exports, require) => {${readFileSync(path, "utf8")}\n}`;
const module_ = { exports: {} };
vm.runInContext(source, context, { filename: path })(module_, module_.exports, createRequire(path));

async function main() {
  const { createSocket } = module_.exports.main;
  const before = process.listenerCount("exit");
  const socket = createSocket("udp4");
  await new Promise((bound) => socket.bind(0, "127.0.0.1", bound));
  await delay(300);
  const during = process.listenerCount("exit") - before;
  await new Promise((closed) => socket.close(closed));
  const end = performance.now() + 5000;
  while (process.listenerCount("exit") > before && performance.now() < end) await delay(50);
  console.log(`${during} listener for 'exit', then ${process.listenerCount("exit") - before}`);
}

main();
