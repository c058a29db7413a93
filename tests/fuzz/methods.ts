/**
 * Methods with values of every kind. In Node 26 the built-in module is called with the same values: what is returned, thrown, emitted and
 * called back must be the same. Everywhere: what a call throws is an error for its caller, callbacks are called once at most, promises
 * are settled when the socket is closed, and other sockets work on.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import * as ours from "../../mod.ts";
import * as promises from "../../promises.ts";
import { comparable } from "../support/differential/accepted.ts";
import { Recorder } from "../support/differential/recorder.ts";
import { openDescriptors } from "../support/harness.ts";
import { runtime } from "../support/runtime.ts";
import { Random } from "./random.ts";
import { type Kind, type MadeUpCall, madeUpCall, METHODS } from "./signatures.ts";
import type { Attack, Subject } from "./subject.ts";
import { isExpectedError, Mischief } from "./values.ts";

type Loose = Record<string, (...values: unknown[]) => unknown>;

/** Sockets that take all that is sent to them. */
class Peers {
  readonly ports: Record<4 | 6, number> = { 4: 0, 6: 0 };
  readonly folder: string = mkdtempSync(join(tmpdir(), "dgram-ffi-fuzz-"));
  readonly path: string = join(this.folder, "peer");
  readonly #home = process.cwd();
  readonly #sockets: AsyncDisposable[] = [];
  #heard = "";

  constructor() {
    for (const version of [4, 6] as const) {
      const socket = ours.createSocket(`udp${version}`);
      this.ports[version] = socket.bindSync({ address: version === 4 ? "127.0.0.1" : "::1" }).port;
      socket.on("message", (message) => {
        const text = message.toString();
        if (text.startsWith("alive")) this.#heard = text;
      });
      socket.on("error", () => {});
      this.#sockets.push(socket);
    }
    const socket = ours.createSocket({ type: "unix_dgram", recvFds: true, recvCredentials: true });
    socket.bindSync(this.path);
    socket.on("message", () => {});
    socket.on("error", () => {});
    this.#sockets.push(socket);
    // Paths are made up, too.
    process.chdir(this.folder);
  }

  /** A datagram gets through, whatever happened to other sockets. */
  async checkAlive(number: number): Promise<void> {
    const socket = ours.createSocket("udp4");
    const text = `alive ${number}`;
    socket.send(text, this.ports[4], "127.0.0.1");
    const deadline = performance.now() + 5_000;
    while (this.#heard !== text) {
      assert(performance.now() < deadline, "a datagram of another socket did not arrive");
      await delay(1);
    }
    await socket[Symbol.asyncDispose]();
  }

  async remove(): Promise<void> {
    process.chdir(this.#home);
    for (const socket of this.#sockets) await socket[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const STATES = [
  "unbound",
  "unbound",
  "unbound",
  "bound",
  "bound",
  "bound",
  "connected",
  "connected",
  "closed",
] as const;

/** A socket with its calls, and what came of them. */
class Case {
  /** What is wrong whatever another implementation does. */
  readonly faults: string[] = [];
  readonly record = new Recorder();
  readonly #calls: MadeUpCall[] = [];
  #start = "";
  readonly #mischief: Mischief;
  readonly #pending = new Set<string>();
  #socket: Loose | undefined;
  #callbacks = 0;

  constructor(isFickle: boolean) {
    this.#mischief = new Mischief(isFickle, () => this.#newCallback());
  }

  /** The calls as text, for a finding. Made only after the calls, as it looks at values that may change when they are looked at. */
  get text(): string {
    const calls = this.#calls.map(({ method, values }) => `; ${method}(${values.map(textOf).join(", ")})`);
    return this.#start + calls.join("");
  }

  run(create: (options: unknown) => unknown, kind: Kind | "node", random: Random, peers: Peers): void {
    const version = random.oneIn(3) ? 6 : 4;
    const from = {
      random,
      mischief: this.#mischief,
      version,
      peerPort: peers.ports[version],
      peerPath: peers.path,
    } as const;
    this.record.peerPort = from.peerPort;
    const type = kind === "unix" ? "unix_dgram" : `udp${version}`;
    const socket = this.#socket = create({ type, ...(kind === "unix" ? {} : { lookup }) }) as Loose;
    this.record.socket = socket;
    this.#listen(kind === "promises" ? socket.socket as unknown as Loose : socket);
    const address = version === 4 ? "127.0.0.1" : "::1";
    const inner = (kind === "promises" ? socket.socket : socket) as unknown as Loose;
    const state = random.pick(STATES);
    this.#start = `${type} ${state}`;
    if (state !== "unbound") inner.bindSync!(kind === "unix" ? `@fuzz-${random.below(2 ** 32)}` : { address });
    if (state === "connected") {
      kind === "unix" ? inner.connectSync!(from.peerPath) : inner.connectSync!(from.peerPort, address);
    }
    if (state === "closed") inner.close!();
    for (let calls = kind === "node" ? 1 : 1 + random.below(2); calls > 0; calls--) {
      const call = madeUpCall(METHODS[kind], from);
      if (kind === "node" && isNotForNode(call.method, call.values)) continue;
      this.#calls.push(call);
      this.#perform(call.method, call.values);
    }
  }

  /** Closes the socket. */
  close(): void {
    try {
      if (this.#socket) this.#socket.close!();
    } catch {
      // It is.
    }
  }

  /** What must have happened once the socket is closed. */
  checkSettled(): void {
    if (this.#pending.size > 0) this.faults.push(`never settled: ${[...this.#pending].join(", ")}`);
  }

  #listen(socket: Loose): void {
    for (const event of ["listening", "connect", "error", "close"]) {
      socket.on!(event, (...values: unknown[]) => {
        for (const value of values) this.#checkError(`'${event}'`, value);
        this.record.add(`'${event}'`, values);
      });
    }
  }

  #perform(method: string, values: readonly unknown[]): void {
    try {
      const result = this.#socket![method]!(...values);
      if (result instanceof Promise) return this.#await(method, result);
      this.record.add(`${method} returned`, [result]);
    } catch (error) {
      this.#checkError(`${method} threw`, error);
      this.record.add(`${method} threw`, [Mischief.made(error) ? "mischief" : error]);
    }
  }

  #await(method: string, result: Promise<unknown>): void {
    this.#pending.add(method);
    result.catch((error) => this.#checkError(`${method} rejected`, error)).finally(() => this.#pending.delete(method));
  }

  #newCallback(): (...values: unknown[]) => void {
    const name = `callback ${++this.#callbacks}`;
    let called = 0;
    return (...values: unknown[]) => {
      if (++called > 1) this.faults.push(`${name} was called ${called} times`);
      for (const value of values) this.#checkError(name, value);
      this.record.add(name, values);
    };
  }

  #checkError(what: string, error: unknown): void {
    if (error instanceof Error && !isExpectedError(error)) this.faults.push(`${what}: ${error.stack}`);
  }
}

/** Knows one host, and asks nobody. */
function lookup(name: unknown, options: unknown, callback: unknown): void {
  const version = (options as { family?: number }).family === 6 ? 6 : 4;
  const answer = callback as (error: Error | null, ...result: unknown[]) => void;
  const known = ["127.0.0.1", "::1", "0.0.0.0", "::"];
  process.nextTick(() => {
    if (name === "" || known.includes(name as string)) answer(null, name || known[version === 6 ? 1 : 0], version);
    else answer(Object.assign(new Error("no such host"), { code: "ENOTFOUND" }));
  });
}

/** A value for people: whatever it is, this does not fail. */
function textOf(value: unknown): string {
  try {
    if (typeof value === "string") return JSON.stringify(value.slice(0, 30));
    if (typeof value === "symbol" || typeof value === "function") return typeof value;
    if (typeof value === "object") {
      return `${Object.prototype.toString.call(value)}${JSON.stringify(value)?.slice(0, 200)}`;
    }
    return typeof value === "bigint" ? `${value}n` : String(value);
  } catch {
    return "[what cannot be looked at]";
  }
}

/** Options of a message are not in Node; and a size of -0 ends its process. */
function isNotForNode(method: string, [first, second]: readonly unknown[]): boolean {
  if (method === "send") return typeof second === "object" && second !== null;
  return method.endsWith("BufferSize") && Object.is(first, -0);
}

/** Sockets that are open at a time. */
const GROUP = 32;
/** Turns of the event loop after which nothing more is expected. */
const TURNS = 8;

/** Exceptions that left a callback of the event loop. */
const uncaught: unknown[] = [];
let isListening = false;

/** Runs a group of cases on one implementation. */
async function runGroup(
  create: (options: unknown) => unknown,
  kind: Kind | "node",
  peers: Peers,
  randoms: readonly Random[],
  isFickle: boolean,
): Promise<Case[]> {
  if (!isListening) {
    process.on("uncaughtException", (error) => void uncaught.push(error));
    isListening = true;
  }
  const cases = randoms.map((random) => {
    const one = new Case(isFickle);
    one.run(create, kind, random, peers);
    return one;
  });
  for (let i = 0; i < TURNS; i++) await turn();
  for (const one of cases) one.close();
  for (let i = 0; i < TURNS; i++) await turn();
  for (const one of cases) one.checkSettled();
  return cases;
}

/** The generators of the cases of one group. */
const randomsOf = (random: Random): number[] => Array.from({ length: GROUP }, () => random.below(2 ** 32));

function checkFaults(cases: readonly Case[], exceptions: readonly unknown[]): void {
  const faulty = cases.filter(({ faults }) => faults.length > 0);
  const findings = [
    ...faulty.map(({ faults, text, record }) => `${text}\n  ${faults.join("\n  ")}\n  ${record.text()}`),
    ...exceptions.map((error) => `uncaught: ${(error as Error)?.stack ?? String(error)}`),
  ];
  if (findings.length > 0) throw new Error(findings.join("\n"));
}

/** What was thrown out of callbacks of the event loop, other than by what was handed in. */
function takeUncaught(): unknown[] {
  // As in Node, connect() on a socket that is being bound looks at its callback only later.
  const isNodes = (error: unknown): boolean =>
    /The "listener" argument must be of type function| checkListener /.test(`${error} ${(error as Error)?.stack}`);
  return uncaught.splice(0).filter((error) => !Mischief.made(error) && !isNodes(error));
}

/** Methods of one kind of socket, by themselves. */
function methodsOf(name: string, kind: Kind, create: (options: unknown) => unknown): Subject {
  return {
    name,
    few: 1_000,
    needsLinux: true,
    prepare(): Attack {
      const peers = new Peers();
      const before = openDescriptors().length;
      return {
        async tryCase(random, number) {
          const randoms = randomsOf(random).map((seed) => new Random(seed, 0));
          checkFaults(await runGroup(create, kind, peers, randoms, true), takeUncaught());
          if (number % 10 === 0) await peers.checkAlive(number);
          return GROUP;
        },
        async end() {
          for (let i = 0; i < 50 && openDescriptors().length > before; i++) await turn();
          const left = openDescriptors().length - before;
          await peers.remove();
          // A pool of the runtime's may have been started meanwhile.
          assert(left < 8, `${left} more descriptors are open than at the beginning`);
        },
      };
    },
  };
}

/** Methods of all kinds of sockets. */
export const methods: readonly Subject[] = [
  methodsOf("methods", "udp", (options) => ours.createSocket(options as "udp4")),
  methodsOf("unix", "unix", (options) => ours.createSocket(options as "unix_dgram")),
  methodsOf("promises", "promises", (options) => promises.createSocket(options as "udp4")),
];

/** The same calls on Node's built-in module. */
export const likeNode: Subject = {
  name: "like-node",
  few: runtime === "node" ? 1_000 : 0,
  needsLinux: true,
  prepare(): Attack {
    if (runtime !== "node") return { tryCase: () => Infinity };
    const builtin = process.getBuiltinModule("node:dgram");
    const peers = new Peers();
    return {
      async tryCase(random) {
        const seeds = randomsOf(random);
        const run = (create: (options: unknown) => unknown): Promise<Case[]> =>
          runGroup(create, "node", peers, seeds.map((seed) => new Random(seed, 0)), false);
        const theirs = await run((options) => builtin.createSocket(options as "udp4"));
        const expected = takeUncaught().map(String);
        const own = await run((options) => ours.createSocket(options as "udp4"));
        const exceptions = takeUncaught();
        // Node has more of them: it reads the arguments of a queued send() a second time.
        checkFaults(own, exceptions.filter((error) => !expected.includes(String(error))));
        own.forEach((one, i) => compare(one, theirs[i]!));
        return GROUP;
      },
      end: () => peers.remove(),
    };
  },
};

/** What a conversion throws. */
const UNCONVERTED = /^\w+ threw ("mischief"|TypeError "|RangeError ")/;

/** Where the two differ on purpose, and a rule of the differential check does not see it in the text of a call. */
const ACCEPTED: readonly { where: RegExp; ours: RegExp; node: RegExp }[] = [
  // Text that cannot be converted: what the conversion throws, where Node says EINVAL.
  { where: /Membership|MulticastInterface/, ours: UNCONVERTED, node: /EINVAL/ },
  // Of two such texts the first is told.
  { where: /Membership/, ours: UNCONVERTED, node: UNCONVERTED },
  // Node reads a queued message twice, and the second time as a list.
  { where: /unbound; send/, ours: /^send(to)? returned undefined .*callback/, node: /^send(to)? returned undefined/ },
  // A port that cannot be converted is an 'error'; in Node it ends the process.
  { where: /unbound; bind\(/, ours: /'error' (Type|Range)?Error "/, node: /^bind returned this \| 'close'$/ },
  // A function in the place of the port is a callback, and no port.
  { where: /unbound; bind\(function/, ours: /^bind returned this \| '(error|listening)'/, node: /^bind returned this/ },
  // Which question to a revoked Proxy fails first.
  { where: /send(to)?\(/, ours: /on a proxy that has been revoked/, node: /on a proxy that has been revoked/ },
  // Options are read before any is used.
  { where: /unbound; bind\(/, ours: /^bind threw "mischief"/, node: /ERR_INVALID_FD_TYPE|EBADF/ },
  { where: /closed; connect\(/, ours: /NOT_RUNNING/, node: /./ },
  // An interface may be given by its name.
  { where: /(Membership|MulticastInterface)\(.*"lo"/, ours: /./, node: /EINVAL/ },
  // A membership that is refused leaves an unbound socket unbound.
  { where: /unbound; \w+Membership/, ours: /^(?!.*'listening')/, node: /./ },
];

function compare(own: Case, theirs: Case): void {
  const [one, other] = [own.record.text(), theirs.record.text()];
  if (one === other) return;
  assertEquals(own.text, theirs.text);
  const pair = comparable(own.text, other, one, new Set());
  if (pair.node === pair.ours) return;
  if (ACCEPTED.some(({ where, ours, node }) => where.test(own.text) && ours.test(one) && node.test(other))) return;
  throw new Error(`${own.text}\n  ours: ${one}\n  Node: ${other}`);
}
