/**
 * Programs that end while their process goes on, and processes without descriptors.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { test, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { commandFor, ended, entry, fixture, runtime } from "./support/runtime.ts";

const onlyDeno = { skip: runtime === "deno" ? undefined : "deno's own commands" };
const onlyBun = { skip: runtime === "bun" ? undefined : "bun's own commands" };

function scratchFolder(t: Tools): string {
  const folder = mkdtempSync(join(tmpdir(), "restart-"));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  return folder;
}

const importing = `import { createSocket } from ${JSON.stringify(entry("mod"))};\n`;

/** Runs files with `deno test` in one process. */
async function denoTest(t: Tools, files: Record<string, string>): Promise<number | null> {
  const folder = scratchFolder(t);
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), importing + code);
  const names = Object.keys(files).map((name) => join(folder, name));
  const child = spawn(process.execPath, ["test", "-A", "--no-check", ...names], { stdio: "ignore" });
  return (await ended(child, 30_000)).code;
}

const SANITIZERS = "{ sanitizeOps: true, sanitizeResources: true, sanitizeExit: true }";
const NO_SANITIZERS = "{ sanitizeOps: false, sanitizeResources: false }";

test("a test that closes its sockets passes all sanitizers of deno test", async (t) => {
  const code = `Deno.test("x", ${SANITIZERS}, async () => {
    const socket = createSocket("udp4");
    const received = new Promise((resolve) => socket.on("message", resolve));
    socket.bind(0, "127.0.0.1", () => socket.send("x", socket.address().port, "127.0.0.1"));
    await received;
    await new Promise((resolve) => socket.close(resolve));
  });`;
  // The sanitizer gives a call that ends on another thread some turns of the event loop: on a busy machine they may not do.
  let exitCode: number | null = 1;
  for (let tries = 0; tries < 10 && exitCode !== 0; tries++) exitCode = await denoTest(t, { "a_test.ts": code });
  assertEquals(exitCode, 0);
}, onlyDeno);

test("what a file of deno test leaves open is free for the next one", async (t) => {
  const bind = (port: number): string =>
    `Deno.test("x", ${NO_SANITIZERS}, () => void createSocket("udp4").bindSync({ port: ${port}, address: "127.0.0.1" }));`;
  const port = await freePort(t);
  assertEquals(await denoTest(t, { "a_test.ts": bind(port), "b_test.ts": bind(port) }), 0);
}, onlyDeno);

/** A program that is started again, or changed, whenever its file is written. */
class Watched {
  readonly #log: string;
  readonly #program: string;
  readonly #head: string;

  /** @param module What the program imports `createSocket` from. `log()` writes a line. */
  constructor(t: Tools, flags: readonly string[], module: string, code: string) {
    const folder = scratchFolder(t);
    [this.#program, this.#log] = [join(folder, "program.ts"), join(folder, "log")];
    this.#head = `import { appendFileSync, readdirSync, readlinkSync } from "node:fs";
import { createSocket } from ${JSON.stringify(module)};
const log = (text) => appendFileSync(${JSON.stringify(this.#log)}, text + "\\n");
`;
    this.write(code);
    const child = spawn(process.execPath, [...flags, this.#program], { stdio: "ignore" });
    t.cleanup(() => void child.kill("SIGKILL"));
  }

  get lines(): string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, "utf8").trim().split("\n") : [];
  }

  write(code: string): void {
    writeFileSync(this.#program, this.#head + code);
  }

  /** Writes it until something is so: the file may not be watched yet. */
  async change(code: (n: number) => string, isDone: () => boolean): Promise<void> {
    for (let tries = 0; tries < 10 && !isDone(); tries++) {
      this.write(code(tries));
      // Not in the midst of a start.
      for (const end = performance.now() + 3000; performance.now() < end && !isDone();) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    await until(isDone, `what follows ${this.lines}`);
  }
}

/**
 * A program that listens, and then goes on. It says how many sockets, pollers and events there are. (Deno 2.8.2 leaves its caches' files
 * open at each restart.)
 */
const listening = (port: number, then = ""): string =>
  `const isOurs = (fd) => {
  try {
    return /^(socket|anon_inode)/.test(readlinkSync("/proc/self/fd/" + fd));
  } catch {
    return false;
  }
};
const socket = createSocket("udp4");
socket.on("error", (error) => log(error.code));
socket.bind(${port}, "127.0.0.1", () => {
  log("up " + readdirSync("/proc/self/fd").filter(isOurs).length);
  ${then}
});
`;

const DENO_RUN = ["run", "-A", "--no-check"];

for (
  const [how, flag, then] of [
    ["after a change", "--watch", ""],
    ["after an exception", "--watch", "setTimeout(() => { throw new Error('the end'); }, 1);"],
    ["after a rejection", "--watch", "void Promise.reject(new Error('the end'));"],
    ["after an exception", "--watch-hmr", "setTimeout(() => { throw new Error('the end'); }, 1);"],
  ]
) {
  test(`deno run ${flag} listens again ${how}, with as many descriptors`, async (t) => {
    const code = listening(await freePort(t), then);
    const watched = new Watched(t, [...DENO_RUN, flag], entry("mod"), code);
    await until(() => watched.lines.length >= 1, "the first start");
    for (let lines = 2; lines <= 6; lines++) {
      await watched.change((n) => `${code}// ${lines} ${n}`, () => watched.lines.length >= lines);
    }
    // Deno has others open for a moment. If each start left one open, there would be four more in the fifth, and then five.
    const counts = watched.lines.map((line) => Number(/^up (\d+)$/.exec(line)?.[1]));
    assert(Math.min(...counts.slice(-2)) <= counts[0] + 2, watched.lines.join());
  }, onlyDeno);
}

for (const module of [entry("mod"), "node:dgram"]) {
  const whose = module === "node:dgram" ? "the built-in's" : "this module's";

  test(`deno run --watch-hmr leaves sockets open where it replaces functions: ${whose}`, async (t) => {
    const code = (value: number): string =>
      `${listening(0)}function value() { return ${value}; }
socket.on("message", () => log("heard " + value()));
addEventListener("hmr", () => socket.send("x", socket.address().port, "127.0.0.1"));
`;
    const watched = new Watched(t, [...DENO_RUN, "--watch-hmr"], module, code(1));
    await until(() => watched.lines.length >= 1, "the start");
    // Deno starts the program again if it is not ready to replace functions yet, or if another line at the top level has changed. A new
    // program hears nothing of "hmr".
    const heard = (): string[] => watched.lines.filter((line) => line.startsWith("heard"));
    await watched.change((n) => code(n + 2), () => heard().length > 0);
    assertMatch(heard()[0], /^heard ([2-9]|1\d)$/);
  }, onlyDeno);

  test(`bun --hot leaves sockets open, so that their port is in use: ${whose}`, async (t) => {
    const code = listening(await freePort(t));
    const watched = new Watched(t, ["--hot"], module, code);
    await until(() => watched.lines.length >= 1, "the start");
    await watched.change((n) => `${code}// ${n}`, () => watched.lines.length >= 2);
    assertEquals(watched.lines.slice(0, 2).map((line) => line.replace(/^up .*/, "up")), ["up", "EADDRINUSE"]);
  }, onlyBun);

  test(`a socket in globalThis goes on with bun --hot: ${whose}`, async (t) => {
    const code = (value: number, more: number | string): string =>
      `globalThis.socket ??= createSocket("udp4").bind(0, "127.0.0.1");
socket.removeAllListeners("message").on("message", () => log("heard ${value}"));
setTimeout(() => socket.send("x", socket.address().port, "127.0.0.1"), 100);
// ${more}`;
    const watched = new Watched(t, ["--hot"], module, code(1, ""));
    await until(() => watched.lines.length >= 1, "the start");
    await watched.change((n) => code(2, n), () => watched.lines.length >= 2);
    assertEquals(watched.lines.slice(0, 2), ["heard 1", "heard 2"]);
  }, onlyBun);
}

/** Runs files with `bun test` in one process. */
async function bunTest(t: Tools, flags: readonly string[], files: Record<string, string>): Promise<string> {
  const folder = scratchFolder(t);
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), importing + code);
  const names = Object.keys(files).map((name) => `./${name}`);
  const { NODE_ENV: _, ...env } = process.env;
  const child = spawn(process.execPath, ["test", ...flags, ...names], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { code, stdout, stderr } = await ended(child, 30_000);
  if (code !== 0) throw new Error(stdout + stderr);
  return stdout;
}

test("what a file of bun test --isolate leaves open is closed before the next one opens anything", async (t) => {
  const port = await freePort(t);
  const code = `import { readdirSync } from "node:fs";
import { test } from "bun:test";
test("x", async () => {
  const socket = createSocket("udp4");
  socket.bindSync({ port: ${port}, address: "127.0.0.1" });
  const received = new Promise((resolve) => socket.once("message", resolve));
  socket.send("x", ${port}, "127.0.0.1");
  await received;
  for (let i = 0; i < 1500; i++) createSocket("udp4").setsockopt("SOL_SOCKET", "SO_PRIORITY", Uint8Array.of(1, 0, 0, 0));
  console.log("open: " + readdirSync("/proc/self/fd").length);
});`;
  const files = Object.fromEntries(["a", "b", "c", "d"].map((name) => [`${name}_test.ts`, code]));
  const counts = [...(await bunTest(t, ["--isolate"], files)).matchAll(/^open: (\d+)$/gm)].map(([, count]) =>
    Number(count)
  );
  assertEquals(counts.length, 4);
  // Bun opens some of its own meanwhile.
  assert(counts.every((count) => count > 1500 && count < counts[0] + 100), counts.join());
}, onlyBun);

test("another copy of the module in the same file of bun test leaves the first one's sockets open", async (t) => {
  const folder = scratchFolder(t);
  // Bundled, so that it shares nothing with the first.
  const bundle = ["build", entry("mod"), "--target=bun", `--outfile=${join(folder, "copy.js")}`];
  assertEquals((await ended(spawn(process.execPath, bundle, { stdio: "ignore" }), 30_000)).code, 0);
  const code = `import { test } from "bun:test";
test("x", async () => {
  const socket = createSocket("udp4");
  socket.bindSync({ address: "127.0.0.1" });
  const copy = await import(${JSON.stringify(join(folder, "copy.js"))});
  const other = copy.createSocket("udp4");
  const received = new Promise((resolve) => socket.once("message", resolve));
  await new Promise((resolve) => other.send("x", socket.address().port, "127.0.0.1", resolve));
  await received;
  other.close();
  socket.close();
});`;
  await bunTest(t, ["--isolate"], { "a_test.ts": code, "b_test.ts": code });
}, onlyBun);

test("a process without descriptors for the thread goes on, and hears", async () => {
  const command = commandFor(fixture("crowded")).map((word) => `'${word}'`).join(" ");
  const { code, stdout } = await ended(spawn("sh", ["-c", `ulimit -n 128; exec ${command}`]), 20_000);
  assertEquals([code, stdout.trim()], [0, "EMFILE heard"]);
});

async function freePort(t: Tools): Promise<number> {
  const socket = await t.bound("udp4");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
