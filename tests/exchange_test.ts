/**
 * Datagrams from one socket to another: contents, sizes, senders, order.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { nextMessage, nextMessages, sent, testBoth } from "./support/harness.ts";

testBoth("a datagram arrives unchanged, with its sender", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = await t.bound(family.type);
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const arriving = nextMessage(receiver);
  assertEquals(await sent(sender, bytes, receiver.address().port, family.loopback), 256);
  const { message, remote } = await arriving;
  assertEquals(new Uint8Array(message), bytes);
  assertEquals(remote, { address: family.loopback, family: family.name, port: sender.address().port, size: 256 });
});

testBoth("an empty datagram arrives as an empty message", async (t, family) => {
  const receiver = await t.bound(family.type);
  const sender = t.socket(family.type);
  const arriving = nextMessage(receiver);
  assertEquals(await sent(sender, "", receiver.address().port, family.loopback), 0);
  const { message, remote } = await arriving;
  assertEquals([message.length, remote.size], [0, 0]);
});

testBoth("a datagram of 65,507 bytes arrives whole", async (t, family) => {
  const receiver = await t.bound(family.type);
  // macOS sends no more than the buffer holds, which is 9,216 bytes.
  const sender = t.socket({ type: family.type, sendBufferSize: 1 << 17 });
  const bytes = Uint8Array.from({ length: 65_507 }, (_, i) => i % 251);
  const arriving = nextMessage(receiver);
  await sent(sender, bytes, receiver.address().port, family.loopback);
  assertEquals(new Uint8Array((await arriving).message), bytes);
});

for (const count of [1, 63, 64, 65, 129, 300]) {
  testBoth(`${count} datagrams of one turn arrive once each, in order`, async (t, family) => {
    const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
    const sender = await t.bound(family.type);
    const arriving = nextMessages(receiver, count);
    for (let i = 0; i < count; i++) sender.send(String(i), receiver.address().port, family.loopback);
    assertEquals((await arriving).map(({ text }) => text), Array.from({ length: count }, (_, i) => String(i)));
  });
}
