/**
 * Importing the module costs nothing but the import: no thread, no descriptor, no library, no permission.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { assertEquals } from "@std/assert";
import type { Holdings } from "./fixtures/importing.ts";
import { test } from "./support/harness.ts";
import { BUNS_OWN } from "./support/process.ts";
import { ended, fixture, runFixture, runtime } from "./support/runtime.ts";

/** What a process holds before and after it has imported something. */
async function importing(what: string): Promise<[before: Holdings, after: Holdings]> {
  const { code, stdout, stderr } = await runFixture("importing", [what]);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

/** Deno's pool for blocking work grows while files are loaded. A waiting socket's call would be there, but needs FFI: see below. */
const DENOS_OWN = /^(tokio-|V8 )/;

test("importing the module starts no thread", async () => {
  const [before, after] = await importing("module");
  const [own, others] = [before, after].map(({ threads }) =>
    threads.filter((name) => !BUNS_OWN.test(name) && !DENOS_OWN.test(name))
  );
  assertEquals(others, own);
});

test("importing the module opens no descriptor", async () => {
  const [before, after] = await importing("module");
  assertEquals(after.descriptors, before.descriptors);
});

test("importing the module loads no library", async () => {
  const [before, after] = await importing("module");
  assertEquals(after.libraries, before.libraries);
});

test("the first socket loads what it needs, and its process ends", async () => {
  const { code, stdout } = await runFixture("importing", ["socket"]);
  assertEquals(code, 0);
  const [before, after] = JSON.parse(stdout) as [Holdings, Holdings];
  assertEquals(after.descriptors, before.descriptors, "an unbound socket has no descriptor");
  // So the test before this one can fail: koffi's library shows when it is loaded.
  if (runtime === "koffi") assertEquals(after.libraries.length, before.libraries.length + 1);
});

const notDeno = runtime === "deno" ? undefined : "only Deno has these permissions";

for (const denials of [[], ["--deny-ffi"], ["--deny-ffi", "--deny-net", "--deny-sys", "--deny-env", "--deny-read"]]) {
  test(`the module can be imported without any permission, ${denials.join(" ") || "nothing denied"}`, async () => {
    const child = spawn(process.execPath, ["run", "--quiet", "--no-prompt", ...denials, fixture("import_only")]);
    const { code, stderr } = await ended(child, 20_000);
    assertEquals([code, stderr], [0, ""]);
  }, { skip: notDeno });
}
