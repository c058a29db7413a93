/**
 * The processes that are measured, and those at the other end.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const work = join(root, ".work", "bench");
const bin = (name) => join(root, "node_modules", ".bin", name);

/** No measurement takes longer, in milliseconds. */
const DEADLINE = 20_000;

/** The Node that npm itself runs on, for koffi; npm puts Node 26 from node_modules first in PATH. */
const outerNode = process.env.npm_node_execpath ?? process.execPath;

const compiled = join(work, "js", "bench", "contender.js");

/** What puts this module in the built-in's place: the npm package's, and that in TypeScript. */
const registers = { npm: join(root, ".work/npm/package/register.mjs"), source: join(root, "register.ts") };

/** Node and Bun run the npm package; Deno runs TypeScript, as from JSR. */
export const runtimes = {
  deno: {
    title: "Deno",
    command: bin("deno"),
    args: ["run", "-A", "--quiet", "--unstable-net", "--v8-flags=--expose-gc"],
    script: join(root, "bench", "contender.ts"),
    register: `--preload=${registers.source}`,
  },
  bun: { title: "Bun", command: bin("bun"), args: [], script: compiled, register: `--preload=${registers.npm}` },
  node: {
    title: "Node 26",
    command: bin("node"),
    args: ["--no-warnings", "--expose-gc"],
    script: compiled,
    register: `--import=${pathToFileURL(registers.npm)}`,
  },
  koffi: {
    title: "Node 20, koffi",
    command: outerNode,
    args: ["--no-warnings", "--expose-gc"],
    script: compiled,
    register: `--import=${pathToFileURL(registers.npm)}`,
    environment: { DGRAM_FFI_BINDING: "koffi" },
  },
};

/** Builds the npm package, and compiles the workloads and the C programs. */
export function build() {
  mkdirSync(work, { recursive: true });
  must(bin("deno"), ["run", "-A", "--quiet", join(root, "npm-build", "build.ts")], "ignore");
  must(bin("tsc"), ["--project", join(root, "bench")]);
  for (const name of ["flood", "sink", "echo", "clients"]) {
    must("cc", ["-O2", "-Wall", "-Werror", "-o", program(name), join(root, "bench", "c", `${name}.c`)]);
  }
}

function must(command, args, stdout = "inherit") {
  const env = { ...process.env, PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}` };
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", stdout, "inherit"], env });
  if (error?.code === "ENOENT") throw new Error(`The benchmark needs ${command}, which is not installed`);
  if (status !== 0) throw new Error(`${command} failed`);
}

/** Lays files out as the project's others are. */
export function format(...files) {
  must(bin("deno"), ["fmt", "--quiet", ...files]);
}

/** A runtime's name and version. */
export function versionOf(name) {
  const { stdout } = spawnSync(runtimes[name].command, ["--version"], { encoding: "utf8" });
  return `${runtimes[name].title.split(" ")[0]} ${/\d+\.\d+\.\d+/.exec(stdout)[0]}`;
}

/** Whether processes can be kept on one processor. */
const hasTaskset = spawnSync("taskset", ["--version"]).status === 0;

const program = (name) => join(work, name);

/** Starts a contender. @param place The processor it is to stay on, or whether it is to have a link in a namespace, if any. */
export function startContender(runtime, module, workload, options, place = {}) {
  const { command, args, script, register, environment } = runtimes[runtime];
  const flags = module === "registered" ? [...args, register] : args;
  const words = [module, workload, JSON.stringify(options)];
  return new Running(command, [...flags, script, ...words], { environment, ...place });
}

/** Starts a C program. */
export function startProgram(name, args = [], processor) {
  return new Running(program(name), args.map(String), { processor });
}

/** Runs a command in a network namespace that has a link, with its addresses at once. */
const onLink = [
  ...["unshare", "--net", "sh", "-c"],
  "sysctl -qw net.ipv6.conf.default.accept_dad=0; ip link set lo up; ip link add link0 type veth peer name link1; " +
  'ip link set link0 up; ip link set link1 up; exec "$@"',
  "sh",
];

/** A process that prints objects as JSON: perhaps a port first, and its figures last. */
class Running {
  #child;
  #ended;
  #objects = [];
  #wake = () => {};
  #isOver = false;

  constructor(command, args, { environment = {}, processor, hasLink = false }) {
    const link = hasLink ? onLink : [];
    const pin = processor !== undefined && hasTaskset ? ["taskset", "--cpu-list", String(processor)] : [];
    // Ten thousand sockets are more than most shells allow.
    const words = ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", ...link, ...pin, command, ...args];
    const stdio = ["ignore", "pipe", "inherit"];
    this.started = performance.now();
    this.#child = spawn("sh", words, { cwd: root, stdio, env: { ...process.env, ...environment, NO_COLOR: "1" } });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.#objects.push(JSON.parse(line));
      this.#wake();
    });
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), DEADLINE);
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (code) => {
        clearTimeout(killer);
        this.#isOver = true;
        this.#wake();
        resolve(code);
      });
    });
  }

  /** The port it has announced. */
  async port() {
    return (await this.#next()).port;
  }

  /** What it has measured. */
  async figures() {
    return await this.#next();
  }

  /** Ends it, unless it has ended. */
  async stop() {
    if (!this.#isOver) this.#child.kill("SIGKILL");
    await this.#ended;
  }

  async #next() {
    while (this.#objects.length === 0) {
      if (this.#isOver) throw new Error(`it ended early: ${this.#child.spawnargs.slice(4).join(" ")}`);
      await new Promise((resolve) => this.#wake = resolve);
    }
    return this.#objects.shift();
  }
}
