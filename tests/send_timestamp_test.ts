/**
 * When datagrams leave: transmit timestamps from the error queue.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import type { QueuedError } from "../ffi/wire/error_queue.ts";
import { clockTime, createSocket, type SendTimestamp, type Socket, type SocketOptions } from "../mod.ts";
import { runningUdpEndpoint } from "../src/endpoint/socket_state.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { closed, nextMessages, sent, test, testBoth } from "./support/harness.ts";
import { kernelOption } from "./support/kernel.ts";
import { addressOf, noFirewall, twoHosts } from "./support/namespaces.ts";
import { linuxOnly } from "./support/runtime.ts";

/** The next `count` timestamps. */
function nextTimestamps(socket: Socket, count: number): Promise<SendTimestamp[]> {
  const found: SendTimestamp[] = [];
  return new Promise((resolve) => {
    socket.on("sendTimestamp", function listen(timestamp) {
      found.push(timestamp);
      if (found.length < count) return;
      socket.removeListener("sendTimestamp", listen);
      resolve(found);
    });
  });
}

testBoth("each datagram has a number and the time it left, between sending and receiving", async (t, family) => {
  const receiver = await t.bound({ type: family.type, recvTimestamp: true });
  const sender = await t.bound({ type: family.type, sendTimestamp: true });
  const [timestamps, received] = [nextTimestamps(sender, 12), nextMessages(receiver, 12)];
  const before = clockTime("realtime");
  for (let i = 0; i < 10; i++) sender.send(`message ${i}`, receiver.address().port, family.loopback);
  sender.sendMany(["a", "b"], receiver.address().port, family.loopback);
  const [left, came] = await Promise.all([timestamps, received]);
  assertEquals(left.map(({ id }) => id), left.map((_, i) => i));
  left.forEach(({ timestamp, hardwareTimestamp }, i) => {
    assertEquals(hardwareTimestamp, undefined);
    assert(before <= timestamp! && timestamp! <= came[i].remote.timestamp!, `${before} ${timestamp}`);
    if (i > 0) assert(timestamp! >= left[i - 1].timestamp!);
  });
}, { skip: linuxOnly("SO_TIMESTAMPING") });

testBoth("it can be turned on and off, after binding and before", async (t, family) => {
  const faults = injectFaults(t);
  const receiver = await t.bound(family.type);
  const sender = t.socket(family.type);
  assertEquals(sender.setSendTimestamp(true), true);
  await new Promise<void>((resolve) => sender.bind(0, family.loopback, resolve));
  const fd = faults.lastSocket();
  const { port } = receiver.address();
  const messages = ["1", "2", "3"];
  const batch = async (): Promise<unknown> => {
    await new Promise<void>((resolve) => sender.sendMany(messages, port, family.loopback, () => resolve()));
    return faults.callsOf("sendmmsg", fd).at(-1)!.args[2];
  };
  const first = nextTimestamps(sender, 3);
  assertEquals(await batch(), 3);
  assertEquals((await first).map(({ id }) => id), [0, 1, 2]);
  sender.setSendTimestamp(false);
  // As one payload again, and nothing is told.
  assertEquals(await batch(), 1);
  sender.setSendTimestamp(true);
  const second = nextTimestamps(sender, 1);
  await sent(sender, "4", port, family.loopback);
  assertEquals((await second).map(({ id }) => id), [0]);
}, { skip: linuxOnly("SO_TIMESTAMPING") });

test("timestamps of both directions go with other details, and with messages that come meanwhile", async (t) => {
  const options = { sendTimestamp: true, recvTimestamp: true, recvTTL: true, recvNetworkErrors: true } as const;
  const [a, b] = [await t.bound({ type: "udp4", ...options }), await t.bound({ type: "udp4", ...options })];
  const COUNT = 50;
  const times: SendTimestamp[] = [];
  a.on("sendTimestamp", (timestamp) => times.push(timestamp));
  b.on("message", (message, { port, address, ttl, timestamp }) => {
    assert(ttl === 64 && timestamp! > 0n);
    b.send(message, port, address);
  });
  const echoed = nextMessages(a, COUNT);
  for (let i = 0; i < COUNT; i++) a.send(`${i}`, b.address().port, "127.0.0.1");
  const all = await echoed;
  assertEquals(all.map(({ text }) => text), all.map((_, i) => `${i}`));
  while (times.length < COUNT) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(times.map(({ id }) => id), all.map((_, i) => i));
  all.forEach(({ remote }, i) => assert(remote.timestamp! > times[i].timestamp!));
}, { skip: linuxOnly("SO_TIMESTAMPING") });

test("the kernel is asked for a device's timestamp, too, which is another event of the same datagram", async (t) => {
  const { linux } = currentRuntime().libc.abi;
  const socket = await t.bound({ type: "udp4", sendTimestamp: true });
  const flags = kernelOption(socket.address().port, "SO_TIMESTAMPING");
  const asked = linux!.SOF_TIMESTAMPING_TX_HARDWARE | linux!.SOF_TIMESTAMPING_RAW_HARDWARE;
  assertEquals(flags & asked, asked);
  const heard: SendTimestamp[] = [];
  socket.on("sendTimestamp", (timestamp) => heard.push(timestamp));
  // What such a device's message on the error queue is, is read in wire_codec_test.ts.
  const message = { data: 3, origin: linux!.SO_EE_ORIGIN_TIMESTAMPING } as QueuedError;
  const { onTimestamp } = runningUdpEndpoint(socket).errorReceiver;
  onTimestamp!({ ...message, timestamps: { software: 5n, hardware: 0n } });
  onTimestamp!({ ...message, timestamps: { software: 0n, hardware: 7n } });
  assertEquals(heard, [{ id: 3, timestamp: 5n }, { id: 3, hardwareTimestamp: 7n }]);
}, { skip: linuxOnly("SO_TIMESTAMPING") });

test("without the option nothing is told", async (t) => {
  const [sender, receiver] = [await t.bound("udp4"), await t.bound("udp4")];
  sender.on("sendTimestamp", () => assert(false));
  const received = nextMessages(receiver, 2);
  for (const text of ["a", "b"]) await sent(sender, text, receiver.address().port, "127.0.0.1");
  await received;
});

test("a flag that is no boolean is refused, and so is a closed socket", async (t) => {
  const create = (): Socket => createSocket({ type: "udp4", sendTimestamp: 1 } as unknown as SocketOptions);
  assertThrows(create, TypeError, '"options.sendTimestamp" property must be of type boolean');
  const socket = t.socket("udp4");
  assertThrows(
    () => socket.setSendTimestamp("yes" as unknown as boolean),
    TypeError,
    '"flag" argument must be of type',
  );
  await closed(socket);
  assertThrows(() => socket.setSendTimestamp(true), Error, "Not running");
});

testBoth("a message that the firewall refuses takes a number, and none else is missing", async (t, family) => {
  const { a, b, hosts } = await twoHosts(t);
  const address = addressOf(family, 2);
  const receiver = await b.bound(family.type, family.any);
  const refused = receiver.port === 65_535 ? 65_534 : receiver.port + 1;
  hosts.a.drop("output", `udp dport ${refused}`);
  const sender = await a.bound({ type: family.type, sendTimestamp: true }, family.any);
  for (const port of [receiver.port, refused, receiver.port, refused, refused, receiver.port]) {
    const outcome = await sender.send("x", port, address).catch(({ code }) => code);
    assertEquals(outcome, port === refused ? "EPERM" : 1);
  }
  const ids = [await sender.nextTimestamp(), await sender.nextTimestamp(), await sender.nextTimestamp()];
  assertEquals(ids, [0, 2, 5]);
}, { skip: linuxOnly("SO_TIMESTAMPING") ?? noFirewall });
