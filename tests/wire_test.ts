/**
 * What the sends of one turn are on the wire.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { bytesOf, Capture, noCapture } from "./support/capture.ts";
import { testBoth } from "./support/harness.ts";
import { addressOf, noNamespaces, twoHosts } from "./support/namespaces.ts";

const COUNT = 100;

const SIZES: Record<string, (i: number) => number> = {
  "one size": () => 100,
  "different sizes": (i) => 10 + (i * 37) % 1300,
  "one size for a while, then another": (i) => i < 70 ? 1000 : 999,
};

for (const [sizes, sizeOf] of Object.entries(SIZES)) {
  testBoth(`${COUNT} sends of one turn are as many datagrams on the wire, in order: ${sizes}`, async (t, family) => {
    const { a, hosts } = await twoHosts(t);
    // The veth pair could pass on packets that are not cut into datagrams yet, as no real wire can.
    hosts.a.ip("link set veth0 gso_max_segs 1");
    const capture = await Capture.start(t, hosts.b, "veth0");
    const sender = await a.bound(family.type, family.any);
    const texts = Array.from({ length: COUNT }, (_, i) => `${i} `.padEnd(sizeOf(i), "."));
    const destination = addressOf(family, 2);
    // While it asks for the neighbour's address, the kernel keeps no more than a few datagrams.
    await sender.send("who are you?", 4242, destination);
    assertEquals((await capture.next()).text, "who are you?");
    await sender.sendAll(texts, 4242, destination);
    const packets = [];
    for (let i = 0; i < COUNT; i++) packets.push(await capture.next());
    assertEquals(packets.map(({ text }) => text), texts);
    for (const packet of packets) {
      assertEquals([packet.port, packet.destination], [4242, bytesOf(destination)]);
    }
    await sender.send("the last one", 4242, destination);
    assertEquals((await capture.next()).text, "the last one");
  }, { skip: noNamespaces ?? noCapture });
}
