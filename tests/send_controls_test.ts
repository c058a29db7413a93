/**
 * What is remembered of destinations and of what single datagrams are sent with, and what must not be; paths and payloads.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { encodeAddress } from "../ffi/wire/sockaddr.ts";
import { checkSendControls, isMappedName, isSendOptions, SendControlsEncoder } from "../src/sending/controls.ts";
import { Paths, pathTo } from "../src/sending/path.ts";
import { byteLength, copyPayload, isBytes, lengthOf, ownCopy } from "../src/sending/payload.ts";
import { Segments } from "../src/sending/segments.ts";
import type { SendControls } from "../src/sending/types.ts";
import { Destinations, ZonedDestinations } from "../src/endpoint/destinations.ts";
import { test } from "./support/harness.ts";
import { LINUX, scriptedInterfaces, ScriptedLibc } from "./support/scripted_libc.ts";

const { errno } = LINUX;

/** An encoder on a system whose interfaces are in a table. */
function encoderWith(version: 4 | 6 = 4, abi = LINUX) {
  const table = new Map([[1, "lo"], [3, "eth0"]]);
  const { libc } = new ScriptedLibc(scriptedInterfaces(table, abi), abi);
  const socket = { version, hasTxTime: false, typeOfServiceOf: (wire: 4 | 6) => wire === 4 ? 0b101_01 : 0b110_10 };
  const encoder = new SendControlsEncoder(libc, socket);
  return {
    table,
    libc,
    socket,
    encoder,
    encode: (controls: SendControls, wire: 4 | 6 = version) => encoder.encode(checkSendControls(controls)!, wire),
    check: (controls: SendControls) => encoder.check(checkSendControls(controls)!),
  };
}

/** The last data of encoded controls, as numbers. */
const lastInt = (encoded: unknown): number => {
  assert(encoded instanceof Uint8Array);
  return new DataView(encoded.buffer).getInt32(encoded.length - 8, true);
};

test("an interface's name is looked up each time, so that it leads to the interface that bears it now", () => {
  const { encode, table } = encoderWith();
  const first = encode({ interface: "eth0" }) as Uint8Array;
  assert(encode({ interface: "eth0" }) === first);
  assertEquals(first[16], 3);
  table.set(4, "eth0").delete(3);
  assertEquals((encode({ interface: "eth0" }) as Uint8Array)[16], 4);
  table.delete(4);
  assertEquals(encode({ interface: "eth0" }), -errno.ENODEV);
  assertEquals((encode({ interface: 3 }) as Uint8Array)[16], 3);
});

test("a local address's zone names the interface if nothing else does", () => {
  const { encode, table } = encoderWith(6);
  const indexOf = (controls: SendControls): unknown => (encode(controls) as Uint8Array)[32];
  assertEquals(indexOf({ localAddress: "fe80::1%eth0" }), 3);
  assertEquals(indexOf({ localAddress: "fe80::1%eth0", interface: "lo" }), 1);
  assertEquals(indexOf({ localAddress: "fe80::1" }), 0);
  table.clear();
  assertEquals(encode({ localAddress: "fe80::1%eth0" }), -errno.ENODEV);
});

test("a destination with a zone is remembered for a moment only, as its interface may be another by then", () => {
  const { libc } = encoderWith(6);
  const network = { revision: 0 };
  let time = 5;
  const destinations = new ZonedDestinations(network as never, () => time);
  const encoded = encodeAddress(libc, 6, "fe80::1%eth0", 9)!;
  const known = (): boolean => destinations.get("fe80::1%eth0", 9) === encoded;
  destinations.set("fe80::1%eth0", 9, encoded);
  assertEquals([known(), (time += 0.2, known())], [true, true]);
  assertEquals([(time += 0.1, known()), known()], [false, false]);
  destinations.set("fe80::1%eth0", 9, encoded);
  assertEquals([known(), (network.revision++, known())], [true, false]);
});

test("destinations are the same object each time", () => {
  const { libc } = encoderWith(6);
  const destinations = new Destinations({ revision: 0 } as never);
  const [plain, other] = ["fd00::1", "fd00::2"].map((address) => encodeAddress(libc, 6, address, 9)!);
  destinations.set("fd00::1", 9, plain);
  destinations.set("fd00::2", 9, other);
  assert(destinations.get("fd00::1", 9) === plain && destinations.get("fd00::1", 9) === plain);
  assertEquals([destinations.get("fd00::1", 8), destinations.get("fd00::3", 9)], [undefined, undefined]);
});

test("destinations are forgotten if the program may have given up a permission", () => {
  const network = { revision: 0 };
  const destinations = new Destinations(network as never);
  destinations.set("10.0.0.1", 9, new Uint8Array(1));
  assert(destinations.get("10.0.0.1", 9));
  network.revision++;
  assertEquals(destinations.get("10.0.0.1", 9), undefined);
});

test("controls that are alike are one object, and those that differ in anything are another", () => {
  const { encode } = encoderWith();
  const kinds: SendControls[] = [
    ...[{ ttl: 1 }, { ttl: 2 }, { tos: 1 }, { interface: 1 }, { interface: 3 }, { txTime: 1n }, { txTime: 2n }],
    ...[{ localAddress: "10.0.0.1" }, { localAddress: "10.0.0.2" }, { localAddress: "10.0.0.1", ttl: 1 }],
  ];
  const first = kinds.map((controls) => encode(controls));
  assertEquals(new Set(first).size, kinds.length);
  assertEquals(kinds.map((controls, i) => encode({ ...controls }) === first[i]), kinds.map(() => true));
  for (const controls of kinds) assert(encode(controls) === encode(controls));
  const six = encoderWith(6);
  assert(six.encode({ tos: 1 }, 6) !== six.encode({ tos: 1 }, 4));
  assert(six.encode({ dontFragment: true }) !== six.encode({ dontFragment: false }));
});

test("what is remembered is bounded", () => {
  const { encode } = encoderWith();
  const first = encode({ txTime: 0n });
  for (let i = 1n; i < 256n; i++) encode({ txTime: i });
  assert(encode({ txTime: 0n }) === first);
  encode({ txTime: 256n });
  encode({ txTime: 257n });
  assert(encode({ txTime: 0n }) !== first);
});

test("parts of the type of service that were not given are the socket's", () => {
  const { encode } = encoderWith(6);
  assertEquals(lastInt(encode({ tos: 7 })), 7);
  assertEquals(lastInt(encode({ dscp: 5, ecn: 1 })), 21);
  assertEquals(lastInt(encode({ dscp: 5 }, 6)), 5 << 2 | 0b10);
  assertEquals(lastInt(encode({ ecn: 3 }, 6)), 0b110_11);
  assertEquals(lastInt(encode({ dscp: 5 }, 4)), 5 << 2 | 0b01);
  assertEquals(lastInt(encode({ ecn: 0 }, 4)), 0b101_00);
});

test("a source address goes by its own protocol; a mapped one by IPv4", () => {
  const { encode } = encoderWith(6);
  const bytes = (encoded: unknown): number[] => [...(encoded as Uint8Array).subarray(16)];
  assertEquals(bytes(encode({ localAddress: "::ffff:10.0.0.1" }, 4)).slice(4, 8), [10, 0, 0, 1]);
  assertEquals(encode({ localAddress: "::ffff:10.0.0.1" }, 6), -errno.EINVAL);
  assertEquals(encode({ localAddress: "fd00::1" }, 4), -errno.EINVAL);
  for (const address of ["::fffe:10.0.0.1", "1::ffff:10.0.0.1", "::1:ffff:10.0.0.1", "::feff:10.0.0.1"]) {
    assertEquals(encode({ localAddress: address }, 4), -errno.EINVAL, address);
  }
  assertEquals(bytes(encode({ localAddress: "fd00::1" }, 6)).slice(0, 2), [0xfd, 0]);
  assertEquals((encoderWith(4).encode({ localAddress: "10.0.0.1" }) as Uint8Array).length, 32);
  assertEquals(encode({ dontFragment: true }, 4), -errno.ENOTSUP);
  const { libc } = encoderWith(6);
  assertEquals(["::ffff:10.0.0.1", "::1", "fd00::1"].map((ip) => isMappedName(LINUX, encodeAddress(libc, 6, ip, 1)!)), [
    ...[true, false, false],
  ]);
});

/** What is refused, with the error's code and a part of its message. */
const REFUSED: [SendControls | Record<string, unknown>, code: string, part: string][] = [
  [{ localAddress: 5 }, "ERR_INVALID_ARG_TYPE", '"options.localAddress" property must be of type string'],
  [{ localAddress: "here" }, "ERR_INVALID_ARG_VALUE", "'options.localAddress' must be an IP address"],
  [{ interface: {} }, "ERR_INVALID_ARG_TYPE", '"options.interface" property must be one of type string or number'],
  [{ interface: "" }, "ERR_INVALID_ARG_VALUE", "'options.interface' must not be empty"],
  [{ interface: 0 }, "ERR_OUT_OF_RANGE", '"options.interface" is out of range. It must be >= 1 && <= 2147483647'],
  [{ ttl: 0 }, "ERR_OUT_OF_RANGE", '"options.ttl" is out of range. It must be >= 1 && <= 255'],
  [{ ttl: 256 }, "ERR_OUT_OF_RANGE", '"options.ttl"'],
  [{ tos: -1 }, "ERR_OUT_OF_RANGE", '"options.tos" is out of range. It must be >= 0 && <= 255'],
  [{ dscp: 64 }, "ERR_OUT_OF_RANGE", '"options.dscp" is out of range. It must be >= 0 && <= 63'],
  [{ ecn: 4 }, "ERR_OUT_OF_RANGE", '"options.ecn" is out of range. It must be >= 0 && <= 3'],
  [
    { tos: 0, dscp: 0 },
    "ERR_INCOMPATIBLE_OPTION_PAIR",
    '"options.tos" cannot be used in combination with option "options.dscp"',
  ],
  [{ tos: 0, ecn: 0 }, "ERR_INCOMPATIBLE_OPTION_PAIR", '"options.ecn"'],
  [{ dontFragment: 1 }, "ERR_INVALID_ARG_TYPE", '"options.dontFragment" property must be of type boolean'],
  [{ txTime: 5 }, "ERR_INVALID_ARG_TYPE", '"options.txTime" property must be of type bigint'],
  [{ txTime: -1n }, "ERR_OUT_OF_RANGE", '"options.txTime" is out of range. It must be >= 0n && < 2n ** 64n'],
  [{ txTime: 2n ** 64n }, "ERR_OUT_OF_RANGE", '"options.txTime"'],
];

test("controls are checked one by one", () => {
  for (const [controls, code, part] of REFUSED) {
    const error = assertThrows(() => checkSendControls(controls as SendControls), Error, part);
    assertEquals((error as Error & { code: string }).code, code);
  }
  const good: SendControls = {
    ...{ localAddress: "10.0.0.1", interface: 0x7fffffff, ttl: 255, tos: 255, dscp: undefined, ecn: undefined },
    ...{ dontFragment: false, txTime: 2n ** 64n - 1n },
  };
  assertEquals<unknown>(checkSendControls(good), good);
  for (
    const edge of [{ ttl: 1 }, { tos: 0 }, { dscp: 63 }, { dscp: 0 }, { ecn: 3 }, { ecn: 0 }, { txTime: 0n }, {
      interface: 1,
    }]
  ) {
    assertEquals<unknown>(
      Object.fromEntries(Object.entries(checkSendControls(edge)!).filter(([, value]) => value !== undefined)),
      edge,
    );
  }
  assertEquals([checkSendControls({}), checkSendControls({ ttl: undefined })], [undefined, undefined]);
});

test("options are told from other arguments by their names", () => {
  const names = ["port", "address", "localAddress", "interface", "ttl", "tos", "dscp", "ecn", "dontFragment", "txTime"];
  assertEquals(names.map((name) => isSendOptions({ [name]: undefined })), names.map(() => true));
  assertEquals([{}, null, undefined, 5, "port", () => {}, [], { other: 1 }].map(isSendOptions), Array(8).fill(false));
});

test("what the socket or the system cannot do is said before anything is sent", () => {
  const { check, socket } = encoderWith(4);
  assertThrows(() => check({ localAddress: "::1" }), TypeError, "must be an IPv4 address");
  assertThrows(() => encoderWith(6).check({ localAddress: "10.0.0.1" }), TypeError, "must be an IPv6 address");
  assertThrows(() => check({ dontFragment: true }), TypeError, "IP_DONTFRAG for single datagrams is unavailable");
  assertThrows(() => check({ txTime: 1n }), TypeError, "has no clock before setTxTimeClock()");
  socket.hasTxTime = true;
  check({ txTime: 1n, ttl: 1, localAddress: "10.0.0.1" });
  const { check: onMac } = encoderWith(4, DARWIN);
  for (const controls of [{ tos: 1 }, { dscp: 1 }, { ecn: 1 }]) {
    assertThrows(() => onMac(controls), TypeError, "IP_TOS");
  }
  assertThrows(() => onMac({ ttl: 1 }), TypeError, "IP_TTL");
  onMac({ localAddress: "10.0.0.1" });
});

test("a path is loopback or has a size that every router passes on", () => {
  const { libc } = encoderWith(6);
  const of = (ip: string): unknown => {
    const version = ip.includes(":") ? 6 : 4;
    const at = version === 4 ? 4 : 8;
    const { byIPv4, isLoopback, sure, limit, limitUntil } = new Paths(version, at).to(
      encodeAddress(libc, version, ip, 1)!,
    );
    assertEquals([limit, limitUntil], [Infinity, 0]);
    return [byIPv4, isLoopback, sure];
  };
  assertEquals(["127.0.0.1", "127.255.0.9", "::ffff:127.0.0.1"].map(of), Array(3).fill([true, true, Infinity]));
  assertEquals(["10.0.0.1", "128.0.0.1", "::ffff:10.0.0.1"].map(of), Array(3).fill([true, false, 524]));
  assertEquals(of("::1"), [false, true, Infinity]);
  for (
    const ip of [
      "::2",
      "1::1",
      "::1:1",
      "::7f00:1",
      "::1:ffff:127.0.0.1",
      "::feff:127.0.0.1",
      "::fffe:127.0.0.1",
      "fd00::1",
    ]
  ) {
    assertEquals(of(ip), [false, false, 1232], ip);
  }
  const paths = new Paths(4, 4);
  const address = encodeAddress(libc, 4, "10.0.0.1", 1)!;
  assert(paths.to(address) === paths.to(address));
  assertEquals(pathTo(4, Uint8Array.of(127, 0, 0, 1)).isLoopback, true);
});

test("a payload has as many bytes as its array or its pieces", () => {
  const lying = Object.defineProperty(new Uint8Array(4), "length", { value: 99 });
  assertEquals([lengthOf(lying), byteLength(lying), lengthOf([lying, new Uint8Array(3)]), lengthOf([])], [4, 4, 7, 0]);
  const target = new Uint8Array(8);
  copyPayload([Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)], 3, target, 2);
  copyPayload(Uint8Array.of(9), 1, target, 0);
  copyPayload(structuredCloneAway(new Uint8Array(3)), 0, target, 0);
  copyPayload([structuredCloneAway(new Uint8Array(3)), Uint8Array.of(7)], 1, target, 7);
  assertEquals([...target], [9, 0, 1, 2, 3, 0, 0, 7]);
  const own = ownCopy([Uint8Array.of(1), Uint8Array.of(2)]);
  assertEquals([[...own], own.buffer.byteLength], [[1, 2], 2]);
  const inherits = Object.create(Uint8Array.prototype);
  assertEquals(
    [new Uint8Array(), Buffer.alloc(1), inherits, new Proxy(new Uint8Array(), {}), new Int8Array(), "x"].map(isBytes),
    [
      ...[true, true, false, false, false, false],
    ],
  );
});

/** Takes an array's memory away. */
function structuredCloneAway(bytes: Uint8Array): Uint8Array {
  structuredClone(0, { transfer: [bytes.buffer as ArrayBuffer] });
  return bytes;
}

test("segments are the messages in place, and a copy has memory of its own", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  const segments = new Segments(bytes, 2, 3);
  assertEquals(segments.messages().map((message) => [...message]), [[1, 2], [3, 4], [5]]);
  const copy = segments.copy();
  bytes.fill(0);
  assertEquals([[...copy.bytes], copy.size, copy.count], [[1, 2, 3, 4, 5], 2, 3]);
});
