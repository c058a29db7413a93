/**
 * gVisor, a kernel in a process: Debian's `runsc` runs programs with this machine's files, and keeps what they write to itself. Plain
 * JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { columnCommand, countCases } from "./columns.mjs";
import { installDebian, root, work } from "./packages.mjs";

/** The ordinary surface. gVisor has no error queue, no timestamps and no UDP_SEGMENT, in C as well. */
const FILES = ["exchange", "close", "bind_connect"].map((name) => `tests/${name}_test.ts`);

/** Why it cannot be had here; undefined: it can. */
export function noGvisor() {
  if (process.platform !== "linux" || process.getuid() !== 0) return "it is prepared for root on Linux";
  const missing = installDebian(["runsc"]);
  return missing.length > 0 ? `Debian's ${missing.join(", ")} could not be installed` : undefined;
}

/** Runs the files in all runtimes. @returns The counts of each, and the seconds that it took. */
export function tryGvisor() {
  const out = join(work, "gvisor");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const started = Date.now();
  const results = ["node", "koffi", "bun", "deno"].map((name) => {
    const bin = join(root, "node_modules/.bin", name === "koffi" ? "node" : name);
    const report = join(out, `${name}.xml`);
    const { file, parameters, environment } = columnCommand(name, bin, FILES, "/tmp/report.xml");
    const inside = ["sh", "-c", `cd '${root}'; "$@" > /tmp/log 2>&1; cat /tmp/report.xml; cat /tmp/log >&2`, "sh"];
    const { stdout, stderr } = spawnSync(
      "runsc",
      ["--network=none", "--ignore-cgroups", "do", ...inside, file, ...parameters],
      {
        encoding: "utf8",
        timeout: 300_000,
        killSignal: "SIGKILL",
        maxBuffer: 1 << 28,
        env: { ...process.env, ...environment },
      },
    );
    writeFileSync(report, stdout ?? "");
    writeFileSync(join(out, `${name}.log`), stderr ?? "");
    return { name, ...countCases(report) };
  });
  return {
    version: spawnSync("runsc", ["--version"], { encoding: "utf8" }).stdout.split("\n")[0],
    results,
    seconds: Math.round((Date.now() - started) / 1000),
  };
}
