/**
 * What a burst is on the wire, packet by packet, beside what the runtime's own `node:dgram` makes of the same messages.
 *
 * A mode that the built-in module cannot set is set on its descriptor (setsockopt(2)).
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import type { PathMtuDiscovery } from "../mod.ts";
import type { Agent, RemoteSocket } from "./support/agent.ts";
import { Capture, noCapture, type Packet } from "./support/capture.ts";
import { FAMILIES, type Family, test, type Tools } from "./support/harness.ts";
import { addressOf, noNamespaces, twoHosts } from "./support/namespaces.ts";
import { commandFor, fixture, runtime } from "./support/runtime.ts";

const skip = { skip: noNamespaces ?? noCapture };
const MODES: readonly PathMtuDiscovery[] = ["WANT", "DONT", "DO", "PROBE", "INTERFACE", "OMIT"];
const WAYS = ["IPv4", "IPv6", "mapped"] as const;
type Way = typeof WAYS[number];
/**
 * Ways of sending: one `send()` each in one turn, one `sendMany()`, a `sendMany()` of each batch that comes, one `sendSync()` each, and
 * one `sendMany()` with options of each message, which are those that the built-in module's socket has.
 */
const HOWS = ["send", "sendMany", "batch", "sendSync", "options"] as const;
type How = typeof HOWS[number] | "singly";
/** Deno's own socket does not keep the order of what is sent in one turn. */
const BUILTIN_HOW = runtime === "deno" ? "singly" : "send";
/** What fits the MTU to the byte, and what does not; runs, and what ends them; nothing at all. */
const SIZES = [
  ...[1000, 1000, 1000, 1000, 900],
  1472,
  1473,
  ...[1400, 1400],
  ...[64, 64, 64, 10],
  0,
  2000,
  500,
  500,
  3000,
];
const [HOPS, TOS] = [9, 0x2a];
const END = "end";
const DONT_FRAGMENT = 0x4000;
/** The kernel does not discover the MTU of such a route, and sets no don't-fragment bit in the default mode. */
const LOCKED = "mtu lock 1000";

/** Everything of a packet that a receiver or a router heeds. */
function parts({ hops, tos, source, destination, port, text, flags, isSound }: Packet): unknown[] {
  return [hops, tos, `${source}`, `${destination}`, port, text, flags, isSound];
}

/**
 * Datagrams that may be fragmented have numbers of their own, by which their fragments are put together (RFC 6864, 4.1). The numbers of
 * others mean nothing, and are not those of single messages.
 */
function assertNumbered(packets: readonly Packet[], what: string): void {
  const firsts = packets.filter(({ flags, port, isSound, source }) =>
    (flags & DONT_FRAGMENT) === 0 && port > 0 && (source.length === 4 || isSound === undefined)
  );
  assertEquals(new Set(firsts.map(({ id }) => id)).size, firsts.length, `${what}: numbers of fragments`);
}

/** The messages of a mode. Over IPv6 they are smaller by what the header takes more. */
function textsOf(way: Way, mode: string): string[] {
  const less = way === "IPv6" ? 20 : 0;
  return SIZES.map((size, i) => `${mode} ${i} `.padEnd(size - (size > 1400 ? less : 0), ".").slice(0, size));
}

/** One of the sockets that are compared, with what it sends to. */
interface Party {
  readonly socket: RemoteSocket;
  readonly to: [] | [port: number, address: string];
}

/** Hosts, the capture on the second one, and the sockets. */
class Scene {
  readonly capture: Capture;
  readonly receiver: RemoteSocket;
  readonly own: Party;
  readonly builtin: Party;
  readonly #relayAddress: string;

  constructor(capture: Capture, receiver: RemoteSocket, own: Party, builtin: Party, relayAddress: string) {
    [this.capture, this.receiver, this.own, this.builtin] = [capture, receiver, own, builtin];
    this.#relayAddress = relayAddress;
  }

  /** The packets that come of it, up to one that is sent alone afterwards, and how many messages were sent. */
  async send({ socket, to }: Party, how: How, texts: readonly string[]): Promise<[Packet[], number]> {
    const sent = await this.#sent(socket, to, how, texts);
    await socket.send(END, ...to as [number, string]);
    const packets: Packet[] = [];
    for (let packet = await this.capture.next(); packet.text !== END; packet = await this.capture.next()) {
      packets.push(packet);
    }
    return [packets, sent];
  }

  async #sent(socket: RemoteSocket, to: Party["to"], how: How, texts: readonly string[]): Promise<number> {
    if (how === "sendSync") return await socket.call("sendEachSync", texts, ...to) as number;
    if (how === "options") {
      const options = { ttl: HOPS, dscp: TOS >> 2, ecn: TOS & 3 };
      const messages = texts.map((message) => ({ message, ...options }));
      return await socket.call("sendManyAndWait", messages, ...to) as number;
    }
    if (how === "sendMany") return await socket.call("sendManyAndWait", texts, ...to) as number;
    if (how === "singly") {
      let sum = 0;
      for (const text of texts) sum += await this.#sent(socket, to, "send", [text]);
      return sum;
    }
    if (how === "send") {
      const outcomes = await socket.call("outcomes", texts, ...to) as unknown[];
      return outcomes.filter((outcome) => typeof outcome === "number").length;
    }
    await socket.call("passOn", texts.length, ...to);
    await this.receiver.sendAll(texts, socket.port, this.#relayAddress);
    return await socket.call("passedOn") as number;
  }
}

async function party(
  a: Agent,
  family: Family,
  peer: [number, string],
  isConnected: boolean,
  isBuiltin: boolean,
): Promise<Party> {
  const socket = await a.socket({ type: family.type, recvBufferSize: 1 << 20 }, isBuiltin);
  await socket.bind(family.any);
  if (isConnected) await socket.call("connect", ...peer);
  // By their numbers: node:dgram has no type of service, and Deno's no TTL over IPv6.
  const options = {
    IP_TTL: HOPS,
    IP_TOS: TOS,
    ...(family.version === 6 && { IPV6_UNICAST_HOPS: HOPS, IPV6_TCLASS: TOS }),
  };
  for (const [name, value] of Object.entries(options)) await socket.call("setKernelOption", name, value);
  return { socket, to: isConnected ? [] : peer };
}

/** Sets a mode: ours by its method, the built-in module's on its descriptor, with the options that ours sets. */
async function setMode({ own, builtin }: Scene, family: Family, mode: PathMtuDiscovery): Promise<void> {
  await own.socket.call("setMTUDiscover", mode);
  const value = currentRuntime().libc.abi.linux![`IP_PMTUDISC_${mode}`];
  const options = ["IP_MTU_DISCOVER", ...(family.version === 6 ? ["IPV6_MTU_DISCOVER"] : [])];
  for (const option of options) await builtin.socket.call("setKernelOption", option, value);
}

async function sceneOf(t: Tools, way: Way, isConnected: boolean, route = ""): Promise<[Scene, Family]> {
  const { a, b, hosts } = await twoHosts(t);
  if (route !== "") hosts.a.ip(`route add ${addressOf(FAMILIES[0], 2)} dev veth0 ${route}`);
  // The veth pair would pass on payloads that are not cut yet, and packets without checksums, as no real wire can.
  hosts.a.ip("link set veth0 gso_max_segs 1");
  hosts.a.run(...commandFor(fixture("ethtool"), ["veth0", "tx", "off"]));
  const capture = await Capture.start(t, hosts.b, "veth0", "in");
  const family = way === "IPv4" ? FAMILIES[0] : FAMILIES[1];
  const receiver = await b.bound({ type: family.type, recvBufferSize: 1 << 20 }, family.any);
  const mapped = (end: 1 | 2): string =>
    `${way === "mapped" ? "::ffff:" : ""}${addressOf(way === "IPv6" ? FAMILIES[1] : FAMILIES[0], end)}`;
  const peer: [number, string] = [receiver.port, mapped(2)];
  const own = await party(a, family, peer, isConnected, false);
  const builtin = await party(a, family, peer, isConnected, true);
  return [new Scene(capture, receiver, own, builtin, mapped(1)), family];
}

/** Compares bursts with what the built-in module sends, mode by mode. */
async function compare(t: Tools, way: Way, isConnected: boolean, modes: readonly PathMtuDiscovery[], route = "") {
  const [scene, family] = await sceneOf(t, way, isConnected, route);
  for (const mode of modes) {
    await setMode(scene, family, mode);
    const texts = textsOf(way, mode);
    const [expected, expectedSent] = await scene.send(scene.builtin, BUILTIN_HOW, texts);
    for (const how of HOWS) {
      const [packets, sent] = await scene.send(scene.own, how, texts);
      assertEquals(packets.map(parts), expected.map(parts), `${mode} ${how}`);
      assertEquals(sent, expectedSent, `${mode} ${how}`);
      assertEquals(await scene.own.socket.call("getMTUDiscover"), mode, "the mode is what it was");
      assertNumbered(packets, `${mode} ${how}`);
    }
  }
}

for (const way of WAYS) {
  for (const isConnected of [false, true]) {
    const name = `a burst is on the wire what node:dgram sends: ${way}, ${isConnected ? "" : "not "}connected`;
    test(name, (t) => compare(t, way, isConnected, MODES), skip);
    if (way === "IPv6") continue;
    test(`${name}, the route's MTU is locked`, (t) => compare(t, way, isConnected, ["WANT", "DO"], LOCKED), skip);
  }
}

test("a burst is on the wire what node:dgram sends: IPv4, the route has a smaller MTU", (t) => {
  return compare(t, "IPv4", false, ["WANT", "DO"], "mtu 1000");
}, skip);
