/**
 * The socket as an EventEmitter: subclasses, rejecting listeners, the diagnostics channel.
 *
 * @module
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { EventEmitter, once } from "node:events";
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import dgram, { Socket } from "../mod.ts";
import { nextEvent, nextMessage, sent, test, testBoth } from "./support/harness.ts";
import { testAlike } from "./support/reference.ts";

testBoth("a socket is a Socket and an EventEmitter", (t, family) => {
  for (
    const socket of [t.socket(family.type), t.track(new Socket(family.type)), t.track(dgram.createSocket(family.type))]
  ) {
    assertInstanceOf(socket, Socket);
    assertInstanceOf(socket, EventEmitter);
    assertStrictEquals(socket.type, family.type);
  }
});

testAlike("the function given to createSocket() hears 'message' with the socket as this", async (t, create) => {
  let heard: (value: unknown) => void;
  const hearing = new Promise((resolve) => heard = resolve);
  const socket = t.track(create("udp4", function (this: unknown, message) {
    heard([String(message), this === socket]);
  }));
  const { port } = socket.bindSync({ address: "127.0.0.1" });
  await sent(t.socket("udp4"), "hello", port);
  assertEquals(await hearing, ["hello", true]);
});

testAlike("bind()'s callback has the socket as this", async (t, create) => {
  const socket = t.track(create("udp4"));
  const context = await new Promise((resolve) => {
    socket.bind(0, "127.0.0.1", function (this: unknown) {
      resolve(this);
    });
  });
  assertStrictEquals(context, socket);
});

testBoth("a subclass can add to the socket and override its methods", async (t, family) => {
  class Counting extends Socket {
    sends = 0;
    override send(...args: unknown[]): void {
      this.sends++;
      super.send(...args as Parameters<Socket["send"]>);
    }
  }
  const receiver = await t.bound(family.type);
  const counting = new Counting({ type: family.type });
  t.track(counting);
  const arriving = nextMessage(receiver);
  await sent(counting, "one", receiver.address().port, family.loopback);
  assertStrictEquals((await arriving).text, "one");
  assertStrictEquals(counting.sends, 1);
});

testAlike("events can be awaited with once() of node:events", async (t, create) => {
  const socket = t.track(create("udp4"));
  const listening = once(socket, "listening");
  socket.bind(0, "127.0.0.1");
  assertEquals(await listening, []);
  const arriving = once(socket, "message");
  await sent(t.socket("udp4"), "hello", socket.address().port);
  const [message, remote] = await arriving;
  assertEquals([String(message), remote.size], ["hello", 5]);
});

testAlike("with captureRejections a listener that rejects is an 'error'", async (t, create) => {
  EventEmitter.captureRejections = true;
  t.cleanup(() => EventEmitter.captureRejections = false);
  const socket = t.track(create("udp4"));
  const failed = new Error("rejected");
  socket.on("message", () => Promise.reject(failed));
  const failure = nextEvent(socket, "error");
  const { port } = socket.bindSync({ address: "127.0.0.1" });
  await sent(t.socket("udp4"), "x", port);
  assertStrictEquals((await failure)[0], failed);
});

testAlike("every new socket is published on the channel 'udp.socket'", (t, create) => {
  const published: unknown[] = [];
  const onMessage = (message: unknown): void => void published.push(message);
  subscribe("udp.socket", onMessage);
  t.cleanup(() => unsubscribe("udp.socket", onMessage));
  const socket = t.track(create("udp4"));
  assertEquals(published.length, 1);
  assert((published[0] as { socket: unknown }).socket === socket);
  unsubscribe("udp.socket", onMessage);
  t.track(create("udp6"));
  assertEquals(published.length, 1);
});

test("no listener is left on a socket that was bound, connected and has sent", async (t) => {
  const receiver = await t.bound("udp4");
  const { port } = receiver.address();
  const [named, implicit] = [t.socket("udp4"), t.socket("udp4")];
  await new Promise<void>((resolve) => named.bind(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => named.connect(port, () => resolve()));
  await sent(named, "x");
  await sent(implicit, "x", port);
  assertEquals([named.eventNames(), implicit.eventNames()], [[], []]);
});
