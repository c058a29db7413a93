/**
 * Talks to real peers on this machine and prints what happened: a DNS server, another process found by multicast, and an
 * echo server.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { createSocket, type Socket } from "../mod.ts";
import { discover } from "./discovery.ts";
import { decodeResponse, encodeQuery } from "./dns.ts";
import { start } from "./same_runtime.ts";

await askDnsServer();
await findByMulticast();
await measureEcho();

/** 1,000 queries to dnsmasq (Debian package dnsmasq-base). */
async function askDnsServer(): Promise<void> {
  const port = freePort();
  const server = spawn("dnsmasq", [
    ...["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--no-resolv", "--no-hosts", "--user=root"],
    ...["--bind-interfaces", "--listen-address=127.0.0.1", `--port=${port}`, "--address=/example.test/192.0.2.7"],
  ], { stdio: "ignore", env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  const failed = new Promise<boolean>((resolve) => server.once("error", () => resolve(false)));
  const socket = createSocket("udp4");
  try {
    const ready = await Promise.race([failed, answers(socket, port)]);
    if (!ready) return console.log("  DNS        no dnsmasq here (Debian package dnsmasq-base): left out");
    const began = performance.now();
    const answered = await query(socket, port, 1000);
    const duration = performance.now() - began;
    console.log(
      `  DNS        ${answered.count} queries answered by dnsmasq in ${duration.toFixed(0)} ms: ` +
        `example.test is ${answered.address}`,
    );
  } finally {
    socket.close();
    server.kill();
  }
}

/** Whether the server answers within five seconds. */
async function answers(socket: Socket, port: number): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if ((await query(socket, port, 1, 50)).count === 1) return true;
  }
  return false;
}

/** Sends queries, 50 under way at a time, and counts the answers. */
function query(
  socket: Socket,
  port: number,
  total: number,
  patience = 5000,
): Promise<{ count: number; address: string }> {
  return new Promise((resolve) => {
    const open = new Set<number>();
    const result = { count: 0, address: "" };
    let next = 0;
    const ask = (): void => {
      open.add(next);
      socket.send(encodeQuery(next, "example.test"), port, "127.0.0.1");
      next++;
    };
    const end = (): void => {
      clearTimeout(timer);
      socket.removeListener("message", onMessage);
      socket.removeListener("error", ignore);
      resolve(result);
    };
    const onMessage = (message: Uint8Array): void => {
      const { id, addresses } = decodeResponse(message);
      if (!open.delete(id)) return;
      result.count++;
      result.address = addresses[0] ?? "";
      if (next < total) ask();
      else if (open.size === 0) end();
    };
    const ignore = (): void => {};
    const timer = globalThis.setTimeout(end, patience);
    socket.on("message", onMessage);
    socket.on("error", ignore);
    while (next < Math.min(total, 50)) ask();
  });
}

async function findByMulticast(): Promise<void> {
  const { child, firstLine } = await start("announcer");
  console.log(`  multicast  found ${await discover(Number(firstLine))}`);
  child.kill();
}

/** Round trips in one second, 64 datagrams under way. */
async function measureEcho(): Promise<void> {
  const { child, firstLine } = await start("echo_server");
  const port = Number(firstLine);
  const payload = new Uint8Array(64);
  let count = 0;
  const socket = createSocket("udp4", (message) => {
    count++;
    socket.send(message, port, "127.0.0.1");
  });
  for (let i = 0; i < 64; i++) socket.send(payload, port, "127.0.0.1");
  await setTimeout(1000);
  socket.close();
  child.kill();
  console.log(`  echo       ${count} datagrams of 64 bytes there and back in a second`);
}

function freePort(): number {
  const socket = createSocket("udp4");
  const { port } = socket.bindSync({ address: "127.0.0.1" });
  socket.close();
  return port;
}
