/**
 * Bun for musl on Debian: its C library is a package; libstdc++ for musl is made of Debian's static archives. Plain JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import process from "node:process";
import { join } from "node:path";
import { current, installDebian, installNpm, must, root, work } from "./packages.mjs";

/** Why it cannot be had here; undefined: it can. */
export function noBunOnMusl() {
  if (process.platform !== "linux" || process.arch !== "x64") return "it is prepared for Linux on x64";
  const missing = installDebian(["musl-tools", "g++"]);
  return missing.length > 0 ? `Debian's ${missing.join(", ")} could not be installed` : undefined;
}

/** Installs it. @returns The file, and the variables of the environment that it takes. */
export function bunOnMusl() {
  const modules = installNpm("musl", [`@oven/bun-linux-x64-musl@${current("bun")}`]);
  const bun = join(modules, "@oven/bun-linux-x64-musl/bin/bun");
  const folder = join(work, "musl/lib");
  buildLibrary(folder);
  const environment = { LD_LIBRARY_PATH: folder };
  must(bun, ["--version"], { env: { ...process.env, ...environment } });
  return { bun, environment };
}

function buildLibrary(folder) {
  const library = join(folder, "libstdc++.so.6");
  if (existsSync(library)) return;
  mkdirSync(folder, { recursive: true });
  const archive = (name) => spawnSync("g++", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout.trim();
  const object = join(folder, "musl.o");
  const source = join(root, "tests/platforms/musl.c");
  must("musl-gcc", ["-O1", "-Wall", "-Werror", "-fPIC", "-fvisibility=hidden", "-c", source, "-o", object]);
  must("musl-gcc", [
    ...["-nostdlib", "-shared", "-o", library, "-Wl,-soname,libstdc++.so.6", object],
    ...["-Wl,--whole-archive", archive("libstdc++.a"), archive("libgcc_eh.a"), "-Wl,--no-whole-archive"],
    ...[archive("libgcc.a"), "-lc"],
  ]);
}
