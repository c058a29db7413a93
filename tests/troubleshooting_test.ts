/**
 * docs/troubleshooting.md: the commonest mistakes have the codes and messages that stand there.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createSocket, type Socket } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextEvent, test, type Tools } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";
import { linuxOnly, runtime } from "./support/runtime.ts";

const page = readFileSync(join(projectRoot, "docs/troubleshooting.md"), "utf8");

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

/** The mistake, its code, and how its message starts, as the page has it but for ports. */
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
    async (t) => {
      const faults = injectFaults(t);
      const socket = await t.bound("udp4");
      faults.fail("sendmmsg", "EACCES", 1, socket.fd);
      return await sending(socket, "x", 9, "255.255.255.255");
    },
    "EACCES",
    "send EACCES 255.255.255.255:9",
  ],
  [
    "a firewall",
    async (t) => {
      const faults = injectFaults(t);
      const socket = await t.bound("udp4");
      faults.fail("sendmmsg", "EPERM", 1, socket.fd);
      return await sending(socket, "x", 9, "192.0.2.1");
    },
    "EPERM",
    "send EPERM 192.0.2.1:9",
  ],
  [
    "no route",
    async (t) => {
      const faults = injectFaults(t);
      const socket = await t.bound("udp4");
      faults.fail("sendmmsg", "ENETUNREACH", 1, socket.fd);
      return await sending(socket, "x", 9, "192.0.2.1");
    },
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
    "no privilege",
    (t) => {
      injectFaults(t).fail("setsockopt", "EPERM");
      t.track(createSocket("udp4")).setMark(1);
    },
    "EPERM",
    "setsockopt SO_MARK EPERM: it takes CAP_NET_ADMIN",
  ],
];

for (const [what, mistake, code, message] of MISTAKES) {
  test(`${what}: the error has the code and the message that the page has`, async (t) => {
    const failure = await failureOf(t, mistake);
    assertEquals(failure.code, code);
    assert(failure.message.startsWith(message), failure.message);
    assertStringIncludes(page, code);
    assertStringIncludes(page, `\`${message}`);
  }, { skip: what === "no privilege" ? linuxOnly("SO_MARK") : undefined });
}

test("what the page says of a missing FFI is what the module says", () => {
  const source = readFileSync(join(projectRoot, "ffi/support.ts"), "utf8");
  assertStringIncludes(source, "has no node:ffi. Install the npm package koffi");
  assertStringIncludes(
    page,
    `${runtime === "deno" ? "Requires ffi access" : "has no node:ffi. Install the npm package koffi"}`,
  );
});
