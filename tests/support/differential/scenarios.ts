/**
 * The differential check's table: every method in every state, every method with good and bad arguments, creation with good and
 * bad options, and random sequences of calls. All of it for both protocols, and the same in every run.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { randomIntegers } from "../random.ts";
import {
  ANY,
  CALLBACK,
  GROUP,
  LOOKUP,
  LOOPBACK,
  LOOPBACK_INTERFACE,
  NOT_LOCAL,
  OTHER_GROUP,
  OTHER_INTERFACE,
  OTHER_LOOPBACK,
  OTHER_SSM_GROUP,
  PEER_PORT,
  PEER_PORT_TEXT,
  SOCKET_TYPE,
  SSM_GROUP,
  textOf,
} from "./arguments.ts";
import { type Call, callText, type Scenario, type State } from "./scenario.ts";

const SEED = 20_261_123;
const SEQUENCES_PER_PROTOCOL = 100;

type Values = readonly unknown[];

function call(method: string, ...values: unknown[]): Call {
  return { method, values };
}

const BIND = call("bind", 0, LOOPBACK);
const CONNECT = call("connect", PEER_PORT, LOOPBACK);
const SEND = call("send", "x", PEER_PORT, LOOPBACK, CALLBACK);
const bound = { call: BIND, until: "listening" };
const connected = { call: CONNECT, until: "connect" };

const STATES: Readonly<Record<string, State>> = {
  unbound: {},
  binding: { justBefore: [BIND] },
  "failing to bind": { justBefore: [call("bind", 0, NOT_LOCAL)] },
  bound: { before: [bound] },
  "after a failed bind": { before: [{ call: call("bind", 0, NOT_LOCAL), until: "error" }] },
  connecting: { before: [bound], justBefore: [CONNECT] },
  "connecting unbound": { justBefore: [CONNECT] },
  connected: { before: [bound, connected] },
  "connected unbound": { before: [connected] },
  disconnected: { before: [bound, connected], justBefore: [call("disconnect")] },
  "closing while binding": { justBefore: [BIND, call("close")] },
  "closing in the queue": { justBefore: [CONNECT, call("close")] },
  "just closed": { before: [bound], justBefore: [call("close")] },
  closed: { before: [bound, { call: call("close"), until: "close" }] },
};

/** A call of every method that succeeds on a socket in the right state. */
const GOOD_CALLS: readonly Call[] = [
  call("bind", 0, LOOPBACK, CALLBACK),
  call("bind"),
  call("bindSync", { address: LOOPBACK }),
  call("connect", PEER_PORT, LOOPBACK, CALLBACK),
  call("connect", PEER_PORT),
  call("connectSync", PEER_PORT, LOOPBACK),
  call("disconnect"),
  SEND,
  call("send", "x", PEER_PORT),
  call("send", "x", CALLBACK),
  call("sendto", "hello", 1, 3, PEER_PORT, LOOPBACK, CALLBACK),
  call("close", CALLBACK),
  call("close"),
  call("address"),
  call("remoteAddress"),
  call("ref"),
  call("unref"),
  call("setBroadcast", true),
  call("setTTL", 64),
  call("setMulticastTTL", 4),
  call("setMulticastLoopback", true),
  call("setMulticastInterface", LOOPBACK_INTERFACE),
  call("addMembership", GROUP, LOOPBACK_INTERFACE),
  call("dropMembership", GROUP, LOOPBACK_INTERFACE),
  call("addSourceSpecificMembership", LOOPBACK, SSM_GROUP, LOOPBACK_INTERFACE),
  call("dropSourceSpecificMembership", LOOPBACK, SSM_GROUP, LOOPBACK_INTERFACE),
  call("getRecvBufferSize"),
  call("getSendBufferSize"),
  call("setRecvBufferSize", 8192),
  call("setSendBufferSize", 8192),
  call("getSendQueueSize"),
  call("getSendQueueCount"),
];

class Odd {}

const NOT_STRINGS: Values = [undefined, null, 5, true, {}, [], new Odd(), Symbol("s"), 5n, () => {}];
const NOT_NUMBERS: Values = [undefined, null, "5", "", true, {}, [], new Odd(), Symbol("s"), 5n, NaN, Infinity];
const ODD_NUMBERS: Values = [0, -0, -1, 1.5, 255, 256, 300, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 32 + 4];
/** Not -0, at which Node aborts. */
const SIZES: Values = [...ODD_NUMBERS.filter((size) => !Object.is(size, -0)), 2 ** 31 - 1, 100_000];
const BAD_PORTS: Values = [
  undefined,
  null,
  0,
  -1,
  1.5,
  65_536,
  1e10,
  NaN,
  Infinity,
  "",
  " ",
  "0",
  "x",
  "-1",
  "65536",
  "1.5",
  true,
  false,
  {},
  [],
  [80],
  new Odd(),
  Object.create(null),
  Symbol("s"),
  80n,
];
const BYTES = Buffer.from("0123456789");
const BAD_MESSAGES: Values = [undefined, null, 5, true, {}, new Odd(), new ArrayBuffer(3), Symbol("s"), 5n, [5], [
  null,
]];

/** Argument lists for one method, each tried in the states where it matters most. */
interface Arguments {
  readonly method: string;
  readonly states: readonly string[];
  readonly lists: readonly Values[];
  /** For checks that do not know the protocol. */
  readonly onlyIPv4?: boolean;
}

const ARGUMENTS: readonly Arguments[] = [
  {
    method: "bind",
    states: ["unbound"],
    lists: [
      [0],
      ["0"],
      [undefined, LOOPBACK],
      [null, LOOPBACK],
      ["", LOOPBACK],
      ["x", LOOPBACK],
      [NaN, LOOPBACK],
      [65_536, LOOPBACK],
      [0.5, LOOPBACK],
      [false, LOOPBACK],
      [[], LOOPBACK],
      [0, ""],
      [0, null],
      [0, undefined, CALLBACK],
      [0, CALLBACK],
      [CALLBACK],
      [0, ANY],
      [0, OTHER_LOOPBACK],
      [0, OTHER_LOOPBACK, CALLBACK],
      [0, NOT_LOCAL],
      [0, NOT_LOCAL, CALLBACK],
      [0, LOOPBACK, "no function"],
      [PEER_PORT, LOOPBACK],
      [PEER_PORT_TEXT, LOOPBACK],
      [PEER_PORT, LOOPBACK, CALLBACK],
      [{}],
      [{}, CALLBACK],
      [{ port: 0 }],
      [{ port: 0, address: LOOPBACK }],
      [{ port: 0, address: LOOPBACK }, CALLBACK],
      [{ port: 0, address: LOOPBACK, exclusive: true }, CALLBACK],
      [{ port: "0", address: LOOPBACK }],
      [{ port: null, address: null }],
      [{ port: PEER_PORT, address: LOOPBACK }, CALLBACK],
      [{ port: 0, address: NOT_LOCAL }],
      [{ fd: -1, address: LOOPBACK }],
      [{ fd: 0.5, address: LOOPBACK }],
      [{ fd: "3", address: LOOPBACK }],
      [{ fd: null, address: LOOPBACK }],
      [{ fd: 99_999, address: LOOPBACK }],
      [[], CALLBACK],
      [{ port: 0, address: LOOPBACK }, LOOPBACK, CALLBACK],
      ...[5, {}, [], true, 5n, new Odd()].flatMap((address) => [[0, address], [{ port: 0, address }]]),
      [0, [LOOPBACK]],
      [0, false],
      [{ fd: Symbol("fd") }],
    ],
  },
  {
    method: "bind",
    states: ["resolving by itself"],
    lists: [
      [0, "peer.test"],
      [0, "peer.test", CALLBACK],
      [0, "nowhere.test"],
      [0, "nowhere.test", CALLBACK],
      [0, LOOPBACK, CALLBACK],
      [0, CALLBACK],
      [0, 5],
      [0, {}],
    ],
  },
  {
    method: "bindSync",
    states: ["unbound"],
    lists: [
      [],
      [{}],
      [undefined],
      [null],
      ["x"],
      [5],
      [[]],
      [() => {}],
      [{ port: 0, address: ANY }],
      [{ port: PEER_PORT, address: LOOPBACK }],
      [{ port: "0", address: LOOPBACK }],
      [{ port: null, address: LOOPBACK }],
      [{ address: "" }],
      [{ address: "peer.test" }],
      [{ address: OTHER_LOOPBACK }],
      [{ address: NOT_LOCAL }],
      [{ address: LOOPBACK, exclusive: true }],
    ],
  },
  {
    method: "bindSync",
    states: ["unbound"],
    onlyIPv4: true,
    lists: [
      ...BAD_PORTS.filter((port) => port !== 0 && port !== "0").map((port) => [{ port, address: LOOPBACK }]),
      ...NOT_STRINGS.map((address) => [{ address }]),
    ],
  },
  {
    method: "connect",
    states: ["bound", "unbound"],
    lists: [
      [PEER_PORT, CALLBACK],
      [PEER_PORT_TEXT, LOOPBACK, CALLBACK],
      [PEER_PORT, ""],
      [PEER_PORT, "", CALLBACK],
      [PEER_PORT, undefined, CALLBACK],
      [PEER_PORT, OTHER_LOOPBACK],
      [PEER_PORT, OTHER_LOOPBACK, CALLBACK],
      [PEER_PORT, LOOPBACK, "no function"],
    ],
  },
  {
    method: "connect",
    states: ["bound"],
    onlyIPv4: true,
    lists: [...BAD_PORTS.map((port) => [port]), ...NOT_STRINGS.slice(1).map((address) => [PEER_PORT, address])],
  },
  {
    method: "connect",
    states: ["resolving by itself", "bound, resolving by itself"],
    lists: [
      [PEER_PORT, "peer.test", CALLBACK],
      [PEER_PORT, "peer.test"],
      [PEER_PORT, "nowhere.test", CALLBACK],
      [PEER_PORT, "nowhere.test"],
      [PEER_PORT],
    ],
  },
  {
    method: "connectSync",
    states: ["bound", "unbound"],
    lists: [
      [PEER_PORT],
      [PEER_PORT_TEXT],
      [PEER_PORT, ""],
      [PEER_PORT, "peer.test"],
      [PEER_PORT, OTHER_LOOPBACK],
    ],
  },
  {
    method: "connectSync",
    states: ["bound"],
    onlyIPv4: true,
    lists: [...BAD_PORTS.map((port) => [port, LOOPBACK]), ...NOT_STRINGS.map((address) => [PEER_PORT, address])],
  },
  {
    method: "send",
    states: ["unbound", "bound", "connected"],
    lists: [
      [],
      ["x"],
      ["", CALLBACK],
      [[], CALLBACK],
      [["a", BYTES], CALLBACK],
      [BYTES, 2, 3, CALLBACK],
      [BYTES, 2, 3],
      [BYTES, 8, 3, CALLBACK],
      [BYTES, 0, 0, CALLBACK],
      ["x", PEER_PORT, CALLBACK],
      ["", PEER_PORT, LOOPBACK, CALLBACK],
      [[], PEER_PORT, LOOPBACK, CALLBACK],
      [["a", BYTES, new Uint16Array([0x4242])], PEER_PORT, LOOPBACK, CALLBACK],
      [new DataView(BYTES.buffer, BYTES.byteOffset, 4), PEER_PORT, LOOPBACK, CALLBACK],
      ["x", PEER_PORT_TEXT, LOOPBACK, CALLBACK],
      ["x", PEER_PORT, "", CALLBACK],
      ["x", PEER_PORT, null, CALLBACK],
      ["x", PEER_PORT, undefined, CALLBACK],
      ["x", PEER_PORT, OTHER_LOOPBACK, CALLBACK],
      ["x", PEER_PORT, OTHER_LOOPBACK],
      ["x", PEER_PORT, LOOPBACK, "no function"],
      [BYTES, 2, 3, PEER_PORT, LOOPBACK, CALLBACK],
      [BYTES, 2, 3, PEER_PORT, CALLBACK],
      [BYTES, 2, 3, PEER_PORT],
      [BYTES, "2", "3", PEER_PORT, LOOPBACK, CALLBACK],
      [BYTES, 11, 0, PEER_PORT, LOOPBACK],
      [BYTES, -1, 3, PEER_PORT, LOOPBACK],
      [BYTES, 8, 3, PEER_PORT, LOOPBACK],
      [BYTES, 1.7, 2.9, PEER_PORT, LOOPBACK, CALLBACK],
      [BYTES, NaN, 3, PEER_PORT, LOOPBACK, CALLBACK],
      [BYTES, undefined, 3, PEER_PORT, LOOPBACK, CALLBACK],
      ["0123456789", 2, 3, PEER_PORT, LOOPBACK, CALLBACK],
      ["\u00e4\u20ac", 0, 2, PEER_PORT, LOOPBACK, CALLBACK],
      [["a"], 0, 1, PEER_PORT, LOOPBACK],
      [Buffer.alloc(65_536), PEER_PORT, LOOPBACK, CALLBACK],
      [Buffer.alloc(65_536), PEER_PORT, LOOPBACK],
      [Buffer.alloc(65_536), CALLBACK],
      [Buffer.alloc(2 ** 20 + 1), PEER_PORT, LOOPBACK, CALLBACK],
    ],
  },
  {
    method: "send",
    states: ["bound"],
    onlyIPv4: true,
    lists: [
      ...BAD_MESSAGES.map((message) => [message, PEER_PORT, LOOPBACK, CALLBACK]),
      ...BAD_MESSAGES.map((message) => [message, 0, 1, PEER_PORT, LOOPBACK]),
      ...BAD_PORTS.map((port) => ["x", port, LOOPBACK]),
      ...BAD_PORTS.map((port) => ["x", port]),
      ...BAD_PORTS.map((port) => [BYTES, 0, 1, port, LOOPBACK, CALLBACK]),
      ...NOT_STRINGS.map((address) => ["x", PEER_PORT, address, CALLBACK]),
      ...NOT_STRINGS.map((address) => [BYTES, 0, 1, PEER_PORT, address, CALLBACK]),
    ],
  },
  {
    method: "send",
    states: ["connected"],
    onlyIPv4: true,
    lists: [
      ...BAD_MESSAGES.map((message) => [message, CALLBACK]),
      [BYTES, 0, 1, 0, CALLBACK],
      [BYTES, 0, 1, null, CALLBACK],
      [BYTES, 0, 1, CALLBACK, LOOPBACK],
      ["x", undefined, undefined, CALLBACK],
      ["x", undefined, CALLBACK],
      ["x", 1, CALLBACK],
    ],
  },
  {
    method: "send",
    states: ["resolving by itself", "bound, resolving by itself"],
    lists: [
      ["x", PEER_PORT, "peer.test", CALLBACK],
      ["x", PEER_PORT, "peer.test"],
      ["x", PEER_PORT, "nowhere.test", CALLBACK],
      ["x", PEER_PORT, "nowhere.test"],
      ["x", PEER_PORT, LOOPBACK, CALLBACK],
      ["x", PEER_PORT, CALLBACK],
      ["x", PEER_PORT],
    ],
  },
  {
    method: "sendto",
    states: ["bound", "connected"],
    onlyIPv4: true,
    lists: [
      [],
      ...NOT_NUMBERS.map((offset) => [BYTES, offset, 1, PEER_PORT, LOOPBACK, CALLBACK]),
      ...NOT_NUMBERS.map((length) => [BYTES, 0, length, PEER_PORT, LOOPBACK, CALLBACK]),
      ...NOT_NUMBERS.map((port) => [BYTES, 0, 1, port, LOOPBACK, CALLBACK]),
      ...NOT_STRINGS.map((address) => [BYTES, 0, 1, PEER_PORT, address, CALLBACK]),
      [BYTES, 5, 6, PEER_PORT, LOOPBACK, CALLBACK],
      [BYTES, 5, 5, PEER_PORT, LOOPBACK],
    ],
  },
  { method: "close", states: ["unbound", "bound"], lists: [[undefined], [null], ["x"], [{}]] },
  {
    method: "setBroadcast",
    states: ["bound"],
    onlyIPv4: true,
    lists: [[], [false], [0], [1], ["x"], [""], [null], [{}], [Symbol("s")]],
  },
  ...["setTTL", "setMulticastTTL"].flatMap((method) =>
    ["bound", "unbound"].map((state) => ({
      method,
      states: [state],
      lists: [[], ...[...NOT_NUMBERS, ...ODD_NUMBERS].map((ttl) => [ttl])],
    }))
  ),
  {
    method: "setMulticastLoopback",
    states: ["bound"],
    lists: [[], [false], [0], [1], [16], [-1], ["x"], [""], [null], [{}]],
  },
  {
    method: "setMulticastInterface",
    states: ["bound"],
    lists: [
      ...NOT_STRINGS.map((value) => [value]),
      [""],
      ["x"],
      ["lo"],
      [ANY],
      [LOOPBACK],
      [OTHER_LOOPBACK],
      [NOT_LOCAL],
      [OTHER_INTERFACE],
      ["::"],
      ["::%lo"],
      ["::%1"],
      ["::%nosuch"],
      ["::%"],
      ["127.0.0.1%lo"],
      ["224.0.0.1"],
      ["256.0.0.1"],
      ["127.1"],
    ],
  },
  ...["addMembership", "dropMembership"].map((method) => ({
    method,
    states: ["bound"],
    lists: [
      ...NOT_STRINGS.map((group) => [group, LOOPBACK_INTERFACE]),
      ...NOT_STRINGS.slice(2).map((iface) => [GROUP, iface]),
      [""],
      ["x", LOOPBACK_INTERFACE],
      [LOOPBACK, LOOPBACK_INTERFACE],
      [OTHER_LOOPBACK, LOOPBACK_INTERFACE],
      ["224.0.0.256", LOOPBACK_INTERFACE],
      ["ff02::114%lo"],
      ["ff02::zz", LOOPBACK_INTERFACE],
      [GROUP, "x"],
      [GROUP, "lo"],
      [GROUP, NOT_LOCAL],
      [GROUP, "::%nosuch"],
      [GROUP, "::%lo"],
    ],
  })),
  ...["addMembership", "dropMembership"].map((method) => ({
    method,
    states: ["bound", "unbound"],
    lists: [
      [OTHER_GROUP],
      [OTHER_GROUP, OTHER_INTERFACE],
      [OTHER_GROUP, LOOPBACK_INTERFACE],
      [GROUP, OTHER_INTERFACE],
    ],
  })),
  ...["addSourceSpecificMembership", "dropSourceSpecificMembership"].map((method) => ({
    method,
    states: ["bound", "unbound"],
    lists: [
      [OTHER_LOOPBACK, OTHER_SSM_GROUP, OTHER_INTERFACE],
      [LOOPBACK, OTHER_SSM_GROUP, OTHER_INTERFACE],
      [OTHER_LOOPBACK, OTHER_SSM_GROUP, LOOPBACK_INTERFACE],
      [LOOPBACK, SSM_GROUP, OTHER_INTERFACE],
    ],
  })),
  ...["addSourceSpecificMembership", "dropSourceSpecificMembership"].map((method) => ({
    method,
    states: ["bound"],
    lists: [
      [],
      ...NOT_STRINGS.map((source) => [source, SSM_GROUP, LOOPBACK_INTERFACE]),
      ...NOT_STRINGS.map((group) => [LOOPBACK, group, LOOPBACK_INTERFACE]),
      ...NOT_STRINGS.slice(2).map((iface) => [LOOPBACK, SSM_GROUP, iface]),
      ["", SSM_GROUP, LOOPBACK_INTERFACE],
      [LOOPBACK, "", LOOPBACK_INTERFACE],
      ["x", SSM_GROUP, LOOPBACK_INTERFACE],
      [LOOPBACK, "x", LOOPBACK_INTERFACE],
      [LOOPBACK, SSM_GROUP, "x"],
      [OTHER_LOOPBACK, SSM_GROUP, LOOPBACK_INTERFACE],
      [LOOPBACK, LOOPBACK, LOOPBACK_INTERFACE],
      [LOOPBACK, SSM_GROUP, NOT_LOCAL],
      [LOOPBACK, SSM_GROUP, "::%nosuch"],
    ],
  })),
  ...["setRecvBufferSize", "setSendBufferSize"].flatMap((method) =>
    ["bound", "unbound"].map((state) => ({
      method,
      states: [state],
      onlyIPv4: true,
      lists: [[], ...[...NOT_NUMBERS, ...SIZES].map((size) => [size])],
    }))
  ),
];

/** States of a socket with a resolver of its own. */
const RESOLVING_STATES: Readonly<Record<string, State>> = {
  "resolving by itself": {},
  "bound, resolving by itself": { before: [bound] },
};

/** Argument lists of `createSocket`, made and then bound, so that what the options do shows. */
const CREATIONS: readonly Values[] = [
  ...[...NOT_STRINGS, "", "udp", "udp5", "UDP4", "udp4 "].flatMap((type) => [[type], [{ type }]]),
  [],
  [SOCKET_TYPE],
  [SOCKET_TYPE, CALLBACK],
  [SOCKET_TYPE, "no function"],
  [SOCKET_TYPE, null],
  [{ type: SOCKET_TYPE }],
  [{ type: SOCKET_TYPE }, CALLBACK],
  ...["reuseAddr", "reusePort", "ipv6Only"].flatMap((option) =>
    [true, false, 1, "yes", null].map((value) => [{ type: SOCKET_TYPE, [option]: value }])
  ),
  ...["recvBufferSize", "sendBufferSize"].flatMap((option) =>
    // Not 2^31 either: it ends the process when the socket is bound.
    [...NOT_NUMBERS, ...SIZES.filter((size) => size !== 2 ** 31 && size !== 2 ** 31 - 1)].map((
      value,
    ) => [{ type: SOCKET_TYPE, [option]: value }])
  ),
  ...[undefined, null, "x", 5, {}, LOOKUP].map((lookup) => [{ type: SOCKET_TYPE, lookup }]),
  ...[undefined, null, "x", 5, {}, () => {}, { aborted: true }, AbortSignal.abort()].map((signal) => [
    { type: SOCKET_TYPE, signal },
  ]),
  ...["receiveBlockList", "sendBlockList"].flatMap((option) =>
    [undefined, null, 0, "x", {}, [], new Odd()].map((value) => [{ type: SOCKET_TYPE, [option]: value }])
  ),
  // Of two faults, which one is told first.
  [{ type: "x", lookup: 5 }],
  [{ type: SOCKET_TYPE, lookup: 5, signal: 5 }],
  [{ type: SOCKET_TYPE, recvBufferSize: "x", lookup: 5 }],
  [{ type: "x", recvBufferSize: "x" }],
  [{ type: "x", sendBlockList: "x" }],
  [{ type: SOCKET_TYPE, signal: 5, sendBlockList: "x" }],
];

/** Some of them with `new Socket`. */
const CONSTRUCTIONS: readonly Values[] = [
  [],
  [null],
  ["x"],
  [SOCKET_TYPE, CALLBACK],
  [{ type: SOCKET_TYPE, reuseAddr: true }],
  [{ type: SOCKET_TYPE, lookup: 5 }],
];

/** What the random sequences are made of. */
const SEQUENCE_CALLS: readonly Call[] = [
  BIND,
  BIND,
  call("bind", 0, LOOPBACK, CALLBACK),
  call("bind", PEER_PORT, LOOPBACK, CALLBACK),
  call("bindSync", { address: LOOPBACK }),
  CONNECT,
  call("connect", PEER_PORT, LOOPBACK, CALLBACK),
  call("connect", PEER_PORT, OTHER_LOOPBACK, CALLBACK),
  call("connectSync", PEER_PORT, LOOPBACK),
  call("disconnect"),
  SEND,
  SEND,
  call("send", "y", PEER_PORT, LOOPBACK),
  call("send", "z", CALLBACK),
  call("send", "z"),
  call("close", CALLBACK),
  call("close"),
  call("address"),
  call("remoteAddress"),
  call("setTTL", 64),
  call("setBroadcast", true),
  call("addMembership", GROUP, LOOPBACK_INTERFACE),
  call("dropMembership", GROUP, LOOPBACK_INTERFACE),
  call("ref"),
  call("unref"),
];

/** The table. */
export function allScenarios(): Scenario[] {
  const all = ([4, 6] as const).flatMap((version) => [
    ...inEveryState(version),
    ...withEveryArgument(version),
    ...creations(version),
    ...pairs(version),
    ...arrivals(version),
    ...sequences(version),
  ]);
  return [...new Map(all.map((scenario) => [scenario.name, scenario])).values()];
}

function inEveryState(version: 4 | 6): Scenario[] {
  return Object.entries(STATES).flatMap(([name, state]) =>
    GOOD_CALLS.map((good) => oneCall(version, name, state, [SOCKET_TYPE], good))
  );
}

function withEveryArgument(version: 4 | 6): Scenario[] {
  const those = ARGUMENTS.filter(({ onlyIPv4 }) => version === 4 || !onlyIPv4);
  return those.flatMap(({ method, states, lists }) =>
    states.flatMap((name) => {
      const resolving = RESOLVING_STATES[name];
      const creation = resolving ? [{ type: SOCKET_TYPE, lookup: LOOKUP }] : [SOCKET_TYPE];
      return lists.map((values) => oneCall(version, name, resolving ?? STATES[name], creation, { method, values }));
    })
  );
}

function oneCall(version: 4 | 6, stateName: string, state: State, creation: Values, made: Call): Scenario {
  return { name: `udp${version} ${stateName}: ${callText(made)}`, version, creation, state, turns: [[made]] };
}

function creations(version: 4 | 6): Scenario[] {
  const made = (creation: Values, constructs: boolean): Scenario => ({
    name: `udp${version} ${constructs ? "new Socket" : "createSocket"}(${creation.map(textOf).join(", ")}), bind`,
    version,
    creation,
    constructs,
    state: {},
    turns: [[BIND], [call("getRecvBufferSize"), call("getSendBufferSize")]],
  });
  const creations = version === 4 ? CREATIONS : CONSTRUCTIONS;
  return [...creations.map((values) => made(values, false)), ...CONSTRUCTIONS.map((values) => made(values, true))];
}

/** Several calls in one turn that have to do with each other. */
function pairs(version: 4 | 6): Scenario[] {
  const common = { version, creation: [SOCKET_TYPE], state: STATES.bound };
  return [
    [SEND, call("getSendQueueSize"), call("getSendQueueCount")],
    [CONNECT, SEND],
    [SEND, CONNECT],
    [SEND, call("connectSync", PEER_PORT, LOOPBACK)],
    [SEND, call("close")],
    [call("close"), call("close")],
    [CONNECT, call("close")],
    [CONNECT, CONNECT],
    [call("connectSync", PEER_PORT, LOOPBACK), call("send", "x", CALLBACK), call("disconnect")],
    [call("connectSync", PEER_PORT, LOOPBACK), call("send", "x", CALLBACK), call("close", CALLBACK)],
  ].map((calls) => ({ name: `udp${version} bound: ${calls.map(callText).join("; ")}`, ...common, turns: [calls] }));
}

/** What the peer sends. */
function arrivals(version: 4 | 6): Scenario[] {
  const common = { version, creation: [SOCKET_TYPE], receives: true, turns: [[]] };
  return ["bound", "connected"].map((name) => ({
    name: `udp${version} ${name}: receives`,
    ...common,
    state: STATES[name],
  }));
}

/** Calls at random on a new socket, one to three a turn. */
function sequences(version: 4 | 6): Scenario[] {
  const below = randomIntegers(SEED + version);
  const pick = (): Call => SEQUENCE_CALLS[below(SEQUENCE_CALLS.length)];
  return Array.from({ length: SEQUENCES_PER_PROTOCOL }, (_, number) => {
    const turns = Array.from({ length: 1 + below(4) }, () => Array.from({ length: 1 + below(3) }, pick));
    const text = turns.map((calls) => calls.map(callText).join("; ")).join(" // ");
    return { name: `udp${version} sequence ${number}: ${text}`, version, creation: [SOCKET_TYPE], state: {}, turns };
  });
}
