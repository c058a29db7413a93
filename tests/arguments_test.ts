/**
 * Wrong arguments and wrong moments: each gives the error that Node gives, by class, code and message.
 *
 * @module
 */
import { inspect } from "node:util";
import { assertEquals, assertStrictEquals } from "@std/assert";
import { createSocket, Socket } from "../mod.ts";
import { nextEvent, test, type Tools } from "./support/harness.ts";
import { type CreateSocket, testAlike } from "./support/reference.ts";

/** A call that must be refused: method, arguments, code, message. */
type Refused = readonly [method: string, args: readonly unknown[], code: string, message: string];

/** An error as a program tells it from others. */
type Outcome = readonly [call: string, type: string, code: string | undefined, message: string];

const TYPES: Record<string, string> = {
  ERR_BUFFER_OUT_OF_BOUNDS: "RangeError",
  ERR_INVALID_ARG_TYPE: "TypeError",
  ERR_INVALID_ARG_VALUE: "TypeError",
  ERR_MISSING_ARGS: "TypeError",
  ERR_OUT_OF_RANGE: "RangeError",
  ERR_SOCKET_BAD_BUFFER_SIZE: "TypeError",
  ERR_SOCKET_BAD_PORT: "RangeError",
  ERR_SOCKET_BAD_TYPE: "TypeError",
};

const callback = (): void => {};
class Thing {}

/** Values that are no port, and how messages name them. */
const NO_PORTS: readonly [unknown, string][] = [
  [-1, "type number (-1)"],
  [65_536, "type number (65536)"],
  [1.5, "type number (1.5)"],
  [NaN, "type number (NaN)"],
  [Infinity, "type number (Infinity)"],
  ["", "type string ('')"],
  [" ", "type string (' ')"],
  ["x", "type string ('x')"],
  ["-1", "type string ('-1')"],
  ["65536", "type string ('65536')"],
  ["28 characters, as few others", "type string ('28 characters, as few others')"],
  ["29 characters and not one more", "type string ('29 characters and not one...')"],
  ["it's", `type string ("it's")`],
  ["a\nb", "type string ('a\nb')"],
  [12345678901234567890123456789n, "type bigint (12345678901234567890123456789n)"],
  [true, "type boolean (true)"],
  [5n, "type bigint (5n)"],
  [Symbol("s"), "type symbol (Symbol(s))"],
  [{}, "an instance of Object"],
  [[], "an instance of Array"],
  [new Thing(), "an instance of Thing"],
  [Object.create(null), "[Object: null prototype] {}"],
];

/** What is no port where 0 is none and there must be one. */
const NO_DESTINATION_PORTS: readonly [unknown, string][] = [
  ...NO_PORTS,
  [0, "type number (0)"],
  ["0", "type string ('0')"],
  [null, "null"],
  [undefined, "undefined"],
];

const badPort = (received: string): string => `Port should be > 0 and < 65536. Received ${received}.`;
const mustBe = (name: string, expected: string, received: string): string =>
  `The "${name}" ${name.includes(".") ? "property" : "argument"} must be ${expected}. Received ${received}`;
const noString = (name: string, received: string): string => mustBe(name, "of type string", received);
const noNumber = (name: string, received: string): string => mustBe(name, "of type number", received);
const noBytes = (received: string, name = "buffer"): string =>
  mustBe(name, "of type string or an instance of Buffer, TypedArray, or DataView", received);
const outside = (name: string): string => `"${name}" is outside of buffer bounds`;
const BAD_TYPE = "Bad socket type specified. Valid types are: udp4, udp6";
const BAD_BUFFER_SIZE = "Buffer size must be a positive integer";
const NO_RESOLUTION = "must be a numeric IP address";
const STATE = {
  bound: ["ERR_SOCKET_ALREADY_BOUND", "Socket is already bound"],
  connected: ["ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected"],
  notConnected: ["ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected"],
  notRunning: ["ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running"],
} as const;

const CREATION: readonly Refused[] = [
  ...[undefined, null, true, 4, "", "udp", "UDP4", "udp4 ", [], new Thing(), Symbol("udp4"), callback].flatMap((
    value,
  ) => [
    ["createSocket", [value], "ERR_SOCKET_BAD_TYPE", BAD_TYPE] as const,
    ["createSocket", [{ type: value }], "ERR_SOCKET_BAD_TYPE", BAD_TYPE] as const,
  ]),
  ["createSocket", [{}], "ERR_SOCKET_BAD_TYPE", BAD_TYPE],
  ...["recvBufferSize", "sendBufferSize"].flatMap((option) => {
    const name = `options.${option}`;
    const refused = (value: unknown, code: string, message: string): Refused => [
      "createSocket",
      [{ type: "udp4", [option]: value }],
      code,
      message,
    ];
    const outOfRange = (value: number, range: string): Refused =>
      refused(
        value,
        "ERR_OUT_OF_RANGE",
        `The value of "${name}" is out of range. It must be ${range}. Received ${value}`,
      );
    return [
      refused("1", "ERR_INVALID_ARG_TYPE", noNumber(name, "type string ('1')")),
      refused(true, "ERR_INVALID_ARG_TYPE", noNumber(name, "type boolean (true)")),
      refused({}, "ERR_INVALID_ARG_TYPE", noNumber(name, "an instance of Object")),
      outOfRange(1.5, "an integer"),
      outOfRange(Infinity, "an integer"),
      outOfRange(-1, ">= 0 && <= 4294967295"),
      outOfRange(2 ** 32, ">= 0 && <= 4294967295"),
    ];
  }),
  ...([[null, "null"], [1, "type number (1)"], ["x", "type string ('x')"], [{}, "an instance of Object"]] as const)
    .map(([lookup, received]): Refused => [
      "createSocket",
      [{ type: "udp4", lookup }],
      "ERR_INVALID_ARG_TYPE",
      mustBe("lookup", "of type function", received),
    ]),
  ...([[null, "null"], [1, "type number (1)"], ["x", "type string ('x')"], [{}, "an instance of Object"]] as const)
    .map(([signal, received]): Refused => [
      "createSocket",
      [{ type: "udp4", signal }],
      "ERR_INVALID_ARG_TYPE",
      mustBe("options.signal", "an instance of AbortSignal", received),
    ]),
  ...["receiveBlockList", "sendBlockList"].flatMap((option) =>
    ([[1, "type number (1)"], ["x", "type string ('x')"], [{}, "an instance of Object"]] as const)
      .map(([list, received]): Refused => [
        "createSocket",
        [{ type: "udp4", [option]: list }],
        "ERR_INVALID_ARG_TYPE",
        mustBe(`options.${option}`, "an net.BlockList", received),
      ])
  ),
];

const BINDING: readonly Refused[] = [
  ...NO_PORTS.map(([port, received]): Refused => [
    "bindSync",
    [{ port }],
    "ERR_SOCKET_BAD_PORT",
    `options.port should be >= 0 and < 65536. Received ${received}.`,
  ]),
  ...([[null, "null"], ["x", "type string ('x')"], [5, "type number (5)"], [[], "an instance of Array"], [
    callback,
    "function callback",
  ]] as const)
    .map(([options, received]): Refused => [
      "bindSync",
      [options],
      "ERR_INVALID_ARG_TYPE",
      mustBe("options", "of type object", received),
    ]),
  ["bindSync", [{ address: 5 }], "ERR_INVALID_ARG_TYPE", noString("options.address", "type number (5)")],
  ["bindSync", [{ address: {} }], "ERR_INVALID_ARG_TYPE", noString("options.address", "an instance of Object")],
  [
    "bindSync",
    [{ address: "localhost" }],
    "ERR_INVALID_ARG_VALUE",
    `The property 'options.address' ${NO_RESOLUTION}; bindSync does not perform DNS resolution. Received 'localhost'`,
  ],
];

const CONNECTING: readonly Refused[] = [
  ...["connect", "connectSync"].flatMap((method) =>
    NO_DESTINATION_PORTS.map(([port, received]): Refused => [method, [port], "ERR_SOCKET_BAD_PORT", badPort(received)])
  ),
  ["connect", [], "ERR_SOCKET_BAD_PORT", badPort("undefined")],
  ["connect", [callback], "ERR_SOCKET_BAD_PORT", badPort("function callback")],
  ["connect", [9, null], "ERR_INVALID_ARG_TYPE", noString("address", "null")],
  ["connect", [9, 5], "ERR_INVALID_ARG_TYPE", noString("address", "type number (5)")],
  ["connectSync", [9, 5], "ERR_INVALID_ARG_TYPE", noString("address", "type number (5)")],
  ["connectSync", [9, callback], "ERR_INVALID_ARG_TYPE", noString("address", "function callback")],
  [
    "connectSync",
    [9, "localhost"],
    "ERR_INVALID_ARG_VALUE",
    `The argument 'address' ${NO_RESOLUTION}; connectSync does not perform DNS resolution. Received 'localhost'`,
  ],
];

const NO_MESSAGES: readonly [unknown, string][] = [
  [undefined, "undefined"],
  [null, "null"],
  [5, "type number (5)"],
  [5n, "type bigint (5n)"],
  [true, "type boolean (true)"],
  [{}, "an instance of Object"],
  [callback, "function callback"],
  [new ArrayBuffer(2), "an instance of ArrayBuffer"],
  [new Set(), "an instance of Set"],
];
const NO_PARTS: readonly unknown[][] = [[1], ["a", null], ["a", ["b"]], [{}], [new ArrayBuffer(2)]];
const NO_SLICES: readonly [number, number, string][] = [
  [4, 0, "offset"],
  [-1, 1, "offset"],
  [0, 4, "length"],
  [1, 3, "length"],
  [3, 1, "length"],
  [1, -1, "length"],
];

/** What is refused whether or not the socket is connected. */
function badMessages(...destination: unknown[]): Refused[] {
  return [
    ...NO_MESSAGES.flatMap(([message, received]): Refused[] => [
      ["send", [message, ...destination], "ERR_INVALID_ARG_TYPE", noBytes(received)],
      ["send", [message, 0, 1, ...destination], "ERR_INVALID_ARG_TYPE", noBytes(received)],
    ]),
    ...NO_PARTS.map((parts): Refused => [
      "send",
      [parts, ...destination],
      "ERR_INVALID_ARG_TYPE",
      noBytes("an instance of Array", "buffer list arguments"),
    ]),
    ["send", [["abc"], 0, 1, ...destination], "ERR_INVALID_ARG_TYPE", noBytes("an instance of Array")],
    ...NO_SLICES.map(([offset, length, name]): Refused => [
      "send",
      ["abc", offset, length, ...destination],
      "ERR_BUFFER_OUT_OF_BOUNDS",
      outside(name),
    ]),
  ];
}

const SENDING: readonly Refused[] = [
  ...badMessages(9),
  ...badMessages(9, "127.0.0.1"),
  ...NO_DESTINATION_PORTS.flatMap(([port, received]): Refused[] => [
    ["send", ["a", port], "ERR_SOCKET_BAD_PORT", badPort(received)],
    ["send", ["abc", 0, 1, port, "127.0.0.1"], "ERR_SOCKET_BAD_PORT", badPort(received)],
  ]),
  ["send", ["a"], "ERR_SOCKET_BAD_PORT", badPort("undefined")],
  ["send", ["a", callback], "ERR_SOCKET_BAD_PORT", badPort("function callback")],
  ["send", ["a", undefined, callback], "ERR_SOCKET_BAD_PORT", badPort("undefined")],
  ["send", ["a", 9, 5], "ERR_INVALID_ARG_TYPE", noString("address", "type number (5)")],
  ["send", ["a", 9, true], "ERR_INVALID_ARG_TYPE", noString("address", "type boolean (true)")],
  ["send", ["a", 9, {}], "ERR_INVALID_ARG_TYPE", noString("address", "an instance of Object")],
  ["send", ["abc", 0, 1, 9, 5], "ERR_INVALID_ARG_TYPE", noString("address", "type number (5)")],
  ["send", ["abc", 0, 1, 9, false], "ERR_INVALID_ARG_TYPE", noString("address", "type boolean (false)")],
  ["sendto", [], "ERR_INVALID_ARG_TYPE", noNumber("offset", "undefined")],
  ["sendto", ["abc", "0", 1, 9, "::1"], "ERR_INVALID_ARG_TYPE", noNumber("offset", "type string ('0')")],
  ["sendto", ["abc", 0, "1", 9, "::1"], "ERR_INVALID_ARG_TYPE", noNumber("length", "type string ('1')")],
  ["sendto", ["abc", 0, 1, "9", "::1"], "ERR_INVALID_ARG_TYPE", noNumber("port", "type string ('9')")],
  ["sendto", ["abc", 0, 1, 9], "ERR_INVALID_ARG_TYPE", noString("address", "undefined")],
  ["sendto", ["abc", 0, 1, 9, null], "ERR_INVALID_ARG_TYPE", noString("address", "null")],
  ["sendto", ["abc", 0, 1, 0, "127.0.0.1"], "ERR_SOCKET_BAD_PORT", badPort("type number (0)")],
  ["sendto", ["abc", 0, 4, 9, "127.0.0.1"], "ERR_BUFFER_OUT_OF_BOUNDS", outside("length")],
  ["sendto", [5, 0, 1, 9, "127.0.0.1"], "ERR_INVALID_ARG_TYPE", noBytes("type number (5)")],
];

const OPTIONS: readonly Refused[] = [
  ...["setTTL", "setMulticastTTL"].flatMap((method) => [
    [method, [], "ERR_INVALID_ARG_TYPE", noNumber("ttl", "undefined")] as const,
    [method, [null], "ERR_INVALID_ARG_TYPE", noNumber("ttl", "null")] as const,
    [method, ["1"], "ERR_INVALID_ARG_TYPE", noNumber("ttl", "type string ('1')")] as const,
    [method, [true], "ERR_INVALID_ARG_TYPE", noNumber("ttl", "type boolean (true)")] as const,
    [method, [256], "EINVAL", `${method} EINVAL`] as const,
    [method, [-1], "EINVAL", `${method} EINVAL`] as const,
  ]),
  ["setTTL", [0], "EINVAL", "setTTL EINVAL"],
  ["setTTL", [NaN], "EINVAL", "setTTL EINVAL"],
  ...["setRecvBufferSize", "setSendBufferSize"].flatMap((method) =>
    [undefined, null, "1", true, {}, -1, 1.5, NaN, Infinity, 2 ** 32].map((value) =>
      [method, [value], "ERR_SOCKET_BAD_BUFFER_SIZE", BAD_BUFFER_SIZE] as const
    )
  ),
  ["setRecvBufferSize", [2 ** 31], "ERR_SOCKET_BUFFER_SIZE", bufferSizeFailure("recv", "EINVAL", "invalid argument")],
  ["setSendBufferSize", [2 ** 31], "ERR_SOCKET_BUFFER_SIZE", bufferSizeFailure("send", "EINVAL", "invalid argument")],
  ["setMulticastInterface", [], "ERR_INVALID_ARG_TYPE", noString("interfaceAddress", "undefined")],
  ["setMulticastInterface", [5], "ERR_INVALID_ARG_TYPE", noString("interfaceAddress", "type number (5)")],
  ["setMulticastInterface", [""], "EINVAL", "setMulticastInterface EINVAL"],
  ...["addMembership", "dropMembership"].flatMap((method) => [
    ...[undefined, null, "", 0].map((group) =>
      [method, [group], "ERR_MISSING_ARGS", 'The "multicastAddress" argument must be specified'] as const
    ),
    [method, ["x"], "EINVAL", `${method} EINVAL`] as const,
    [method, [5], "EINVAL", `${method} EINVAL`] as const,
  ]),
  ["addMembership", ["127.0.0.1"], "EINVAL", "addMembership EINVAL"],
  ["dropMembership", ["127.0.0.1"], "EADDRNOTAVAIL", "dropMembership EADDRNOTAVAIL"],
  ...["addSourceSpecificMembership", "dropSourceSpecificMembership"].flatMap((method) => [
    [method, [], "ERR_INVALID_ARG_TYPE", noString("sourceAddress", "undefined")] as const,
    [method, [1, "232.1.1.1"], "ERR_INVALID_ARG_TYPE", noString("sourceAddress", "type number (1)")] as const,
    [method, ["127.0.0.1"], "ERR_INVALID_ARG_TYPE", noString("groupAddress", "undefined")] as const,
    [method, ["127.0.0.1", 1], "ERR_INVALID_ARG_TYPE", noString("groupAddress", "type number (1)")] as const,
    [method, ["x", "232.1.1.1"], "EINVAL", `${method} EINVAL`] as const,
    [method, ["127.0.0.1", "x"], "EINVAL", `${method} EINVAL`] as const,
  ]),
];

function bufferSizeFailure(direction: "recv" | "send", code: string, text: string): string {
  return `Could not get or set buffer size: uv_${direction}_buffer_size returned ${code} (${text})`;
}

/** What needs a descriptor, called before there is one. */
const TOO_EARLY: readonly Refused[] = [
  ["address", [], "EBADF", "getsockname EBADF"],
  ["setBroadcast", [true], "EBADF", "setBroadcast EBADF"],
  ["setTTL", [5], "EBADF", "setTTL EBADF"],
  ["setMulticastTTL", [5], "EBADF", "setMulticastTTL EBADF"],
  ["setMulticastLoopback", [true], "EBADF", "setMulticastLoopback EBADF"],
  ["setMulticastInterface", ["127.0.0.1"], "EBADF", "setMulticastInterface EBADF"],
  ["getRecvBufferSize", [], "ERR_SOCKET_BUFFER_SIZE", bufferSizeFailure("recv", "EBADF", "bad file descriptor")],
  ["getSendBufferSize", [], "ERR_SOCKET_BUFFER_SIZE", bufferSizeFailure("send", "EBADF", "bad file descriptor")],
  ["setRecvBufferSize", [9000], "ERR_SOCKET_BUFFER_SIZE", bufferSizeFailure("recv", "EBADF", "bad file descriptor")],
  ["setSendBufferSize", [9000], "ERR_SOCKET_BUFFER_SIZE", bufferSizeFailure("send", "EBADF", "bad file descriptor")],
  ["remoteAddress", [], ...STATE.notConnected],
  ["disconnect", [], ...STATE.notConnected],
];

const ON_BOUND: readonly Refused[] = [
  ...[[], [0], [{}], [callback]].map((args): Refused => ["bind", args, ...STATE.bound]),
  ...[[], [{}], [{ port: -1 }], [{ address: 5 }]].map((args): Refused => ["bindSync", args, ...STATE.bound]),
  ["bindSync", [null], "ERR_INVALID_ARG_TYPE", mustBe("options", "of type object", "null")],
  ["remoteAddress", [], ...STATE.notConnected],
  ["disconnect", [], ...STATE.notConnected],
];

const ON_CONNECTED: readonly Refused[] = [
  ["connect", [9], ...STATE.connected],
  ["connect", [9, "::1", callback], ...STATE.connected],
  ["connect", [0], "ERR_SOCKET_BAD_PORT", badPort("type number (0)")],
  ["connectSync", [9], ...STATE.connected],
  ["connectSync", [9, "localhost"], ...STATE.connected],
  ["connectSync", [9, 5], ...STATE.connected],
  ["connectSync", [0], "ERR_SOCKET_BAD_PORT", badPort("type number (0)")],
  ["bind", [], ...STATE.bound],
  ...badMessages(),
  ["send", ["a", 0, 1, 9], ...STATE.connected],
  ["send", ["a", 0, 1, 9, "127.0.0.1"], ...STATE.connected],
  ["send", ["a", 0, 1, 0, "127.0.0.1"], ...STATE.connected],
  ["send", ["a", 0, 1, undefined, callback], ...STATE.connected],
  ["send", ["a", undefined, undefined, undefined, "127.0.0.1"], ...STATE.connected],
  ["sendto", ["a", 0, 1, 9, "127.0.0.1"], ...STATE.connected],
];

/** What Node refuses with this same error on a closed socket. */
const ON_CLOSED: readonly Refused[] = [
  ["bind", [], ...STATE.notRunning],
  ["bindSync", [], ...STATE.notRunning],
  ["bindSync", [{ port: -1 }], ...STATE.notRunning],
  ["connectSync", [9], ...STATE.notRunning],
  ["connectSync", [0], ...STATE.notRunning],
  ["send", ["a", 9], ...STATE.notRunning],
  ["sendto", ["a", 0, 1, 9, "127.0.0.1"], ...STATE.notRunning],
  ["send", ["a", 0], "ERR_SOCKET_BAD_PORT", badPort("type number (0)")],
  ["address", [], ...STATE.notRunning],
  ["remoteAddress", [], ...STATE.notRunning],
  ["disconnect", [], ...STATE.notConnected],
  ["addMembership", ["224.0.0.114"], ...STATE.notRunning],
  ["dropMembership", ["224.0.0.114"], ...STATE.notRunning],
  ["addSourceSpecificMembership", ["127.0.0.1", "232.1.1.1"], ...STATE.notRunning],
  ["dropSourceSpecificMembership", ["127.0.0.1", "232.1.1.1"], ...STATE.notRunning],
  ["setMulticastInterface", ["127.0.0.1"], ...STATE.notRunning],
  ["close", [], ...STATE.notRunning],
];

/** What Node refuses with a TypeError of the engine's making. */
const ON_CLOSED_OURS: readonly Refused[] = [
  ["connect", [9], ...STATE.notRunning],
  ["setBroadcast", [true], ...STATE.notRunning],
  ["setTTL", [5], ...STATE.notRunning],
  ["setMulticastTTL", [5], ...STATE.notRunning],
  ["setMulticastLoopback", [true], ...STATE.notRunning],
  ["getRecvBufferSize", [], ...STATE.notRunning],
  ["getSendBufferSize", [], ...STATE.notRunning],
  ["setRecvBufferSize", [9000], ...STATE.notRunning],
  ["setSendBufferSize", [9000], ...STATE.notRunning],
  ["getSendQueueSize", [], ...STATE.notRunning],
  ["getSendQueueCount", [], ...STATE.notRunning],
  ["bindToDevice", ["lo"], ...STATE.notRunning],
];

/** Makes all calls on one object, and compares what they throw. */
function assertRefused(object: object, calls: readonly Refused[]): void {
  const methods = object as Record<string, (...args: unknown[]) => unknown>;
  const name = ([method, args]: Refused): string => `${method}(${args.map((arg) => inspect(arg)).join(", ")})`;
  const actual = calls.map((call): Outcome => {
    try {
      methods[call[0]](...call[1]);
      return [name(call), "", undefined, "is accepted"];
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      return [name(call), typeName(error), code, message];
    }
  });
  const expected = calls.map((call): Outcome => [name(call), TYPES[call[2]] ?? "Error", call[2], call[3]]);
  assertEquals(actual, expected);
}

function typeName(error: unknown): string {
  return [TypeError, RangeError, Error].find((Type) => error instanceof Type)?.name ?? "";
}

function made(t: Tools, create: CreateSocket): Socket {
  const socket = create("udp4");
  socket.on("error", callback);
  return t.track(socket);
}

async function bound(t: Tools, create: CreateSocket): Promise<Socket> {
  const socket = made(t, create);
  const listening = nextEvent(socket, "listening");
  socket.bind(0, "127.0.0.1");
  await listening;
  return socket;
}

async function connected(t: Tools, create: CreateSocket): Promise<Socket> {
  const socket = await bound(t, create);
  const connection = nextEvent(socket, "connect");
  socket.connect(9, "127.0.0.1");
  await connection;
  return socket;
}

async function closedSocket(t: Tools, create: CreateSocket): Promise<Socket> {
  const socket = await bound(t, create);
  await new Promise<void>((resolve) => socket.close(resolve));
  return socket;
}

testAlike("createSocket() refuses wrong arguments", (_t, create) => {
  assertRefused({ createSocket: create }, CREATION);
});

test("new Socket() refuses what createSocket() refuses", () => {
  const construct = (...args: ConstructorParameters<typeof Socket>): Socket => new Socket(...args);
  assertRefused({ createSocket: construct }, CREATION);
});

test("createSocket() refuses numbers that are no descriptor", () => {
  const name = "options.fd";
  const range = `The value of "${name}" is out of range. It must be an integer >= 0 && <= 2147483647. Received`;
  assertRefused({ createSocket }, [
    ["createSocket", [{ fd: "3" }], "ERR_INVALID_ARG_TYPE", noNumber(name, "type string ('3')")],
    ["createSocket", [{ fd: {} }], "ERR_INVALID_ARG_TYPE", noNumber(name, "an instance of Object")],
    ["createSocket", [{ fd: -1 }], "ERR_OUT_OF_RANGE", `${range} -1`],
    ["createSocket", [{ fd: 1.5 }], "ERR_OUT_OF_RANGE", `${range} 1.5`],
    ["createSocket", [{ fd: NaN }], "ERR_OUT_OF_RANGE", `${range} NaN`],
    ["createSocket", [{ fd: 2 ** 31 }], "ERR_OUT_OF_RANGE", `${range} 2147483648`],
    ["createSocket", [{ fd: 0, type: "udp" }], "ERR_SOCKET_BAD_TYPE", BAD_TYPE],
    ["createSocket", [{ fd: null }], "ERR_SOCKET_BAD_TYPE", BAD_TYPE],
  ]);
});

testAlike("options that are falsy and no type count as left out", (t, create) => {
  for (const value of [undefined, null, 0, NaN, "", false]) {
    const options = { recvBufferSize: value, sendBufferSize: value, receiveBlockList: value, sendBlockList: value };
    const socket = t.track(create({ type: "udp4", ...options } as unknown as "udp4"));
    assertStrictEquals(socket.type, "udp4");
  }
});

testAlike("a second argument of createSocket() that is no function is ignored", (t, create) => {
  for (const value of [1, "x", null, {}]) {
    assertStrictEquals(t.track(create("udp4", value as unknown as () => void)).listenerCount("message"), 0);
  }
});

testAlike("bindSync() refuses wrong arguments and leaves the socket unbound", (t, create) => {
  const socket = made(t, create);
  assertRefused(socket, BINDING);
  assertStrictEquals(socket.bindSync({ address: "127.0.0.1" }).address, "127.0.0.1");
});

testAlike("connect() and connectSync() refuse wrong arguments and leave the socket unconnected", (t, create) => {
  const socket = made(t, create);
  assertRefused(socket, CONNECTING);
  socket.connectSync(9);
  assertStrictEquals(socket.remoteAddress().port, 9);
});

testAlike("send() and sendto() refuse wrong arguments", async (t, create) => {
  assertRefused(await bound(t, create), SENDING);
});

testAlike("a refused send() does not bind the socket", (t, create) => {
  const socket = made(t, create);
  assertRefused(socket, SENDING);
  assertRefused(socket, [["address", [], "EBADF", "getsockname EBADF"]]);
  socket.bindSync();
});

testAlike("the methods that set options refuse wrong arguments", async (t, create) => {
  assertRefused(await bound(t, create), OPTIONS);
});

testAlike("setTTL() and setMulticastTTL() take numbers as a C int, and return them as they are", async (t, create) => {
  const socket = await bound(t, create);
  for (const ttl of [1, 255, 1.5, 255.9, 2 ** 32 + 5]) assertStrictEquals(socket.setTTL(ttl), ttl);
  for (const ttl of [0, 255, 0.5, NaN, Infinity, 2 ** 32]) assertStrictEquals(socket.setMulticastTTL(ttl), ttl);
});

testAlike("before bind() there is no address, no peer and no option", (t, create) => {
  assertRefused(made(t, create), TOO_EARLY);
});

testAlike("a failed call's error has errno, code and syscall", (t, create) => {
  try {
    made(t, create).address();
  } catch (error) {
    const { errno, code, syscall } = error as NodeJS.ErrnoException;
    return assertEquals({ errno, code, syscall }, { errno: -9, code: "EBADF", syscall: "getsockname" });
  }
  throw new Error("address() is accepted");
});

testAlike("a failed buffer size call says so in its error's info", (t, create) => {
  try {
    made(t, create).getRecvBufferSize();
  } catch (error) {
    const { name, errno, syscall, info } = error as NodeJS.ErrnoException & { info: object };
    const failure = { errno: -9, syscall: "uv_recv_buffer_size" };
    assertEquals({ name, errno, syscall }, { name: "SystemError", ...failure });
    return assertEquals({ ...info }, { ...failure, code: "EBADF", message: "bad file descriptor" });
  }
  throw new Error("getRecvBufferSize() is accepted");
});

testAlike("a bound socket refuses to be bound, and has no peer", async (t, create) => {
  assertRefused(await bound(t, create), ON_BOUND);
});

testAlike("while bind() is under way a second one is refused, and connectSync() as well", async (t, create) => {
  const socket = made(t, create);
  const listening = nextEvent(socket, "listening");
  socket.bind(0, "127.0.0.1");
  assertRefused(socket, [
    ["bind", [], ...STATE.bound],
    ["bindSync", [], ...STATE.bound],
    ["connectSync", [9], ...STATE.bound],
    ["address", [], "EBADF", "getsockname EBADF"],
  ]);
  await listening;
});

testAlike("while connect() is under way the socket counts as connected for connect() only", async (t, create) => {
  const socket = made(t, create);
  const connection = nextEvent(socket, "connect");
  socket.connect(9, "127.0.0.1");
  assertRefused(socket, [
    ["connect", [9], ...STATE.connected],
    ["connectSync", [9], ...STATE.connected],
    ["disconnect", [], ...STATE.notConnected],
    ["remoteAddress", [], ...STATE.notConnected],
    ["bind", [], ...STATE.bound],
    ["bindSync", [], ...STATE.bound],
    ["send", ["a"], "ERR_SOCKET_BAD_PORT", badPort("undefined")],
  ]);
  await connection;
});

testAlike("a connected socket refuses a second peer, a destination, and wrong messages", async (t, create) => {
  assertRefused(await connected(t, create), ON_CONNECTED);
});

testAlike("a closed socket refuses everything as not running", async (t, create) => {
  assertRefused(await closedSocket(t, create), ON_CLOSED);
});

test("a closed socket refuses as not running what Node has no error of its own for", async (t) => {
  assertRefused(await closedSocket(t, createSocket), ON_CLOSED_OURS);
});

testAlike("ref() and unref() do nothing on a closed socket", async (t, create) => {
  const socket = await closedSocket(t, create);
  assertStrictEquals(socket.ref(), socket);
  assertStrictEquals(socket.unref(), socket);
});

testAlike("bindSync() throws what bind(2) says", async (t, create) => {
  const { port } = (await bound(t, create)).address();
  assertRefused(made(t, create), [
    ["bindSync", [{ port, address: "127.0.0.1" }], "EADDRINUSE", `bind EADDRINUSE 127.0.0.1:${port}`],
    ["bindSync", [{ address: "192.0.2.77" }], "EADDRNOTAVAIL", "bind EADDRNOTAVAIL 192.0.2.77"],
    ["bindSync", [{ address: "::1" }], "EINVAL", "bind EINVAL ::1"],
  ]);
});

testAlike("connectSync() throws what connect(2) says", (t, create) => {
  assertRefused(made(t, create), [["connectSync", [9, "::1"], "EINVAL", "connect EINVAL ::1:9"]]);
});
