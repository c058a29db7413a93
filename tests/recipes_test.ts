/**
 * docs/recipes.md: each program does what its text says.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Socket } from "../mod.ts";
import { decodeQuestion, encodeAnswer } from "./support/dns.ts";
import { nextMessage, nextMessages, sent, test, type Tools } from "./support/harness.ts";
import { type Host, Network, noNamespaces } from "./support/namespaces.ts";
import { linesOf } from "./support/process.ts";
import { projectRoot } from "./support/project.ts";
import { commandFor, type Ended, ended, linuxOnly, runtime } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";
import { type Snippet, snippetsOf, writeProgram } from "./support/snippets.ts";

const page = readFileSync(join(projectRoot, "docs/recipes.md"), "utf8");
const recipes = snippetsOf("docs/recipes.md");
/** The recipes that a test has run. */
const used = new Set<Snippet>();

interface Place {
  readonly host?: Host;
}

/** Writes a recipe's program to disk. @returns The command that runs it. */
function commandOf(t: Tools, heading: string, args: readonly string[] = [], index = 0): [string, ...string[]] {
  const recipe = recipes.filter((recipe) => recipe.heading === heading)[index];
  assert(recipe, `there is no recipe "${heading}"`);
  used.add(recipe);
  const script = writeProgram(scratch(t, {}), "main", recipe.code);
  if (runtime !== "deno") return commandFor(script, args);
  return [process.execPath, "run", "--quiet", "--no-prompt", ...denoFlags(heading), script, ...args];
}

/** The permissions that the page gives all recipes, and those that a recipe's text adds. */
function denoFlags(heading: string): string[] {
  const [, section] = page.split(`\n## ${heading}\n`);
  const text = section.split("\n## ")[0];
  return ["--allow-ffi", "--allow-net", ...(/Deno\s+also\s+requires\s+`([^`]+)`/.exec(text)?.[1].split(/\s+/) ?? [])];
}

/** Starts a recipe. */
function start(t: Tools, command: readonly string[], { host }: Place = {}): ChildProcess {
  const [program, ...args] = host ? host.command(...command) : command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const over = once(child, "close");
  t.cleanup(() => {
    child.kill("SIGKILL");
    return over;
  });
  return child;
}

/** Starts a recipe, and waits for its first line. */
async function serving(t: Tools, command: readonly string[], place?: Place) {
  const child = start(t, command, place);
  child.stderr!.on("data", (chunk) => console.error(`${chunk}`));
  const nextLine = linesOf(child);
  return { child, nextLine, first: await nextLine() };
}

/** Runs a recipe to its end. */
function run(t: Tools, command: readonly string[], place?: Place): Promise<Ended> {
  return ended(start(t, command, place), 20_000);
}

/** What a recipe printed that ended well. */
async function printed(running: Promise<Ended>): Promise<string[]> {
  const { code, stdout, stderr } = await running;
  assertEquals([stderr, code], ["", 0]);
  return stdout.trim().split("\n");
}

function neighbours(t: Tools, links: number): { a: Host; b: Host } {
  const network = new Network(t);
  const [a, b] = [network.host("a"), network.host("b")];
  for (let n = 0; n < links; n++) network.link(a, b);
  return { a, b };
}

test("discovery: who asks on all interfaces is answered on all", async (t) => {
  const { a, b } = neighbours(t, 2);
  const heading = "Discovery, and multicast on all interfaces";
  const { child } = await serving(t, commandOf(t, heading, ["answer"]), { host: b });
  const lines = await printed(run(t, commandOf(t, heading, ["ask"]), { host: a }));
  assertEquals(lines.sort(), [`process ${child.pid} at 10.77.0.2`, `process ${child.pid} at 10.77.1.2`]);
}, { skip: noNamespaces });

test("IPv6 zones: each link's neighbour is reached by its zone, and answers", async (t) => {
  const { a, b } = neighbours(t, 2);
  await serving(t, commandOf(t, "IPv6 zones"), { host: b });
  for (const address of ["fe80::2%veth0", "fe80::2%veth1"]) {
    const lines = await printed(run(t, commandOf(t, "IPv6 zones", [address]), { host: a }));
    assertEquals(lines, [`hello from ${address}`]);
  }
}, { skip: noNamespaces });

test("broadcast: whoever answers is found", async (t) => {
  const { a, b } = neighbours(t, 1);
  const agent = await b.agent();
  const socket = await agent.bound("udp4", "0.0.0.0");
  const asking = printed(run(t, commandOf(t, "Broadcast", ["10.77.0.255", `${socket.port}`]), { host: a }));
  const { text, remote } = await socket.next();
  assertEquals([text, remote.address], ["who is there?", "10.77.0.1"]);
  await socket.send("me", remote.port, remote.address);
  assertEquals(await asking, ["me at 10.77.0.2"]);
}, { skip: noNamespaces });

test("syslog: messages reach the Unix socket with time, tag and severity", async (t) => {
  const { createSocket } = await import("../mod.ts");
  const path = `${scratch(t, {})}/log`;
  const logger = t.track(createSocket("unix_dgram"));
  const messages: string[] = [];
  logger.on("message", (message) => messages.push(message.toString()));
  logger.bindSync(path);
  await printed(run(t, commandOf(t, "Syslog", [path])));
  assertEquals(messages.length, 2);
  assertMatch(messages[0], /^<14>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d recipe\[\d+\]: started$/);
  assertMatch(messages[1], /^<11>.*: something failed$/);
});

test("syslog: a collector gets RFC 5424", async (t) => {
  const collector = await t.bound("udp4");
  const arriving = nextMessage(collector);
  await printed(run(t, commandOf(t, "Syslog", ["127.0.0.1", `${collector.address().port}`], 1)));
  assertMatch((await arriving).text, /^<14>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ recipe \d+ - - started$/);
});

test("StatsD: what is counted in one turn shares datagrams, and the process ends", async (t) => {
  const server = await t.bound("udp4");
  const arriving = nextMessages(server, 2);
  await printed(run(t, commandOf(t, "StatsD", ["127.0.0.1", `${server.address().port}`])));
  const datagrams = (await arriving).map(({ text }) => text);
  assert(datagrams.every(({ length }) => length <= 1400), datagrams.join("\n"));
  assertEquals(datagrams.join("\n").split("\n"), [
    ...Array(200).fill("requests:1|c"),
    "duration:12|ms",
    "connections:7|g",
  ]);
});

test("DNS: the answer with the query's number counts", async (t) => {
  const server = await t.bound("udp4");
  server.on("message", (message, { port, address }) => {
    const { id, name } = decodeQuestion(message)!;
    server.send(encodeAnswer({ id: id ^ 1, name, addresses: ["192.0.2.66"] }), port, address);
    server.send(encodeAnswer({ id, name, addresses: ["192.0.2.7", "192.0.2.8"] }), port, address);
  });
  const command = commandOf(t, "DNS", ["example.test", "127.0.0.1", `${server.address().port}`]);
  assertEquals(await printed(run(t, command)), [
    "example.test has address 192.0.2.7",
    "example.test has address 192.0.2.8",
  ]);
});

test("NTP: a server that is ten seconds ahead says so", async (t) => {
  const server = await t.bound("udp4");
  server.on("message", (request, { port, address }) => {
    assertEquals([request.length, request[0]], [48, 0x23]);
    const answer = new DataView(new ArrayBuffer(48));
    answer.setUint8(0, 0x24);
    answer.setUint8(1, 2);
    answer.setBigUint64(24, request.readBigUInt64BE(40));
    const seconds = Date.now() / 1000 + 10 + 2_208_988_800;
    for (const at of [32, 40]) {
      answer.setUint32(at, Math.floor(seconds));
      answer.setUint32(at + 4, (seconds % 1) * 2 ** 32);
    }
    server.send(new Uint8Array(answer.buffer), port, address);
  });
  const [line] = await printed(run(t, commandOf(t, "NTP", ["127.0.0.1", `${server.address().port}`])));
  const offset = /^stratum 2, this clock is ([\d.]+) s behind$/.exec(line)?.[1];
  // The Date has whole milliseconds, and a busy machine its delays.
  assert(Math.abs(Number(offset) - 10) < 1, line);
});

test("requests with retries: two lost, one answered; none answered; nobody there", async (t) => {
  const server = await t.bound("udp4");
  let asked = 0;
  let answersTo = 3;
  server.on("message", (_, { port, address }) => {
    if (++asked === answersTo) server.send("pong", port, address);
  });
  const command = commandOf(t, "Requests with retries", [`${server.address().port}`]);
  assertEquals([await printed(run(t, command)), asked], [["pong"], 3]);
  answersTo = 0;
  const [line] = await printed(run(t, command));
  assertMatch(line, /^request ETIMEDOUT 127\.0\.0\.1:\d+: no answer to 3 transmissions in 1400 ms$/);
  const { port } = server.address();
  server.connectSync(port, "127.0.0.1"); // Only itself reaches it now.
  if (linuxOnly("IP_RECVERR") === undefined) {
    assertEquals(await printed(run(t, commandOf(t, "Requests with retries", [`${port}`]))), ["nobody listens there"]);
  }
});

test("graceful shutdown: what was being worked on is answered", async (t) => {
  const { child, first, nextLine } = await serving(t, commandOf(t, "Graceful shutdown", ["0"]));
  const client = await t.bound("udp4");
  const answer = nextMessage(client);
  await sent(client, "a job", Number(first), "127.0.0.1");
  assertEquals(await nextLine(), "working");
  // Deno reports no exit code after `child.kill()`.
  process.kill(child.pid!, "SIGTERM");
  assertEquals((await answer).text, "done: a job");
  assertEquals(await nextLine(), "closed");
  const code = child.exitCode ?? (await once(child, "exit"))[0];
  assertEquals(code, 0);
});

test("backpressure: what the program does not take waits in the kernel, which counts what it drops", async (t) => {
  const { first, nextLine } = await serving(t, commandOf(t, "Backpressure"));
  const client = await t.bound("udp4");
  const port = Number(first);
  for (let i = 0; i < 500; i++) client.send(new Uint8Array(500), port, "127.0.0.1");
  const finishing = nextLine();
  let line: string | undefined;
  finishing.then((text) => line = text);
  while (line === undefined) {
    await sent(client, "last", port, "127.0.0.1");
    await delay(20);
  }
  const [, handled, dropped] = /^handled (\d+), dropped (\d+)$/.exec(line)!.map(Number);
  assert(handled > 10 && dropped > 100 && handled + dropped >= 500, line);
}, { skip: linuxOnly("SO_MEMINFO") });

test("backpressure: no more than a hundred messages wait", async (t) => {
  const server = await t.bound({ type: "udp4", recvBufferSize: 1 << 20 });
  const arriving = nextMessages(server, 1000);
  const command = commandOf(t, "Backpressure", [`${server.address().port}`], 1);
  assertEquals(await printed(run(t, command)), ["sent 1000"]);
  assertEquals((await arriving).map(({ text }) => text), Array.from({ length: 1000 }, (_, i) => `${i}`));
});

test("several cores: two Workers on one port answer all", async (t) => {
  const { first, nextLine } = await serving(t, commandOf(t, "Several cores", ["160"]));
  const clients: Socket[] = [];
  for (let i = 0; i < 16; i++) clients.push(await t.bound("udp4"));
  await Promise.all(clients.map(async (client) => {
    for (let i = 0; i < 10; i++) {
      const answer = nextMessage(client);
      client.send(`${i}`, Number(first), "127.0.0.1");
      assertEquals((await answer).text, `${i}`);
    }
  }));
  assertEquals(await nextLine(), "all answered");
}, { skip: linuxOnly("SO_REUSEPORT that spreads the load") });

test("Workers: what a Worker receives is the main thread's, and the process ends", async (t) => {
  const { child, first, nextLine } = await serving(t, commandOf(t, "Workers"));
  const client = await t.bound("udp4");
  await sent(client, "hello", Number(first), "127.0.0.1");
  assertEquals(await nextLine(), "the Worker received hello");
  if (child.exitCode === null) await once(child, "exit");
  assertEquals(child.exitCode, 0);
});

test("containers: with and without capabilities the program goes on", async (t) => {
  const { a } = neighbours(t, 0);
  const command = commandOf(t, "Containers and capabilities");
  const [mark, port, buffer] = await printed(run(t, command, { host: a }));
  assertEquals([mark, port], ["mark: yes", "port 53: yes"]);
  assertMatch(buffer, /^buffer: (as requested|less)/);
  const drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
  const without = await printed(run(t, [...drop, ...command], { host: a }));
  assertEquals(without.slice(0, 2), ["mark: EPERM", "port 53: EACCES"]);
}, { skip: noNamespaces });

test("tests with ephemeral ports pass", async (t) => {
  const command = commandOf(t, "Tests with ephemeral ports");
  const both = [run(t, command), run(t, command)].map(printed);
  assertEquals(await Promise.all(both), [["passed"], ["passed"]]);
});

test("hot reload: the second run of a module keeps the socket and has the new listener", async (t) => {
  const recipe = recipes.find(({ heading }) => heading === "Hot reload")!;
  used.add(recipe);
  const folder = scratch(t, {});
  const code = recipe.code.replace('"127.0.0.1");', '"127.0.0.1").unref();');
  const [one, two] = ["one", "two"].map((name) => writeProgram(folder, name, code));
  const driver = writeProgram(
    folder,
    "driver",
    `import { createSocket } from "@dgram/ffi";
    import { pathToFileURL } from "node:url";
    const answers = [];
    for (const path of process.argv.slice(3)) {
      await import(pathToFileURL(path).href);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const client = createSocket("udp4");
      client.send("?", globalThis.server.address().port, "127.0.0.1");
      answers.push(await new Promise((resolve) => client.once("message", (m) => resolve(String(m)))));
      client.close();
    }
    console.log(new Set(answers).size, globalThis.server.listenerCount("message"));
    globalThis.server.close();`,
  );
  assertEquals(await printed(run(t, commandFor(driver, ["0", one, two]))), ["2 1"]);
});

test("every recipe is run", () => {
  assertEquals(recipes.filter((recipe) => !used.has(recipe)).map(({ heading, line }) => `${heading}:${line}`), []);
}, { skip: noNamespaces ?? linuxOnly("namespaces") });
