/**
 * Makes a version ready: bumps, tests, builds, and tries both publications without publishing anything.
 *
 * npm run release -- 0.2.0
 *
 * CHANGELOG.md must begin with that version, marked "not released"; it gets today's date. What is left to do is printed.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./package.ts";

const version = process.argv[2] ?? "";
if (!/^\d+\.\d+\.\d+$/.test(version)) stop("usage: npm run release -- MAJOR.MINOR.PATCH");

// First, as it may turn out that nobody has written what is new.
const heading = `## ${version} `;
const today = new Date().toISOString().slice(0, 10);
replaceIn("CHANGELOG.md", new RegExp(`^${heading.replaceAll(".", "\\.")}\\(.*\\)$`, "m"), `${heading}(${today})`);
replaceIn("deno.json", /"version": "[^"]*"/, `"version": "${version}"`);

// The tests build the tarball.
npm("test", "--", "--packaged-suite");
npm("publish", "--dry-run", `.work/npm/dgram-ffi-${version}.tgz`);
run("deno", ["publish", "--dry-run", "--allow-dirty"]);
console.log(
  `\nReady. To publish: git commit -am "${version}" && git tag v${version} && git push --follow-tags origin main v${version}`,
);

function replaceIn(file: string, pattern: RegExp, replacement: string): void {
  const path = join(root, file);
  const text = readFileSync(path, "utf8");
  if (!pattern.test(text)) stop(`${file} has no ${pattern}`);
  writeFileSync(path, text.replace(pattern, replacement));
}

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) stop(`${command} ${args.join(" ")} ended with code ${status}`);
}

/**
 * Runs npm in the Node that runs the npm which started this. The `npm` in PATH would find the project's own Node 26 there, and
 * nothing would be tried in an older one.
 */
function npm(...args: string[]): void {
  const { npm_node_execpath: node, npm_execpath: script } = process.env;
  if (node && script) run(node, [script, ...args]);
  else run("npm", args);
}

function stop(message: string): never {
  console.error(message);
  process.exit(1);
}
