/**
 * Networks of our own: Linux network namespaces joined by veth pairs. A test asks for a network, starts agents
 * (support/agent.ts) on its hosts and has them talk to each other; afterwards all is gone again.
 *
 * The n-th link joins interfaces of the name `veth<n>` at both ends. The end that is named first has the addresses
 * 10.77.n.1, fd77:7n::1 and fe80::1, the other one 10.77.n.2, fd77:7n::2 and fe80::2. As the link-local addresses are
 * the same on every link, only the zone tells the links apart.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { Agent } from "./agent.ts";
import type { Family, Tools } from "./harness.ts";

/** Why there are no namespaces here; undefined: there are. */
export const noNamespaces: string | undefined = reasonAgainst();

function reasonAgainst(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const probe = `dgram-probe-${process.pid}`;
  const added = spawnSync("ip", ["netns", "add", probe], { encoding: "utf8" });
  if (added.error) return "ip (iproute2) is not installed";
  if (added.status !== 0) return `no network namespaces here: ${added.stderr.trim()}`;
  spawnSync("ip", ["netns", "delete", probe]);
  removeAbandoned();
  return undefined;
}

/** Removes what test runs that were killed have left behind. */
function removeAbandoned(): void {
  for (const namespace of readdirSync("/run/netns")) {
    const owner = /^dgram-(\d+)-/.exec(namespace)?.[1];
    if (owner && !existsSync(`/proc/${owner}`)) spawnSync("ip", ["netns", "delete", namespace]);
  }
}

/** Why hosts can have no firewall here; undefined: they can. */
export const noFirewall: string | undefined = noNamespaces ??
  (spawnSync("nft", ["--version"]).status === 0 ? undefined : "nft (nftables) is not installed");

/** Which end of a link: the one named first is 1. */
export type End = 1 | 2;

/** The global address of one end of the n-th link. */
export function addressOf(family: Family, end: End, link = 0): string {
  return family.version === 4 ? `10.77.${link}.${end}` : `fd77:7${link}::${end}`;
}

/** The global addresses of the n-th link. */
export function subnetOf(family: Family, link: number): string {
  return family.version === 4 ? `10.77.${link}.0/24` : `fd77:7${link}::/64`;
}

/** Which link an address is on, be it a global one or link-local with its zone. */
export function linkOf(address: string): number {
  return Number(/^(?:10\.77\.|fd77:7|fe80::[12]%veth)(\d+)/.exec(address)?.[1] ?? NaN);
}

/** The ways to name an interface for multicast: what each one is, and the name on the given host. */
export function namesOf(family: Family, link: number, end: End): [string, (host: Host) => string][] {
  const name: [string, (host: Host) => string] = ["its name", () => `veth${link}`];
  if (family.version === 4) return [["its address", () => addressOf(family, end, link)], name];
  return [
    ["a zone with its name", () => `::%veth${link}`],
    ["a zone with its number", (host) => `::%${host.index(`veth${link}`)}`],
    ["an address with a zone", () => `fe80::${end}%veth${link}`],
    name,
  ];
}

let networks = 0;

/** Hosts and the links between them. */
export class Network {
  readonly #tools: Tools;
  readonly #prefix = `dgram-${process.pid}-${networks++}`;
  #links = 0;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  /** Makes a host: a namespace with nothing but the loopback interface. */
  host(name: string): Host {
    const host = new Host(this.#tools, `${this.#prefix}-${name}`);
    this.#tools.cleanup(() => host.remove());
    host.ip("link set lo up");
    return host;
  }

  /** Joins two hosts by a veth pair. */
  link(first: Host, second: Host): void {
    const n = this.#links++;
    first.ip(`link add veth${n} type veth peer name veth${n} netns ${second.namespace}`);
    // An end that comes up before the other, and IPv6 with it, waits a second for the news that it has a carrier: hence
    // twice.
    first.ip(`link set veth${n} addrgenmode none up`);
    second.ip(`link set veth${n} addrgenmode none up`);
    first.ip(`link set veth${n} down`, `link set veth${n} up`);
    for (const [host, end] of [[first, 1], [second, 2]] as const) {
      host.ip(
        `addr add 10.77.${n}.${end}/24 brd + dev veth${n}`,
        `addr add fd77:7${n}::${end}/64 dev veth${n} nodad`,
        `addr add fe80::${end}/64 dev veth${n} nodad`,
      );
    }
  }
}

/** A namespace. */
export class Host {
  readonly namespace: string;
  readonly #tools: Tools;

  constructor(tools: Tools, namespace: string) {
    this.#tools = tools;
    this.namespace = namespace;
    succeed("ip", ["netns", "add", namespace]);
  }

  /** Has `ip` carry out commands in this namespace. */
  ip(...commands: string[]): void {
    succeed("ip", ["-n", this.namespace, "-batch", "-"], `${commands.join("\n")}\n`);
  }

  /** A command line that runs the given one in this namespace. */
  command(...words: readonly string[]): [string, ...string[]] {
    return ["ip", "netns", "exec", this.namespace, ...words];
  }

  /** Runs a command in this namespace to its end and gives what it printed. */
  run(...words: readonly string[]): string {
    const [command, ...rest] = this.command(...words);
    return succeed(command, rest);
  }

  /** Has the firewall drop what a rule of nft(8) names, of what comes in or goes out. */
  drop(hook: "input" | "output", rule: string): void {
    this.run("nft", "add table inet firewall");
    this.run("nft", `add chain inet firewall ${hook} { type filter hook ${hook} priority 0; }`);
    this.run("nft", `add rule inet firewall ${hook} ${rule} drop`);
  }

  /** The number of an interface. */
  index(device: string): number {
    return Number(this.run("cat", `/sys/class/net/${device}/ifindex`));
  }

  /** Starts an agent in this namespace. It ends with the test. */
  agent(): Promise<Agent> {
    return Agent.start(this.#tools, this);
  }

  /** For the network. */
  remove(): void {
    succeed("ip", ["netns", "delete", this.namespace]);
  }
}

/** Two hosts with an agent each, joined by one link or more. */
export async function twoHosts(tools: Tools, links = 1): Promise<{ a: Agent; b: Agent; hosts: { a: Host; b: Host } }> {
  const network = new Network(tools);
  const hosts = { a: network.host("a"), b: network.host("b") };
  for (let n = 0; n < links; n++) network.link(hosts.a, hosts.b);
  const [a, b] = await Promise.all([hosts.a.agent(), hosts.b.agent()]);
  return { a, b, hosts };
}

function succeed(command: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input, encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}\n${input}`);
}
