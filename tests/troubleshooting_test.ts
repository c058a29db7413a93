/**
 * docs/troubleshooting.md: the commonest mistakes have the codes and messages that stand there.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createSocket, type Socket } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextEvent, test, type Tools } from "./support/harness.ts";
import { type Host, Network, noNamespaces } from "./support/namespaces.ts";
import { projectRoot } from "./support/project.ts";
import { ended, entry, isDarwin, linuxOnly, runFixture, runtime } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";
import { writeProgram } from "./support/snippets.ts";

const page = readFileSync(join(projectRoot, "docs/troubleshooting.md"), "utf8");

/** The rows of the page: code, and message. */
const rows = [...page.matchAll(/^\| (?!code|---)([^|]+?) +\| (.*?) +\|/gm)].map(([, code, message]) => [code, message]);
const tested = new Set<string[]>();

/** Finds the rows that have a code and the beginning of a message. */
function stated(code: string, message: string): void {
  const found = rows.filter((row) => row[0].includes(code) && row[1].includes(message));
  assert(found.length > 0, `the page does not have ${code}: ${message}`);
  for (const row of found) tested.add(row);
}

interface Failure {
  readonly code?: string;
  readonly message: string;
}

type Mistake = (t: Tools, socket: Socket) => unknown;

/** What is thrown, called back with, or emitted. */
async function failureOf(t: Tools, mistake: Mistake): Promise<Failure> {
  const socket = t.socket("udp4");
  const emitted = nextEvent(socket, "error");
  try {
    const result = await mistake(t, socket);
    return (result instanceof Error ? result : (await emitted)[0]) as Failure;
  } catch (error) {
    return error as Failure;
  }
}

/** The error that a message's callback gets. */
function sending(socket: Socket, message: string | Uint8Array, port: number, address: string): Promise<Error | null> {
  return new Promise((resolve) => socket.send(message, port, address, (error) => resolve(error)));
}

async function portInUse(t: Tools): Promise<number> {
  return (await t.bound("udp4")).address().port;
}

/** Sends a message that the kernel refuses. */
async function sendingRefused(t: Tools, errno: string, address: string): Promise<unknown> {
  const faults = injectFaults(t);
  const socket = await t.bound("udp4");
  faults.fail("sendmmsg", errno, 1, socket.fd);
  return await sending(socket, "x", 9, address);
}

/** The mistake, its code, and how its message begins, as the page has it but for ports. */
const MISTAKES: readonly [string, Mistake, code: string, message: string][] = [
  [
    "a port in use",
    async (t, s) => s.bind(await portInUse(t), "127.0.0.1") && 0,
    "EADDRINUSE",
    "bind EADDRINUSE 127.0.0.1:",
  ],
  ["a foreign address", (_, s) => s.bind(0, "192.0.2.1") && 0, "EADDRNOTAVAIL", "bind EADDRNOTAVAIL 192.0.2.1"],
  ["the other protocol", (_, s) => s.bind(0, "::1") && 0, "EINVAL", "bind EINVAL ::1"],
  ["binding twice", (_, s) => s.bind().bind(), "ERR_SOCKET_ALREADY_BOUND", "Socket is already bound"],
  ["an option too early", (_, s) => s.setTTL(3), "EBADF", "setTTL EBADF"],
  ["sending by the other protocol", (_, s) => sending(s, "x", 9, "::1"), "EINVAL", "send EINVAL ::1:9"],
  [
    "a long message",
    (_, s) => sending(s, new Uint8Array(70_000), 9, "127.0.0.1"),
    "EMSGSIZE",
    "send EMSGSIZE 127.0.0.1:9",
  ],
  ["no port", (_, s) => s.send("x"), "ERR_SOCKET_BAD_PORT", "Port should be > 0 and < 65536"],
  [
    "a destination too many",
    (_, s) => (s.connectSync(9), s.send("x", 0, 1, 9, "127.0.0.1")),
    "ERR_SOCKET_DGRAM_IS_CONNECTED",
    "Already connected",
  ],
  [
    "an object",
    (_, s) => s.send({} as never, 9),
    "ERR_INVALID_ARG_TYPE",
    'The "buffer" argument must be of type string or an instance of Buffer',
  ],
  ["a closed socket", (_, s) => s.close().send("x", 9), "ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running"],
  ["no such device", (_, s) => s.bindToDevice("none0"), "ENODEV", "bindToDevice ENODEV"],
  ["no group", (_, s) => s.addMembership("127.0.0.1", "127.0.0.1"), "EINVAL", "addMembership EINVAL"],
  ["no such interface", (_, s) => s.addMembership("239.77.0.1", "none0"), "EINVAL", "addMembership EINVAL"],
  [
    "a member already",
    (_, s) => {
      for (let i = 0; i < 2; i++) s.addMembership("239.77.0.1", "127.0.0.1");
    },
    "EADDRINUSE",
    "addMembership EADDRINUSE",
  ],
  [
    "a peer that is gone",
    async (t, s) => {
      const peer = await t.bound("udp4");
      s.connectSync(peer.address().port, "127.0.0.1");
      peer.close();
      s.send("x");
    },
    "ECONNREFUSED",
    "recvmsg ECONNREFUSED",
  ],
  [
    "a broadcast",
    (t) => sendingRefused(t, "EACCES", "255.255.255.255"),
    "EACCES",
    "send EACCES 255.255.255.255:9",
  ],
  [
    "a firewall",
    (t) => sendingRefused(t, "EPERM", "192.0.2.1"),
    "EPERM",
    "send EPERM 192.0.2.1:9",
  ],
  [
    "no route",
    (t) => sendingRefused(t, "ENETUNREACH", "192.0.2.1"),
    "ENETUNREACH",
    "send ENETUNREACH 192.0.2.1:9",
  ],
  [
    "too many descriptors",
    (t) => {
      injectFaults(t).fail("socket", "EMFILE");
      t.track(createSocket("udp4")).bindSync({ address: "127.0.0.1" });
    },
    "EMFILE",
    "bind EMFILE 127.0.0.1",
  ],
  [
    "a low port",
    (t) => {
      injectFaults(t).fail("bind", "EACCES");
      t.track(createSocket("udp4")).bindSync({ address: "127.0.0.1", port: 53 });
    },
    "EACCES",
    "bind EACCES 127.0.0.1:53",
  ],
  [
    "a full queue",
    async (t) => {
      const faults = injectFaults(t);
      const socket = await t.bound({ type: "udp4", sendQueueLimit: 4 });
      faults.fail("sendmmsg", "EAGAIN", Infinity, socket.fd);
      socket.send("first", 9, "127.0.0.1");
      return await sending(socket, "second", 9, "127.0.0.1");
    },
    "ENOBUFS",
    "send ENOBUFS 127.0.0.1:9",
  ],
  [
    "no room for sendSync()",
    async (t) => {
      const faults = injectFaults(t);
      const socket = await t.bound("udp4");
      faults.fail("sendmmsg", "EAGAIN", 1, socket.fd);
      return socket.sendSync("x", 9, "127.0.0.1");
    },
    "EAGAIN",
    "send EAGAIN 127.0.0.1:9",
  ],
  [
    "a group without a route",
    (t) => {
      injectFaults(t).fail("setsockopt", "ENODEV");
      t.track(createSocket("udp4")).addMembership("239.77.0.1");
    },
    "ENODEV",
    "addMembership ENODEV",
  ],
  [
    "too many groups",
    (_, s) => {
      for (let i = 1; i <= 10_000; i++) s.addMembership(`239.77.${i >> 8}.${i & 255}`, "127.0.0.1");
    },
    "ENOBUFS",
    "addMembership ENOBUFS",
  ],
  [
    "no privilege",
    (t) => {
      injectFaults(t).fail("setsockopt", "EPERM");
      t.track(createSocket("udp4")).setMark(1);
    },
    "EPERM",
    "setsockopt SO_MARK EPERM: it takes CAP_NET_ADMIN",
  ],
];

/** Those that are other errors elsewhere, or none. */
const LINUX_ONLY = ["no privilege", "too many groups"];

for (const [what, mistake, code, message] of MISTAKES) {
  test(`${what}: the error has the code and the message that the page has`, async (t) => {
    const failure = await failureOf(t, mistake);
    assertEquals(failure.code, code);
    assert(failure.message.startsWith(message), failure.message);
    stated(code, message);
  }, { skip: LINUX_ONLY.includes(what) ? linuxOnly(what) : undefined });
}

/** Runs a program that makes a socket and binds it, with only these flags. @returns What it prints, errors as well. */
async function printedBy(t: Tools, flags: readonly string[], code = "", host?: Host): Promise<string> {
  const program = `import { createSocket } from "@dgram/ffi";
    ${code || 'createSocket("udp4").bindSync({ address: "127.0.0.1" }).close?.();'}`;
  const script = writeProgram(scratch(t, {}), "main", program);
  const words = [process.execPath, ...runtime === "deno" ? ["run", "--quiet", "--no-prompt"] : [], ...flags, script];
  const [command, ...args] = host ? host.command(...words) : words;
  const { stdout, stderr } = await ended(spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] }), 20_000);
  return stdout + stderr;
}

/** The flags of a program that may do everything. */
const programFlags = runtime === "deno" ? ["-A"] : runtime === "bun" ? [] : ["--no-warnings"];
const FS = "--allow-fs-read=*";
/** What a program prints that lacks a flag: the runtime, the flags, the code, the message. */
const STARTS: readonly [string, readonly string[], code: string, message: string][] = [
  ["deno", ["--allow-net"], "NotCapable", 'Requires ffi access to "libc.so.6"'],
  ["deno", ["--allow-ffi"], "NotCapable", 'Requires net access to "127.0.0.1:0"'],
  ["node", ["--permission", FS], "ERR_ACCESS_DENIED", "Access to this API has been restricted. Use --allow-ffi"],
  ["node", [], "ExperimentalWarning", "FFI is an experimental feature"],
];

for (const [where, flags, code, message] of STARTS) {
  const skip = runtime === where ? undefined : `of ${where} only`;
  stated(code, message);
  test(`started with "${flags.join(" ")}", a program fails with ${code}, as the page says`, async (t) => {
    const printed = await printedBy(t, flags);
    assertStringIncludes(printed, code);
    assertStringIncludes(printed, message);
  }, { skip: skip ?? (isDarwin ? "the file of libc is another one" : undefined) });
}

test("the page's flag silences Node's warning", async (t) => {
  const [flag] = /--disable-warning=\w+/.exec(page)!;
  assertEquals(await printedBy(t, [flag]), "");
}, { skip: runtime === "node" ? undefined : "only node:ffi has it" });

test("a name without an address is the error of getaddrinfo", async (t) => {
  const code = `const socket = createSocket("udp4");
    socket.send("x", 9, "name.invalid", (error) => {
      console.log(error.code, error.message);
      socket.close();
    });`;
  const printed = (await printedBy(t, programFlags, code, new Network(t).host("nobody"))).trim();
  // Bun 1.4.0's own resolver reports ETIMEOUT.
  assertMatch(printed, /^(ENOTFOUND|EAI_AGAIN|ETIMEOUT) getaddrinfo \1 name\.invalid$/);
  stated("EAI_AGAIN, ENOTFOUND", "getaddrinfo ENOTFOUND name");
}, { skip: noNamespaces });

test(
  "a link-local address without its zone: connect() fails, and a message goes to some link or to none",
  async (t) => {
    const code = `const socket = createSocket("udp6");
    const over = (error) => {
      console.log(error.message);
      socket.connect(9, "fe80::1", (error) => {
        console.log(error.message);
        socket.close();
      });
    };
    socket.bind(() => socket.send("x", 9, "fe80::1", over));`;
    const host = new Network(t).host("nowhere");
    host.ip("link set lo up");
    const printed = await printedBy(t, programFlags, code, host);
    assertEquals(printed.trim().split("\n"), ["send ENETUNREACH fe80::1:9", "connect EINVAL fe80::1:9"]);
    for (const line of printed.trim().split("\n")) stated(line.split(" ")[1], line);
  },
  { skip: noNamespaces },
);

test("what the page says of a missing FFI is what the module says", () => {
  const source = readFileSync(join(projectRoot, "ffi/support.ts"), "utf8");
  assertStringIncludes(source, "has no node:ffi. Install the npm package koffi");
  stated("ERR_DGRAM_FFI_UNAVAILABLE", "Node 20.20.2 has no node:ffi. Install the npm package koffi");
});

test("another system is a TypeError that names it", async () => {
  const { stdout } = await runFixture("create", [pathToFileURL(entry("mod")).href, "win32", "x64"]);
  const { code, message } = JSON.parse(stdout) as Failure;
  assertEquals(code, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM");
  assertStringIncludes(message, "win32 x64");
  stated(code!, "names the system");
});

test("every row of the page has a test", () => {
  assertEquals(rows.filter((row) => !tested.has(row)), []);
}, { skip: noNamespaces ?? linuxOnly("all rows") });
