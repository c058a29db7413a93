/**
 * What a `bind()` or `connect()` leaves behind that fails: the socket as it was. Each call of the C library fails in its turn.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import type { LookupFunction, Socket } from "../mod.ts";
import { type CallName, injectFaults } from "./support/faulty_libc.ts";
import { nextEvent, nextMessage, nextMessages, sent, test, testBoth } from "./support/harness.ts";
import { openDescriptor } from "./support/kernel.ts";
import { testAlike } from "./support/reference.ts";
import { linuxOnly } from "./support/runtime.ts";

/** Whether two sockets exchange a datagram. */
async function receives(socket: Socket, from: Socket, address: string): Promise<void> {
  const arriving = nextMessage(socket);
  await sent(from, "x", socket.address().port, address);
  assertEquals((await arriving).text, "x");
}

/** The calls that failing makes a bind() fail, with how often each is made by one that succeeds. */
const CALLS: readonly CallName[] = ["socket", "setsockopt", "bind", "epoll_create1", "epoll_ctl", "eventfd"];

for (const call of CALLS.filter((name) => name in currentRuntime().libc)) {
  testBoth(`a bind() that fails in any of its calls of ${call} can be repeated`, async (t, family) => {
    const faults = injectFaults(t);
    const options = { type: family.type, reuseAddr: true, recvTOS: true, gro: false } as const;
    const probe = t.socket(options);
    probe.bindSync({ address: family.loopback });
    const count = faults.callsOf(call).length;
    probe.close();
    for (let nth = 0; nth < Math.min(count, 8); nth++) {
      const socket = t.socket(options);
      let left = nth;
      const errno = currentRuntime().libc.abi.errno.EMFILE;
      const fault = faults.answer(call, (real, ...args) => {
        const pass = left-- !== 0;
        return pass ? (real[call] as (...args: unknown[]) => number)(...args) : -errno;
      });
      const outcome = Promise.race([nextEvent(socket, "error"), nextEvent(socket, "listening")]);
      socket.bind(0, family.loopback);
      const [error] = await outcome as [Error | undefined];
      faults.repair(fault);
      if (!error) {
        socket.close();
        continue;
      }
      assertEquals(error.message, `bind EMFILE ${family.loopback}`);
      assertThrows(() => socket.remoteAddress(), Error, "Not connected");
      const listening = nextEvent(socket, "listening");
      socket.bind(0, family.loopback);
      await listening;
      await receives(socket, await t.bound(family.type), family.loopback);
      socket.close();
    }
  });
}

testBoth(
  "bind({ fd }) that cannot watch the descriptor leaves it its owner's, and the socket as it was",
  async (t, family) => {
    const faults = injectFaults(t);
    const own = openDescriptor(family);
    t.cleanup(() => currentRuntime().libc.close(own.fd));
    const socket = t.socket(family.type);
    socket.setsockopt("SOL_SOCKET", "SO_PRIORITY", Uint8Array.of(3, 0, 0, 0));
    faults.fail("epoll_create1", "EMFILE");
    let called = 0;
    assertThrows(() => socket.bind({ fd: own.fd }, () => called++), Error, "open EMFILE");
    assertEquals(socket.getsockopt("SOL_SOCKET", "SO_PRIORITY", 4)[0], 3);
    const listening = nextEvent(socket, "listening");
    socket.bind(0, family.loopback);
    await listening;
    assertEquals([called, socket.listenerCount("listening")], [0, 0]);
    await receives(socket, await t.bound(family.type), family.loopback);
  },
  { skip: linuxOnly("SO_PRIORITY") },
);

const ODD_ADDRESSES: readonly (readonly [unknown, string])[] = [
  [5, "type number (5)"],
  [{}, "an instance of Object"],
  [[], "an instance of Array"],
  [true, "type boolean (true)"],
  [5n, "type bigint (5n)"],
];

for (const [address, received] of ODD_ADDRESSES) {
  testAlike(`bind() throws what Node throws for an address that is ${received}`, (t, create) => {
    for (const values of [[0, address], [{ port: 0, address }]]) {
      const socket = t.track(create("udp4")) as unknown as { bind(...values: unknown[]): void };
      const error = assertThrows(() => socket.bind(...values), TypeError) as TypeError & { code: string };
      const message = `The "hostname" argument must be of type string. Received ${received}`;
      assertEquals([error.code, error.message], ["ERR_INVALID_ARG_TYPE", message]);
    }
  });
}

testAlike("bind() takes for an address what reads as one", async (t, create) => {
  for (const address of [["127.0.0.1"], { toString: () => "127.0.0.1" }]) {
    const socket = t.track(create("udp4"));
    const listening = nextEvent(socket, "listening");
    socket.bind(0, address as unknown as string);
    await listening;
    assertEquals(socket.address().address, "127.0.0.1");
  }
});

test("a bind() that throws leaves the socket unbound and no listener behind", async (t) => {
  const throwing: LookupFunction = () => {
    throw new Error("thrown by the lookup");
  };
  const bad: readonly [Socket, unknown[]][] = [
    [t.socket("udp4"), [0, 5]],
    [t.socket("udp4"), [{ fd: 5n }]],
    [t.socket("udp4"), [{
      get address() {
        throw new Error("thrown by a getter");
      },
    }]],
    [t.socket({ type: "udp4", lookup: throwing }), [0, "name.test"]],
  ];
  for (const [socket, values] of bad) {
    let called = 0;
    assertThrows(() => (socket.bind as (...values: unknown[]) => void)(...values, () => called++));
    assertEquals(socket.eventNames(), []);
    socket.bindSync({ address: "127.0.0.1" });
    await receives(socket, await t.bound("udp4"), "127.0.0.1");
    assertEquals(called, 0);
  }
});

test("a port that cannot be a number is the 'error' of bind(), which can be repeated", async (t) => {
  for (const port of [5n, Symbol("port")]) {
    const socket = t.socket("udp4");
    const failing = nextEvent(socket, "error");
    socket.bind(port as unknown as number, "127.0.0.1");
    const [error] = await failing as [Error];
    assert(error instanceof TypeError);
    socket.bindSync({ address: "127.0.0.1" });
    await receives(socket, await t.bound("udp4"), "127.0.0.1");
  }
});

test("a lookup that throws leaves connect() without a peer, and it can be repeated", async (t) => {
  const server = await t.bound("udp4");
  const lookup: LookupFunction = (name, family, callback) => {
    if (name === "name.test") throw new Error("thrown by the lookup");
    callback(null, name, family as number);
  };
  const socket = await t.bound({ type: "udp4", lookup });
  assertThrows(() => socket.connect(9, "name.test", () => {}), Error, "thrown by the lookup");
  assertEquals(socket.listenerCount("connect"), 0);
  await new Promise<void>((resolve) => socket.connect(server.address().port, "127.0.0.1", () => resolve()));
  const arriving = nextMessage(server);
  socket.send("x");
  assertEquals((await arriving).text, "x");
});

testBoth("nothing of a descriptor that bind({ fd }) could not take over stays with the socket", async (t, family) => {
  const faults = injectFaults(t);
  const { libc } = currentRuntime();
  const own = openDescriptor(family);
  t.cleanup(() => libc.close(own.fd));
  // As if it was one for ICMP's echo requests, whose messages do not go together.
  const protocol = faults.answer(
    "getsockopt",
    (real, ...args) => {
      const result = real.getsockopt(...args);
      if (args[2] === libc.abi.options.SO_PROTOCOL) args[3].memory.view.setInt32(0, 1, true);
      return result;
    },
    Infinity,
    own.fd,
  );
  const receiver = await t.bound(family.type);
  const socket = t.socket(family.type);
  faults.fail("epoll_create1", "EMFILE");
  const watched = faults.fail("epoll_ctl", "ENOMEM", 1);
  assertThrows(() => socket.bind({ fd: own.fd }), Error, "open");
  faults.repair(watched);
  faults.repair(protocol);
  socket.bindSync({ address: family.loopback });
  const arriving = nextMessages(receiver, 3);
  faults.calls.length = 0;
  const { port } = receiver.address();
  for (const text of ["a", "b", "c"]) socket.send(text, port, family.loopback);
  assertEquals((await arriving).map(({ text }) => text), ["a", "b", "c"]);
  // Three messages as one payload.
  assertEquals(faults.callsOf("sendmmsg").map(({ args }) => args[2]), [1]);
}, { skip: linuxOnly("SO_PROTOCOL and UDP_SEGMENT") });
