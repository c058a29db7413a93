/**
 * JSRE's conventions: what each method returns where it works and where it does not, with the kernel as witness.
 *
 * @module
 */
import dns from "node:dns";
import { EventEmitter, once } from "node:events";
import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import type { OptionName } from "../ffi/wire/sockopt.ts";
import dgram, { createSocket, Dgram, type JsreLookupCallback, type JsreOptions } from "../jsre.ts";
import type { Socket } from "../mod.ts";
import { type Family, nextMessage, sent, test, testBoth, type Tools } from "./support/harness.ts";
import { kernelDevice, kernelOption, openDescriptor } from "./support/kernel.ts";
import { linesOf } from "./support/process.ts";
import { ended, grantedSize, linuxOnly, runFixture, startFixture } from "./support/runtime.ts";

/** A socket as the harness knows them. */
const plain = (socket: Dgram): Socket => socket as unknown as Socket;

/** Makes a socket that is closed at the test's end. */
function make(t: Tools, options: Parameters<typeof createSocket>[0]): Dgram {
  const socket = createSocket(options);
  t.track(plain(socket));
  return socket;
}

/** Makes one that is bound to the loopback address. */
async function bound(t: Tools, options: Parameters<typeof createSocket>[0]): Promise<Dgram> {
  const socket = make(t, options);
  const listening = once(socket, "listening");
  socket.bind(0, socket.type === "udp4" ? "127.0.0.1" : "::1");
  await listening;
  return socket;
}

const portOf = (socket: Dgram): number => socket.address().port;

/** Calls a method by its name. */
function call(socket: Dgram, method: string, ...args: readonly unknown[]): unknown {
  return (socket[method as keyof Dgram] as (...args: readonly unknown[]) => unknown).call(socket, ...args);
}

/** A group that only the sockets of one test are in. */
const groupOf = (family: Family): string => family.version === 4 ? "239.77.4.4" : "ff12::77:4";

/** Setters: what they are given, and what the kernel says then. */
const SETTERS: readonly [method: string, value: unknown, options: Record<4 | 6, OptionName>, kernel: number][] = [
  ["setTTL", 33, { 4: "IP_TTL", 6: "IPV6_UNICAST_HOPS" }, 33],
  ["setBroadcast", true, { 4: "SO_BROADCAST", 6: "SO_BROADCAST" }, 1],
  ["setMulticastTTL", 7, { 4: "IP_MULTICAST_TTL", 6: "IPV6_MULTICAST_HOPS" }, 7],
  ["setMulticastLoop", false, { 4: "IP_MULTICAST_LOOP", 6: "IPV6_MULTICAST_LOOP" }, 0],
  ["setMulticastLoopback", false, { 4: "IP_MULTICAST_LOOP", 6: "IPV6_MULTICAST_LOOP" }, 0],
  ["setRecvBufferSize", 65_536, { 4: "SO_RCVBUF", 6: "SO_RCVBUF" }, grantedSize(65_536)],
  ["setSendBufferSize", 65_536, { 4: "SO_SNDBUF", 6: "SO_SNDBUF" }, grantedSize(65_536)],
];

for (const [method, value, options, expected] of SETTERS) {
  testBoth(`${method}() returns true and reaches the kernel`, async (t, { type, version }) => {
    const socket = await bound(t, type);
    assertEquals(call(socket, method, value), true);
    assertEquals(kernelOption(portOf(socket), options[version]), expected);
  });

  testBoth(`${method}() returns false before the socket is bound and after it is closed`, async (t, { type }) => {
    const socket = make(t, type);
    assertEquals(call(socket, method, value), false);
    await new Promise<void>((resolve) => void socket.close(resolve));
    assertEquals(call(socket, method, value), false);
  });
}

/** Values that are refused, and what the kernel still says. */
const REFUSED: readonly [method: string, values: readonly number[], options: Record<4 | 6, OptionName>][] = [
  ["setTTL", [0, -1, 256], SETTERS[0][2]],
  ["setMulticastTTL", [-1, 256], SETTERS[2][2]],
  ["setRecvBufferSize", [1023, 16_777_217, 0, -1, NaN, Infinity], { 4: "SO_RCVBUF", 6: "SO_RCVBUF" }],
  ["setSendBufferSize", [1023, 16_777_217, 0, -1, NaN, Infinity], { 4: "SO_SNDBUF", 6: "SO_SNDBUF" }],
];

for (const [method, values, options] of REFUSED) {
  testBoth(`${method}() returns false for ${values.join(", ")} and changes nothing`, async (t, { type, version }) => {
    const socket = await bound(t, type);
    const before = kernelOption(portOf(socket), options[version]);
    for (const value of values) assertEquals(call(socket, method, value), false, String(value));
    assertEquals(kernelOption(portOf(socket), options[version]), before);
  });
}

for (const [kind, option] of [["Recv", "SO_RCVBUF"], ["Send", "SO_SNDBUF"]] as const) {
  testBoth(`set${kind}BufferSize() takes 1,024 bytes and 16 MiB`, async (t, { type }) => {
    const socket = await bound(t, type);
    const sizes = [16_777_216, 1024].map((size) => {
      assertEquals(call(socket, `set${kind}BufferSize`, size), true);
      return kernelOption(portOf(socket), option);
    });
    assert(sizes[0] > sizes[1]);
  });

  testBoth(`get${kind}BufferSize() returns the kernel's size, or a negative number`, async (t, { type }) => {
    const socket = make(t, type);
    assert(call(socket, `get${kind}BufferSize`) as number < 0);
    socket.bindSync();
    assertEquals(call(socket, `get${kind}BufferSize`), kernelOption(portOf(socket), option));
    await new Promise<void>((resolve) => void socket.close(resolve));
    assert(call(socket, `get${kind}BufferSize`) as number < 0);
  });

  testBoth(`the option ${kind.toLowerCase()}BufferSize has the same range`, async (t, { type }) => {
    const name = `${kind.toLowerCase()}BufferSize`;
    const size = async (options: object): Promise<number> =>
      kernelOption(portOf(await bound(t, { type, ...options })), option);
    assertEquals(await size({ [name]: 65_536 }), grantedSize(65_536));
    assertEquals(await size({ [name]: 1023 }), await size({}));
  });
}

testBoth("addMembership() and dropMembership() return what the kernel says", async (t, family) => {
  const socket = await bound(t, family.type);
  const membership = [groupOf(family), "lo"] as const;
  assertEquals([socket.addMembership(...membership), socket.addMembership(...membership)], [true, false]);
  assertEquals([socket.dropMembership(...membership), socket.dropMembership(...membership)], [true, false]);
});

testBoth("source-specific memberships return what the kernel says", async (t, family) => {
  const socket = await bound(t, family.type);
  const channel = [family.loopback, groupOf(family), "lo"] as const;
  const [add, drop] = [
    () => socket.addSourceSpecificMembership(...channel),
    () => socket.dropSourceSpecificMembership(...channel),
  ];
  assertEquals([add(), add(), drop(), drop()], [true, false, true, false]);
});

testBoth("dropMembership() with a source leaves that source's channel only", async (t, family) => {
  const socket = await bound(t, family.type);
  const [group, other] = [groupOf(family), family.version === 4 ? "127.0.0.2" : "fd77::2"];
  for (const source of [family.loopback, other]) socket.addSourceSpecificMembership(source, group, "lo");
  const drop = (source: string): boolean => socket.dropMembership(group, "lo", source);
  assertEquals([drop(family.loopback), drop(family.loopback), drop(other), drop(other)], [true, false, true, false]);
});

testBoth("memberships of what is no group, no source or no interface return false", async (t, family) => {
  const socket = await bound(t, family.type);
  const [{ loopback }, group] = [family, groupOf(family)];
  for (const [address, device] of [[loopback, "lo"], ["nonsense", "lo"], [group, "nosuchdevice"]]) {
    const results = [
      socket.addMembership(address, device),
      socket.dropMembership(address, device),
      socket.addSourceSpecificMembership(loopback, address, device),
      socket.dropSourceSpecificMembership(loopback, address, device),
    ];
    assertEquals(results, Array(4).fill(false));
  }
  assertEquals(socket.addSourceSpecificMembership("nonsense", group, "lo"), false);
});

testBoth("a closed socket's memberships and interfaces return false", async (t, family) => {
  const socket = make(t, family.type);
  await new Promise<void>((resolve) => void socket.close(resolve));
  const group = groupOf(family);
  const results = [
    socket.addMembership(group, "lo"),
    socket.dropMembership(group, "lo"),
    socket.addSourceSpecificMembership(family.loopback, group, "lo"),
    socket.dropSourceSpecificMembership(family.loopback, group, "lo"),
    socket.setMulticastInterface("lo"),
    socket.bindToDevice("lo"),
  ];
  assertEquals(results, Array(6).fill(false));
});

test("setMulticastInterface() returns true and reaches the kernel, or false", async (t) => {
  const socket = await bound(t, "udp6");
  assertEquals([socket.setMulticastInterface("nosuchdevice"), socket.setMulticastInterface("")], [false, false]);
  assertEquals(kernelOption(portOf(socket), "IPV6_MULTICAST_IF"), 0);
  assertEquals(socket.setMulticastInterface("lo"), true);
  assertEquals(kernelOption(portOf(socket), "IPV6_MULTICAST_IF"), 1);
});

testBoth("bindToDevice() returns true and reaches the kernel, or false", (t, { type }) => {
  const socket = make(t, type);
  assertEquals(socket.bindToDevice("nosuchdevice"), false);
  assertEquals(socket.bindToDevice("lo"), true);
  socket.bindSync();
  assertEquals(kernelDevice(portOf(socket)), "lo");
}, { skip: linuxOnly("SO_BINDTODEVICE to read back") });

test("arguments of the wrong kind throw a TypeError", async (t) => {
  const socket = await bound(t, "udp4");
  const mistakes: readonly [method: string, ...args: readonly unknown[]][] = [
    ["setTTL", "64"],
    ["setTTL"],
    ["setMulticastTTL", null],
    ["setMulticastInterface", 1],
    ["setMulticastInterface"],
    ["bindToDevice", 1],
    ["setRecvBufferSize", "2048"],
    ["setSendBufferSize", "2048"],
    ["setRecvBufferSize", 2048.5],
    ["setSendBufferSize", 2048.5],
    ["addMembership"],
    ["dropMembership"],
    ["addSourceSpecificMembership", 1, "239.77.4.4"],
    ["addSourceSpecificMembership", "127.0.0.1"],
    ["dropSourceSpecificMembership", "127.0.0.1", 1],
  ];
  for (const [method, ...args] of mistakes) assertThrows(() => call(socket, method, ...args), TypeError);
});

test("ref() and unref() return the socket, closed or not", async (t) => {
  const socket = await bound(t, "udp4");
  assertStrictEquals(socket.unref(), socket);
  assertStrictEquals(socket.ref(), socket);
  await new Promise<void>((resolve) => void socket.close(resolve));
  assertStrictEquals(socket.unref().ref(), socket);
});

test("createSocket() gives a Dgram, which is an EventEmitter, and refuses other types", (t) => {
  const socket = make(t, "udp4");
  assertInstanceOf(socket, Dgram);
  assertInstanceOf(socket, EventEmitter);
  assertStrictEquals(dgram.createSocket, createSocket);
  for (const options of ["tcp", undefined, null, {}]) {
    assertThrows(() => createSocket(options as unknown as "udp4"), TypeError, "Bad socket type specified");
  }
});

/** Sends to a name that only `lookup` knows, and returns what arrives. */
async function arrivesBy(t: Tools, family: Family, lookup: JsreOptions["lookup"]): Promise<string> {
  const receiver = await bound(t, family.type);
  const arriving = nextMessage(plain(receiver));
  await sent(plain(make(t, { type: family.type, lookup })), "looked up", portOf(receiver), "host.of.no.one");
  return (await arriving).text;
}

testBoth("lookup is asked with a host name and a callback", async (t, family) => {
  const asked: unknown[] = [];
  const lookup = (hostname: string, callback: JsreLookupCallback): void => {
    asked.push(hostname);
    callback(null, family.loopback);
  };
  assertEquals(await arrivesBy(t, family, lookup), "looked up");
  assertEquals(asked.at(-1), "host.of.no.one");
});

testBoth("a lookup of three parameters is asked with the domain between: 2 or 10", async (t, family) => {
  const asked: unknown[] = [];
  const lookup = (hostname: string, domain: number, callback: JsreLookupCallback): void => {
    asked.push([hostname, domain]);
    callback(undefined, family.loopback);
  };
  assertEquals(await arrivesBy(t, family, lookup), "looked up");
  assertEquals(asked.at(-1), ["host.of.no.one", family.version === 4 ? 2 : 10]);
});

testBoth("an error of the lookup goes to send()'s callback", async (t, family) => {
  const socket = await bound(t, {
    type: family.type,
    lookup: (hostname: string, callback: JsreLookupCallback) => {
      if (hostname === family.loopback) callback(null, hostname);
      else callback(new Error(`no ${hostname}`), "");
    },
  });
  const error = await new Promise<Error | null>((resolve) => socket.send("x", 9, "nowhere", resolve));
  assertEquals(error?.message, "no nowhere");
});

testBoth("dns.lookup itself can be the lookup", async (t, family) => {
  const receiver = await bound(t, family.type);
  const arriving = nextMessage(plain(receiver));
  const sender = make(t, { type: family.type, lookup: dns.lookup as JsreOptions["lookup"] });
  await sent(plain(sender), "by dns", portOf(receiver), family.loopback);
  assertEquals((await arriving).text, "by dns");
});

for (const form of [Number, String]) {
  const name = form.name.toLowerCase();

  testBoth(`createSocket() takes over fd, given as a ${name}`, async (t, family) => {
    const { fd, port } = openDescriptor(family);
    const socket = make(t, { type: family.type, fd: form(fd) });
    const arriving = nextMessage(plain(socket));
    await sent(t.socket(family.type), "to the descriptor", port, family.loopback);
    assertEquals([portOf(socket), (await arriving).text], [port, "to the descriptor"]);
  });

  testBoth(`bind() takes over fd, given as a ${name}`, async (t, family) => {
    const { fd, port } = openDescriptor(family);
    const socket = make(t, family.type);
    const arriving = nextMessage(plain(socket));
    socket.bind({ fd: form(fd), port: 0, address: "" });
    await sent(t.socket(family.type), "to the descriptor", port, family.loopback);
    assertEquals([portOf(socket), (await arriving).text], [port, "to the descriptor"]);
  });
}

testBoth("bind() does not disregard the descriptor 0", (t, { type }) => {
  const { stdin } = { stdin: 0 };
  for (const fd of [stdin, "0"]) {
    const socket = make(t, type);
    // What the tests have as their standard input is no socket.
    const error = assertThrows(() => socket.bind({ fd }), TypeError) as Error & { code: string };
    assertEquals(error.code, "ERR_INVALID_FD_TYPE");
  }
});

testBoth("an fd that is the empty text is none, one that is no number throws", async (t, { type, loopback }) => {
  assertThrows(() => createSocket({ type, fd: "stdin" }), TypeError, "options.fd");
  const socket = make(t, { type, fd: "" });
  assertThrows(() => socket.bind({ fd: "-1" }), TypeError, "options.fd");
  socket.bind({ fd: "", port: 0, address: loopback });
  await once(socket, "listening");
  assertEquals(socket.address().address, loopback);
});

for (const client of ["client", "connected client"]) {
  test(`an echo server and a ${client} as written for JSRE talk to each other`, async (t) => {
    const server = startFixture("jsre_programs", ["echo server"]);
    t.cleanup(() => server.kill("SIGKILL"));
    const end = ended(server, 20_000);
    const nextLine = linesOf(server);
    const port = await nextLine();
    const { code, stdout, stderr } = await runFixture("jsre_programs", [client, port]);
    const expected = {
      "client": "6 bytes sent\nsecond from 127.0.0.1:the server\nend from 127.0.0.1:the server\n",
      "connected client": "true\nend\n",
    };
    assertEquals([stdout, stderr, code], [expected[client as keyof typeof expected], "", 0]);
    assertEquals([await nextLine(), (await end).code], ["closed", 0]);
  });
}

test("a multicast program as written for JSRE hears itself", async () => {
  const { code, stdout, stderr } = await runFixture("jsre_programs", ["multicast"]);
  assertEquals([stdout, stderr, code], ["true true true true\nto all\ntrue\n", "", 0]);
});
