/**
 * The npm and JSR packages as people get them: built, installed in empty projects outside the tree, and used. Plain JavaScript for
 * Node 20, started by `node tests/run.mjs --package` (or `--only=package`). Prints a table of all of it. With --packaged-suite the
 * whole test suite runs on the package's modules, too, which takes minutes more.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, extname, join, relative } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const tests = dirname(fileURLToPath(import.meta.url));
const root = dirname(tests);
const bin = (name) => join(root, "node_modules", ".bin", name);
const scratch = mkdtempSync(join(tmpdir(), "dgram-ffi-package-"));
const built = join(root, ".work/npm");
const deno = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const entries = Object.values(deno.exports);
/** The Node that runs this, which run.mjs takes care is older than 26 where there is one. */
const oldNode = process.execPath;
const hasOldNode = Number(process.versions.node.split(".")[0]) < 26;
const tarball = join(built, `dgram-ffi-${deno.version}.tgz`);

const HELLO_UNIX = ["hello from ./server.sock"];
const IPV4_AND_6 = ["hello over udp4", "hello over udp6"];
const LARGEST = 600_000;
const withSuite = process.env.DGRAM_FFI_PACKAGED_SUITE ? false : "only with --packaged-suite";
const hotShots = join(root, "node_modules/hot-shots");
const rows = [];
const servers = [];

/** Runs a command to its end. */
function run([command, ...args], cwd, { timeout = 120_000, ...environment } = {}) {
  const path = [join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path, NO_COLOR: "1", DENO_DIR: join(scratch, "deno"), ...environment };
  // What a person's shell does not have: the settings of these tests and of the npm that started them.
  const ofOurs = /^(npm_|NODE_TEST_CONTEXT$|DGRAM_FFI_BINDING$|DGRAM_FFI_PACKAGED_SUITE$)/;
  for (const name of Object.keys(env)) if (ofOurs.test(name) && name !== "npm_config_registry") delete env[name];
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout, killSignal: "SIGKILL" });
  const printed = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => printed.stdout += chunk);
  child.stderr.on("data", (chunk) => printed.stderr += chunk);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...printed }));
  });
}

/** Runs a command that has to succeed, and returns what it printed. */
async function succeed(command, cwd, environment) {
  const { code, stdout, stderr } = await run(command, cwd, environment);
  assert.equal(code, 0, `${command.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

/** What a command of a test reads like in the table. */
function readable(command) {
  const words = command.map((word) => word === oldNode ? "node" : word.startsWith(root) ? basename(word) : word);
  return words.join(" ").replaceAll(/[^\s=]*\/project-\w+\//g, "./").replaceAll(scratch, "").replaceAll(
    /127\.0\.0\.1:\d+/g,
    "127.0.0.1",
  );
}

let row = { name: "", commands: [] };

/** A test that is a row of the table. Its body is given an empty project with the files of tests/package and tests/types. */
function consumer(name, body, skip = false) {
  const own = { name, commands: [], result: skip ? `skipped: ${skip}` : "not run" };
  rows.push(own);
  test(name, { skip, timeout: 900_000 }, async (t) => {
    row = own;
    row.result = "failed";
    const project = mkdtempSync(join(scratch, "project-"));
    cpSync(join(tests, "package"), project, { recursive: true });
    cpSync(join(tests, "types"), join(project, "types"), { recursive: true });
    writeFileSync(join(project, "package.json"), "{}");
    row.result = await body(project, t) ?? "passed";
  });
}

/** Runs what a row is about, and returns the lines it printed. */
async function shown(command, cwd, environment) {
  row.commands.push(readable(command));
  return (await succeed(command, cwd, environment)).trim().split("\n");
}

/** The exchange, in both protocols, in whichever order the answers came. */
async function exchanges(command, cwd, environment) {
  assert.deepEqual((await shown(command, cwd, environment)).sort(), IPV4_AND_6);
  return IPV4_AND_6.join(", ");
}

/** Installs packages. A registry that did not answer is asked once more: that says nothing about the package. */
async function npmInstall(cwd, ...packages) {
  row.commands.push(readable(["npm", "install", ...packages]));
  const command = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", ...packages];
  const { code, stderr } = await run(command, cwd, { timeout: 300_000 });
  if (code === 0) return;
  console.log(`once more, as npm failed (${code}): ${command.join(" ")}\n${stderr}`);
  await succeed(command, cwd, { timeout: 300_000 });
}

/** What else loads the package, by name, in the versions that were tried. */
const TOOLS = {
  jest: "30.5.2",
  babel: "7",
  tsx: "4.23.15",
  tsNode: "10.9.2",
  typescript: "5.9",
  webpack: "5.113.0",
  "@vercel/ncc": "0.45.0",
  rollup: "4.68.8",
  "@rollup/plugin-commonjs": "29",
  "@rollup/plugin-node-resolve": "16",
};
const koffi = `koffi@${devDependencies.koffi}`;
const tooNew = hasOldNode ? false : `Node ${process.versions.node} has an FFI of its own`;

/** Serves on the loopback interface, and returns the address. */
async function serve(listener) {
  const server = createServer(listener);
  servers.push(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

/** A registry that has this one package. */
async function registry() {
  const url = await serve((request, response) => {
    if (request.url === "/dgram-ffi.tgz") return void createReadStream(tarball).pipe(response);
    if (request.url !== "/dgram-ffi") return void response.writeHead(404).end("{}");
    const manifest = JSON.parse(readFileSync(join(built, "package/package.json"), "utf8"));
    const version = { ...manifest, dist: { tarball: `${url}/dgram-ffi.tgz` } };
    const versions = { [manifest.version]: version };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name: manifest.name, "dist-tags": { latest: manifest.version }, versions }));
  });
  return url;
}

/** Fails if a Deno program asked for another permission than these, whether it was granted or not. */
function assertAskedFor(audit, permissions) {
  const asked = readFileSync(audit, "utf8").trim().split("\n").map((line) => JSON.parse(line).permission);
  assert.ok(asked.includes("ffi"), "nothing was recorded");
  assert.deepEqual(asked.filter((permission) => !permissions.includes(permission)), []);
}

before(async () => {
  const output = await succeed(["deno", "run", "-A", "npm-build/build.ts"], root, {
    timeout: 900_000,
    DENO_DIR: undefined,
  });
  console.log(output);
}, { timeout: 900_000 });

after(() => {
  for (const server of servers) server.close();
  rmSync(scratch, { recursive: true });
  console.log("| consumer | command | result |\n| --- | --- | --- |");
  for (const { name, commands, result } of rows) console.log(`| ${name} | ${commands.join("; ")} | ${result} |`);
});

consumer("the tarball holds code, declarations and texts, and is small", async () => {
  const names = (await shown(["tar", "-tzf", tarball], scratch)).map((name) => name.replace("package/", ""));
  const strange = names.filter((name) =>
    !/^([\w-]+\.m?js|([\w-]+\/)*\w+\.d\.ts|[\w-]+\.d\.m?ts|docs\/.*\.md|[A-Z]+(\.md)?|package\.json)$/.test(name)
  );
  assert.deepEqual(strange, []);
  assert.deepEqual(names.filter((name) => /test|bench|example/.test(name)), []);
  const [folder, unpacked] = [join(scratch, "unpacked"), { size: 0 }];
  mkdirSync(folder);
  await succeed(["tar", "-xzf", tarball, "-C", folder], scratch);
  for (const name of names) unpacked.size += readFileSync(join(folder, "package", name)).length;
  assert.ok(unpacked.size < LARGEST, `${unpacked.size} bytes`);
  return `${names.length} files, packed ${readFileSync(tarball).length} bytes, unpacked ${unpacked.size}`;
});

consumer("publint", async () => {
  const lines = await shown(["publint", tarball, "--strict"], root);
  assert.equal(lines.at(-1), "All good!");
  return lines.at(-1);
});

consumer("@arethetypeswrong/cli, node10, require and import", async () => {
  await shown(["attw", tarball], root);
});

consumer("links and images of the packed texts lead to something", () => {
  const inPackage = (path) => join(built, "package", path);
  const texts = readdirSync(inPackage("docs")).map((name) => `docs/${name}`).concat("README.md", "CHANGELOG.md");
  for (const text of texts) {
    for (const [, target] of readFileSync(inPackage(text), "utf8").matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      assert.ok(existsSync(inPackage(join(dirname(text), target))), `${text} links to ${target}`);
    }
  }
});

consumer("a package of a known repository says where it lives", async () => {
  const environment = { GITHUB_REPOSITORY: "example/dgram-ffi" };
  const program = 'import { manifest } from "./npm-build/package.ts"; console.log(JSON.stringify(manifest));';
  const manifest = JSON.parse(await succeed(["deno", "eval", program], root, environment));
  assert.equal(manifest.homepage, "https://github.com/example/dgram-ffi#readme");
  assert.equal(manifest.bugs.url, "https://github.com/example/dgram-ffi/issues");
  assert.equal(manifest.repository.url, "git+https://github.com/example/dgram-ffi.git");
});

consumer("Bun: bun add, import", async (project) => {
  await shown(["bun", "add", tarball], project);
  return exchanges(["bun", "exchange.mjs"], project);
});

consumer("Bun: require", async (project) => {
  await shown(["bun", "add", tarball], project);
  return exchanges(["bun", "exchange.cjs"], project);
});

consumer("Bun: import and require of one program give the same", async (project) => {
  await shown(["bun", "add", tarball], project);
  return exchanges(["bun", "both.cjs"], project);
});

consumer("Bun: in the place of the built-in", async (project) => {
  await shown(["bun", "add", tarball], project);
  return exchanges(["bun", "--preload=dgram-ffi/register", "registered.mjs"], project);
});

consumer("Bun: Unix sockets", async (project) => {
  await shown(["bun", "add", tarball], project);
  assert.deepEqual(await shown(["bun", "unix.mjs"], project), HELLO_UNIX);
  return HELLO_UNIX[0];
});

consumer("Bun: a single executable", async (project) => {
  await shown(["bun", "add", tarball], project);
  await shown(["bun", "build", "--compile", "exchange.mjs", "--outfile", "exchange"], project);
  const elsewhere = mkdtempSync(join(scratch, "elsewhere-"));
  cpSync(join(project, "exchange"), join(elsewhere, "exchange"));
  return exchanges(["./exchange"], elsewhere);
});

for (
  const [name, node, packages, skip] of [
    ["Node 26", bin("node"), [], false],
    [`Node ${process.versions.node} with koffi`, oldNode, [koffi], tooNew],
  ]
) {
  consumer(`${name}: import`, async (project) => {
    await npmInstall(project, tarball, ...packages);
    return exchanges([node, "exchange.mjs"], project);
  }, skip);

  consumer(`${name}: require`, async (project) => {
    await npmInstall(project, tarball, ...packages);
    return exchanges([node, "exchange.cjs"], project);
  }, skip);

  consumer(`${name}: import and require of one program give the same`, async (project) => {
    await npmInstall(project, tarball, ...packages);
    return exchanges([node, "both.cjs"], project);
  }, skip);

  consumer(`${name}: Jest, as it comes and with Babel`, async (project) => {
    await npmInstall(project, tarball, ...packages, `jest@${TOOLS.jest}`, `@babel/preset-env@${TOOLS.babel}`);
    const text = readFileSync(join(project, "exchange.test.js"), "utf8");
    const imported = text.replace(/^const (\{.*\}) = require\("dgram-ffi"\);/, 'import $1 from "dgram-ffi";');
    assert.notEqual(imported, text);
    const jest = [node, join(project, "node_modules/jest/bin/jest.js"), "--ci"];
    await shown([...jest, "exchange.test.js"], project);
    await shown([...jest, "exchange.test.js"], project, { NODE_OPTIONS: "--experimental-vm-modules" });
    // Loading koffi is a leak to Jest, and in Node 20 the built-in module is, too. What a socket waited with is kept for 250 ms.
    writeFileSync(
      join(project, "leaks.test.js"),
      `${text}afterAll(() => new Promise((end) => setTimeout(end, 600)));\n`,
    );
    if (packages.length === 0) await shown([...jest, "--detectLeaks", "leaks.test.js"], project);
    writeFileSync(join(project, "babel.test.js"), imported);
    const presets = [["@babel/preset-env", { targets: { node: "current" } }]];
    writeFileSync(join(project, "babel.config.json"), JSON.stringify({ presets }));
    await shown([...jest, "babel.test.js"], project);
  }, skip);

  consumer(`${name}: a vm context whose process is a copy`, async (project) => {
    await npmInstall(project, tarball, ...packages);
    const expected = ["1 listener for 'exit', then 0"];
    assert.deepEqual(await shown([node, "sandbox.cjs"], project), expected);
    return expected[0];
  }, skip);

  consumer(`${name}: tsx and ts-node, TypeScript as CommonJS`, async (project) => {
    const tools = [`tsx@${TOOLS.tsx}`, `ts-node@${TOOLS.tsNode}`, `typescript@${TOOLS.typescript}`, "@types/node@20"];
    await npmInstall(project, tarball, ...packages, ...tools);
    const inPackages = (path) => join(project, "node_modules", path);
    await exchanges([node, inPackages("tsx/dist/cli.mjs"), "exchange.ts"], project);
    await exchanges([node, inPackages("tsx/dist/cli.mjs"), "both.cjs"], project);
    const options = { module: "commonjs", moduleResolution: "node10", esModuleInterop: true };
    const tsNode = [node, inPackages("ts-node/dist/bin.js"), "-T", "-O", JSON.stringify(options)];
    return exchanges([...tsNode, "exchange.ts"], project);
  }, skip);

  consumer(`${name}: bundled by webpack, ncc and Rollup`, async (project) => {
    const tools = ["webpack", "@vercel/ncc", "rollup", "@rollup/plugin-commonjs", "@rollup/plugin-node-resolve"];
    await npmInstall(project, tarball, ...packages, ...tools.map((tool) => `${tool}@${TOOLS[tool]}`));
    for (const file of ["exchange.cjs", "exchange.mjs", "both.cjs"]) {
      await shown([node, "webpack.cjs", `./${file}`], project);
      await exchanges([node, "webpack/out.cjs"], project);
    }
    await shown(
      [node, join(project, "node_modules/@vercel/ncc/dist/ncc/cli.js"), "build", "exchange.cjs", "-o", "ncc"],
      project,
    );
    await exchanges([node, "ncc/index.cjs"], project);
    await shown([node, join(project, "node_modules/rollup/dist/bin/rollup"), "-c"], project);
    return exchanges([node, "rollup/out.mjs"], project);
  }, skip);

  consumer(`${name}: in the place of the built-in`, async (project) => {
    await npmInstall(project, tarball, ...packages);
    return exchanges([node, "--import=dgram-ffi/register", "registered.mjs"], project);
  }, skip);

  for (const format of ["esm", "cjs"]) {
    consumer(`${name}: bundled by esbuild as ${format}`, async (project) => {
      await npmInstall(project, tarball, ...packages);
      const bundle = join(project, "bundle", `out.${format === "esm" ? "mjs" : "cjs"}`);
      await shown(
        ["esbuild", "exchange.mjs", "--bundle", "--platform=node", `--format=${format}`, `--outfile=${bundle}`],
        project,
      );
      // koffi is native and stays outside the bundle, which finds it beside itself.
      rmSync(join(project, "node_modules/dgram-ffi"), { recursive: true });
      return exchanges([node, relative(project, bundle)], project);
    }, skip);
  }

  consumer(`${name}: Unix sockets`, async (project) => {
    await npmInstall(project, tarball, ...packages);
    assert.deepEqual(await shown([node, "unix.mjs"], project), HELLO_UNIX);
    return HELLO_UNIX[0];
  }, skip);

  consumer(`${name}: the test suite, on the package's code`, async (_project, t) => {
    const suite = await packagedSuite();
    const files = readdirSync(join(suite, "tests")).filter((file) => file.endsWith("_test.js"));
    const flags = ["--no-warnings", "--expose-gc", "--test", "--test-concurrency=1", "--test-reporter=tap"];
    row.commands.push(`${basename(node)} --test tests/*_test.js`);
    const { code, stdout } = await run([node, ...flags, ...files.map((file) => `tests/${file}`)], suite, {
      timeout: 800_000,
    });
    for (const line of stdout.split("\n")) if (/^\s*not ok /.test(line)) t.diagnostic(line.trim());
    assert.equal(code, 0, stdout.slice(-3000));
    const [passed] = /(?<=^# pass )\d+/m.exec(stdout);
    return `${passed} passed`;
  }, skip || withSuite);
}

/** The compiled tests with the modules of the package beside them. */
async function packagedSuite() {
  const suite = join(root, ".work/packaged");
  rmSync(suite, { recursive: true, force: true });
  await succeed(["tsc", "--noCheck", "--outDir", suite], root);
  for (const code of deno.publish.include.filter((path) => /\.ts$|^(src|ffi)$/.test(path))) {
    rmSync(join(suite, code.replace(/\.ts$/, ".js")), { recursive: true });
  }
  cpSync(join(built, "modules"), suite, { recursive: true, filter: (path) => !path.includes("/modules/tests") });
  return suite;
}

consumer("the oldest koffi that the peer range admits", async (project) => {
  const { peerDependencies } = JSON.parse(readFileSync(join(built, "package/package.json"), "utf8"));
  const [oldest] = /\d+\.\d+\.\d+/.exec(peerDependencies.koffi);
  await npmInstall(project, tarball, `koffi@${oldest}`);
  assert.deepEqual((await shown([oldNode, "exchange.mjs"], project)).sort(), IPV4_AND_6);
  return `koffi ${oldest}: ${IPV4_AND_6.join(", ")}`;
}, tooNew);

consumer("Node without koffi is told to install it", async (project) => {
  await npmInstall(project, tarball);
  assert.ok(!existsSync(join(project, "node_modules/koffi")), "an optional peer was installed");
  const command = [oldNode, "exchange.mjs"];
  row.commands.push(readable(command));
  const { code, stderr } = await run(command, project);
  assert.equal(code, 1);
  assert.match(stderr, /npm install koffi/);
  assert.match(stderr, /ERR_DGRAM_FFI_UNAVAILABLE/);
  return /Error: (.*)/.exec(stderr)[1];
}, tooNew);

consumer("register without koffi keeps the built-in, and says so once", async (project) => {
  await npmInstall(project, tarball);
  const program = 'require("dgram").createSocket("udp4").bind(0, "127.0.0.1", function () { this.close(); });' +
    'require("dgram-ffi/register").register(); console.log(require("dgram-ffi").isSupported);';
  const command = [oldNode, "--import=dgram-ffi/register", "-e", program];
  row.commands.push("node --import=dgram-ffi/register -e ...");
  const { code, stdout, stderr } = await run(command, project);
  assert.deepEqual([code, stdout.trim()], [0, "false"], stderr);
  assert.equal(stderr.match(/DGRAM_FFI_NOT_REGISTERED/g)?.length, 1, stderr);
  assert.match(stderr, /npm install koffi/);
}, tooNew);

consumer("Node 26: a single executable", async (project) => {
  await npmInstall(project, tarball);
  await shown(["esbuild", "exchange.cjs", "--bundle", "--platform=node", "--outfile=out.cjs"], project);
  const settings = { main: "out.cjs", output: "exchange", disableExperimentalSEAWarning: true };
  writeFileSync(join(project, "sea.json"), JSON.stringify(settings));
  await shown([bin("node"), "--build-sea", "sea.json"], project);
  const elsewhere = mkdtempSync(join(scratch, "elsewhere-"));
  cpSync(join(project, "exchange"), join(elsewhere, "exchange"));
  return exchanges(["./exchange"], elsewhere);
});

consumer("Node's permission model: --allow-ffi, --allow-net and its own files", async (project) => {
  await npmInstall(project, tarball);
  const flags = ["--permission", "--allow-ffi", "--allow-net", `--allow-fs-read=${project}/`];
  return exchanges([bin("node"), ...flags, "exchange.mjs"], project);
});

consumer("Deno: deno add npm:", async (project) => {
  const environment = { NPM_CONFIG_REGISTRY: await registry(), DENO_AUDIT_PERMISSIONS: join(project, "audit.jsonl") };
  await shown(["deno", "add", "npm:dgram-ffi"], project, environment);
  const result = await exchanges(
    ["deno", "run", "--no-prompt", "--allow-ffi", "--allow-net", "exchange.mjs"],
    project,
    environment,
  );
  assertAskedFor(environment.DENO_AUDIT_PERMISSIONS, ["ffi", "net"]);
  return result;
});

consumer("Deno: in the place of the built-in", async (project) => {
  const environment = { NPM_CONFIG_REGISTRY: await registry() };
  await shown(["deno", "add", "npm:dgram-ffi"], project, environment);
  const flags = ["--no-prompt", "--allow-ffi", "--allow-net", "--preload=npm:dgram-ffi/register"];
  return exchanges(["deno", "run", ...flags, "registered.mjs"], project, environment);
});

consumer("Deno: Unix sockets, which are files", async (project) => {
  await npmInstall(project, tarball);
  const flags = ["--no-prompt", "--allow-ffi", "--allow-net", "--allow-read=.", "--allow-write=."];
  assert.deepEqual(await shown(["deno", "run", ...flags, "unix.mjs"], project), HELLO_UNIX);
  return HELLO_UNIX[0];
});

consumer("Deno: require", async (project) => {
  await npmInstall(project, tarball);
  return exchanges(
    ["deno", "run", "--no-prompt", "--allow-ffi", "--allow-net", "--allow-read=.", "exchange.cjs"],
    project,
  );
});

consumer("Deno: types by npm:", async (project) => {
  const environment = { NPM_CONFIG_REGISTRY: await registry() };
  await shown(["deno", "add", "npm:dgram-ffi"], project, environment);
  assert.deepEqual(
    await shown(["deno", "run", "--check", "--allow-ffi", "--allow-net", "types/exchange.ts"], project, environment),
    ["hello over IPv4"],
  );
});

consumer("Deno: a single executable", async (project, t) => {
  await npmInstall(project, tarball);
  const command = ["deno", "compile", "--allow-ffi", "--allow-net", "--output=exchange", "exchange.mjs"];
  row.commands.push(readable(command));
  const { code, stdout, stderr } = await run(command, project);
  if (code !== 0 && /dl\.deno\.land/.test(stderr)) {
    const reason = "denort, Deno's base for executables, cannot be downloaded; DENORT_BIN can name one";
    t.skip(reason);
    return `skipped: ${reason}`;
  }
  assert.equal(code, 0, `${stdout}${stderr}`);
  const elsewhere = mkdtempSync(join(scratch, "elsewhere-"));
  cpSync(join(project, "exchange"), join(elsewhere, "exchange"));
  return exchanges(["./exchange"], elsewhere);
});

consumer("hot-shots, for which the package is called unix-dgram", async (project) => {
  // The project's own copy of hot-shots would bring the native unix-dgram.
  await succeed(["npm", "pack", hotShots, `--pack-destination=${project}`], project);
  const [packed] = readdirSync(project).filter((name) => /^hot-shots-.*tgz$/.test(name));
  await npmInstall(project, "--omit=optional", `./${packed}`);
  await shown(["npm", "install", "--no-audit", "--no-fund", "unix-dgram@npm:dgram-ffi"], project, {
    npm_config_registry: await registry(),
  });
  assert.deepEqual(await shown([bin("node"), "statsd.cjs"], project), ["requests:1|c"]);
  return "requests:1|c";
}, existsSync(hotShots) ? false : "hot-shots is not installed");

/** Writes an application of node:dgram with its import changed beside the type tests, and the settings that compile them. */
function prepareTypes(project, type, compilerOptions) {
  writeFileSync(join(project, "package.json"), JSON.stringify({ type }));
  const application = readFileSync(join(project, "types/application.ts"), "utf8");
  const ported = application.replace('from "node:dgram"', 'from "dgram-ffi"');
  assert.notEqual(ported, application);
  writeFileSync(join(project, "types/application_ported.ts"), ported);
  const settings = {
    strict: true,
    skipLibCheck: false,
    esModuleInterop: true,
    target: "es2022",
    // As `tsc --init` writes it.
    types: [],
    outDir: "out",
    rootDir: ".",
    ...compilerOptions,
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: settings, include: ["types"] }));
}

const COMPILES = "compiles, as do an application of node:dgram with its import changed and the type tests";

for (const type of ["module", "commonjs"]) {
  for (const moduleResolution of ["node16", "nodenext", "bundler"]) {
    consumer(`TypeScript, strict, moduleResolution ${moduleResolution}, type ${type}`, async (project) => {
      await npmInstall(project, tarball, `@types/node@${devDependencies["@types/node"]}`);
      const module = moduleResolution === "bundler" ? "preserve" : moduleResolution;
      prepareTypes(project, type, { module, moduleResolution, lib: ["es2024", "esnext.disposable"] });
      await shown(["tsc", "--project", "."], project);
      assert.deepEqual(await shown(["bun", "out/types/exchange.js"], project), ["hello over IPv4"]);
      if (type === "commonjs" && module !== "preserve") {
        assert.deepEqual(await shown([bin("node"), "out/types/exchange.js"], project), ["hello over IPv4"]);
      }
      return COMPILES;
    });
  }
}

for (
  const [version, types, left] of [
    ["5.0", "20", ["assignable.ts", "events.ts"]],
    ["5.6", "26", []],
    ["5.9", "22", ["assignable.ts"]],
    ["5.9", "24", ["assignable.ts"]],
    ["5.9", "26", []],
  ]
) {
  consumer(`TypeScript ${version} with @types/node ${types}, strict, node10 and node16`, async (project) => {
    await npmInstall(project, tarball, `typescript@${version}`, `@types/node@${types}`);
    // What compares with declarations that the older @types/node do not have.
    for (const file of left) rmSync(join(project, "types", file));
    for (const [module, moduleResolution] of [["commonjs", "node10"], ["node16", "node16"]]) {
      prepareTypes(project, "commonjs", { module, moduleResolution, lib: ["es2023", "esnext"] });
      await shown([oldNode, join(project, "node_modules/typescript/bin/tsc"), "--project", "."], project);
    }
    return COMPILES;
  });
}

for (const types of ["20", "22", "24"]) {
  consumer(`TypeScript ${devDependencies.typescript} with @types/node ${types}, strict, nodenext`, async (project) => {
    await npmInstall(project, tarball, `@types/node@${types}`);
    // It names what only newer ones declare.
    rmSync(join(project, "types/assignable.ts"));
    prepareTypes(project, "module", { module: "nodenext", lib: ["es2024", "esnext.disposable"], types: ["node"] });
    await shown(["tsc", "--project", "."], project);
    return COMPILES;
  });
}

consumer("TypeScript 5.9 and newest with Bun's types, which bring @types/node, strict", async (project) => {
  await npmInstall(project, tarball, `@types/bun@${devDependencies.bun}`, "typescript@5.9");
  const settings = { module: "nodenext", lib: ["es2024", "esnext.disposable"], noEmit: true };
  for (const types of [["bun"], ["bun", "node"], []]) {
    prepareTypes(project, "module", { ...settings, types });
    await shown(["tsc", "--project", "."], project, { timeout: 600_000 });
  }
  await shown([oldNode, join(project, "node_modules/typescript/bin/tsc"), "--project", "."], project, {
    timeout: 600_000,
  });
  return COMPILES;
});

/** The n-th program below a heading of a text, with the package's name on npm. */
function programIn(text, heading, index = 0) {
  const section = readFileSync(join(root, text), "utf8").split(`\n## ${heading}\n`)[1].split("\n## ")[0];
  const programs = [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  return programs[index].replaceAll('"@dgram/ffi', '"dgram-ffi');
}

/** What a new user tries first: the program of README, and recipes that need nobody else. */
const FIRST_STEPS = [
  ["README.md", "Use it", [], ["hello"]],
  ["docs/recipes.md", "Tests with ephemeral ports", [], ["passed"]],
  ["docs/recipes.md", "StatsD", [], [""]],
  ["docs/recipes.md", "Requests with retries", ["9"], ["nobody listens there"]],
];

for (
  const [name, install, start, skip] of [
    ["Deno", ["deno", "add", "npm:dgram-ffi"], ["deno", "run", "--no-prompt", "--allow-ffi", "--allow-net", "main.ts"]],
    ["Bun", ["bun", "add", tarball], ["bun", "main.ts"]],
    ["Node 26", ["npm", "install", tarball], [bin("node"), "main.ts"]],
    [`Node ${process.versions.node} with koffi`, ["npm", "install", tarball, koffi], [oldNode, "main.mjs"], tooNew],
  ]
) {
  consumer(`${name}: a new user's first steps`, async (project) => {
    const environment = name === "Deno" ? { NPM_CONFIG_REGISTRY: await registry() } : {};
    writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
    await shown(install, project, environment);
    for (const [text, heading, parameters, expected] of FIRST_STEPS) {
      writeFileSync(join(project, "main.ts"), programIn(text, heading));
      if (start.at(-1) === "main.mjs") {
        await succeed(["esbuild", "main.ts", "--target=node20", "--format=esm", "--outfile=main.mjs"], project);
      }
      assert.deepEqual(await shown([...start, ...parameters], project, environment), expected, heading);
    }
    return FIRST_STEPS.map(([, heading, , lines]) => `${heading}: ${lines[0] || "(nothing)"}`).join("; ");
  }, skip ?? false);
}

/** The tests of the recipes, compiled for Node 20. */
async function compiledRecipes() {
  const folder = join(root, ".work/recipes");
  await succeed(["tsc", "--noCheck", "--outDir", folder], root);
  return join(folder, "tests/recipes_test.js");
}

const RECIPES = "./tests/recipes_test.ts";
for (
  const [name, command, skip] of [
    ["Deno", () => ["deno", "test", "-A", "--quiet", RECIPES]],
    ["Bun", () => ["bun", "test", "--timeout=120000", RECIPES]],
    ["Node 26", () => [bin("node"), "--no-warnings", "--test", RECIPES]],
    [`Node ${process.versions.node} with koffi`, async () => [oldNode, "--test", await compiledRecipes()], tooNew],
  ]
) {
  consumer(`${name}: each recipe, on the package`, async (project) => {
    await npmInstall(project, tarball, ...(name.endsWith("koffi") ? [koffi] : []));
    const settings = { DGRAM_FFI_INSTALLED: project, timeout: 300_000 };
    await shown(await command(), root, settings);
  }, skip ?? false);
}

consumer("JSR: deno publish --dry-run, no slow types", async () => {
  await shown(["deno", "publish", "--dry-run", "--allow-dirty"], root);
});

consumer("JSR: every symbol and every entry is documented", async () => {
  for (const entry of entries) await shown(["deno", "doc", "--lint", entry], root);
  for (const entry of entries) {
    const { nodes } = JSON.parse(await succeed(["deno", "doc", "--json", entry], root));
    assert.match(Object.values(nodes)[0].module_doc?.doc ?? "", /\w/, entry);
  }
  await shown(["deno", "doc", "--html", "--name=dgram-ffi", `--output=${join(scratch, "html")}`, ...entries], root);
  assert.match(readFileSync(join(scratch, "html/index.html"), "utf8"), /createSocket/);
});

consumer("Deno: imported from a URL, as from JSR", async (project) => {
  // The program comes from there, too: what it imports from its own host needs no leave, as nothing from jsr.io does.
  const programs = { "remote.mjs": "remote.mjs", "echo.mjs": "echo.cjs" };
  const published = (path) => deno.publish.include.some((part) => path === part || path.startsWith(`${part}/`));
  const url = await serve((request, response) => {
    const path = request.url.slice(1);
    if (programs[path]) {
      const text = readFileSync(join(project, programs[path]), "utf8");
      response.setHeader("content-type", "text/javascript");
      return void response.end(text.replace("exports.exchange =", "export const exchange ="));
    }
    if (!published(path) || extname(path) !== ".ts") return void response.writeHead(404).end();
    response.setHeader("content-type", "application/typescript");
    createReadStream(join(root, path)).pipe(response);
  });
  const audit = join(project, "audit.jsonl");
  const command = ["deno", "run", "--no-prompt", "--allow-ffi", "--allow-net", `${url}/remote.mjs`];
  const result = await exchanges(command, project, { DENO_AUDIT_PERMISSIONS: audit });
  assertAskedFor(audit, ["ffi", "net", "import"]);
  return result;
});
