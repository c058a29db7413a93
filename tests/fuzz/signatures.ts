/**
 * What methods expect: so that an input is wrong in one argument, and the others let it get as far as that.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Random } from "./random.ts";
import { madeUpBytes, madeUpObject, madeUpValue, type Mischief } from "./values.ts";

/** Whose methods are called. */
export type Kind = "udp" | "unix" | "promises";

/** What the arguments of one case are made of. */
export interface Ingredients {
  readonly random: Random;
  readonly mischief: Mischief;
  readonly version: 4 | 6;
  /** The port of a socket that takes all. */
  readonly peerPort: number;
  /** The path of such a socket. */
  readonly peerPath: string;
}

type Maker = (from: Ingredients) => unknown;

const loopback = ({ version }: Ingredients): string => version === 4 ? "127.0.0.1" : "::1";
const keysOf = (text: string): string[] => text.split(" ");
const SEND_KEYS = keysOf("port address signal localAddress interface ttl tos dscp ecn dontFragment txTime");
const UNIX_KEYS = keysOf("path fds credentials signal");

/** Descriptors are never good by chance: one that is could be this process's own. */
const NO_DESCRIPTORS = [-1, "1", 0.5, NaN, 1e9, null, {}, 2 ** 31 - 1, true];

/** Good arguments by the names that the signatures below give them. */
const GOOD: Readonly<Record<string, Maker>> = {
  port: ({ peerPort, random }) => random.oneIn(5) ? String(peerPort) : peerPort,
  anyPort: () => 0,
  address: loopback,
  path: ({ peerPath }) => peerPath,
  ownPath: ({ random }) => random.oneIn(2) ? `@fuzz-${random.below(1e9)}` : `own-${random.below(50)}`,
  callback: ({ mischief }) => mischief.newCallback(),
  bytes: ({ random, mischief }) => random.oneIn(2) ? "message" : madeUpBytes(random, mischief),
  pieces: (from) => Array.from({ length: from.random.below(4) }, () => GOOD.bytes!(from)),
  many: (from) =>
    Array.from({ length: from.random.below(6) }, () => from.random.oneIn(2) ? "one" : GOOD.addressed!(from)),
  offset: ({ random }) => random.below(4),
  length: ({ random }) => random.below(6),
  flag: ({ random }) => random.oneIn(2),
  number: ({ random }) => random.pick([0, 1, 2, 63, 64, 128, 255, 256]),
  size: ({ random }) => random.pick([1024, 65_536, 1 << 20]),
  group: ({ version }) => version === 4 ? "224.0.0.114" : "ff02::114",
  ssmGroup: ({ version }) => version === 4 ? "232.1.1.114" : "ff3e::1234",
  interface: ({ version }) => version === 4 ? "127.0.0.1" : "::1%lo",
  device: () => "lo",
  mode: ({ random }) => random.pick(["dont", "want", "do", "probe", "interface", "omit"]),
  clock: ({ random }) => random.pick(["realtime", "monotonic", "tai"]),
  program: () => [{ code: 6, jt: 0, jf: 0, k: 0xffff }],
  level: ({ random }) => random.pick(["SOL_SOCKET", "IPPROTO_IP", "IPPROTO_IPV6", 1, 0, 41, 17]),
  option: ({ random }) => random.pick(["SO_RCVBUF", "SO_PRIORITY", "IP_TOS", "IP_TTL", "IPV6_TCLASS", 7, 12, 2]),
  value: ({ random }) => random.oneIn(2) ? random.below(100) : Buffer.alloc(random.below(9)),
  bindOptions: (from) => made(from, "port address exclusive fd signal", { port: () => 0, address: loopback }),
  connectOptions: (from) => made(from, "port address signal", { port: GOOD.port!, address: loopback }),
  sendOptions: (from) => made(from, SEND_KEYS.join(" "), SEND_GOOD),
  addressed: (from) => made(from, `message path fds ${SEND_KEYS.join(" ")}`, SEND_GOOD),
  request: (from) => made(from, `timeout retries match anySource ${SEND_KEYS.join(" ")}`, SEND_GOOD),
  unixBind: (from) => made(from, "path fd", { path: GOOD.ownPath! }),
  unixSend: (from) => made(from, UNIX_KEYS.join(" "), { path: GOOD.path! }),
  unixMany: (from) =>
    Array.from({ length: from.random.below(6) }, () =>
      made(from, `message ${UNIX_KEYS.join(" ")}`, {
        message: GOOD.bytes!,
        path: GOOD.path!,
      })),
};

const SEND_GOOD: Readonly<Record<string, Maker>> = {
  message: (from) => GOOD.bytes!(from),
  port: (from) => GOOD.port!(from),
  address: loopback,
  ttl: () => 9,
  timeout: () => 1,
  retries: () => 0,
};

function made(from: Ingredients, keys: string, good: Readonly<Record<string, Maker>>): object {
  const { random, mischief } = from;
  const wanted = keysOf(keys).filter((key) => key in good ? !random.oneIn(6) : random.oneIn(4));
  const object = madeUpObject(random, mischief, 0, wanted.filter((key) => key !== "fd"), (key) => good[key]?.(from));
  if (wanted.includes("fd")) Reflect.set(object, "fd", random.pick(NO_DESCRIPTORS));
  return object;
}

/** `method: one form of arguments | another form`. */
const SIGNATURES: Readonly<Record<Kind | "node", string>> = {
  node: `
    bind: anyPort address callback | bindOptions callback | anyPort callback | callback
    bindSync: bindOptions
    connect: port address callback | port callback
    connectSync: port address
    disconnect:
    send: bytes port address callback | pieces port address callback | bytes offset length port address callback | bytes callback
    sendto: bytes offset length port address callback
    close: callback
    address:
    remoteAddress:
    ref:
    unref:
    setBroadcast: flag
    setTTL: number
    setMulticastTTL: number
    setMulticastLoopback: flag
    setMulticastInterface: interface
    addMembership: group interface
    dropMembership: group interface
    addSourceSpecificMembership: address ssmGroup interface
    dropSourceSpecificMembership: address ssmGroup interface
    setRecvBufferSize: size
    setSendBufferSize: size
    getRecvBufferSize:
    getSendBufferSize:
    getSendQueueSize:
    getSendQueueCount:`,
  udp: `
    send: bytes sendOptions callback | pieces sendOptions callback
    sendMany: many port address callback | many sendOptions callback | many callback
    sendSync: bytes port address | pieces sendOptions
    pause:
    resume:
    isPaused:
    getStatistics:
    bindToDevice: device
    setPriority: number
    setMark: number
    setBusyPoll: number
    getMemoryInfo:
    getDropCount:
    getNextDatagramSize:
    getOutputQueueSize:
    setTOS: number
    setDSCP: number
    setECN: number
    setMTUDiscover: mode
    setDontFragment: flag
    getPathMTU:
    setFreebind: flag
    setTransparent: flag
    setRecvNetworkErrors: flag
    getErrorQueueOverruns:
    addMembershipOnAllInterfaces: group
    dropMembershipOnAllInterfaces: group
    setMulticastAll: flag
    blockSource: address group interface
    unblockSource: address group interface
    setRecvLocalAddress: flag
    setRecvOriginalAddress: flag
    setRecvTTL: flag
    setRecvTOS: flag
    setRecvTimestamp: flag
    setRecvTruncated: flag
    setRecvSegmentSize: flag
    setRecvDropCount: flag
    setSendTimestamp: flag
    setTxTimeClock: clock
    attachFilter: program
    detachFilter:
    lockFilter:
    attachReusePortFilter: program
    detachReusePortFilter:
    getsockopt: level option length
    setsockopt: level option value`,
  unix: `
    bind: ownPath callback | unixBind callback | callback
    bindSync: ownPath | unixBind
    connect: path callback
    connectSync: path
    disconnect:
    send: bytes path callback | bytes unixSend callback | bytes callback | bytes offset length path callback | pieces path callback
    sendMany: unixMany path callback | unixMany unixSend callback | pieces callback
    sendSync: bytes path | pieces unixSend
    close: callback
    address:
    remoteAddress:
    getPeerCredentials:
    ref:
    unref:
    pause:
    resume:
    isPaused:
    getStatistics:
    getSendQueueSize:
    getSendQueueCount:
    getRecvBufferSize:
    getSendBufferSize:
    setRecvBufferSize: size
    setSendBufferSize: size
    getsockopt: level option length
    setsockopt: level option value
    addMembership: group`,
  promises: `
    bind: anyPort address bindOptions | bindOptions
    connect: port address connectOptions | connectOptions
    send: bytes port address | bytes sendOptions | pieces sendOptions
    sendMany: many port address | many sendOptions
    request: bytes port address | bytes request
    receive: sendOptions
    close:
    disconnect:
    address:
    remoteAddress:
    ref:
    unref:`,
};

/** A method with the forms of its arguments. */
interface Method {
  readonly name: string;
  readonly forms: readonly (readonly string[])[];
}

function methodsOf(text: string): Method[] {
  return text.trim().split("\n").map((line) => {
    const [name, forms] = line.trim().split(/: ?/);
    return { name: name!, forms: forms!.split(" | ").map((form) => form.split(" ").filter(Boolean)) };
  });
}

const node = methodsOf(SIGNATURES.node);

/** All methods of each kind of socket, and those that Node's has. */
export const METHODS: Readonly<Record<Kind | "node", readonly Method[]>> = {
  node,
  udp: [...node, ...methodsOf(SIGNATURES.udp)],
  unix: methodsOf(SIGNATURES.unix),
  promises: methodsOf(SIGNATURES.promises),
};

/** A call with made-up arguments. */
export interface MadeUpCall {
  readonly method: string;
  readonly values: readonly unknown[];
}

/** Makes up a call: most of its arguments are good. */
export function madeUpCall(methods: readonly Method[], from: Ingredients): MadeUpCall {
  const { random, mischief } = from;
  const { name, forms } = random.pick(methods);
  const form = random.pick(forms);
  const values = form.map((kind) => random.oneIn(3) ? madeUpValue(random, mischief) : GOOD[kind]!(from));
  if (random.oneIn(6)) values.length = random.below(values.length + 1);
  if (random.oneIn(10)) values.push(madeUpValue(random, mischief));
  return { method: name, values };
}
