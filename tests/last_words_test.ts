/**
 * What `send()` was given leaves before the program ends, in whatever way it ends.
 *
 * @module
 */
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { nextMessage, nextMessages, test, type Tools } from "./support/harness.ts";
import { patiently } from "./support/mailbox.ts";
import { ended, runtime, startFixture } from "./support/runtime.ts";

const KINDS = ["connected", "unconnected"] as const;

/** How programs end in each place. */
const ENDS: Record<string, string[]> = {
  // deno-fmt-ignore
  main: [
    "goes on", "exits", "throws", "overflows the stack", "throws in a tick", "throws in a promise job", "rejects",
  ],
  worker: ["goes on", "exits", "throws", "rejects", "closes its port"],
  web: ["exits", "throws", "rejects", "closes"],
};

/** Starts a program and hears what it says. */
async function lastWords(t: Tools, kind: string, end: string, place: string): Promise<string[]> {
  const receiver = await t.bound("udp4");
  const arriving = nextMessages(receiver, 3);
  const child = startFixture("last_words", [String(receiver.address().port), kind, end, place]);
  t.cleanup(() => child.exitCode ?? child.kill("SIGKILL"));
  const isOver = ended(child, 20_000);
  const heard = await patiently("what it said", arriving);
  // A Web Worker's program only waits.
  if (place === "web") child.kill("SIGKILL");
  await isOver;
  return heard.map(({ text }) => text);
}

function testEnd(kind: string, end: string, place: string): void {
  const where = { main: "a program", worker: "a Worker", web: "a Web Worker" }[place];
  test(`${where} sends on ${kind === "connected" ? "a connected" : "an unconnected"} socket, and ${end}`, async (t) => {
    assertEquals(await lastWords(t, kind, end, place), ["1", "2", "3"]);
  });
}

const hasWebWorkers = runtime === "deno" || runtime === "bun";
for (const [place, ends] of Object.entries(ENDS)) {
  if (place === "web" && !hasWebWorkers) continue;
  for (const end of ends) for (const kind of KINDS) testEnd(kind, end, place);
}
testEnd("connected", "exits, and sends in 'exit'", "main");
if (runtime === "deno") {
  for (const place of ["main", "web"]) for (const kind of KINDS) testEnd(kind, "exits by Deno.exit()", place);
}

test("a message to the peer of a connected socket has left when send() returns", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "dgram-ffi-"));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  const receiver = await t.bound("udp4");
  const file = join(folder, "heard");
  const arriving = nextMessage(receiver);
  const child = startFixture("last_words", [String(receiver.address().port), "connected", "computes", "main", file]);
  const over = ended(child, 20_000);
  assertEquals((await patiently("the message", arriving)).text, "1");
  writeFileSync(file, "");
  assertEquals((await over).stdout.trim(), "heard");
  assertEquals(existsSync(file), true);
});

test("what follows in the same turn on a connected socket is collected, and keeps its order", async (t) => {
  const [receiver, sender] = [await t.bound("udp4"), await t.bound("udp4")];
  sender.connect(receiver.address().port, "127.0.0.1");
  await once(sender, "connect");
  const arriving = nextMessages(receiver, 100);
  const texts = Array.from({ length: 100 }, (_, i) => `message ${i}`);
  texts.forEach((text, i) => {
    sender.send(text);
    assertEquals(sender.getSendQueueCount(), i);
  });
  assertEquals((await arriving).map(({ text }) => text), texts);
  assertEquals(sender.getSendQueueCount(), 0);
});
