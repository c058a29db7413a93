/**
 * What a socket does to its process: keeps it alive, lets it go, and is gone without a trace when it ends otherwise.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Family, nextMessage, test, testBoth, type Tools } from "./support/harness.ts";
import { linesOf } from "./support/process.ts";
import { ended, runFixture, startFixture } from "./support/runtime.ts";

/** A lingering socket would hold a process for good, a thread that sits in its `poll` for almost half a second. */
const AT_ONCE = 350;
/** A busy machine can be slow now and then; what lingers is slow each time. */
const TRIES = 6;

/** How long a process lives on after it has printed its line. */
async function timeToExit(t: Tools, scenario: string, family: Family, line: string, code: number): Promise<number> {
  const child = start(t, scenario, family);
  const end = ended(child, 30_000);
  assertEquals(await linesOf(child)(), line);
  const printed = performance.now();
  assertEquals((await end).code, code);
  return performance.now() - printed;
}

function start(t: Tools, scenario: string, { type }: Family): ChildProcess {
  const child = startFixture("lifetime", [scenario, type]);
  t.cleanup(() => child.kill("SIGKILL"));
  return child;
}

/** Starts a scenario that prints a port. */
async function startServer(t: Tools, scenario: string, family: Family): Promise<{ child: ChildProcess; port: number }> {
  const child = start(t, scenario, family);
  return { child, port: Number(await linesOf(child)()) };
}

const EXITS: [behaviour: string, scenario: string, line: string, code?: number][] = [
  ["a process exits at once when its last socket is closed", "close", "closed"],
  ["a process exits at once when its last socket is closed before it was of use", "close at once", "closed"],
  ["a process exits at once when a socket that was open for a while is closed", "close after a while", "closed"],
  ["a process exits at once when its only socket is unreferenced", "unref", "unreferenced"],
  ["a process exits at once when its only socket was unreferenced before bind", "unref before bind", "unreferenced"],
  ["a process exits at once when all sockets are unreferenced", "unref after an exchange", "unreferenced"],
  [
    "a process exits at once when a socket that was open for a while is unreferenced",
    "unref after a while",
    "unreferenced",
  ],
  ["a socket that was never bound keeps nothing alive", "unbound", "unbound"],
  ["process.exit() ends a process with an open socket, with its code", "exit", "exiting", 7],
  ["process.exit() ends a process whose socket has received", "exit while receiving", "exiting", 7],
  ["process.exit() ends a process whose socket was open for a while", "exit after a while", "exiting", 7],
];

for (const [behaviour, scenario, line, code = 0] of EXITS) {
  testBoth(behaviour, async (t, family) => {
    let least = Infinity;
    for (let i = 0; i < TRIES && least >= AT_ONCE; i++) {
      least = Math.min(least, await timeToExit(t, scenario, family, line, code));
    }
    assert(least < AT_ONCE, `exited after ${least} ms`);
  });
}

const STAYS: [behaviour: string, scenario: string][] = [
  ["a process with a bound socket stays alive, answers, and exits when the socket closes", "referenced"],
  ["ref() after unref() keeps the process alive again", "referenced again"],
  ["one referenced socket among others keeps the process alive", "one of two referenced"],
  ["a socket referenced after it has received unreferenced keeps the process alive", "referenced after a message"],
  ["a socket made after another has received unreferenced keeps the process alive", "another after a message"],
];

for (const [behaviour, scenario] of STAYS) {
  testBoth(behaviour, async (t, family) => {
    const { child, port } = await startServer(t, scenario, family);
    const end = ended(child, 30_000);
    await delay(500);
    assertEquals(child.exitCode, null, "still alive");
    const client = await t.bound(family.type);
    const answer = nextMessage(client);
    client.send("end", port, family.loopback);
    assertEquals((await answer).text, "end");
    assertEquals((await end).code, 0);
  });
}

testBoth(
  "an unreferenced socket hears every message while something else keeps the process alive",
  async (t, family) => {
    const { child, port } = await startServer(t, "unreferenced, process kept alive", family);
    const end = ended(child, 30_000);
    const client = await t.bound(family.type);
    for (const text of ["1", "2", "3", "4", "end"]) {
      // Apart, so that each one has to wake it.
      await delay(50);
      const answer = nextMessage(client);
      client.send(text, port, family.loopback);
      const answered = await Promise.race([answer.then(({ text }) => text), delay(3000, "no answer", { ref: false })]);
      assertEquals(answered, text);
    }
    assertEquals((await end).code, 0);
  },
);

testBoth("an exception in a listener ends the process with code 1 and is printed", async (t, family) => {
  const { child, port } = await startServer(t, "throw", family);
  const end = ended(child, 30_000);
  const client = await t.bound(family.type);
  client.send("x", port, family.loopback);
  const { code, stderr } = await end;
  assertEquals(code, 1);
  assertStringIncludes(stderr, "thrown by a listener");
  assert(!/in promise/i.test(stderr), `an exception, not a rejection: ${stderr}`);
});

testBoth("exceptions in listeners are reported once each and cost no other message", async (t, family) => {
  const { child, port } = await startServer(t, "throw and go on", family);
  const end = ended(child, 30_000);
  const client = await t.bound(family.type);
  const answer = nextMessage(client);
  for (let i = 0; i < 20; i++) client.send("x", port, family.loopback);
  client.send("end", port, family.loopback);
  assertEquals((await answer).text, "20");
  assertEquals((await end).code, 0);
});

testBoth("SIGTERM ends a process with an open socket", async (t, family) => {
  const { child } = await startServer(t, "idle", family);
  const end = ended(child, 30_000);
  child.kill("SIGTERM");
  assertEquals((await end).signal, "SIGTERM");
});

testBoth("sockets opened after all were closed work, many times in one process", async (_, family) => {
  const { code, stdout, stderr } = await runFixture("lifetime", ["open and close again and again", family.type]);
  assertEquals([code, stdout.trim(), stderr], [0, "closed", ""]);
});

const UNHEARD = { bind: "bind EADDRNOTAVAIL 192.0.2.1", connect: "connect EINVAL ::1:9", send: "no-such-host.invalid" };

for (const [way, message] of Object.entries(UNHEARD)) {
  test(`an error of ${way}() without a listener for 'error' ends the process with code 1 and is printed`, async () => {
    const { code, stderr } = await runFixture("unheard_error", [way]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, message);
  });

  test(`an error of ${way}() without a listener for 'error' is an uncaughtException`, async () => {
    const { code, stdout } = await runFixture("unheard_error", [way, "heard"]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, message);
  });
}
