/**
 * The entry `./unix-dgram`: what the npm package of that name documents, and packages that use it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import { createSocket as createOurs, Socket as UdpSocket } from "../mod.ts";
import unix, { createSocket, type MessageInfo, type Socket, type UnixDgramError } from "../unix_dgram.ts";
import { test, type Tools, unixDescriptors } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";
import { commandFor, ended, entry, linuxOnly } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";
import { boundUnix, folder, IdlePeer, received } from "./support/unix.ts";

const { ENOENT, EADDRINUSE, EBADF, EAGAIN, ECONNREFUSED, ENAMETOOLONG } = currentRuntime().libc.abi.errno;

/** A socket that is closed at the test's end. */
function dgram(t: Tools, listener?: (message: Buffer, info: MessageInfo) => void): Socket {
  const socket = createSocket("unix_dgram", listener);
  t.cleanup(() => {
    if (socket.fd >= 0) socket.close();
  });
  return socket;
}

/** What the events of a socket were, in their order. */
function eventsOf(socket: Socket): unknown[] {
  const seen: unknown[] = [];
  for (const name of ["listening", "connect", "congestion", "writable", "error"] as const) {
    socket.on(name, (...values: unknown[]) => seen.push([name, ...values.map((value) => codeOf(value) ?? value)]));
  }
  return seen;
}

function codeOf(value: unknown): number | undefined {
  return value instanceof Error ? (value as UnixDgramError).code : undefined;
}

test("a message sent to a path arrives with its size and the sender's path, null where there is none", async (t) => {
  const path = join(folder(t), "server");
  const seen: unknown[] = [];
  const server = dgram(t, (message, info) => seen.push([message.toString(), info]));
  server.bind(path);
  const next = () => new Promise((resolve) => server.once("message", resolve));
  const client = dgram(t);
  const message = Buffer.from("foobarbaz");
  let arriving = next();
  client.send(message, 3, 4, path);
  await arriving;
  client.bind(`${path}-client`);
  arriving = next();
  client.send_to(message, 0, 3, path);
  await arriving;
  assertEquals(seen, [
    ["barb", { size: 4, address: {}, path: null }],
    ["foo", { size: 3, address: {}, path: `${path}-client` }],
  ]);
});

test("'listening', 'connect' and callbacks come before the call returns", (t) => {
  const path = join(folder(t), "server");
  const [server, client] = [dgram(t), dgram(t)];
  const [atServer, atClient] = [eventsOf(server), eventsOf(client)];
  server.bind(path);
  assertEquals(atServer, [["listening"]]);
  client.connect(path);
  assertEquals([atClient, client.connected], [[["connect"]], true]);
  const outcomes: unknown[][] = [];
  client.send(Buffer.from("x"), (...values: unknown[]) => outcomes.push(values));
  dgram(t).sendto(Buffer.from("x"), 0, 1, path, (...values: unknown[]) => outcomes.push(values));
  assertEquals(outcomes, [[], []]);
});

test("errors have the negative errno as their code, and go to the callback or to 'error'", (t) => {
  const path = join(folder(t), "nothing");
  writeFileSync(`${path}-file`, "");
  const socket = dgram(t);
  const seen = eventsOf(socket);
  socket.send(Buffer.from("x"), 0, 1, path);
  socket.connect(path);
  socket.bind(`${path}-file`);
  socket.bind("x".repeat(200));
  assertEquals(seen, [["error", -ENOENT], ["error", -ENOENT], ["error", -EADDRINUSE], ["error", -ENAMETOOLONG]]);
  let error: UnixDgramError | undefined;
  socket.send(Buffer.from("x"), 0, 1, path, (given) => error = given);
  assertInstanceOf(error, Error);
  const { message, errno, code, syscall } = error as UnixDgramError;
  assertEquals([message, errno, code, syscall], [`send ${-ENOENT}`, -ENOENT, -ENOENT, "send"]);
  assertEquals(seen.length, 4);
});

test("without a listener an 'error' is thrown where the call was made", (t) => {
  const socket = dgram(t);
  const error = assertThrows(() => socket.connect(join(folder(t), "nothing"))) as UnixDgramError;
  assertEquals([error.code, error.syscall], [-ENOENT, "connect"]);
});

test("a connected peer without room: 'congestion' with the message, which was not sent, then 'writable'", async (t) => {
  const peer = new IdlePeer(t, join(folder(t), "peer"));
  const client = dgram(t);
  client.connect(peer.path);
  const seen = eventsOf(client);
  let sent = 0;
  while (seen.length === 0) client.send(Buffer.from(`${sent++}`));
  assertEquals(seen, [["congestion", Buffer.from(`${sent - 1}`)]]);
  let error: UnixDgramError | undefined;
  client.send(Buffer.from("again"), (given) => error = given);
  assertEquals([error?.code, error?.message], [1, "congestion"]);
  const writable = new Promise<void>((resolve) => client.once("writable", resolve));
  assertEquals(peer.read(), Array.from({ length: sent - 1 }, (_, i) => `${i}`));
  await writable;
  client.send(Buffer.from("last"));
  assertEquals([peer.read(), seen.slice(1)], [["last"], [["writable"]]]);
});

test("300 messages, each sent again after 'writable' where it met congestion, arrive in their order", async (t) => {
  const path = join(folder(t), "server");
  const texts = Array.from({ length: 300 }, (_, i) => `PING${i}`);
  const seen: string[] = [];
  const done = new Promise<void>((resolve) => {
    const server = dgram(t, (message) => {
      seen.push(message.toString());
      if (seen.length === texts.length) resolve();
    });
    server.bind(path);
  });
  const client = dgram(t);
  client.setMaxListeners(0);
  client.on("connect", () => {
    client.on("congestion", (message) => client.once("writable", () => client.send(message)));
    for (const text of texts) client.send(Buffer.from(text));
  });
  client.connect(path);
  await done;
  assertEquals(seen, texts);
});

test("an unconnected socket's full peer is an error with EAGAIN", (t) => {
  const peer = new IdlePeer(t, join(folder(t), "peer"));
  const client = dgram(t);
  let error: UnixDgramError | undefined;
  for (let i = 0; i < 1000 && !error; i++) client.send(Buffer.from("x"), 0, 1, peer.path, (given) => error = given);
  assertEquals(error?.code, -EAGAIN);
}, { skip: linuxOnly("EAGAIN of a full peer") });

test("a peer that has gone is ECONNREFUSED, and the socket can be connected again", (t) => {
  const dir = folder(t);
  const [first, second] = [new IdlePeer(t, join(dir, "a")), new IdlePeer(t, join(dir, "b"))];
  const client = dgram(t);
  client.connect(first.path);
  first.close();
  let error: UnixDgramError | undefined;
  client.send(Buffer.from("x"), (given) => error = given);
  assertEquals(error?.code, -ECONNREFUSED);
  client.connect(second.path);
  client.send(Buffer.from("y"));
  assertEquals(second.read(), ["y"]);
});

test("close() leaves the file, closes the descriptor and throws the second time", (t) => {
  const path = join(folder(t), "server");
  const before = unixDescriptors().length;
  const socket = dgram(t);
  assert(socket.fd >= 0);
  socket.bind(path);
  socket.close();
  assertEquals([socket.fd, existsSync(path), unixDescriptors().length], [-1, true, before]);
  assertEquals((assertThrows(() => socket.close()) as UnixDgramError).code, -EBADF);
  let error: UnixDgramError | undefined;
  socket.send(Buffer.from("x"), 0, 1, path, (given) => error = given);
  assertEquals([error?.code, unixDescriptors().length], [-EBADF, before]);
});

test("other types: UDP sockets are the main entry's, anything else is refused", (t) => {
  const udp = createSocket("udp4" as never) as unknown as UdpSocket;
  t.track(udp);
  assertInstanceOf(udp, UdpSocket);
  assertEquals(
    (assertThrows(() => createSocket("unix_stream" as never)) as Error).message,
    "Unsupported socket type: unix_stream",
  );
  const socket = dgram(t) as unknown as Record<string, () => void>;
  for (const name of ["address", "setTTL", "addMembership"]) {
    assertEquals((assertThrows(() => socket[name]()) as Error).message, "not implemented");
  }
  assertEquals([unix.createSocket, typeof unix.Socket], [createSocket, "function"]);
});

test("a path that begins with @ is a file's here", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, join(dir, "@server"));
  const datagrams = received(server, 1);
  dgram(t).send(Buffer.from("x"), 0, 1, join(dir, "@server"));
  await datagrams;
  const client = dgram(t);
  const seen = eventsOf(client);
  client.connect("@dgram-ffi-nobody");
  assertEquals(seen, [["error", -ENOENT]]);
});

const hotShots = join(projectRoot, "node_modules/hot-shots");
const skip = existsSync(hotShots) ? undefined : "hot-shots is not installed";

/** A project with hot-shots, and what it gets for `require("unix-dgram")`. Returns the program's path. */
function hotShotsProject(t: Tools, target: string): string {
  const project = scratch(t, {
    "package.json": "{}",
    "node_modules/unix-dgram/package.json": '{ "name": "unix-dgram", "version": "2.0.7", "main": "index.js" }',
    "node_modules/unix-dgram/index.js": `module.exports = require(${JSON.stringify(target)});`,
    "program.cjs": `const { StatsD } = require("hot-shots");
      const client = new StatsD({ protocol: "uds", path: process.argv[2], globalTags: ["env:test"] });
      client.increment("requests", 3);
      client.gauge("load", 0.5, (error) => {
        console.log(error ? error.message : "sent");
        client.close((error) => console.log(error ? error.message : "closed"));
      });`,
  });
  cpSync(hotShots, join(project, "node_modules/hot-shots"), { recursive: true });
  return join(project, "program.cjs");
}

for (const name of ["unix_dgram", "mod"]) {
  test(`hot-shots with protocol uds sends through ${name}.ts in the place of unix-dgram`, async (t) => {
    const agent = createOurs("unix_dgram");
    t.track(agent);
    const path = join(folder(t), "dsd.socket");
    agent.bindSync({ path });
    const datagrams = received(agent, 1);
    const [command, ...args] = commandFor(hotShotsProject(t, entry(name)), [path]);
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    t.cleanup(() => child.kill("SIGKILL"));
    const { code, stdout, stderr } = await ended(child, 20_000);
    assertEquals([stdout, stderr, code], ["sent\nclosed\n", "", 0]);
    assertEquals((await datagrams).map(({ text }) => text), ["requests:3|c|#env:test\nload:0.5|g|#env:test"]);
  }, { skip });
}
