/**
 * Sockets that another program has made: `createSocket({ fd })` and `bind({ fd })`.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { type AddressInfo, createSocket } from "../mod.ts";
import { FAMILIES, type Family, nextEvent, nextMessage, sent, test, type Tools } from "./support/harness.ts";
import { type DescriptorKind, noPerl, startWithDescriptor } from "./support/inherit.ts";
import { linesOf } from "./support/process.ts";
import { testAlike } from "./support/reference.ts";

type Lines = () => Promise<string>;

/** Starts the fixture with a descriptor of that kind, and reads what it prints. */
function adopt(t: Tools, kind: DescriptorKind, type: string, steps: string, port = 0, fd?: number): Lines {
  const child = startWithDescriptor(kind, "adopt", [steps, type], port, fd);
  t.cleanup(() => {
    child.stdin!.end();
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    return child.exitCode ?? child.signalCode ?? new Promise((resolve) => child.once("exit", resolve));
  });
  return linesOf(child);
}

async function next<T = unknown>(lines: Lines): Promise<T> {
  return JSON.parse(await lines());
}

/** Declares a test for each protocol that needs an inherited descriptor. */
function testInherited(name: string, body: (t: Tools, family: Family) => Promise<void>): void {
  for (const family of FAMILIES) test(`${name} (${family.name})`, (t) => body(t, family), { skip: noPerl });
}

/** Sends a question and gives the answer, and who gave it. */
async function ask(t: Tools, { type, loopback }: Family, port: number): Promise<[string, number]> {
  const socket = await t.bound(type);
  const arriving = nextMessage(socket);
  await sent(socket, "question", port, loopback);
  const { text, remote } = await arriving;
  return [text, remote.port];
}

// Node's bind() takes 0 for no descriptor.
for (const how of ["create", "bindJsre"]) {
  testInherited(`a program that inetd starts has its socket as the standard input (${how})`, async (t, family) => {
    const listening = how === "create" ? "listening," : "";
    const lines = adopt(t, `${family.type} bound`, family.type, `${how},${listening}address,answer,close`, 0, 0);
    assertStrictEquals(await next(lines), how === "create" ? family.type : "bound");
    const { port } = await next<AddressInfo>(lines);
    assertEquals(await ask(t, family, port), ["question!", port]);
  });
}

for (const [how, name] of [["create", "createSocket({ fd })"], ["bind", "bind({ fd })"]]) {
  testInherited(`${name} takes over a bound socket: its address, its datagrams, its end`, async (t, family) => {
    const steps = `${how},${how === "create" ? "listening," : ""}address,answer,link,close,link`;
    const lines = adopt(t, `${family.type} bound`, family.type, steps);
    assertStrictEquals(await next(lines), how === "create" ? family.type : "bound");
    const { address, family: version, port } = await next<AddressInfo>(lines);
    assertEquals([address, version], [family.loopback, family.name]);
    assertEquals(await ask(t, family, port), ["question!", port]);
    assertStrictEquals(await next(lines), "socket:[n]");
    assertStrictEquals((await next<{ code: string }>(lines)).code, "ENOENT");
  });

  testInherited(`after ${name} the descriptor is closed only once`, async (t, family) => {
    const lines = adopt(t, `${family.type} bound`, family.type, `${how},close,reuse,turn,link`);
    await next(lines);
    assertStrictEquals(await next(lines), "/dev/null");
  });

  testInherited(`${name} refuses a descriptor that is a socket's already, which goes on`, async (t, family) => {
    const lines = adopt(t, `${family.type} bound`, family.type, `${how},${how},link`);
    await next(lines);
    assertEquals(await next(lines), { code: "EEXIST", message: "open EEXIST" });
    assertStrictEquals(await next(lines), "socket:[n]");
  });

  testInherited(`${name} refuses a socket of the other family`, async (t, family) => {
    const other = FAMILIES.find((it) => it !== family)!;
    const lines = adopt(t, `${other.type} bound`, family.type, `${how},link`);
    assertEquals(await next(lines), { code: "EAFNOSUPPORT", message: "open EAFNOSUPPORT" });
    assertStrictEquals(await next(lines), "socket:[n]");
  });

  for (
    const [kind, type, link] of [
      ["tcp4", "TCP", "socket:[n]"],
      ["tcp6", "TCP", "socket:[n]"],
      ["unix stream", "PIPE", "socket:[n]"],
      ["unix datagram", "PIPE", "socket:[n]"],
      ["pipe", "PIPE", "pipe:[n]"],
      ["file", "FILE", "/etc/passwd"],
    ] as const
  ) {
    test(`${name} refuses a descriptor of kind ${kind}, which stays open`, async (t) => {
      const lines = adopt(t, kind, kind === "tcp6" ? "udp6" : "udp4", `${how},link`);
      assertEquals(await next(lines), { code: "ERR_INVALID_FD_TYPE", message: `Unsupported fd type: ${type}` });
      assertStrictEquals(await next(lines), link);
    }, { skip: noPerl });
  }
}

testInherited("createSocket({ fd }) without a type takes the descriptor's", async (t, family) => {
  const lines = adopt(t, `${family.type} bound`, "-", "create");
  assertStrictEquals(await next(lines), family.type);
});

testInherited("createSocket({ fd }) takes over an unbound socket, which can be bound", async (t, family) => {
  const lines = adopt(t, `${family.type} unbound`, "-", "create,address,bindToPort,address,answer,link");
  assertStrictEquals(await next(lines), family.type);
  assertEquals(await next(lines), { address: family.any, family: family.name, port: 0 });
  const { port } = await next<AddressInfo>(lines);
  assertEquals(await ask(t, family, port), ["question!", port]);
  assertStrictEquals(await next(lines), "socket:[n]");
});

testInherited("createSocket({ fd }) takes over a connected socket with its peer", async (t, family) => {
  const peer = await t.bound(family.type);
  const arriving = nextMessage(peer);
  const lines = adopt(t, `${family.type} connected`, "-", "create,peer,greet", peer.address().port);
  assertStrictEquals(await next(lines), family.type);
  assertEquals(await next(lines), peer.address());
  assertStrictEquals((await arriving).text, "greetings");
});

/** A number behind which no descriptor is. */
function closedNumber(): number {
  const fd = openSync("/dev/null", "r");
  closeSync(fd);
  return fd + 200;
}

test("createSocket({ fd }) refuses a number behind which nothing is open, and leaves nothing", () => {
  const error = assertThrows(() => createSocket({ fd: closedNumber() }), TypeError) as NodeJS.ErrnoException;
  assertStrictEquals(error.code, "ERR_INVALID_FD_TYPE");
});

testAlike("bind({ fd }) refuses what is no UDP socket", (t, create) => {
  const file = openSync("/etc/passwd", "r");
  const device = openSync("/dev/null", "r");
  t.cleanup(() => [file, device].forEach((fd) => closeSync(fd)));
  for (const [fd, kind] of [[file, "FILE"], [device, "FILE"], [closedNumber(), "UNKNOWN"]] as const) {
    const socket = t.track(create("udp4"));
    const error = assertThrows(() => socket.bind({ fd }), TypeError) as NodeJS.ErrnoException;
    assertEquals([error.code, error.message], ["ERR_INVALID_FD_TYPE", `Unsupported fd type: ${kind}`]);
  }
});

test("after a bind({ fd }) that was refused the socket can be bound", (t) => {
  const socket = t.socket("udp4");
  assertThrows(() => socket.bind({ fd: closedNumber() }), TypeError);
  assert(socket.bindSync().port > 0);
});

testAlike("bind() ignores an fd that is no positive integer", async (t, create) => {
  for (const fd of [0, -1, 1.5, NaN, "3", null]) {
    const socket = t.track(create("udp4"));
    const listening = nextEvent(socket, "listening");
    socket.bind({ fd: fd as number, port: 0, address: "127.0.0.1" });
    await listening;
    assert(socket.address().port > 0);
  }
});
