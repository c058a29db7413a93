/**
 * What sockets make of a resolver: odd answers, several answers, and one that is put in the place of `dns.lookup`.
 *
 * @module
 */
import dns from "node:dns";
import { assertEquals } from "@std/assert";
import type { LookupFunction } from "../mod.ts";
import { nextEvent, nextMessage, sent, test } from "./support/harness.ts";
import { testAlike } from "./support/reference.ts";

const ODD: readonly (readonly [string, unknown, string])[] = [
  ["an array", [{ address: "127.0.0.1", family: 4 }], " [object Object]"],
  ["nothing", undefined, ""],
  ["null", null, ""],
  ["a number", 5, " 5"],
  ["a name", "localhost", " localhost"],
  ["the other family's address", "::1", " ::1"],
];

/** Answers with a value until it is told to do right. */
function answering(answer: unknown): { lookup: LookupFunction; isRight: boolean } {
  const state = {
    isRight: false,
    lookup: ((_name: string, family: number, callback: (error: null, address: unknown, family: number) => void) => {
      callback(null, state.isRight ? "127.0.0.1" : answer, family);
    }) as unknown as LookupFunction,
  };
  return state;
}

for (const [what, answer, text] of ODD) {
  testAlike(`a lookup that answers ${what} is EINVAL of bind(), which can be repeated`, async (t, create) => {
    const resolver = answering(answer);
    const socket = t.track(create({ type: "udp4", lookup: resolver.lookup }));
    const failing = nextEvent(socket, "error");
    socket.bind(0, "name.test");
    assertEquals((await failing as [Error])[0].message, `bind EINVAL${text}`);
    resolver.isRight = true;
    const listening = nextEvent(socket, "listening");
    socket.bind(0, "name.test");
    await listening;
  });

  testAlike(`a lookup that answers ${what} is EINVAL of connect(), which can be repeated`, async (t, create) => {
    const { port } = (await t.bound("udp4")).address();
    const resolver = answering(answer);
    const socket = t.track(create({ type: "udp4", lookup: resolver.lookup }));
    socket.bindSync({ address: "127.0.0.1" });
    const error = await new Promise<unknown>((resolve) => socket.connect(port, "name.test", resolve));
    assertEquals((error as Error).message, `connect EINVAL name.test:${port}`);
    resolver.isRight = true;
    await new Promise<void>((resolve) => socket.connect(port, "name.test", () => resolve()));
  });

  // Node aborts.
  test(`a lookup that answers ${what} is EINVAL of send(), and the next message leaves`, async (t) => {
    const receiver = await t.bound("udp4");
    const { port } = receiver.address();
    const resolver = answering(answer);
    const bound = t.socket({ type: "udp4", lookup: resolver.lookup });
    bound.bindSync({ address: "127.0.0.1" });
    const error = await sent(bound, "x", port, "name.test").catch((error: Error) => error);
    assertEquals((error as Error).message, `send EINVAL name.test:${port}`);
    resolver.isRight = true;
    const arriving = nextMessage(receiver);
    await sent(bound, "y", port, "name.test");
    assertEquals((await arriving).text, "y");
    assertEquals(bound.getSendQueueCount(), 0);
  });
}

testAlike("a lookup that answers connect() twice is EISCONN the second time", async (t, create) => {
  const { port } = (await t.bound("udp4")).address();
  const lookup = ((_name: string, family: number, callback: (error: null, address: string, family: number) => void) => {
    callback(null, "127.0.0.1", family);
    callback(null, "127.0.0.1", family);
  }) as unknown as LookupFunction;
  const socket = t.track(create({ type: "udp4", lookup }));
  socket.bindSync({ address: "127.0.0.1" });
  const failing = nextEvent(socket, "error");
  socket.connect(port, "name.test");
  assertEquals((await failing as [Error])[0].message, `connect EISCONN name.test:${port}`);
});

/** Records what `dns.lookup` is asked, until the test's end. */
function listenToLookups(t: { cleanup(action: () => unknown): void }): unknown[] {
  const asked: unknown[] = [];
  const { lookup } = dns;
  t.cleanup(() => Object.assign(dns, { lookup }));
  const recording = (name: string, ...rest: unknown[]): unknown => {
    asked.push(name);
    return (lookup as (...values: unknown[]) => unknown)(name, ...rest);
  };
  Object.assign(dns, { lookup: recording });
  return asked;
}

testAlike(
  "a dns.lookup that is put in its place is asked for names, and not for addresses of the family",
  async (t, create) => {
    const receiver = await t.bound("udp4");
    const { port } = receiver.address();
    const before = t.track(create("udp4"));
    const asked = listenToLookups(t);
    const after = t.track(create("udp4"));
    for (const socket of [before, after]) {
      const listening = nextEvent(socket, "listening");
      socket.bind(0);
      await listening;
      for (let i = 0; i < 3; i++) await sent(socket, "x", port, "127.0.0.1");
      await sent(socket, "x", port);
    }
    assertEquals(asked, []);
    for (const socket of [before, after]) await sent(socket, "x", port, "localhost");
    assertEquals(asked, ["localhost", "localhost"]);
  },
);
