/**
 * One scenario of the differential check: a socket in some state, and calls made on it.
 *
 * @module
 */
import process from "node:process";
import { setImmediate, setTimeout } from "node:timers";
import { createSocket, type Socket } from "../../../mod.ts";
import { fill, type Surroundings, textOf } from "./arguments.ts";
import { Recorder } from "./recorder.ts";

/** A `dgram` module: the built-in one or ours. Its sockets are called with arguments that no type allows. */
export interface Dgram {
  createSocket(...values: unknown[]): LooseSocket;
  // deno-lint-ignore no-explicit-any
  readonly Socket: new (...values: any[]) => LooseSocket;
}

/** A socket by the names of its methods. */
export type LooseSocket = Record<string, (...values: unknown[]) => unknown> & { readonly type: unknown };

/** A method and its arguments. */
export interface Call {
  readonly method: string;
  readonly values: readonly unknown[];
}

/** Gets a socket into a state. */
export interface State {
  /** Calls with the events to wait for, done before. */
  readonly before?: readonly { readonly call: Call; readonly until: string }[];
  /** Calls made just before, in the same turn, whose events are still to come. */
  readonly justBefore?: readonly Call[];
}

/** What is run and recorded. */
export interface Scenario {
  readonly name: string;
  readonly version: 4 | 6;
  /** Arguments of `createSocket`. */
  readonly creation: readonly unknown[];
  /** `new Socket(...)` in its place. */
  readonly constructs?: boolean;
  readonly state: State;
  /** The calls of each turn of the event loop. */
  readonly turns: readonly (readonly Call[])[];
  /** A datagram that the peer sends in the end, to see it received. */
  readonly receives?: boolean;
}

const EVENTS = ["listening", "connect", "message", "error", "close"];
/** Turns of the event loop without anything new, after which nothing more is expected. */
const QUIET_TURNS = 6;
/** How long to wait for what is known to come. */
const DEADLINE_MS = 5_000;

/**
 * Runs a scenario.
 *
 * @param known How many things are known to get recorded, from an earlier run: they are waited for.
 * @returns What happened, in one line.
 */
export async function runScenario(dgram: Dgram, scenario: Scenario, known: number): Promise<string> {
  const run = new Run(dgram, scenario);
  try {
    return await run.outcome(known);
  } finally {
    await run.putAway();
  }
}

/** How many things an outcome tells of, other than the state at its end. */
export function countOf(outcome: string | undefined): number {
  return outcome?.split(" | ").filter((line) => !/^(ends as|leaves listeners) /.test(line)).length ?? 0;
}

class Run {
  readonly #dgram: Dgram;
  readonly #scenario: Scenario;
  readonly #record = new Recorder();
  readonly #peer: Socket;
  #socket: LooseSocket | undefined;
  #callbacks = 0;

  constructor(dgram: Dgram, scenario: Scenario) {
    this.#dgram = dgram;
    this.#scenario = scenario;
    this.#peer = createSocket(scenario.version === 4 ? "udp4" : "udp6");
  }

  async outcome(known: number): Promise<string> {
    const { state, turns } = this.#scenario;
    await this.#openPeer();
    await inImmediate(() => this.#create());
    if (this.#socket) {
      await this.#prepare(state);
      await inImmediate(() => {
        for (const call of state.justBefore ?? []) this.#invoke(call);
        this.#record.restart();
        for (const call of turns[0] ?? []) this.#perform(call);
      });
      for (const calls of turns.slice(1)) await inImmediate(() => calls.forEach((call) => this.#perform(call)));
      if (this.#scenario.receives) this.#peer.send("hello", this.#port(), this.#loopback());
    }
    await this.#settle(known);
    this.#recordEnd();
    return this.#record.text();
  }

  async putAway(): Promise<void> {
    try {
      this.#socket?.close();
    } catch {
      // Closed by the scenario.
    }
    await this.#peer[Symbol.asyncDispose]();
    await inImmediate(() => {});
  }

  async #openPeer(): Promise<void> {
    this.#peer.on("message", (message) => this.#record.addArrival("peer received", [message.toString()]));
    await new Promise<void>((resolve) => this.#peer.bind(0, this.#loopback(), resolve));
    this.#record.peerPort = this.#peer.address().port;
  }

  #create(): void {
    const values = fill(this.#scenario.creation, this.#surroundings()) as unknown[];
    try {
      this.#socket = this.#scenario.constructs
        ? new this.#dgram.Socket(...values)
        : this.#dgram.createSocket(...values);
    } catch (error) {
      return this.#record.add("threw", [error]);
    }
    this.#record.socket = this.#socket;
    this.#recordUncaught(this.#socket);
    for (const event of EVENTS) {
      this.#socket.on(event, (...given: unknown[]) => {
        if (event === "message") this.#record.addArrival("'message'", [String(given[0]), given[1]]);
        else this.#record.add(`'${event}'`, given);
      });
    }
  }

  /** Where Node itself fails inside an event, with nobody to catch it. */
  #recordUncaught(socket: LooseSocket): void {
    const emit = socket.emit.bind(socket);
    Object.defineProperty(socket, "emit", {
      value: (...values: unknown[]) => {
        try {
          return emit(...values);
        } catch (error) {
          this.#record.add(`uncaught in '${values[0]}'`, [error]);
        }
      },
    });
  }

  async #prepare({ before }: State): Promise<void> {
    for (const { call, until } of before ?? []) {
      const reached = new Promise((resolve) => this.#socket!.once(until, resolve));
      this.#invoke(call);
      await reached;
    }
  }

  #perform(call: Call): void {
    try {
      this.#record.add(`${call.method} returned`, [this.#invoke(call)]);
    } catch (error) {
      this.#record.add(`${call.method} threw`, [error]);
    }
    process.nextTick(() => this.#record.add("tick"));
    queueMicrotask(() => this.#record.add("microtask"));
    setImmediate(() => this.#record.add("immediate"));
  }

  #invoke({ method, values }: Call): unknown {
    return this.#socket![method](...fill(values, this.#surroundings()) as unknown[]);
  }

  #surroundings(): Surroundings {
    const record = this.#record;
    return {
      peerPort: record.peerPort,
      version: this.#scenario.version,
      newCallback: () => {
        const name = `callback ${++this.#callbacks}`;
        return function (this: unknown, ...given: unknown[]) {
          record.add(this === record.socket ? `${name} on this` : name, given);
        };
      },
      lookup: (...given: unknown[]) => this.#answer(given),
    };
  }

  /** The resolver of its own that some scenarios give their socket: knows one host. */
  #answer([name, options, callback]: unknown[]): void {
    this.#record.add("lookup", [name, options]);
    const answer = callback as (error: Error | null, ...result: unknown[]) => void;
    const isKnown = name === "peer.test" || name === this.#loopback();
    setImmediate(() => {
      if (isKnown) answer(null, this.#loopback(), this.#scenario.version);
      else answer(Object.assign(new Error(`no such host: ${name}`), { code: "ENOTFOUND" }));
    });
  }

  /** Waits for what is known to come, and then as long as anything does. */
  async #settle(known: number): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (this.#record.count < known && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (let quiet = 0; quiet < QUIET_TURNS;) {
      const { count } = this.#record;
      await inImmediate(() => {});
      quiet = this.#record.count === count ? quiet + 1 : 0;
    }
  }

  #recordEnd(): void {
    const socket = this.#socket;
    if (!socket) return;
    // One listener each is the recording.
    const left = EVENTS.filter((event) => socket.listenerCount(event) !== 1);
    if (left.length > 0) this.#record.add("leaves listeners", left);
    this.#record.add(`ends as ${socket.type}`, this.#address());
  }

  #address(): unknown[] {
    try {
      const { address, port } = this.#socket!.address() as { address: string; port: number };
      return [address, port];
    } catch (error) {
      return [(error as { code?: string }).code];
    }
  }

  #port(): number {
    return (this.#socket!.address() as { port: number }).port;
  }

  #loopback(): string {
    return this.#scenario.version === 4 ? "127.0.0.1" : "::1";
  }
}

/** A call as it would be written. */
export function callText({ method, values }: Call): string {
  return `${method}(${values.map(textOf).join(", ")})`;
}

/** Runs something in the phase of the event loop for immediates: after it come the ticks and then the microtasks. */
function inImmediate(action: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        action();
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
}
