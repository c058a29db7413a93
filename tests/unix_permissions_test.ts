/**
 * Unix sockets keep to the sandboxes of Deno and Node, as the runtimes' own do.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import type { Outcome } from "./fixtures/permissions.ts";
import { test } from "./support/harness.ts";
import { ended, fixture, linuxOnly, runtime } from "./support/runtime.ts";
import { boundUnix, folder, received } from "./support/unix.ts";

const deno = { skip: runtime === "deno" ? undefined : "only Deno has these permissions" };
/** Deno 2.8 does not let a single path be given. */
const takesPaths = runtime === "deno" &&
  spawnSync(process.execPath, ["run", "--allow-net=unix:/x", "data:,"]).status === 0;
const denoWithPaths = { skip: deno.skip ?? (takesPaths ? undefined : "this Deno has no --allow-net=unix:") };
const node = { skip: runtime === "node" ? undefined : "only Node 26 has these permissions" };

/** Runs the fixture with these flags of the runtime and nothing else. */
async function outcomeWith(flags: readonly string[], what: string, path: string): Promise<Outcome | "done"> {
  const base = runtime === "deno"
    ? ["run", "--quiet", "--no-prompt", "--allow-ffi"]
    : ["--no-warnings", "--permission", "--allow-fs-read=*", "--allow-ffi"];
  const child = spawn(process.execPath, [...base, ...flags, fixture("unix_permissions"), what, path]);
  const { code, stdout, stderr } = await ended(child, 20_000);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

const refusal = (kind: string, target: string): Outcome => ({
  name: "NotCapable",
  message: `Requires ${kind} access to "${target}", run again with the --allow-${kind} flag`,
});

for (const what of ["bind", "connect", "send"]) {
  test(`${what}() takes the permissions to read and write the path and to use it as a network address`, async (t) => {
    const dir = folder(t);
    const path = join(dir, "socket");
    if (what !== "bind") boundUnix(t, path);
    const [read, write, net] = [`--allow-read=${dir}`, `--allow-write=${dir}`, `--allow-net=unix:${path}`];
    assertEquals(await outcomeWith([write, net], what, path), refusal("read", path));
    assertEquals(await outcomeWith([read, net], what, path), refusal("write", path));
    assertEquals(await outcomeWith([read, write, "--allow-net=127.0.0.1"], what, path), refusal("net", `unix:${path}`));
    assertEquals(existsSync(path), what !== "bind");
    assertEquals(await outcomeWith([read, write, net], what, path), "done");
  }, denoWithPaths);
}

test("an abstract path takes all of the network", async (t) => {
  const server = boundUnix(t);
  const { path } = server.address();
  const readable = `@${path.slice(1)}`;
  assertEquals(
    await outcomeWith(["--allow-net=127.0.0.1", "--allow-read", "--allow-write"], "send", readable),
    refusal("net", `unix:${readable}`),
  );
  const datagrams = received(server, 1);
  assertEquals(await outcomeWith(["--allow-net"], "send", readable), "done");
  await datagrams;
}, { skip: deno.skip ?? linuxOnly("abstract paths") });

test("under --permission, Unix sockets take --allow-net, too", async (t) => {
  const path = join(folder(t), "socket");
  boundUnix(t, path);
  for (const what of ["connect", "send"]) {
    const { code, permission } = await outcomeWith([], what, path) as Outcome;
    assertEquals([code, permission], ["ERR_ACCESS_DENIED", "Net"]);
    assertEquals(await outcomeWith(["--allow-net"], what, path), "done");
  }
}, node);
