/**
 * What the network says about datagrams that did not arrive: 'networkError', and that nothing is lost by it.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import { encodeControls } from "../ffi/wire/control.ts";
import { ErrorQueue } from "../ffi/wire/error_queue.ts";
import type { NetworkError, Socket } from "../mod.ts";
import type { AgentError, RemoteSocket } from "./support/agent.ts";
import { FaultyLibc, injectFaults } from "./support/faulty_libc.ts";
import {
  closedPort,
  FAMILIES,
  type Family,
  nextEvent,
  nextMessage,
  nextMessages,
  sent,
  test,
  testBoth,
} from "./support/harness.ts";
import { patiently } from "./support/mailbox.ts";
import { addressOf, noFirewall, noNamespaces } from "./support/namespaces.ts";
import { until } from "./support/process.ts";
import { randomIntegers } from "./support/random.ts";
import { testBothAlike } from "./support/reference.ts";
import { routedHosts, SMALLER_MTU } from "./support/routed.ts";

/** The next errors of a socket. */
function nextNetworkErrors(socket: Socket, count = 1): Promise<NetworkError[]> {
  const errors: NetworkError[] = [];
  return patiently(
    "network errors",
    new Promise((resolve) => {
      const onError = (error: NetworkError): void => {
        if (errors.push(error) < count) return;
        socket.removeListener("networkError", onError);
        resolve(errors);
      };
      socket.on("networkError", onError);
    }),
  );
}

/** Fails the test if a socket emits 'error'. */
function noError(socket: Socket): void {
  socket.on("error", (error) => {
    throw error;
  });
}

/** A turn of the event loop in which the socket may have been polled. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

testBoth("a closed port's ICMP error names that destination on a socket without a peer", async (t, family) => {
  const [first, second] = [await closedPort(t, family), await closedPort(t, family)];
  const socket = await t.bound({ type: family.type, recvNetworkErrors: true });
  noError(socket);
  for (const port of [first, second]) {
    const errors = nextNetworkErrors(socket);
    assertEquals(await sent(socket, `to ${port}`, port, family.loopback), `to ${port}`.length);
    const [{ message, ...error }] = await errors;
    const isIPv4 = family.version === 4;
    assertEquals(error, {
      origin: isIPv4 ? "icmp" : "icmp6",
      code: "ECONNREFUSED",
      errno: -111,
      // Destination unreachable, port unreachable: RFC 792, RFC 4443.
      icmpType: isIPv4 ? 3 : 1,
      icmpCode: isIPv4 ? 3 : 4,
      mtu: undefined,
      address: family.loopback,
      port,
      offender: family.loopback,
    });
    assertEquals(message.toString(), `to ${port}`);
  }
});

test("an IPv6 socket hears of IPv4 destinations, too", async (t) => {
  const port = await closedPort(t, FAMILIES[0]);
  const socket = t.socket({ type: "udp6", recvNetworkErrors: true });
  const errors = nextNetworkErrors(socket);
  socket.send("x", port, "::ffff:127.0.0.1");
  const [{ origin, address, offender, port: toldPort }] = await errors;
  assertEquals([origin, address, offender, toldPort], ["icmp", "::ffff:127.0.0.1", "::ffff:127.0.0.1", port]);
});

for (const gso of [true, false]) {
  testBoth(
    `no datagram is lost for another one's sake, and each callback tells the truth (gso ${gso})`,
    async (t, family) => {
      const closed = await closedPort(t, family);
      const open = await t.bound(family.type);
      const socket = await t.bound({ type: family.type, recvNetworkErrors: true, gso });
      noError(socket);
      const received = nextMessages(open, 100);
      const errors = nextNetworkErrors(socket, 100);
      const sends = Array.from({ length: 100 }, (_, i) => [
        sent(socket, `lost ${i}`, closed, family.loopback),
        sent(socket, `kept ${i}`, open.address().port, family.loopback),
      ]).flat();
      const lengths = await Promise.all(sends);
      assertEquals(lengths.length, 200);
      assertEquals((await received).map(({ text }) => text), Array.from({ length: 100 }, (_, i) => `kept ${i}`));
      assert((await errors).every(({ port }) => port === closed));
    },
  );
}

testBoth("errors that wait for a slow listener when a turn is over come in the next one", async (t, family) => {
  const closed = await closedPort(t, family);
  const socket = await t.bound({ type: family.type, recvNetworkErrors: true, gso: false });
  noError(socket);
  const errors = nextNetworkErrors(socket, 10);
  // A turn ends after 5 ms.
  socket.on("networkError", () => {
    for (const start = performance.now(); performance.now() - start < 6;);
  });
  for (let i = 0; i < 10; i++) socket.send(`${i}`, closed, family.loopback);
  assertEquals((await errors).map(({ message }) => message.toString()), Array.from({ length: 10 }, (_, i) => `${i}`));
});

testBoth("a message that leaves while another one's error is pending is not refused for it", async (t, family) => {
  const closed = await closedPort(t, family);
  const open = await t.bound(family.type);
  const socket = await t.bound({ type: family.type, recvNetworkErrors: true });
  noError(socket);
  const received = nextMessages(open, 50);
  const errors = nextNetworkErrors(socket, 50);
  for (let i = 0; i < 50; i++) {
    // Its callback comes before the poll loop can look.
    await sent(socket, "lost", closed, family.loopback);
    await sent(socket, `kept ${i}`, open.address().port, family.loopback);
  }
  assertEquals((await received).map(({ text }) => text), Array.from({ length: 50 }, (_, i) => `kept ${i}`));
  await errors;
});

testBoth("transmit timestamps and errors come by one queue, each to its own listeners", async (t, family) => {
  const closed = await closedPort(t, family);
  const open = await t.bound(family.type);
  const socket = await t.bound({ type: family.type, recvNetworkErrors: true, sendTimestamp: true });
  noError(socket);
  let timestamps = 0;
  const stamped = new Promise<void>((resolve) =>
    socket.on("sendTimestamp", () => ++timestamps === 20 ? resolve() : undefined)
  );
  const errors = nextNetworkErrors(socket, 10);
  const received = nextMessages(open, 10);
  for (let i = 0; i < 10; i++) {
    await sent(socket, "lost", closed, family.loopback);
    await sent(socket, "kept", open.address().port, family.loopback);
  }
  assertEquals((await received).length, 10);
  assert((await errors).every(({ code, port }) => code === "ECONNREFUSED" && port === closed));
  await patiently("timestamps", stamped);
});

testBoth("datagrams of others come while errors do", async (t, family) => {
  const closed = await closedPort(t, family);
  const socket = await t.bound({ type: family.type, recvNetworkErrors: true });
  noError(socket);
  const other = await t.bound(family.type);
  const received = nextMessages(socket, 50);
  const errors = nextNetworkErrors(socket, 50);
  for (let i = 0; i < 50; i++) {
    await sent(socket, "x", closed, family.loopback);
    await sent(other, `${i}`, socket.address().port, family.loopback);
  }
  assertEquals((await received).map(({ text }) => Number(text)), Array.from({ length: 50 }, (_, i) => i));
  await errors;
});

testBoth(
  "with a peer 'networkError' comes in place of 'error'; without the option 'error' comes as in Node",
  async (t, family) => {
    const port = await closedPort(t, family);
    const socket = t.socket({ type: family.type, recvNetworkErrors: true });
    await new Promise<void>((resolve) => socket.connect(port, family.loopback, () => resolve()));
    const heard = nextNetworkErrors(socket);
    noError(socket);
    await sent(socket, "x");
    assertEquals([(await heard)[0].code, (await heard)[0].port], ["ECONNREFUSED", port]);
    socket.removeAllListeners("error");
    assertEquals(socket.getRecvNetworkErrors(), true);
    socket.setRecvNetworkErrors(false);
    assertEquals(socket.getRecvNetworkErrors(), false);
    socket.on("networkError", () => assert(false, "a network error without the option"));
    const failing = nextEvent(socket, "error");
    await sent(socket, "x");
    assertEquals((await failing as [Error & { code: string }])[0].code, "ECONNREFUSED");
  },
);

test("a socket with the option costs nothing once its errors are read", async (t) => {
  const faults = injectFaults(t);
  const port = await closedPort(t, FAMILIES[0]);
  const socket = await t.bound({ type: "udp4", recvNetworkErrors: true });
  const errors = nextNetworkErrors(socket);
  await sent(socket, "x", port, "127.0.0.1");
  await errors;
  await turn();
  const before = faults.callsOf("recvmmsg").length;
  for (let i = 0; i < 10; i++) await turn();
  assertEquals(faults.callsOf("recvmmsg").length, before);
});

test("a listener that throws stops neither the other errors nor the socket", async (t) => {
  const port = await closedPort(t, FAMILIES[0]);
  const socket = await t.bound({ type: "udp4", recvNetworkErrors: true, gso: false });
  const ports: (number | undefined)[] = [];
  let closed: () => void;
  const done = new Promise<void>((resolve) => closed = resolve);
  socket.on("networkError", (error) => {
    ports.push(error.port);
    if (ports.length === 3) socket.close(() => closed());
  });
  for (let i = 0; i < 5; i++) socket.send(`${i}`, port, "127.0.0.1");
  await done;
  await turn();
  assertEquals(ports, [port, port, port], "nothing comes once the socket is closed");
});

test("an error of sending that is the message's own is told", async (t) => {
  const socket = await t.bound({ type: "udp4", recvNetworkErrors: true });
  const error = await sent(socket, new Uint8Array(65_508), socket.address().port, "127.0.0.1").catch((error) => error);
  assertEquals(error.code, "EMSGSIZE");
  const broadcast = await sent(socket, "x", 9, "255.255.255.255").catch((error) => error);
  assertEquals(broadcast.code, "EACCES");
});

test("an error queue may say anything, and what is no error is left out", (t) => {
  const { libc: real } = currentRuntime();
  const { levels, linux, layouts } = real.abi;
  const faults = new FaultyLibc(real);
  const queue = new ErrorQueue(faults.libc);
  const { msghdr } = layouts;
  const give = (controls: Uint8Array, length = controls.length): number => {
    faults.answer("recvmmsg", (_, _fd, headers) => {
      const { view } = headers.memory;
      const address = view.getBigUint64(msghdr.msg_control, true);
      assert(address > 0n);
      view.setUint32(msghdr.msg_controllen, length, true);
      view.setUint32(msghdr.msg_namelen, 0, true);
      return 1;
    }, 1);
    const result = queue.read(0);
    assert(typeof result !== "number");
    return result.length;
  };
  t.cleanup(() => faults.assertUsedUp());
  const whole = encodeControls(real.abi, [{
    level: levels.IPPROTO_IP,
    type: linux!.options.IP_RECVERR,
    data: new Uint8Array(32),
  }]);
  for (let length = 0; length < whole.length; length++) give(whole, length);
  for (const seed of [1, 2, 3]) {
    const random = randomIntegers(seed);
    const bytes = Uint8Array.from({ length: 256 }, () => random(256));
    give(bytes);
  }
  faults.fail("recvmmsg", "ENOMEM");
  assertEquals(queue.read(0), -real.abi.errno.ENOMEM);
});

/** Why a message can't be sent. */
function refusal(socket: RemoteSocket, text: string, port?: number, address?: string): Promise<AgentError> {
  return socket.send(text, port, address).then(() => {
    throw new Error("it was sent");
  }, (error) => error);
}

const FAR = (family: Family): string => addressOf(family, 2, 1);
const ROUTER = (family: Family): string => addressOf(family, 2, 0);

testBoth(
  "a router names itself: where the TTL does not suffice, and with the path's MTU for what it cannot pass on",
  async (t, family) => {
    const { a, b } = await routedHosts(t);
    const far = await b.bound(family.type, family.any);
    const socket = await a.bound({ type: family.type, recvNetworkErrors: true }, family.any);
    await heedsTheTtl(family, socket, far);
    await findsTheMtu(family, socket, far);
    const nowhere = family.version === 4 ? "192.0.2.1" : "2001:db8::1";
    await socket.call("disconnect");
    const refused = await refusal(socket, "x", 9, nowhere);
    assertEquals(refused.code, "ENETUNREACH");
    assertStringIncludes(refused.message, nowhere);
  },
  { skip: noNamespaces },
);

async function heedsTheTtl(family: Family, socket: RemoteSocket, far: RemoteSocket): Promise<void> {
  await socket.call("setTTL", 1);
  await socket.send("x", far.port, FAR(family));
  const error = await socket.nextNetworkError();
  assertEquals([error.code, error.origin], ["EHOSTUNREACH", family.version === 4 ? "icmp" : "icmp6"]);
  assertEquals([error.icmpType, error.icmpCode], [family.version === 4 ? 11 : 3, 0]);
  assertEquals([error.offender, error.address, error.port], [ROUTER(family), FAR(family), far.port]);
  await socket.call("setTTL", 2);
  await socket.send("arrives", far.port, FAR(family));
  assertEquals((await far.next()).text, "arrives");
}

async function findsTheMtu(family: Family, socket: RemoteSocket, far: RemoteSocket): Promise<void> {
  const headers = family.version === 4 ? 28 : 48;
  /** Sends a datagram that has this size on the wire. */
  const send = (size: number): Promise<unknown> => socket.send("x".repeat(size - headers));
  const refusedLocally = async (size: number, mtu: number): Promise<void> => {
    assertEquals((await refusal(socket, "x".repeat(size - headers))).code, "EMSGSIZE");
    const told = await socket.nextNetworkError();
    assertEquals([told.origin, told.code, told.mtu, told.offender], ["local", "EMSGSIZE", mtu, undefined]);
  };
  await socket.call("setDontFragment", true);
  await socket.call("connect", far.port, FAR(family));
  assertEquals(await socket.call("getPathMTU"), 1500);
  await refusedLocally(1501, 1500);
  await send(1500);
  const told = await socket.nextNetworkError();
  assertEquals([told.code, told.mtu, told.offender], ["EMSGSIZE", SMALLER_MTU, ROUTER(family)]);
  assertEquals([told.address, told.port], [FAR(family), far.port]);
  assertEquals(await socket.call("getPathMTU"), SMALLER_MTU);
  await refusedLocally(SMALLER_MTU + 1, SMALLER_MTU);
  await send(SMALLER_MTU);
  assertEquals((await far.next()).text.length, SMALLER_MTU - headers);
  // Who measures disregards what is known.
  await socket.call("setMTUDiscover", "PROBE");
  for (let i = 0; i < 2; i++) {
    await send(1500);
    assertEquals((await socket.nextNetworkError()).offender, ROUTER(family));
  }
  // Fragmented, all of it arrives.
  await socket.call("setDontFragment", false);
  await send(3000);
  assertEquals((await far.next()).text.length, 3000 - headers);
}

/** What a firewall answers with, by its names in nft(8), and what becomes of it. */
const REFUSALS: Record<4 | 6, readonly (readonly [name: string, type: number, code: number])[]> = {
  4: [
    ["net-unreachable", 3, 0],
    ["host-unreachable", 3, 1],
    ["prot-unreachable", 3, 2],
    ["port-unreachable", 3, 3],
    ["net-prohibited", 3, 9],
    ["host-prohibited", 3, 10],
    ["admin-prohibited", 3, 13],
  ],
  6: [["no-route", 1, 0], ["admin-prohibited", 1, 1], ["addr-unreachable", 1, 3], ["port-unreachable", 1, 4]],
};

testBoth(
  "each message of a turn has its own network error, whatever it is and whether gso is on",
  async (t, family) => {
    const { a, hosts } = await routedHosts(t);
    const unlimited = ["ipv4.icmp_ratelimit", "ipv6.icmp.ratelimit"].map((name) => `net.${name}=0`);
    hosts.b.run(
      "sysctl",
      "-q",
      "-w",
      ...unlimited,
      "net.ipv4.icmp_msgs_per_sec=100000",
      "net.ipv4.icmp_msgs_burst=1000",
    );
    const refusals = REFUSALS[family.version];
    hosts.b.run("nft", "add table inet firewall");
    hosts.b.run("nft", "add chain inet firewall input { type filter hook input priority 0; }");
    const icmp = family.version === 4 ? "icmp" : "icmpv6";
    refusals.forEach(([name], i) =>
      hosts.b.run("nft", `add rule inet firewall input udp dport ${7000 + i} reject with ${icmp} type ${name}`)
    );
    const exceeded = family.version === 4 ? 11 : 3;
    const kinds = [...refusals.map(([, ...kind], i) => [7000 + i, ...kind, 64]), [8000, exceeded, 0, 1]];
    const texts = Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(i < 10 ? 100 : 500, "."));
    for (const gso of [true, false]) {
      const socket = await a.bound({ type: family.type, recvNetworkErrors: true, gso }, family.any);
      // While it asks for the neighbour's address, the kernel keeps no more than a few datagrams.
      await socket.send("who are you?", 7000, FAR(family));
      await socket.nextNetworkError();
      for (const [port, type, code, ttl] of kinds) {
        await socket.call("setTTL", ttl);
        await socket.sendAll(texts, port, FAR(family));
        for (const text of texts) {
          const { icmpType, icmpCode, message, port: toldPort, address } = await socket.nextNetworkError();
          const { data } = message as unknown as { data: number[] };
          const told = [icmpType, icmpCode, toldPort, address, String.fromCharCode(...data)];
          assertEquals(told, [type, code, port, FAR(family), text], `gso ${gso}`);
        }
      }
    }
  },
  { skip: noFirewall },
);

test("errors that came in another turn than their messages still reach a listener that awaits", async (t) => {
  const port = await closedPort(t, FAMILIES[0]);
  const socket = await t.bound({ type: "udp4", recvNetworkErrors: true });
  const other = await t.bound("udp4");
  await sent(socket, "x", port, "127.0.0.1");
  const errors = nextNetworkErrors(socket);
  const arriving = nextMessage(socket);
  await sent(other, "y", socket.address().port, "127.0.0.1");
  assertEquals([(await errors)[0].code, (await arriving).text], ["ECONNREFUSED", "y"]);
});

testBoth("each message that is too large is one network error, wherever it stands among others", async (t, family) => {
  const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20 });
  const { port } = receiver.address();
  const socket = await t.bound({ type: family.type, recvNetworkErrors: true });
  noError(socket);
  const errors: NetworkError[] = [];
  socket.on("networkError", (error) => errors.push(error));
  // More than IP takes: the kernel puts that on the error queue each time it is tried.
  const tooLarge = family.version === 4 ? 65_510 : 65_535;
  const sizes = Array.from({ length: 75 }, (_, i) => i % 2 === 0 ? tooLarge : 10 + i);
  const arriving = nextMessages(receiver, 37);
  const outcomes = sizes.map((size) =>
    new Promise((resolve) =>
      socket.send(
        new Uint8Array(size),
        port,
        family.loopback,
        (error, bytes) => resolve(error ? (error as Error & { code: string }).code : bytes),
      )
    )
  );
  assertEquals(await Promise.all(outcomes), sizes.map((size) => size === tooLarge ? "EMSGSIZE" : size));
  assertEquals((await arriving).map(({ message }) => message.length), sizes.filter((size) => size !== tooLarge));
  await turn();
  assertEquals(errors.map(({ origin, code }) => `${origin} ${code}`), Array(38).fill("local EMSGSIZE"));
});

testBoth(
  "errors that find no room are missing without a count, but for the overruns of the queue",
  async (t, family) => {
    const faults = injectFaults(t);
    const { abi } = faults.libc;
    const [closed, last] = [await closedPort(t, family), await closedPort(t, family)];
    const socket = await t.bound({ type: family.type, recvNetworkErrors: true });
    noError(socket);
    const fd = faults.lastSocket();
    /** Sends to where nobody listens while the queue is not read, and counts the errors on it. */
    const errorsOf = async (count: number): Promise<number> => {
      const blind = faults.answer(
        "recvmmsg",
        (real, fd, at, length, flags) => {
          return flags === abi.linux!.MSG_ERRQUEUE ? -abi.errno.EAGAIN : real.recvmmsg(fd, at, length, flags);
        },
        Infinity,
        fd,
      );
      for (let i = 0; i < count; i++) await sent(socket, "x", closed, family.loopback);
      faults.repair(blind);
      let errors = 0;
      await patiently(
        "the last error",
        new Promise<void>((resolve) => {
          const onError = ({ port }: NetworkError): void => {
            if (port !== last) return void errors++;
            socket.removeListener("networkError", onError);
            resolve();
          };
          socket.on("networkError", onError);
          socket.send("the last", last, family.loopback);
        }),
      );
      return errors;
    };
    assertEquals(await errorsOf(50), 50);
    assertEquals(socket.getErrorQueueOverruns(), 0);
    assert(await errorsOf(1000) < 1000, "the receive buffer has room for all");
    assert(socket.getErrorQueueOverruns() > 0, "an overrun");
    assertEquals(socket.getDropCount(), 0);
    const overruns = socket.getErrorQueueOverruns();
    assertEquals(await errorsOf(50), 50);
    assertEquals(socket.getErrorQueueOverruns(), overruns);
  },
);

test("what a filter drops is no overrun of the error queue; what finds no room is", async (t) => {
  const closed = await closedPort(t, FAMILIES[0]);
  const other = await t.bound("udp4");
  const socket = await t.bound({ type: "udp4", recvNetworkErrors: true, recvBufferSize: 32_768 });
  const failing = async (): Promise<void> => {
    const errors = nextNetworkErrors(socket);
    await sent(socket, "x", closed, "127.0.0.1");
    await errors;
  };
  socket.attachFilter([{ code: 0x06, jt: 0, jf: 0, k: 0 }]);
  await sent(other, "x", socket.address().port, "127.0.0.1");
  await failing();
  assertEquals([socket.getDropCount(), socket.getErrorQueueOverruns()], [1, 0]);
  socket.detachFilter();
  await failing();
  const before = socket.getErrorQueueOverruns();
  // All in one turn: nothing is read meanwhile.
  other.sendMany(Array(100).fill("x".repeat(1000)), socket.address().port, "127.0.0.1");
  socket.on("networkError", () => assert(false, "there is no room for the error"));
  await sent(socket, "x", closed, "127.0.0.1");
  await until(() => socket.getErrorQueueOverruns() > before, "an overrun");
  assert(socket.getDropCount() > 1, "a datagram is dropped");
});

testBothAlike("each message to a peer that refuses them has its own outcome", async (t, family, createSocket) => {
  const closed = await closedPort(t, family);
  const socket = t.track(createSocket(family.type));
  await new Promise<void>((resolve) => socket.connect(closed, family.loopback, () => resolve()));
  socket.on("error", () => {});
  const outcomes = (count: number): Promise<unknown[]> =>
    Promise.all(Array.from({ length: count }, (_, i) => sent(socket, `${i % 10}`).catch(({ code }) => code)));
  for (const count of [10, 400, 2]) {
    const expected = Array.from({ length: count }, (_, i) => i % 2 === 0 ? 1 : "ECONNREFUSED");
    assertEquals(await outcomes(count), expected, `${count} messages`);
  }
});
