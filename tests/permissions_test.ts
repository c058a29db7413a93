/**
 * FFI goes round the sandboxes of Deno and Node; this module keeps to them all the same.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Outcome } from "./fixtures/permissions.ts";
import { nextMessage, test, type Tools } from "./support/harness.ts";
import { ended, entry, fixture, runtime } from "./support/runtime.ts";

const deno = { skip: runtime === "deno" ? undefined : "only Deno has these permissions" };
const node = { skip: runtime === "node" ? undefined : "only Node 26 has these permissions" };

/** Runs the fixture with these flags of the runtime and nothing else. */
async function outcomeWith(flags: readonly string[], what: string, port = 0): Promise<Outcome | "done"> {
  const base = runtime === "deno"
    ? ["run", "--quiet", "--no-prompt"]
    : ["--no-warnings", "--permission", "--allow-fs-read=*"];
  const child = spawn(process.execPath, [...base, ...flags, fixture("permissions"), what, String(port)]);
  const { code, stdout, stderr } = await ended(child, 20_000);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

function failure(outcome: Outcome | "done"): Outcome {
  assert(outcome !== "done", "it was allowed");
  return outcome;
}

/** The port of a socket, and a port that is another one's. */
async function ports(t: Tools): Promise<{ socket: Awaited<ReturnType<Tools["bound"]>>; port: number; other: number }> {
  const [socket, other] = [await t.bound("udp4"), await t.bound("udp4")];
  return { socket, port: socket.address().port, other: other.address().port };
}

const notCapable = (target: string): [string, string] => [
  "NotCapable",
  `Requires net access to "${target}", run again with the --allow-net flag`,
];

test("without --allow-ffi, Deno's own refusal comes from createSocket()", async () => {
  const { name, message } = failure(await outcomeWith(["--allow-net"], "createSocket"));
  assertEquals(name, "NotCapable");
  assertMatch(message!, /ffi access/);
}, deno);

for (const what of ["bind", "bindSync"]) {
  test(`without --allow-net, ${what}() is refused as Deno refuses it`, async () => {
    const { name, message } = failure(await outcomeWith(["--allow-ffi"], what));
    assertEquals([name, message], notCapable("127.0.0.1:0"));
  }, deno);
}

test("an IPv6 address stands in brackets in the refusal", async () => {
  const { name, message } = failure(await outcomeWith(["--allow-ffi"], "bindSync IPv6"));
  assertEquals([name, message], notCapable("[::1]:0"));
}, deno);

for (const what of ["send", "connect", "connectSync"]) {
  test(`${what}() is refused for a destination that is not allowed, and allowed for one that is`, async (t) => {
    const { port, other } = await ports(t);
    const flags = ["--allow-ffi", `--allow-net=0.0.0.0:0,127.0.0.1:${port}`];
    const { name, message } = failure(await outcomeWith(flags, what, other));
    assertEquals([name, message], notCapable(`127.0.0.1:${other}`));
    assertEquals(await outcomeWith(flags, what, port), "done");
  }, deno);
}

test("a refused datagram does not leave", async (t) => {
  const { socket, port } = await ports(t);
  const arriving = nextMessage(socket);
  failure(await outcomeWith(["--allow-ffi", "--allow-net=0.0.0.0:0"], "send", port));
  (await t.bound("udp4")).send("allowed", port, "127.0.0.1");
  assertEquals((await arriving).text, "allowed");
}, deno);

test("what --deny-net names is refused although all else is allowed", async (t) => {
  const { port, other } = await ports(t);
  const flags = ["--allow-ffi", "--allow-net", `--deny-net=127.0.0.1:${other}`];
  const { name } = failure(await outcomeWith(flags, "send", other));
  assertEquals(name, "NotCapable");
  assertEquals(await outcomeWith(flags, "send", port), "done");
}, deno);

test("what the program gives up at run time is refused from then on", async () => {
  assertEquals(failure(await outcomeWith(["--allow-ffi", "--allow-net"], "revoke")).name, "NotCapable");
}, deno);

for (const what of ["revoke after use", "revoke after connect"]) {
  test(`what was sent to before is refused after the permission was given up (${what})`, async (t) => {
    const { port } = await ports(t);
    const all = await outcomeWith(["--allow-ffi", "--allow-net"], what, port);
    assertEquals(failure(all).name, "NotCapable");
    const some = await outcomeWith(["--allow-ffi", `--allow-net=0.0.0.0:0,127.0.0.1:${port}`], what, port);
    assertEquals(failure(some).name, "NotCapable");
  }, deno);

  test(`under --permission it is refused as well (${what})`, async (t) => {
    const { port } = await ports(t);
    assertEquals(failure(await outcomeWith(["--allow-ffi", "--allow-net"], what, port)).code, "ERR_ACCESS_DENIED");
  }, node);
}

test("a single host that is given up is refused from then on", async (t) => {
  const { port } = await ports(t);
  const flags = ["--allow-ffi", `--allow-net=0.0.0.0:0,127.0.0.1:${port}`];
  assertEquals(failure(await outcomeWith(flags, "revoke a host after use", port)).name, "NotCapable");
}, deno);

/** They bind an unbound socket. Deno's built-in fails with EBADF then; Node's binds it, whatever was permitted. */
const memberships = [
  "addMembership",
  "dropMembership",
  "addSourceSpecificMembership",
  "dropSourceSpecificMembership",
  "blockSource",
  "unblockSource",
  "addMembershipOnAllInterfaces",
  "dropMembershipOnAllInterfaces",
];

for (const what of memberships) {
  test(`${what}() requires the permission to bind, and does not bind without it`, async () => {
    const { name, message } = failure(await outcomeWith(["--allow-ffi"], what));
    assertEquals([name, message], notCapable("0.0.0.0:0"));
  }, deno);

  test(`under --permission without --allow-net, ${what}() is refused, and does not bind`, async () => {
    const { name, code, permission } = failure(await outcomeWith(["--allow-ffi"], what));
    assertEquals([name, code, permission], ["Error", "ERR_ACCESS_DENIED", "Net"]);
  }, node);
}

for (const flags of [["--allow-net", "--deny-net=9.9.9.9"], ["--allow-net=9.9.9.9"]]) {
  test(`asking about ever new addresses and paths takes no memory for each (${flags.join(" ")})`, async () => {
    const { message } = failure(await outcomeWith(["--allow-ffi", "--v8-flags=--expose-gc", ...flags], "growth"));
    // Deno's own objects take some 500 bytes each.
    assert(Number(message) < 60, `${message} bytes`);
  }, deno);
}

test("--allow-ffi and --allow-net are all it takes", async () => {
  assertEquals(await outcomeWith(["--allow-ffi", "--allow-net"], "exchange"), "done");
}, deno);

test("under --permission without --allow-ffi, Node's own refusal comes from createSocket()", async () => {
  const { code, permission } = failure(await outcomeWith(["--allow-net"], "createSocket"));
  assertEquals([code, permission], ["ERR_ACCESS_DENIED", "FFI"]);
}, node);

for (const what of ["bind", "bindSync", "send", "connect", "connectSync"]) {
  test(`under --permission without --allow-net, ${what}() is refused as Node refuses it`, async (t) => {
    const { port } = await ports(t);
    const { code, permission } = failure(await outcomeWith(["--allow-ffi"], what, port));
    assertEquals([code, permission], ["ERR_ACCESS_DENIED", "Net"]);
  }, node);
}

test("under --permission, --allow-ffi and --allow-net are all it takes", async () => {
  assertEquals(await outcomeWith(["--allow-ffi", "--allow-net"], "exchange"), "done");
}, node);

test("methods of Deno's that are replaced look and act as before", async () => {
  const code = (before: string): string =>
    `${before}
const shown = async (holder, name, ...values) => {
  const { value, ...flags } = Object.getOwnPropertyDescriptor(holder, name);
  const outcome = async (self) => {
    try {
      return String(await value.call(self, ...values));
    } catch (error) {
      return String(error);
    }
  };
  return [value.name, value.length, flags, await outcome(holder), await outcome(Deno.permissions)];
};
const prototype = Object.getPrototypeOf(Deno.permissions);
const outcomes = [];
for (const name of ["revoke", "revokeSync"]) {
  outcomes.push(await shown(prototype, name), await shown(prototype, name, { name: "odd" }), await shown(prototype, name, { name: "env" }));
}
console.log(JSON.stringify(outcomes));`;
  const outcomes = [];
  for (const before of ["", `(await import(${JSON.stringify(entry("mod"))})).createSocket("udp4").close();`]) {
    const child = spawn(process.execPath, ["run", "-A", "--no-check", "-"], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin!.end(code(before));
    outcomes.push((await ended(child, 20_000)).stdout);
  }
  assert(outcomes[0].includes("revokeSync"));
  assertEquals(outcomes[1], outcomes[0]);
}, deno);
