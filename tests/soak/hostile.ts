/**
 * What hostile peers can make a socket cost: `hostile <count> <seed> <ours|built-in>`. The peers are processes of flood.ts.
 *
 * Checked: the entries of all Maps and Sets, memory and descriptors while a flood goes on, and that a datagram of it takes no more than some
 * times the processor time of a friendly one. The runtime's own module takes the same floods, as far as it can, for the figures.
 *
 * @module
 */
import process from "node:process";
import "./counted_maps.ts";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { collectGarbage } from "../support/garbage.ts";
import { descriptorCount, linesOf } from "../support/process.ts";
import { commandFor, runtime } from "../support/runtime.ts";
import { countedEntries } from "./counted_maps.ts";
import { tell } from "./samples.ts";

// Imported here, as what they import has to find the Maps that count.
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
type Module = typeof import("../../mod.ts");
type Socket = import("../../mod.ts").Socket;
type UnixSocket = import("../../mod.ts").UnixSocket;

const [count, seed] = process.argv.slice(2).map(Number);
const isOurs = process.argv[4] === "ours";
const module: Module = isOurs ? await import(`../../mod${extension}`) : await import("node:dgram") as unknown as Module;

/** The largest cache, that of destinations, holds no more. All Maps and Sets together: that cache is a Map of Maps. */
const [LARGEST, TOTAL] = [16_384, 50_000];
/** More memory at the end of a flood than in its middle, by so much, is growth. */
const SLACK = 48 << 20;
/** A hostile datagram may take so many times the processor time of a friendly one. */
const DEAREST = 20;
/** How many descriptors a message of flood.ts carries. */
const DESCRIPTORS = 100;
/** How many messages are kept, to see what one takes. */
const KEPT = Math.min(count, 200_000);
/** How long a full Unix peer is waited for, in milliseconds, and the share of a processor that this may take. */
const [WAITING, BUSY] = [2000, 0.25];

const faults: string[] = [];
const figures: Record<string, unknown> = {};
let friendly = 0;

/** The part of {@linkcode spent} that the collector has taken because this program looked. */
let collecting = 0;

/** Processor time of this process but for that, in nanoseconds. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  return 1000 * (user + system) - collecting;
}

/** Resident memory once garbage is collected. */
async function resident(): Promise<number> {
  await collect();
  return process.memoryUsage().rss;
}

async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const before = spent();
    collectGarbage();
    collecting += spent() - before;
    await delay(10);
  }
}

/** What one kind of flood has cost. */
function judge(kind: string, events: number, cost: number, from: number, to: number): void {
  const each = Math.round(cost / events);
  if (kind === "single datagrams") friendly = each;
  const { total, largest } = countedEntries();
  figures[kind] = { events, ns: each, entries: total, largest, grownMiB: Math.round((to - from) / 2 ** 20) };
  if (!isOurs) return;
  if (events === 0) faults.push(`${kind}: nothing came`);
  if (largest > LARGEST) faults.push(`${kind}: ${largest} entries of one Map`);
  if (total > TOTAL) faults.push(`${kind}: ${total} entries of all Maps and Sets`);
  if (to > from + SLACK) faults.push(`${kind}: from ${from} to ${to} bytes`);
  // A message with descriptors is judged as if each of them were a datagram.
  if (each > DEAREST * friendly * (kind.startsWith("descriptors") ? DESCRIPTORS : 1)) {
    faults.push(`${kind}: ${each} ns, ${friendly} of a friendly one`);
  }
}

/** Has a socket flooded. @returns When all was sent, and nothing more comes. */
async function flood(kind: string, socket: Socket | UnixSocket, most = count, name = kind): Promise<void> {
  const { port, path } = socket.address() as unknown as { port: number; path: string };
  const args = [kind, path?.replace("\0", "@") ?? String(port), String(most), String(seed)];
  const [command, ...rest] = commandFor(fileURLToPath(new URL(`flood${extension}`, import.meta.url)), args);
  const peer = spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
  const line = linesOf(peer);
  const { control } = JSON.parse(await line());
  const back = module.createSocket("udp4");
  let heard = 0;
  let halfway: Promise<[number, number]> | undefined;
  const note = (more: number): void => {
    const before = heard;
    heard += more;
    if (heard >> 6 > before >> 6) back.send(String(heard), control, "127.0.0.1");
    // By then all caches are full.
    if (!halfway && heard > most / 2) halfway = resident().then((bytes) => [bytes, heard]);
  };
  (socket as Socket).on("message", () => note(1));
  const begin = spent();
  await line();
  await delay(100);
  const cost = spent() - begin;
  const [from] = await halfway ?? [await resident()];
  judge(name, heard, cost, from, await resident());
  back.close();
  socket.close();
  if (peer.exitCode === null) await once(peer, "exit");
}

async function bound(options: object = {}): Promise<Socket> {
  const socket = module.createSocket({ type: "udp4", recvBufferSize: 4 << 20, ...options });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

/** Answers each, so that the caches of destinations are filled, too. */
async function answering(): Promise<Socket> {
  const socket = await bound();
  socket.on("message", (message, { port, address }) => socket.send(message, port, address));
  return socket;
}

/** Every message to a port without a socket comes back as an ICMP error. */
async function refused(most: number): Promise<void> {
  const closed = await bound();
  const { port } = closed.address();
  closed.connect(port, "127.0.0.1");
  await once(closed, "connect");
  const socket = await bound();
  let errors = 0;
  const note = (error: unknown): void => {
    if (error) errors++;
  };
  socket.on("error", note);
  if (isOurs) {
    socket.setRecvNetworkErrors(true);
    socket.on("networkError", note);
  } else {
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
  }
  const send = (): void => isOurs ? socket.send("x", port, "127.0.0.1", () => {}) : socket.send("x", note);
  let [from, begin] = [0, spent()];
  for (let sent = 0; sent < most; sent += 32) {
    if (sent >= most / 2 && from === 0) {
      const cost = spent() - begin;
      from = await resident();
      begin = spent() - cost;
    }
    for (let i = 0; i < 32; i++) send();
    await setImmediate();
  }
  await delay(100);
  judge("ICMP errors", errors, spent() - begin, from, await resident());
  socket.close();
  closed.close();
}

/** What a message takes that the program keeps. */
async function retained(kind: string, options: object): Promise<void> {
  const socket = await bound(options);
  const kept: unknown[] = [];
  // Not the resident memory: what was freed before is used again.
  const held = async (): Promise<number> => {
    await collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = await held();
  socket.on("message", (message) => void kept.push(message));
  await flood(kind, socket, KEPT, `${kind}, kept`);
  const each = Math.round((await held() - before) / Math.max(kept.length, 1));
  figures[`bytes for a kept message of ${kind}`] = each;
  if (isOurs && KEPT > 50_000 && each > 2048) faults.push(`${kind}: ${each} bytes for each message that is kept`);
  kept.length = 0;
}

/** A Unix peer that does not read. */
async function fullPeer(most: number): Promise<void> {
  const peer = module.createSocket({ type: "unix_dgram" }) as unknown as UnixSocket;
  const { path } = peer.bindSync();
  peer.pause();
  const limit = 1 << 20;
  const outcomes: Record<string, number> = {};
  const sendAll = async (socket: UnixSocket, messages: number): Promise<void> => {
    for (let i = 0; i < messages; i++) {
      socket.send(new Uint8Array(1000), path, (error) => {
        const code = (error as { code?: string } | null)?.code ?? "sent";
        outcomes[code] = (outcomes[code] ?? 0) + 1;
      });
      if (i % 64 === 63) await setImmediate();
    }
  };
  const limited = module.createSocket({ type: "unix_dgram", sendQueueLimit: limit }) as unknown as UnixSocket;
  const from = await resident();
  await sendAll(limited, most);
  const begin = spent();
  await delay(WAITING);
  const busy = (spent() - begin) / (WAITING * 1e6);
  const grown = await resident() - from;
  const { ENOBUFS = 0 } = outcomes;
  figures["full Unix peer"] = { messages: most, ...outcomes, busy: Number(busy.toFixed(3)), grownMiB: grown >> 20 };
  if (ENOBUFS < most - 3 * limit / 1000) faults.push(`full Unix peer: ${JSON.stringify(outcomes)}`);
  if (busy > BUSY) faults.push(`waiting for a full Unix peer takes ${busy} of a processor`);
  if (grown > SLACK) faults.push(`full Unix peer: ${grown} bytes`);
  for (const socket of [limited, peer]) await new Promise<void>((resolve) => void socket.close(resolve));
}

/** Messages with descriptors, to a socket that wants them and takes none, and to one that does not want them. */
async function descriptors(): Promise<void> {
  for (const recvFds of [true, false]) {
    const socket = module.createSocket({ type: "unix_dgram", recvFds }) as unknown as UnixSocket;
    socket.bindSync();
    const before = descriptorCount();
    let [most, messages] = [0, 0];
    socket.on("message", () => {
      if (messages++ % 50 === 0) most = Math.max(most, descriptorCount());
    });
    await flood("descriptors", socket, Math.min(count, 2000), recvFds ? "descriptors" : "descriptors, not wanted");
    // Those of one fetch: 64 messages.
    if (most > before + 64 * DESCRIPTORS + 50) faults.push(`${most} descriptors were open`);
    if (descriptorCount() > before + 10) faults.push(`descriptors: ${descriptorCount() - before} are left`);
  }
}

const METADATA = { recvTTL: true, recvTOS: true, recvLocalAddress: true, recvTimestamp: true, recvDropCount: true };

// The first warms up.
await flood("single datagrams", await bound());
await flood("single datagrams", await bound());
await flood("one peer", await bound());
await flood("spoofed senders", await bound());
await flood("spoofed senders", await answering(), count, "spoofed senders, answered");
await refused(Math.min(count, 100_000));
await retained("one peer", {});
await retained("coalesced bytes", isOurs ? { gro: true } : {});
if (isOurs) {
  await flood("metadata", await bound({ ...METADATA, recvSegmentSize: true }));
  await descriptors();
  await fullPeer(Math.min(count, 20_000));
}
tell({ result: { runtime, module: process.argv[4], count, ...figures, faults } });
process.exitCode = faults.length > 0 ? 1 : 0;
