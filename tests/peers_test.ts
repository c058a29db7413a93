/**
 * Real programs at the other end: a DNS server, resolvers, socat, logger.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { Resolver } from "node:dns/promises";
import process from "node:process";
import { assertEquals, assertMatch } from "@std/assert";
import type { Socket } from "../mod.ts";
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from "./support/dns.ts";
import { type Family, nextMessage, testBoth, type Tools } from "./support/harness.ts";
import { linesOf } from "./support/process.ts";
import { scratch } from "./support/scratch.ts";

/** Why a program cannot be used; undefined: it can. */
function missing(program: string, versionFlag = "--version"): string | undefined {
  return spawnSync(program, [versionFlag]).error ? `${program} is not installed` : undefined;
}

/** Starts a program that is stopped at the test's end. */
function start(t: Tools, command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: "pipe" });
  const over = new Promise((resolve) => child.once("close", resolve));
  t.cleanup(() => {
    child.kill("SIGTERM");
    return over;
  });
  return child;
}

/** Waits for what a pattern finds in a program's diagnostics. */
function diagnostic(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr!.on("data", (chunk) => {
      const found = pattern.exec(said += chunk);
      if (found) resolve(found);
    });
    child.once("close", () => reject(new Error(`it ended and said: ${said}`)));
  });
}

const QUERIES = 1000;
const nameOf = (i: number): string => `host-${i}.dgram.test`;
const addressOf = (i: number): string => `10.53.${i >> 8}.${i & 0xff}`;

/** Starts dnsmasq on a port of the loopback address, knowing all the hosts. Returns the port. */
async function startDnsmasq(t: Tools, family: Family): Promise<number> {
  const records = Array.from({ length: QUERIES }, (_, i) => `host-record=${nameOf(i)},${addressOf(i)}`);
  const folder = scratch(t, { "dnsmasq.conf": `${records.join("\n")}\n` });
  // A port that was free just now.
  const probe = await t.bound(family.type);
  const { port } = probe.address();
  await probe[Symbol.asyncDispose]();
  const child = start(t, "dnsmasq", [
    "--keep-in-foreground",
    "--log-facility=-",
    `--conf-file=${folder}/dnsmasq.conf`,
    `--port=${port}`,
    `--listen-address=${family.loopback}`,
    "--bind-interfaces",
    "--no-resolv",
    "--no-hosts",
    "--pid-file=",
    ...process.getuid?.() === 0 ? ["--user=root"] : [],
  ]);
  await diagnostic(child, /started, version/);
  return port;
}

/** Asks a connected socket's peer all the questions, some at a time, so that its buffer never overflows. */
function askAll(socket: Socket): Promise<Map<string, string[]>> {
  const answers = new Map<string, string[]>();
  const AT_ONCE = 50;
  return new Promise((resolve, reject) => {
    let asked = 0;
    const ask = (): void => {
      if (asked === QUERIES) return;
      const id = asked++;
      socket.send(encodeQuestion({ id, name: nameOf(id) }), (error) => error && reject(error));
    };
    socket.on("error", reject);
    socket.on("message", (message) => {
      const { id, name, addresses } = decodeAnswer(message);
      if (name === nameOf(id)) answers.set(name, addresses);
      if (answers.size === QUERIES) resolve(answers);
      ask();
    });
    for (let i = 0; i < AT_ONCE; i++) ask();
  });
}

testBoth("a DNS server answers 1,000 questions", async (t, family) => {
  const port = await startDnsmasq(t, family);
  const socket = await t.bound(family.type);
  socket.connectSync(port, family.loopback);
  const answers = await askAll(socket);
  for (let i = 0; i < QUERIES; i++) assertEquals(answers.get(nameOf(i)), [addressOf(i)]);
}, { skip: missing("dnsmasq") });

testBoth("the runtime's own resolver gets its answers from a server made with the module", async (t, family) => {
  const server = await t.bound(family.type);
  server.on("message", (message, { port, address }) => {
    const question = decodeQuestion(message);
    if (question) server.send(encodeAnswer({ ...question, addresses: ["192.0.2.7", "192.0.2.8"] }), port, address);
  });
  const resolver = new Resolver();
  const host = family.version === 4 ? family.loopback : `[${family.loopback}]`;
  resolver.setServers([`${host}:${server.address().port}`]);
  assertEquals((await resolver.resolve4("answer.dgram.test")).sort(), ["192.0.2.7", "192.0.2.8"]);
});

/** An address as socat writes it. */
const socatHost = (family: Family): string => family.version === 4 ? family.loopback : `[${family.loopback}]`;

testBoth("socat sends back what it is sent", async (t, family) => {
  const child = start(t, "socat", ["-d", "-d", `UDP${family.version}-LISTEN:0,bind=${socatHost(family)}`, "PIPE"]);
  const port = Number((await diagnostic(child, /listening on .*:(\d+)\n/))[1]);
  const socket = await t.bound(family.type);
  for (const text of ["one", "two", "x".repeat(8000)]) {
    const answer = nextMessage(socket);
    socket.send(text, port, family.loopback);
    const { remote, ...received } = await answer;
    assertEquals([received.text, remote.port, remote.address], [text, port, family.loopback]);
  }
}, { skip: missing("socat", "-V") });

testBoth("socat gets back what it sends", async (t, family) => {
  const server = await t.bound(family.type);
  server.on("message", (message, { port, address }) => server.send(message, port, address));
  const peer = `UDP${family.version}:${socatHost(family)}:${server.address().port}`;
  const child = start(t, "socat", ["-", peer]);
  const next = linesOf(child);
  for (const text of ["one", "two", "three"]) {
    child.stdin!.write(`${text}\n`);
    assertEquals(await next(), text);
  }
}, { skip: missing("socat", "-V") });

testBoth("a syslog message of logger's arrives", async (t, family) => {
  const server = await t.bound(family.type);
  const arriving = nextMessage(server);
  const port = String(server.address().port);
  start(t, "logger", ["--server", family.loopback, "--port", port, "--udp", "--tag", "dgram", "it works"]);
  // RFC 5424: priority, version, time, host, tag and more, text.
  assertMatch((await arriving).text, /^<13>1 \S+ \S+ dgram .* it works$/);
}, { skip: missing("logger") });
