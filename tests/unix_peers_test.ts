/**
 * Unix datagram sockets and programs that others wrote: rsyslog, systemd's tools, socat.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createSocket, sdNotify } from "../mod.ts";
import { test, type Tools } from "./support/harness.ts";
import { linesOf, until } from "./support/process.ts";
import { commandFor, ended, fixture, linuxOnly, runFixture } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";
import { boundUnix, folder, received, sentUnix, unixSocket } from "./support/unix.ts";

/** Why tests with a program cannot run. */
function without(program: string): { skip: string | undefined } {
  const found = spawnSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${program}`]).status === 0;
  return { skip: found ? undefined : `${program} is not installed` };
}

/** Starts a program that is killed at the test's end. */
function start(
  t: Tools,
  command: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): ChildProcess {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin`, ...environment };
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
  t.cleanup(() => child.kill("SIGKILL"));
  return child;
}

test("a syslog message reaches rsyslog's file", async (t) => {
  const dir = scratch(t, {});
  const [log, file] = [join(dir, "devlog"), join(dir, "messages")];
  const configuration = `
    module(load="imuxsock" SysSock.Use="off")
    input(type="imuxsock" Socket="${log}")
    template(name="plain" type="string" string="%syslogfacility-text%.%syslogseverity-text% %programname%%msg%\\n")
    action(type="omfile" file="${file}" template="plain")
  `;
  const daemon = start(t, "rsyslogd", [
    "-n",
    "-f",
    join(scratch(t, { "rsyslog.conf": configuration }), "rsyslog.conf"),
    "-i",
    join(dir, "pid"),
  ]);
  const end = ended(daemon, 30_000);
  await until(() => existsSync(log), "rsyslog's socket");
  const { code, stderr } = await runFixture("unix_service", ["log", log]);
  assertEquals([code, stderr], [0, ""]);
  await until(() => existsSync(file) && readFileSync(file, "utf8") !== "", "a line in rsyslog's file");
  assertEquals(readFileSync(file, "utf8"), "user.notice dgram-ffi a message by a datagram\n");
  daemon.kill("SIGTERM");
  await end;
}, without("rsyslogd"));

test("systemd-notify's messages arrive, at a path and at an abstract one", async (t) => {
  for (const path of [join(folder(t), "notify"), `@dgram-ffi-notify-${process.pid}`]) {
    const manager = boundUnix(t, path);
    const messages: string[] = [];
    manager.on("message", (message) => messages.push(message.toString()));
    const tool = start(t, "systemd-notify", ["--ready", "--status=Waiting"], { NOTIFY_SOCKET: path });
    assertEquals((await ended(tool, 10_000)).code, 0);
    await until(() => messages.length > 0, "a message of systemd-notify");
    // It orders what it says as it likes, and may ask by another message, with a descriptor, whether the first was read.
    assertEquals(messages[0].trim().split("\n").sort(), ["READY=1", "STATUS=Waiting"]);
  }
}, { skip: without("systemd-notify").skip ?? linuxOnly("abstract paths") });

test("what a service says by sdNotify() is read by socat", async (t) => {
  const path = join(folder(t), "notify");
  const reader = start(t, "socat", ["-u", `UNIX-RECV:${path}`, "-"]);
  let text = "";
  reader.stdout!.on("data", (chunk) => text += chunk);
  await until(() => existsSync(path), "socat's socket");
  const { code, stdout, stderr } = await runFixture("unix_service", ["notify"], {
    env: { ...process.env, NOTIFY_SOCKET: path },
  });
  assertEquals([code, stdout, stderr], [0, "true true\n", ""]);
  await until(() => text.includes("WATCHDOG"), "all that was said");
  assertEquals(text, "READY=1\nSTATUS=HereWATCHDOG=1");
}, without("socat"));

test("what socat sends arrives with its path, and it reads the answer", async (t) => {
  const dir = folder(t);
  const server = boundUnix(t, join(dir, "server"));
  const client = start(t, "socat", ["-t5", "-", `UNIX-SENDTO:${join(dir, "server")},bind=${join(dir, "client")}`]);
  const datagrams = received(server, 1);
  const input = spawn("socat", ["-u", "-", `UNIX-SENDTO:${join(dir, "server")},bind=${join(dir, "second")}`]);
  t.cleanup(() => input.kill("SIGKILL"));
  input.stdin.end("question");
  assertEquals(await datagrams, [
    { text: "question", remote: { family: "unix", path: join(dir, "second"), size: 8 } },
  ]);
  await until(() => existsSync(join(dir, "client")), "socat's socket");
  const line = linesOf(client)();
  await sentUnix(server, "answer\n", join(dir, "client"));
  assertEquals(await line, "answer");
}, without("socat"));

test("a service that systemd starts takes over its socket with fd: 3, and the message that started it", async (t) => {
  const path = join(folder(t), "activated");
  // It hands on few variables of its own environment.
  const names = ["PATH", "HOME", "NO_COLOR", "DGRAM_FFI_BINDING", "DENO_DIR", "LD_LIBRARY_PATH"].filter((name) =>
    process.env[name]
  );
  const environment = names.map((name) => `--setenv=${name}=${process.env[name]}`);
  const command = commandFor(fixture("unix_service"), ["activated"]);
  const tool = start(t, "systemd-socket-activate", ["--datagram", `--listen=${path}`, ...environment, ...command]);
  const line = linesOf(tool);
  const end = ended(tool, 20_000);
  await until(() => existsSync(path), "the socket");
  await sentUnix(unixSocket(t), "wake up", path);
  assertEquals([await line(), await line()], [`1 true ${path}`, "wake up"]);
  assertEquals((await end).code, 0);
}, without("systemd-socket-activate"));

test("sdNotify() without a manager does nothing, and with a bad path or a dead manager it says so", async (t) => {
  assertEquals(await sdNotify("READY=1", { socket: "" }), false);
  const error = await assertRejects(() => sdNotify("READY=1", { socket: "relative" })) as { code?: string };
  assertEquals(error.code, "ERR_INVALID_ARG_VALUE");
  const dead = join(folder(t), "dead");
  const { message } = await assertRejects(() => sdNotify("READY=1", { socket: dead })) as Error;
  assertMatch(message, /^send ENOENT /);
  const manager = createSocket("unix_dgram");
  t.track(manager);
  manager.bindSync();
  const datagrams = received(manager, 1);
  assertEquals(await sdNotify(["READY=1", "MAINPID=1"], { socket: manager.address().path }), true);
  assertEquals((await datagrams)[0].text, "READY=1\nMAINPID=1");
}, { skip: linuxOnly("paths that the system chooses") });
