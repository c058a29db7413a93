/**
 * What a burst is on the wire, packet by packet, beside what the same messages are that are sent one by one.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { PathMtuDiscovery } from "../mod.ts";
import type { Agent, RemoteSocket } from "./support/agent.ts";
import { Capture, noCapture, type Packet } from "./support/capture.ts";
import { FAMILIES, type Family, test } from "./support/harness.ts";
import { addressOf, noNamespaces, twoHosts } from "./support/namespaces.ts";

const skip = { skip: noNamespaces ?? noCapture };
const MODES: readonly PathMtuDiscovery[] = ["DONT", "WANT", "DO", "PROBE", "INTERFACE", "OMIT"];
const WAYS = ["IPv4", "IPv6", "mapped"] as const;
const SIZES = [1000, 1000, 1000, 1000, 900, 1472, 1400, 1400, 64, 64, 64, 10];
const FRAGMENTED = 2000;

/** Everything of a packet that a receiver or a router can see, but for the number that fragments are put together by. */
function parts({ hops, tos, source, destination, port, text, flags }: Packet): unknown[] {
  return [hops, tos, `${source}`, `${destination}`, port, text, flags];
}

/** Sends texts in one turn or one by one, and gives the packets. */
async function packetsOf(
  capture: Capture,
  socket: RemoteSocket,
  texts: readonly string[],
  to: [number, string] | [],
  how: "singly" | "send" | "sendMany",
): Promise<unknown[]> {
  if (how === "singly") { for (const text of texts) await socket.send(text, ...to as [number, string]); }
  else if (how === "send") await socket.call("sendAll", texts, ...to);
  else await socket.call("sendMany", texts, ...to);
  const packets: unknown[] = [];
  for (let i = 0; i < texts.length; i++) packets.push(parts(await capture.next()));
  return packets;
}

async function connected(a: Agent, family: Family, peer: [number, string], gso: boolean): Promise<RemoteSocket> {
  const socket = await a.bound({ type: family.type, gso }, family.any);
  await socket.call("connect", ...peer);
  return socket;
}

for (const way of WAYS) {
  for (const isConnected of [false, true]) {
    const name = `a burst is on the wire what its messages are singly: ${way}, ${isConnected ? "" : "not "}connected`;
    test(name, async (t) => {
      const { a, b, hosts } = await twoHosts(t);
      // The veth pair would pass on payloads that are not cut yet, as no real wire can.
      hosts.a.ip("link set veth0 gso_max_segs 1");
      const capture = await Capture.start(t, hosts.b, "veth0");
      const family = way === "IPv4" ? FAMILIES[0] : FAMILIES[1];
      const address = way === "mapped" ? `::ffff:${addressOf(FAMILIES[0], 2)}` : addressOf(family, 2);
      const receiver = await b.bound(family.type, family.any);
      const to: [number, string] = [receiver.port, address];
      const sockets = await Promise.all([true, false].map((gso) => {
        return isConnected ? connected(a, family, to, gso) : a.bound({ type: family.type, gso }, family.any);
      }));
      const [burst, single] = sockets;
      await single.send("who are you?", ...(isConnected ? [] as [] : to) as [number, string]);
      await capture.next();
      const destination = isConnected ? [] as [] : to;
      for (const mode of MODES) {
        for (const socket of sockets) await socket.call("setMTUDiscover", mode);
        // Over IPv6 what the header takes more is left out.
        const sizes = SIZES.map((size) => way === "IPv6" && size === 1472 ? 1452 : size);
        const texts = sizes.map((size, i) => `${mode} ${i} `.padEnd(size, "."));
        const expected = await packetsOf(capture, single, texts, destination, "singly");
        for (const how of ["send", "sendMany"] as const) {
          assertEquals(await packetsOf(capture, burst, texts, destination, how), expected, `${mode} ${how}`);
        }
        assertEquals(await burst.call("getMTUDiscover"), mode, "the mode is what it was");
      }
      // Among those that need not be cut, one that must: it arrives whole.
      for (const socket of sockets) await socket.call("setMTUDiscover", "WANT");
      const texts = [1000, 1000, 1000, FRAGMENTED, 1000, 1000].map((size, i) => `${i}`.padEnd(size, "."));
      const heard = async (): Promise<string> => (await receiver.next()).text;
      await burst.call("sendAll", texts, ...destination);
      let found = await heard();
      while (found !== texts[0]) found = await heard();
      for (const text of texts.slice(1)) assertEquals(await heard(), text);
    }, skip);
  }
}
