/**
 * Starts tour.ts on Deno, Bun, Node 26 and, compiled, on the Node that runs this, in turn. Plain JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, "node_modules", ".bin", name);
// npm puts Node 26 from node_modules first in PATH; this is the one npm itself runs on.
const outerNode = process.env.npm_node_execpath ?? process.execPath;
const outerVersion = spawnSync(outerNode, ["--version"], { encoding: "utf8" }).stdout.trim();

run(bin("tsc"), []);
const tours = [
  ["Deno", bin("deno"), ["run", "-A", "--quiet", "examples/tour.ts"]],
  ["Bun", bin("bun"), ["examples/tour.ts"]],
  ["Node 26, node:ffi", bin("node"), ["--no-warnings", "examples/tour.ts"]],
  [`Node ${outerVersion}, koffi`, outerNode, [".work/js/examples/tour.js"], { DGRAM_FFI_BINDING: "koffi" }],
];
for (const [name, command, args, environment] of tours) {
  console.log(`\n${name}`);
  run(command, args, environment);
}

function run(command, args, environment = {}) {
  const env = { ...process.env, ...environment };
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}
