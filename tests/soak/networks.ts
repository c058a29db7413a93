/**
 * Traffic between two network namespaces whose link is changed meanwhile: other MTUs, down and up, routes gone and back.
 * `networks <seconds> <seed>` starts itself in both of them: as `receive`, and as `send <seconds> <seed> <port> ...`. Needs root.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createSocket, type RemoteInfo, type Socket } from "../../mod.ts";
import type { Tools } from "../support/harness.ts";
import { type Host, Network, noNamespaces } from "../support/namespaces.ts";
import { linesOf } from "../support/process.ts";
import { randomIntegers } from "../support/random.ts";
import { commandFor, runtime } from "../support/runtime.ts";
import { datagram, faultOf, HEADER_SIZE, readHeader } from "./format.ts";
import { tell } from "./samples.ts";

/** The receivers: their type, what they are bound to, and what a sender calls them. */
const RECEIVERS = [
  { type: "udp4", bound: "10.77.0.2", address: "10.77.0.2", sender: "10.77.0.1", gro: true },
  { type: "udp6", bound: "fd77:70::2", address: "fd77:70::2", sender: "fd77:70::1", gro: true },
  { type: "udp6", bound: "::", address: "10.77.0.2", sender: "::ffff:10.77.0.1", gro: false },
] as const;
/** Flows to each of them: from one that is not connected, and from a connected sender, whose datagrams the firewall counts. */
const [SENDERS, COUNTED] = [2, 1];

/** What sending may fail with while the link is gone or too narrow. */
const EXPECTED_ERRORS =
  /^(ENETUNREACH|EHOSTUNREACH|ENETDOWN|EADDRNOTAVAIL|EMSGSIZE|ECONNREFUSED|ENOBUFS|EINVAL|EPERM|EAGAIN)$/;

interface Received {
  received: number[];
  drops: number[];
  faults: string[];
}

/** Receives until it is told to report. */
async function receive(): Promise<void> {
  const count = RECEIVERS.length * SENDERS;
  const report: Received = { received: new Array(count).fill(0), drops: [], faults: [] };
  const last = new Array<number>(count).fill(-1);
  const heard = (index: number, bytes: Uint8Array, address: string, port: number): void => {
    const header = readHeader(bytes);
    const { flow, number } = header;
    const fault = bytes.length < HEADER_SIZE
      ? "too short"
      : faultOf(bytes) ?? (header.port !== port || address !== RECEIVERS[index].sender
        ? `sent by ${address} ${port}`
        : number <= last[flow]
        ? `it came after ${last[flow]}`
        : Math.floor(flow / SENDERS) !== index
        ? "another socket's"
        : undefined);
    if (fault) report.faults.push(`${number} of ${flow}, ${bytes.length} bytes: ${fault}`);
    last[flow] = number;
    report.received[flow]++;
  };
  const sockets = RECEIVERS.map(({ type, bound, gro }, index) => {
    const socket = createSocket({ type, gro, recvBufferSize: 4 << 20 });
    socket.bindSync({ address: bound });
    socket.on("error", (error) => report.faults.push(String(error)));
    if (index === 1) {
      socket.on("messages", (batch) => {
        for (let i = 0; i < batch.length; i++) heard(index, batch.view(i), batch.address(i), batch.port(i));
      });
    } else socket.on("message", (message, { address, port }: RemoteInfo) => heard(index, message, address, port));
    return socket;
  });
  console.log(JSON.stringify(sockets.map((socket) => socket.address().port)));
  await new Promise((resolve) => process.stdin.once("data", resolve));
  report.drops = sockets.map((socket) => socket.getDropCount());
  console.log(JSON.stringify(report));
  process.exit(0);
}

interface Sent {
  /** By flow: messages that were passed to `send`, and those that the kernel has accepted. */
  tried: number[];
  accepted: number[];
  failed: number;
  errors: Record<string, number>;
  faults: string[];
}

/** Sends for some seconds, and says what the kernel has accepted. */
async function send(seconds: number, seed: number, ports: readonly number[]): Promise<void> {
  const random = randomIntegers(seed);
  const report: Sent = { tried: [], accepted: [], failed: 0, errors: {}, faults: [] };
  const note = (error: Error | null): void => {
    if (!error) return;
    const { code = error.message } = error as Error & { code?: string };
    report.errors[code] = (report.errors[code] ?? 0) + 1;
    if (!EXPECTED_ERRORS.test(code)) report.faults.push(String(error));
  };
  const flows = RECEIVERS.flatMap(({ address, bound, type }, index) =>
    Array.from({ length: SENDERS }, (_, i) => {
      // The IPv6 socket that is bound to all addresses is reached over IPv4.
      const isConnected = i === COUNTED;
      // What leaves as several segments of one payload, the firewall counts once.
      const socket = createSocket({ type: bound === "::" ? "udp4" : type, gso: !isConnected });
      socket.bindSync();
      socket.on("error", note);
      if (isConnected) socket.connectSync(ports[index], address);
      report.accepted.push(0);
      return { socket, to: isConnected ? [] : [ports[index], address], next: 0, port: socket.address().port };
    })
  );
  console.log(JSON.stringify(flows.map(({ port }) => port)));
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const index = random(flows.length);
    const flow = flows[index];
    const size = random(12) === 0 ? 16 + random(60_000) : 16 + random(random(3) === 0 ? 4000 : 1300);
    const list = Array.from({ length: size > 4000 ? 1 + random(3) : 1 + random(40) }, () => {
      const length = random(8) > 0 ? size : 16 + random(size - 15);
      return datagram({ number: flow.next++, flow: index, length, port: flow.port });
    });
    await sendAll(flow.socket, list, flow.to, random(2) === 0, (error, count) => {
      note(error);
      report.accepted[index] += count;
      report.failed += error ? 1 : 0;
    });
    if (random(4) === 0) await delay(random(3));
  }
  report.tried = flows.map(({ next }) => next);
  console.log(JSON.stringify(report));
  process.exit(0);
}

type Outcome = (error: Error | null, count: number) => void;
type Method = (...args: readonly unknown[]) => void;

/** Sends in one turn, one by one or together, and waits for what becomes of all. */
async function sendAll(socket: Socket, list: Uint8Array[], to: unknown[], together: boolean, outcome: Outcome) {
  if (together) {
    return await new Promise<void>((resolve) =>
      (socket.sendMany as Method).call(socket, list, ...to, (error: Error | null, count: number) => {
        outcome(error, count);
        resolve();
      })
    );
  }
  await Promise.all(
    list.map((message) =>
      new Promise<void>((resolve) =>
        (socket.send as Method).call(socket, message, ...to, (error: Error | null) => {
          outcome(error, error ? 0 : 1);
          resolve();
        })
      )
    ),
  );
}

/** What changes, and how it is as before. */
function changes(hosts: { a: Host; b: Host }, random: (below: number) => number): Record<string, () => Promise<void>> {
  const { a, b } = hosts;
  const one = (): Host => random(2) === 0 ? a : b;
  const pause = (): Promise<void> => delay(20 + random(150));
  return {
    mtu: async () => {
      const mtu = [1280, 1400, 1500, 4000, 9000][random(5)];
      for (const host of [a, b]) host.ip(`link set veth0 mtu ${mtu}`);
      await pause();
    },
    link: async () => {
      const host = one();
      host.ip("link set veth0 down");
      await pause();
      host.ip("link set veth0 up");
    },
    route4: async () => {
      a.ip("route del 10.77.0.0/24 dev veth0");
      await pause();
      a.ip("route replace 10.77.0.0/24 dev veth0 src 10.77.0.1");
    },
    route6: async () => {
      a.ip("route del fd77:70::/64 dev veth0");
      await pause();
      a.ip("route replace fd77:70::/64 dev veth0");
    },
    neighbour: async () => {
      a.ip("neigh flush dev veth0");
      await pause();
    },
  };
}

/** Names of the kernel's counters of what it has dropped or not sent. */
const DROPS = /(Discards|Errors|NoRoutes|NoPorts|Fails|MemErrors|NoECT_never|TooBigErrors|CsumErrors|TruncatedPkts)$/;

/** Packets that were dropped as a neighbour did not answer, in all namespaces. */
function unresolved(): number {
  return ["arp_cache", "ndisc_cache"].reduce((sum, table) => {
    const lines = readFileSync(`/proc/net/stat/${table}`, "utf8").trim().split("\n");
    const [head, ...rows] = lines.map((row) => row.trim().split(/\s+/));
    const at = head.indexOf("unresolved_discards");
    return rows.reduce((all, row) => all + parseInt(row[at], 16), sum);
  }, 0);
}

/** The kernel's counters of a namespace that are about drops. */
function counters(host: Host): Record<string, number> {
  const found: Record<string, number> = { unresolved: unresolved() };
  const lines = host.run("cat", "/proc/net/snmp").split("\n").map((line) => line.split(/\s+/));
  for (let i = 0; i + 1 < lines.length; i += 2) {
    lines[i].forEach((name, at) => {
      if (/^(Ip|Udp):$/.test(lines[i][0]) && DROPS.test(name)) found[lines[i][0] + name] = Number(lines[i + 1][at]);
    });
  }
  for (const line of host.run("cat", "/proc/net/snmp6").split("\n")) {
    const [name, value] = line.split(/\s+/);
    if (/^(Ip6|Udp6)/.test(name) && DROPS.test(name)) found[name] = Number(value);
  }
  for (const name of ["rx_dropped", "tx_dropped", "tx_errors", "tx_carrier_errors"]) {
    found[`veth0:${name}`] = Number(host.run("cat", `/sys/class/net/veth0/statistics/${name}`));
  }
  return found;
}

/** The hooks of the firewall at which datagrams are whole: when the sender's kernel has got them, and before the receiver's sockets. */
const HOOKS = { a: "output", b: "input" } as const;

/** Has the firewalls count what comes from some ports. Connection tracking puts fragments of IPv6 together before. */
function startCounting(hosts: { a: Host; b: Host }, ports: readonly number[]): void {
  for (const [name, hook] of Object.entries(HOOKS)) {
    const host = hosts[name as "a" | "b"];
    host.run("nft", "add table inet count");
    host.run("nft", `add chain inet count whole { type filter hook ${hook} priority 0; }`);
    for (const port of ports) host.run("nft", `add rule inet count whole udp sport ${port} counter`);
    host.run("nft", "add rule inet count whole ct state new counter");
  }
}

/** What they have counted, by port. */
function counted(host: Host): Map<number, number> {
  const rules = host.run("nft", "list table inet count").matchAll(/udp sport (\d+) counter packets (\d+)/g);
  return new Map([...rules].map(([, port, packets]) => [Number(port), Number(packets)]));
}

function start(host: Host, args: readonly string[]): ChildProcess {
  const [command, ...rest] = host.command(...commandFor(fileURLToPath(import.meta.url), args));
  return spawn(command, rest, { stdio: ["pipe", "pipe", "inherit"] });
}

async function main(seconds: number, seed: number): Promise<void> {
  if (noNamespaces) return tell({ result: { runtime, skipped: noNamespaces } });
  const cleanups: (() => unknown)[] = [];
  try {
    const network = new Network({ cleanup: (action: () => unknown) => cleanups.push(action) } as unknown as Tools);
    const hosts = { a: network.host("a"), b: network.host("b") };
    // Addresses stay when an interface goes down.
    for (const host of [hosts.a, hosts.b]) host.run("sysctl", "-qw", "net.ipv6.conf.default.keep_addr_on_down=1");
    network.link(hosts.a, hosts.b);
    const before = [counters(hosts.a), counters(hosts.b)];
    const receiver = start(hosts.b, ["receive"]);
    const told = linesOf(receiver);
    const ports = JSON.parse(await told()) as number[];
    const sender = start(hosts.a, ["send", String(seconds), String(seed), ...ports.map(String)]);
    cleanups.push(() => receiver.kill(), () => sender.kill());
    const sending = linesOf(sender);
    const senders = JSON.parse(await sending()) as number[];
    startCounting(hosts, senders);
    sender.stdin!.write("go\n");
    const [sent, done] = await whileSending(sending, changes(hosts, randomIntegers(seed + 1)));
    // A packet may wait for the neighbour's address, or for the rest of its fragments.
    await delay(4000);
    receiver.stdin!.write("report\n");
    const received = JSON.parse(await told()) as Received;
    const passed = [hosts.a, hosts.b].map((host) => senders.map((port) => counted(host).get(port) ?? 0));
    compare(sent, received, passed);
    judge(sent, received, passed, done, before, [counters(hosts.a), counters(hosts.b)], seconds);
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

/** Changes one thing after the other until the sender has ended. */
async function whileSending(
  sending: () => Promise<string>,
  all: Record<string, () => Promise<void>>,
): Promise<[Sent, Record<string, number>]> {
  const random = randomIntegers(Object.keys(all).length);
  const done: Record<string, number> = {};
  let sent: Sent | undefined;
  const over = sending().then((line) => sent = JSON.parse(line) as Sent);
  while (!sent) {
    const names = Object.keys(all);
    const name = names[random(names.length)];
    await all[name]();
    done[name] = (done[name] ?? 0) + 1;
    await Promise.race([over, delay(random(200))]);
  }
  return [sent, done];
}

type Counters = Record<string, number>;

/**
 * Holds what the firewalls have counted against what was sent and received. A message that has failed may have passed the first one, and
 * one that the second has seen may find a full receive buffer. All else has to be equal.
 */
function compare(sent: Sent, { received, drops, faults }: Received, [left, came]: number[][]): void {
  for (let flow = COUNTED; flow < received.length; flow += SENDERS) {
    const { accepted: { [flow]: accepted }, tried: { [flow]: tried } } = sent;
    const dropped = drops[Math.floor(flow / SENDERS)];
    const told = `flow ${flow}: ${tried} tried, ${accepted} accepted, ${left[flow]} left, ${came[flow]} came, ` +
      `${received[flow]} received, ${dropped} dropped`;
    if (left[flow] < accepted || left[flow] > tried) faults.push(`accepted is not what left. ${told}`);
    const missing = came[flow] - received[flow];
    if (missing < 0 || missing > dropped) faults.push(`received is not what came. ${told}`);
  }
}

/** What is missing has to be explained by the kernel's counters. */
function judge(
  sent: Sent,
  { received, drops, faults }: Received,
  passed: number[][],
  changed: Record<string, number>,
  before: Counters[],
  after: Counters[],
  seconds: number,
): void {
  const kernel: Counters = {};
  after.forEach((counters, i) => {
    for (const [name, value] of Object.entries(counters)) {
      const more = value - before[i][name];
      if (more > 0) kernel[`${"ab"[i]} ${name}`] = more;
    }
  });
  const missing = sent.accepted.map((accepted, flow) => accepted - received[flow]);
  const all = [...sent.faults, ...faults.slice(0, 20)];
  for (const [flow, count] of missing.entries()) if (count < 0) all.push(`flow ${flow}: ${-count} more than were sent`);
  const total = missing.reduce((sum, count) => sum + count, 0);
  if (total > 0 && Object.keys(kernel).length === 0) all.push(`${total} are missing, and the kernel has dropped none`);
  tell({ result: { runtime, ...sent, passed, received, missing, drops, changed, kernel, seconds, faults: all } });
  process.exitCode = all.length > 0 ? 1 : 0;
}

const [role, ...rest] = process.argv.slice(2);
if (role === "receive") await receive();
else if (role === "send") await send(Number(rest[0]), Number(rest[1]), rest.slice(2).map(Number));
else await main(Number(role), Number(rest[0]));
