/**
 * register: this module in the place of the built-in, for programs and packages that know nothing of it.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assertEquals } from "@std/assert";
import { test, type Tools } from "./support/harness.ts";
import { commandFor, ended, entry, fixture, preloading, runtime } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";

const url = (path: string): string => JSON.stringify(pathToFileURL(path).href);

const REGISTER = url(entry("register"));
const FLAGS = preloading(entry("register"));
const REPORT = `import { report } from ${url(fixture("origin"))};`;
const ORIGIN = `const { report } = await import(${url(fixture("origin"))});`;
const REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/** Whether named imports are live: elsewhere a program that imports register itself comes too late for its own. */
const namedImportsFollow = runtime === "node" || runtime === "koffi";

/** Whether a program may leave out `node:`. In Deno 2.8 only packages of npm may. */
const takesBareNames = await import(["dgram"].join()).then(() => true, () => false);

/** npm packages that use dgram, as programs find them. */
const PACKAGES: Readonly<Record<string, string>> = {
  "package.json": '{ "type": "module", "dependencies": { "of-commonjs": "*", "of-modules": "*" } }',
  "node_modules/of-commonjs/package.json": '{ "name": "of-commonjs", "version": "1.0.0", "main": "main.js" }',
  "node_modules/of-commonjs/main.js": 'exports.plain = require("dgram"); exports.prefixed = require("node:dgram");',
  "node_modules/of-modules/package.json": '{ "name": "of-modules", "version": "1.0.0", "type": "module", ' +
    '"exports": "./main.js" }',
  "node_modules/of-modules/main.js": 'import dgram, { createSocket, Socket } from "dgram"; ' +
    'import * as all from "node:dgram"; const named = { createSocket, Socket }; export { all, dgram, named };',
};

/** Runs a program in a process of its own and returns the lines it printed. */
async function run(
  t: Tools,
  flags: readonly string[],
  program: string,
  files: Readonly<Record<string, string>> = {},
  main = "main.mjs",
): Promise<string[]> {
  const folder = scratch(t, { ...PACKAGES, ...files, [main]: program });
  const [command, ...args] = commandFor(join(folder, main), [], flags);
  const env = { ...process.env, NO_COLOR: "1" };
  const { code, stdout, stderr } = await ended(spawn(command, args, { cwd: folder, env }), 20_000);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trim().split("\n");
}

/** How a program comes by the module, from either specifier. */
const WAYS: Readonly<Record<string, string>> = {
  "a default import": 'import a from "dgram"; import b from "node:dgram";',
  "named imports": 'import { createSocket, Socket } from "dgram"; import * as named from "node:dgram"; ' +
    "const a = { createSocket, Socket }; const { ...b } = named;",
  "a dynamic import": 'const a = await import("dgram"); const b = await import("node:dgram");',
  "the default of a dynamic import": 'const { default: a } = await import("dgram"); ' +
    'const { default: b } = await import("node:dgram");',
  "require": `${REQUIRE} const a = require("dgram"); const b = require("node:dgram");`,
  "process.getBuiltinModule": 'import process from "node:process"; ' +
    'const [a, b] = ["dgram", "node:dgram"].map((name) => process.getBuiltinModule(name));',
  "the require of a package": 'import { plain as a, prefixed as b } from "of-commonjs";',
  "the default import of a package": 'import { dgram as a, dgram as b } from "of-modules";',
  "the named imports of a package": 'import { named as a, all as b } from "of-modules";',
};

for (const [way, program] of Object.entries(WAYS)) {
  const usesBareName = /\bfrom "dgram"/.test(program);
  test(`with register before it, a program has this module by ${way}`, async (t) => {
    assertEquals(await run(t, FLAGS, `${REPORT} ${program} await report(a, b);`), ["ours", "ours"]);
  }, { skip: usesBareName && !takesBareNames ? "this runtime wants the prefix node:" : undefined });
}

test("without register, a program has the built-in module", async (t) => {
  const program = `${REPORT} import a from "node:dgram"; import * as b from "node:dgram"; await report(a, b);`;
  assertEquals(await run(t, [], program), ["built-in", "built-in"]);
});

test("with register before it, a CommonJS program has this module", async (t) => {
  const program = `const modules = [require("dgram"), require("node:dgram")];
    import(${url(fixture("origin"))}).then(({ report }) => report(...modules));`;
  assertEquals(await run(t, FLAGS, program, {}, "main.cjs"), ["ours", "ours"]);
});

test("default import, require and getBuiltinModule give one and the same object", async (t) => {
  const program = `${REQUIRE} import process from "node:process"; import dgram from "node:dgram";
    import { plain } from "of-commonjs"; import { dgram as other } from "of-modules";
    console.log([require("dgram"), process.getBuiltinModule("dgram"), plain, other].every((it) => it === dgram));`;
  assertEquals(await run(t, FLAGS, program), ["true"]);
});

test("a program's own import of register reaches its default imports and require", async (t) => {
  const program = `import ${REGISTER}; ${REPORT} import a from "node:dgram"; import { plain } from "of-commonjs";
    await report(a, plain);`;
  assertEquals(await run(t, [], program), ["ours", "ours"]);
});

test("a program's own import of register reaches what it imports dynamically then", async (t) => {
  const program = `import ${REGISTER}; await import("./rest.mjs");`;
  const rest = `${REPORT} import { createSocket, Socket } from "node:dgram"; import { named } from "of-modules";
    await report({ createSocket, Socket }, named);`;
  assertEquals(await run(t, [], program, { "rest.mjs": rest }), ["ours", "ours"]);
});

test("a program's own import of register reaches its named imports in Node, not in Deno and Bun", async (t) => {
  const program = `import ${REGISTER}; ${REPORT} import * as a from "node:dgram"; import { named } from "of-modules";
    await report(a, named);`;
  const expected = namedImportsFollow ? "ours" : "built-in";
  assertEquals(await run(t, [], program), [expected, expected]);
});

test("a built-in socket that is open when register comes goes on as it was", async (t) => {
  const program = `import { once } from "node:events"; import dgram from "node:dgram";
    const builtIn = dgram.createSocket("udp4");
    builtIn.bind(0, "127.0.0.1");
    await once(builtIn, "listening");
    const BuiltIn = dgram.Socket;
    await import(${REGISTER});
    ${ORIGIN}
    await report(dgram);
    const socket = dgram.createSocket("udp4");
    socket.send("to the built-in", builtIn.address().port, "127.0.0.1");
    const [message, remote] = await once(builtIn, "message");
    console.log(message.toString());
    builtIn.send("from the built-in", remote.port, remote.address);
    console.log(String((await once(socket, "message"))[0]));
    console.log(builtIn instanceof BuiltIn, builtIn instanceof dgram.Socket);
    socket.close();
    builtIn.close();
    await once(builtIn, "close");`;
  assertEquals(await run(t, [], program), ["ours", "to the built-in", "from the built-in", "true false"]);
});

test("after unregister, require and new imports give the built-in module", async (t) => {
  const program = `${REQUIRE} import { unregister } from ${REGISTER}; ${ORIGIN}
    unregister();
    const { default: a, ...b } = await import("node:dgram");
    await report(a, b, require("dgram"), (await import("of-modules")).named);
    const { default: c, ...d } = await import("./rest.mjs");
    await report(c, d);`;
  const rest = 'export { createSocket, default, Socket } from "node:dgram";';
  assertEquals(await run(t, FLAGS, program, { "rest.mjs": rest }), Array(6).fill("built-in"));
});

test("unregister undoes all that register did to the built-in module and to this one's class", async (t) => {
  const program = `import dgram from "node:dgram"; import { Socket } from ${url(entry("mod"))};
    const state = () => {
      const { prototype } = Socket;
      return [dgram.createSocket, dgram.Socket, Object.getPrototypeOf(prototype), ...Reflect.ownKeys(prototype)];
    };
    const isSame = (one, other) => one.length === other.length && one.every((value, i) => value === other[i]);
    const before = state();
    const { unregister } = await import(${REGISTER});
    const during = state();
    unregister();
    console.log(isSame(before, during), isSame(before, state()), isSame(during, state()));`;
  assertEquals(await run(t, [], program), ["false true false"]);
});

const SENDING =
  `import { fork } from "node:child_process"; import dgram from "node:dgram"; import { once } from "node:events";
    import { createSocket } from ${url(entry("mod"))}; import { unregister } from ${REGISTER};
    const child = fork(new URL("./child.mjs", import.meta.url));
    const socket = createSocket("udp4");
    socket.bindSync({ address: "127.0.0.1" });
    const attempt = () => new Promise((resolve) => {
      try {
        child.send("message", socket, (error) => resolve(error ? error.code : "sent"));
      } catch (error) {
        resolve(error.code);
      }
    });
    console.log(await attempt());
    unregister();
    console.log(await attempt());
    const end = once(child, "exit");
    child.kill("SIGKILL");
    await end;
    socket.close();`;

test("after unregister, child processes take none of this module's sockets, as before register", async (t) => {
  const child = "process.on('message', (_message, socket) => socket?.close());";
  const [during, afterwards] = await run(t, [], SENDING, { "child.mjs": child });
  assertEquals([during, afterwards], ["sent", "ERR_INVALID_HANDLE_TYPE"]);
}, { skip: runtime === "bun" ? "Bun sends only what its own dgram has opened" : undefined });

test("after unregister, named imports from before are the built-in's in Node, this module's elsewhere", async (t) => {
  const program = `import * as named from "node:dgram"; import { unregister } from ${REGISTER}; ${REPORT}
    unregister();
    await report(named, named.default);`;
  assertEquals(await run(t, FLAGS, program), [namedImportsFollow ? "built-in" : "ours", "built-in"]);
});

test("register works again after unregister", async (t) => {
  const program = `import { register, unregister } from ${REGISTER}; ${ORIGIN}
    unregister();
    register();
    const { default: a, ...b } = await import("node:dgram");
    await report(a, b);`;
  assertEquals(await run(t, FLAGS, program), ["ours", "ours"]);
});

test("registering twice is as once: one unregister ends it", async (t) => {
  const program = `import { register, unregister } from ${REGISTER}; ${ORIGIN}
    const { default: dgram } = await import("node:dgram");
    register();
    await report(dgram);
    unregister();
    await report(dgram);
    unregister();
    await report(dgram);`;
  assertEquals(await run(t, FLAGS, program), ["ours", "built-in", "built-in"]);
});

/** Starts worker.mjs and prints what it posts. */
const starting = (options = ""): string =>
  `import { once } from "node:events"; import { Worker } from "node:worker_threads";
    const worker = new Worker(new URL("./worker.mjs", import.meta.url), { ${options} });
    console.log((await once(worker, "message"))[0].join("\\n"));
    await worker.terminate();`;

/** Posts whose modules `a` and `b` are. */
const POST = `const { originOf } = await import(${url(fixture("origin"))});
  const { parentPort } = await import("node:worker_threads");
  parentPort.postMessage([await originOf(a), await originOf(b)]);`;

const IMPORT_BOTH = 'import a from "node:dgram"; import * as b from "node:dgram";';

test("the flag reaches Workers in Node, not in Deno and Bun", async (t) => {
  const worker = `${IMPORT_BOTH} ${POST}`;
  const expected = runtime === "node" || runtime === "koffi" ? "ours" : "built-in";
  assertEquals(await run(t, FLAGS, starting(), { "worker.mjs": worker }), [expected, expected]);
});

test("a Worker that imports register first has this module", async (t) => {
  const worker = `import ${REGISTER}; const { a, b } = await import("./rest.mjs"); ${POST}`;
  const files = { "worker.mjs": worker, "rest.mjs": `${IMPORT_BOTH} export { a, b };` };
  assertEquals(await run(t, FLAGS, starting(), files), ["ours", "ours"]);
});

if (runtime === "bun") {
  test("in Bun, a Worker with register in its option preload has this module", async (t) => {
    const worker = `${IMPORT_BOTH} ${POST}`;
    const options = `preload: [${REGISTER}]`;
    assertEquals(await run(t, FLAGS, starting(options), { "worker.mjs": worker }), ["ours", "ours"]);
  });
}
