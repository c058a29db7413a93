/**
 * Sockets inside Workers: they work, they end with their Worker, and they take nothing with them.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { test } from "./support/harness.ts";
import { linuxOnly, runFixture, runtime } from "./support/runtime.ts";

const SCENARIOS: [behaviour: string, scenario: string, lines: string[], code?: number][] = [
  [
    "two Workers answer, and each ends by itself when its socket closes",
    "two workers",
    ["one: a", "two: b", "one: close", "two: close", "[ 0, 0 ]"],
  ],
  ["a Worker whose only socket is unreferenced ends by itself", "unreferenced", ["0"]],
  ["a Worker ends when a socket that has received is unreferenced", "unreferenced after a while", ["0"]],
  ["process.exit() ends a Worker with an open socket, with its code", "exit", ["3"]],
  ["Workers can be terminated in the middle of receiving, and the next one works", "terminate", [
    "last: x",
    "terminated",
  ]],
  ["process.exit() ends a process with a Worker in the middle of receiving", "exit with a worker", ["exiting"], 5],
  ["ten Workers that closed their sockets leave no thread and no descriptor", "closing, ten in turn", [
    "nothing left",
  ]],
  [
    "ten Workers that ended with an open socket leave no thread and no descriptor",
    "unreferenced, ten in turn",
    ["nothing left"],
  ],
  ["ten terminated Workers leave no thread and no descriptor", "terminated, ten in turn", ["nothing left"]],
];

/** Not on macOS yet: see docs/macos.md. */
const CLOSED_BY_LIBC = "descriptors that the C library closes at a thread's end";

for (const [behaviour, scenario, lines, code = 0] of SCENARIOS) {
  test(behaviour, async () => {
    const ended = await runFixture("workers", [scenario], { timeout: 50_000 });
    assertEquals([ended.stdout.trim().split("\n"), ended.code, ended.stderr], [lines, code, ""]);
  }, { skip: behaviour.endsWith("no descriptor") ? linuxOnly(CLOSED_BY_LIBC) : undefined });
}

test(
  "Workers that end in every manner under traffic leave no descriptor, thread or port, and close nobody else's files",
  async () => {
    const { stdout } = await runFixture("../soak/terminations", ["12", "30", "2", "1"], { timeout: 55_000 });
    const { workers, withSockets, left, faults } = JSON.parse(stdout).result;
    assertEquals([left, faults], [{ descriptors: 0, threads: 0, boundPorts: 0, strange: 0 }, []]);
    assert(workers > 0 && withSockets > 0);
  },
  { skip: linuxOnly(CLOSED_BY_LIBC) },
);

test("an exception in a Worker's listener is the Worker's 'error' and ends it", async () => {
  const { code, stdout } = await runFixture("workers", ["throw"]);
  assertStringIncludes(stdout, "thrown in a worker\nended\n");
  assertEquals(code, 0);
});

for (
  const [behaviour, end] of [
    ["terminate() ends it in the middle of receiving", "terminate"],
    ["close() ends it", "close"],
    ["an exception ends it", "throw"],
  ]
) {
  test(`a Web Worker's socket answers, and ${behaviour}: its port is free`, async () => {
    const { code, stdout, stderr } = await runFixture("web_worker", [end]);
    assertEquals([code, stdout.trim(), end === "throw" ? "" : stderr], [0, "echo: x\nits port is free", ""]);
  }, { skip: runtime === "deno" || runtime === "bun" ? undefined : "Node has no Web Workers" });
}

test("a terminated Worker's sockets are closed, however many there are", async () => {
  const { code, stdout, stderr } = await runFixture("workers", ["terminated with many", "400"]);
  assertEquals([code, stdout.trim(), stderr], [0, "400 more, then 0", ""]);
}, { skip: linuxOnly(CLOSED_BY_LIBC) });

test("descriptors that came to a terminated Worker, and that nobody has taken, are closed", async () => {
  const { code, stdout, stderr } = await runFixture("workers", ["terminated with descriptors"]);
  assertEquals([code, stdout.trim(), stderr], [0, "nothing left", ""]);
}, { skip: linuxOnly(CLOSED_BY_LIBC) });
