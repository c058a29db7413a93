/**
 * Datagrams sent with options of their own: what the receiver is told of them, that they still go together, and what is
 * refused.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { currentRuntime } from "../ffi/load.ts";
import { missingMessage } from "../ffi/wire/sent_controls.ts";
import { type AddressedMessage, clockTime, type RemoteInfo, type SendOptions, type Socket } from "../mod.ts";
import { checkSendControls, SendControlsEncoder } from "../src/sending/controls.ts";
import { type FaultyLibc, injectFaults } from "./support/faulty_libc.ts";
import {
  closed,
  FAMILIES,
  type Family,
  nextMessage,
  nextMessages,
  test,
  testBoth,
  type Tools,
} from "./support/harness.ts";

const IPV4: Family = FAMILIES[0];

const TOLD = { recvLocalAddress: true, recvTTL: true, recvTOS: true };

/** A receiver that is told everything, and a sender. */
async function pair(
  t: Tools,
  family: Family,
  options = {},
): Promise<{ receiver: Socket; sender: Socket; port: number }> {
  const receiver = await t.bound({ type: family.type, recvBufferSize: 1 << 20, ...TOLD });
  const sender = await t.bound({ type: family.type, ...options }, family.any);
  return { receiver, sender, port: receiver.address().port };
}

/** `send` as a promise. */
function sendWith(socket: Socket, text: string, options: SendOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.send(text, options, (error, bytes) => error ? reject(error) : resolve(bytes));
  });
}

const ownParts = ({ ttl, tos }: RemoteInfo): (number | undefined)[] => [ttl, tos];

testBoth("each datagram has the TTL and the type of service that it was sent with", async (t, family) => {
  const { receiver, sender, port } = await pair(t, family);
  const cases: [Partial<SendOptions>, number[]][] = [
    [{}, [64, 0]],
    [{ ttl: 1 }, [1, 0]],
    [{ ttl: 255, tos: 255 }, [255, 255]],
    [{ dscp: 46, ecn: 2 }, [64, 186]],
    [{ dscp: 1 }, [64, 4]],
    [{ ecn: 3 }, [64, 3]],
    [{ tos: 0 }, [64, 0]],
    [{}, [64, 0]],
  ];
  for (const [options, expected] of cases) {
    const received = nextMessage(receiver);
    assertEquals(await sendWith(sender, "hello", { port, address: family.loopback, ...options }), 5);
    assertEquals(ownParts((await received).remote), expected, JSON.stringify(options));
  }
});

test("an answer leaves with the address that was asked", async (t) => {
  const server = await t.bound({ type: "udp4", recvLocalAddress: true }, "0.0.0.0");
  server.on("message", (message, { port, address, localAddress }) => {
    server.send(message, { port, address, localAddress });
  });
  const client = await t.bound("udp4");
  for (const asked of ["127.0.0.1", "127.1.2.3", "127.9.8.7", "127.1.2.3"]) {
    const answered = nextMessage(client);
    client.send("?", server.address().port, asked);
    assertEquals((await answered).remote.address, asked);
  }
});

test("a socket for both protocols sends with options over IPv4, too, and answers from there", async (t) => {
  const server = await t.bound({ type: "udp6", ...TOLD }, "::");
  server.on("message", (message, { port, address, localAddress }) => {
    server.send(message, { port, address, localAddress, ttl: 9, tos: 0xb8, interface: "lo" });
  });
  const client = await t.bound({ type: "udp4", ...TOLD });
  for (const asked of ["127.0.0.1", "127.1.2.3"]) {
    const answered = nextMessage(client);
    client.send("?", server.address().port, asked);
    const { remote } = await answered;
    assertEquals([remote.address, ...ownParts(remote)], [asked, 9, 0xb8]);
  }
  const connected = await t.bound({ type: "udp6" }, "::");
  await new Promise<void>((resolve) => connected.connect(client.address().port, "::ffff:127.0.0.1", () => resolve()));
  const received = nextMessage(client);
  connected.send("!", { ttl: 5 });
  assertEquals((await received).remote.ttl, 5);
});

testBoth("a connected socket takes options without a destination", async (t, family) => {
  const { receiver, sender, port } = await pair(t, family);
  await new Promise<void>((resolve) => sender.connect(port, family.loopback, () => resolve()));
  const received = nextMessages(receiver, 3);
  assertEquals(await sendWith(sender, "one", { ttl: 3 }), 3);
  sender.sendMany([{ message: "two", ttl: 4 }, "three"]);
  assertEquals((await received).map(({ text, remote }) => [text, remote.ttl]), [["one", 3], ["two", 4], ["three", 64]]);
  for (const options of [{ port }, { address: family.loopback, ttl: 2 }]) {
    assertCode(() => sender.send("x", options), "ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");
    const messages = [{ message: "x", ...options }];
    assertCode(() => sender.sendMany(messages), "ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");
  }
});

testBoth("each message of sendMany() has its own", async (t, family) => {
  const { receiver, sender, port } = await pair(t, family);
  const to = { port, address: family.loopback };
  const messages: (string | AddressedMessage)[] = [
    { message: "a", ...to, ttl: 10 },
    { message: "b", ...to, ttl: 10 },
    { message: "c", ...to, ttl: 11 },
    "d",
    { message: "e", ...to, tos: 8 },
  ];
  const received = nextMessages(receiver, 5);
  sender.sendMany(messages, port, family.loopback);
  assertEquals((await received).map(({ text, remote }) => [text, ...ownParts(remote)]), [
    ["a", 10, 0],
    ["b", 10, 0],
    ["c", 11, 0],
    ["d", 64, 0],
    ["e", 64, 8],
  ]);
});

testBoth("a message's dscp or ecn alone replaces its own bits, and the others are the socket's", async (t, family) => {
  const { receiver, sender, port } = await pair(t, family);
  const to = { port, address: family.loopback };
  const seen = async (options: Partial<SendOptions>): Promise<unknown> => {
    const received = nextMessage(receiver);
    await sendWith(sender, "x", { ...to, ...options });
    const { dscp, ecn } = (await received).remote;
    return [dscp, ecn];
  };
  assertEquals(await seen({ ecn: 1 }), [0, 1]);
  sender.setDSCP(46);
  assertEquals(await seen({ ecn: 1 }), [46, 1]);
  assertEquals(await seen({ dscp: 10 }), [10, 0]);
  sender.setECN(2);
  assertEquals(await seen({ dscp: 10 }), [10, 2]);
  assertEquals(await seen({ ecn: 0 }), [46, 0]);
  assertEquals(await seen({ tos: 3 }), [0, 3]);
  assertEquals(await seen({ dscp: 1, ecn: 1 }), [1, 1]);
  sender.setsockopt(
    family.version === 4 ? "IPPROTO_IP" : "IPPROTO_IPV6",
    family.version === 4 ? "IP_TOS" : "IPV6_TCLASS",
    32,
  );
  assertEquals(await seen({ ecn: 3 }), [8, 3]);
  // Those of one turn, too, each with what the socket had when it was sent.
  const received = nextMessages(receiver, 2);
  sender.send("a", { ...to, ecn: 1 });
  sender.setDSCP(5);
  sender.send("b", { ...to, ecn: 1 });
  assertEquals((await received).map(({ remote }) => remote.dscp), [8, 5]);
});

test("an IPv6 socket's messages by IPv4 keep what it has for IPv4", async (t) => {
  const receiver = await t.bound({ type: "udp4", recvTOS: true });
  const sender = await t.bound("udp6", "::");
  sender.setDSCP(46);
  const received = nextMessage(receiver);
  await sendWith(sender, "x", { port: receiver.address().port, address: "::ffff:127.0.0.1", ecn: 2 });
  const { dscp, ecn } = (await received).remote;
  assertEquals([dscp, ecn], [46, 2]);
});

testBoth("what is sent before the socket is bound keeps its options", async (t, family) => {
  const { receiver, port } = await pair(t, family);
  const sender = t.socket(family.type);
  const options = { port, address: family.loopback, ttl: 21 };
  const received = nextMessages(receiver, 2);
  sender.send("a", options);
  options.ttl = 99;
  sender.sendMany([{ message: "b", ...options, ttl: 22 }]);
  assertEquals((await received).map(({ remote }) => remote.ttl), [21, 22]);
});

/** How many messages went to the kernel in each sendmmsg. */
const batches = (faults: FaultyLibc, fd: number): unknown[] =>
  faults.callsOf("sendmmsg", fd).map(({ args }) => args[2]);

testBoth("messages whose options agree go to the kernel together, others beside them", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, port } = await pair(t, family);
  const fd = faults.lastSocket();
  const to = { port, address: family.loopback };
  const ttls = [...Array(40).fill(7), ...Array(40).fill(8), ...Array(20).fill(7)];
  const received = nextMessages(receiver, ttls.length);
  ttls.forEach((ttl, i) => sender.send(String(i).padStart(50), { ...to, ttl, dscp: 10 }));
  const all = await received;
  assertEquals(all.map(({ text }) => Number(text)), ttls.map((_, i) => i));
  assertEquals(all.map(({ remote }) => remote.ttl), ttls);
  assert(all.every(({ remote }) => remote.dscp === 10));
  // One call, with one payload for each group.
  assertEquals(batches(faults, fd), [3]);
});

testBoth("where segments are refused, each message goes with its options", async (t, family) => {
  for (const errno of ["EIO", "EMSGSIZE", "EINVAL"]) {
    const faults = injectFaults(t);
    const { receiver, sender, port } = await pair(t, family);
    const fd = faults.lastSocket();
    faults.fail("sendmmsg", errno, 1, fd);
    const received = nextMessages(receiver, 6);
    for (const ttl of [5, 5, 5, 6, 6, 6]) sender.send("same size", { port, address: family.loopback, ttl });
    assertEquals((await received).map(({ remote }) => remote.ttl), [5, 5, 5, 6, 6, 6], errno);
    faults.assertUsedUp();
    await closed(sender);
    await closed(receiver);
  }
});

testBoth("messages that wait for room keep their options", async (t, family) => {
  const faults = injectFaults(t);
  const { receiver, sender, port } = await pair(t, family);
  faults.fail("sendmmsg", "EAGAIN", 2, faults.lastSocket());
  const ttls = [5, 5, 6, 7, 7];
  const received = nextMessages(receiver, ttls.length);
  for (const ttl of ttls.slice(0, 3)) sender.send("x", { port, address: family.loopback, ttl });
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (const ttl of ttls.slice(3)) sender.send("x", { port, address: family.loopback, ttl });
  assertEquals((await received).map(({ remote }) => remote.ttl), ttls);
  faults.assertUsedUp();
});

testBoth(
  "what the kernel refuses is its own message's error, and the next ones still go together",
  async (t, family) => {
    const faults = injectFaults(t);
    const { receiver, sender, port } = await pair(t, family);
    const fd = faults.lastSocket();
    const to = { port, address: family.loopback };
    const notLocal = family.version === 4 ? "192.0.2.1" : "2001:db8::1";
    const refusal = family.version === 4 ? "ENETUNREACH" : "EINVAL";
    const failing = ["x", "y"].map((text) =>
      assertRejects(() => sendWith(sender, text, { ...to, localAddress: notLocal }))
    );
    const errors = await Promise.all(failing) as unknown as { code: string; syscall: string; address: string }[];
    assertEquals(errors.map(({ code, syscall, address }) => [code, syscall, address]), [
      [refusal, "send", family.loopback],
      [refusal, "send", family.loopback],
    ]);
    const nowhere = await assertRejects(() => sendWith(sender, "z", { ...to, interface: "no-such-device" }));
    assertEquals((nowhere as Error & { code: string }).code, "ENODEV");
    const before = batches(faults, fd).length;
    const received = nextMessages(receiver, 30);
    for (let i = 0; i < 30; i++) sender.send("fine", { ...to, ttl: 3 });
    await received;
    assertEquals(batches(faults, fd).slice(before), [1]);
  },
);

test("don't-fragment of single datagrams is IPv6's alone", async (t) => {
  const ipv4 = await t.bound("udp4");
  const options = { port: 9, address: "127.0.0.1", dontFragment: true };
  assertCode(() => ipv4.send("x", options), "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "for single datagrams");
  const ipv6 = await t.bound("udp6", "::");
  const mapped = assertRejects(() => sendWith(ipv6, "x", { ...options, address: "::ffff:127.0.0.1" }));
  assertEquals((await mapped as unknown as { code: string }).code, "ENOTSUP");
  const receiver = await t.bound("udp6");
  const received = nextMessage(receiver);
  await sendWith(ipv6, "x", { port: receiver.address().port, address: "::1", dontFragment: true });
  assertEquals((await received).text, "x");
});

test("a transmit time needs a clock", async (t) => {
  const { receiver, sender, port } = await pair(t, IPV4);
  const to = { port, address: "127.0.0.1" };
  assertCode(
    () => sender.send("x", { ...to, txTime: 1n }),
    "ERR_INVALID_ARG_VALUE",
    "has no clock before setTxTimeClock()",
  );
  assertEquals(sender.setTxTimeClock("monotonic"), true);
  const received = nextMessage(receiver);
  await sendWith(sender, "x", { ...to, txTime: clockTime("monotonic") });
  assertEquals((await received).text, "x");
  assertCode(() => sender.setTxTimeClock("lunar" as "tai"), "ERR_INVALID_ARG_VALUE", "must be one of");
});

test("the clocks tell the time", () => {
  const [before, realtime, after] = [Date.now(), clockTime("realtime"), Date.now()];
  assert(BigInt(before) * 1_000_000n <= realtime && realtime < BigInt(after + 1) * 1_000_000n);
  const first = clockTime("monotonic");
  assert(clockTime("monotonic") >= first);
  assert(clockTime("tai") >= realtime);
  assertCode(() => clockTime("lunar" as "tai"), "ERR_INVALID_ARG_VALUE", "The argument 'clock' must be one of");
});

/** Options that are refused: the code, and a part of the message. */
const REFUSED: readonly [Record<string, unknown>, string, string][] = [
  [{ ttl: "5" }, "ERR_INVALID_ARG_TYPE", `"options.ttl" property must be of type number. Received type string ('5')`],
  [{ ttl: 0 }, "ERR_OUT_OF_RANGE", `"options.ttl" is out of range. It must be >= 1 && <= 255. Received 0`],
  [{ ttl: 256 }, "ERR_OUT_OF_RANGE", ">= 1 && <= 255. Received 256"],
  [{ ttl: 1.5 }, "ERR_OUT_OF_RANGE", "It must be an integer. Received 1.5"],
  [{ tos: -1 }, "ERR_OUT_OF_RANGE", `"options.tos" is out of range. It must be >= 0 && <= 255. Received -1`],
  [
    { tos: 1, dscp: 1 },
    "ERR_INCOMPATIBLE_OPTION_PAIR",
    `"options.tos" cannot be used in combination with option "options.dscp"`,
  ],
  [{ tos: 1, ecn: 1 }, "ERR_INCOMPATIBLE_OPTION_PAIR", `option "options.ecn"`],
  [{ dscp: 64 }, "ERR_OUT_OF_RANGE", ">= 0 && <= 63. Received 64"],
  [{ ecn: 4 }, "ERR_OUT_OF_RANGE", ">= 0 && <= 3. Received 4"],
  [{ ecn: null }, "ERR_INVALID_ARG_TYPE", `"options.ecn" property must be of type number. Received null`],
  [{ localAddress: 5 }, "ERR_INVALID_ARG_TYPE", `"options.localAddress" property must be of type string`],
  [
    { localAddress: "localhost" },
    "ERR_INVALID_ARG_VALUE",
    "'options.localAddress' must be an IP address. Received 'localhost'",
  ],
  [{ interface: true }, "ERR_INVALID_ARG_TYPE", `"options.interface" property must be one of type string or number`],
  [{ interface: "" }, "ERR_INVALID_ARG_VALUE", "'options.interface' must not be empty"],
  [{ interface: 0 }, "ERR_OUT_OF_RANGE", ">= 1 && <= 2147483647. Received 0"],
  [{ dontFragment: 1 }, "ERR_INVALID_ARG_TYPE", `"options.dontFragment" property must be of type boolean`],
  [{ txTime: 5 }, "ERR_INVALID_ARG_TYPE", `"options.txTime" property must be of type bigint. Received type number (5)`],
  [
    { txTime: -1n },
    "ERR_OUT_OF_RANGE",
    `"options.txTime" is out of range. It must be >= 0n && < 2n ** 64n. Received -1n`,
  ],
];

testBoth("options that cannot be are refused before anything is sent", async (t, family) => {
  const { receiver, sender, port } = await pair(t, family);
  const to = { port, address: family.loopback };
  const first = nextMessage(receiver);
  const other = family.version === 4 ? "::1" : "127.0.0.1";
  const ofOther = `'options.localAddress' must be an IPv${family.version} address`;
  for (
    const [options, code, text] of [...REFUSED, [{ localAddress: other }, "ERR_INVALID_ARG_VALUE", ofOther]] as const
  ) {
    assertCode(() => sender.send("x", { ...to, ...options } as SendOptions), code, text);
    const messages = [{ message: "good", ...to }, { message: "x", ...to, ...options } as AddressedMessage];
    assertCode(() => sender.sendMany(messages, port, family.loopback), code, text);
    const unbound = t.socket(family.type);
    assertCode(() => unbound.send("x", { ...to, ...options } as SendOptions), code, text);
    assertThrows(() => unbound.address());
  }
  assertCode(
    () => sender.send("x", { ttl: 5 }),
    "ERR_SOCKET_BAD_PORT",
    "Port should be > 0 and < 65536. Received undefined",
  );
  assertCode(
    () => sender.send("x", { port, address: 5 as unknown as string }),
    "ERR_INVALID_ARG_TYPE",
    `"address" argument`,
  );
  assertCode(() => sender.send(5 as unknown as string, to), "ERR_INVALID_ARG_TYPE", `"buffer" argument`);
  await sendWith(sender, "first", to);
  assertEquals((await first).text, "first");
});

function assertCode(action: () => unknown, code: string, text: string): void {
  const error = assertThrows(action, Error, text) as Error & { code: string };
  assertEquals(error.code, code);
}

test("a host name is looked up for the options form, too", async (t) => {
  const names: string[] = [];
  const lookup = (name: string, _: unknown, callback: (error: null, address: string, family: number) => void): void => {
    names.push(name);
    setTimeout(() => callback(null, "127.0.0.1", 4), 0);
  };
  const receiver = await t.bound({ type: "udp4", ...TOLD });
  const sender = await t.bound({ type: "udp4", lookup });
  const received = nextMessage(receiver);
  sender.send("x", { port: receiver.address().port, address: "somewhere.test", ttl: 33 });
  assertEquals((await received).remote.ttl, 33);
  assertEquals(names.at(-1), "somewhere.test");
});

test("macOS has few control messages for IPv4, and says which it lacks", () => {
  const { libc } = currentRuntime();
  const there = new Proxy(libc, {
    get(_, key) {
      const value = key === "abi" ? DARWIN : Reflect.get(libc, key);
      return typeof value === "function" ? value.bind(libc) : value;
    },
  });
  const [ipv4, ipv6] = ([4, 6] as const).map((version) =>
    new SendControlsEncoder(there, { version, hasTxTime: true, typeOfServiceOf: () => 0 })
  );
  const check = (encoder: SendControlsEncoder, given: SendOptions) => () => encoder.check(checkSendControls(given)!);
  for (const given of [{ ttl: 5 }, { tos: 5 }, { dontFragment: true }, { txTime: 5n }]) {
    assertCode(check(ipv4, given), "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "is unavailable on macOS");
  }
  check(ipv4, { localAddress: "127.0.0.1", interface: 1 })();
  check(ipv6, { ttl: 5, tos: 5, dontFragment: false })();
  assertEquals(
    missingMessage(DARWIN, 6, { ...checkSendControls({ txTime: 5n })!, source: undefined, interfaceIndex: 0 }),
    "SO_TXTIME",
  );
  const encoded = ipv4.encode(checkSendControls({ localAddress: "127.0.0.1" })!, 4) as Uint8Array;
  // cmsghdr of 12 bytes, in_pktinfo of 12: interface, source, nothing.
  assertEquals([...encoded], [24, 0, 0, 0, 0, 0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0]);
  // The kernel takes the interface and ignores the address.
  const both = ipv4.encode(checkSendControls({ localAddress: "127.0.0.1", interface: 3 })!, 4);
  assertEquals(both, -DARWIN.errno.ENOTSUP);
});
