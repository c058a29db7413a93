/**
 * What the workloads share: their options, how to bind, and how to measure.
 *
 * @module
 */
import { once } from "node:events";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import type { createSocket, Socket, SocketOptions } from "../mod.ts";

export type { Socket };

/** The module under test: ours, or the built-in one, which has all that the common workloads use. */
export interface Dgram {
  createSocket: typeof createSocket;
}

/** What a workload is told. */
export interface Options {
  /** Milliseconds before the measurement, and of the measurement. */
  readonly warm: number;
  readonly window: number;
  /** The other side's port, where it was started first. */
  readonly port: number;
  readonly sizes: readonly number[];
  readonly peers: number;
  /** Sockets at work. */
  readonly sockets: number;
  /** Messages given to `send()` in one turn of the event loop, or questions under way, by each socket. */
  readonly wave: number;
  /** Messages a second, if they are to be few. */
  readonly pace: number;
  /** Whether sockets that send are connected. */
  readonly connected: boolean;
  /** Idle sockets. */
  readonly idle: number;
  readonly workers: number;
  /** Whether everything that can be told of a datagram is to be. */
  readonly told: boolean;
}

/** What came out. */
export type Figures = Record<string, number>;

/** As the C programs have it. */
const RECEIVE_BUFFER: number = 4 << 20;

/** Sockets that come and go in one turn of the event loop. */
const SOCKETS_PER_TURN = 32;

/** Ticks and promise jobs alone would keep timers from firing: now and then it waits for a turn of the event loop. */
export function untilTurn(count: number): Promise<void> | undefined {
  return count % SOCKETS_PER_TURN === 0 ? new Promise((resolve) => void setImmediate(resolve)) : undefined;
}

/** Does something with a callback, a wave of it a turn, each wave when the last callback of the one before has come. Returns how often. */
export function waves(wave: number, one: (done: (error?: Error | null) => void) => void): () => number {
  let [count, pending] = [0, 0];
  const done = (error?: Error | null): void => {
    if (error) throw error;
    count++;
    if (--pending === 0) setImmediate(sendWave);
  };
  const sendWave = (): void => {
    pending = wave;
    for (let i = 0; i < wave; i++) one(done);
  };
  sendWave();
  return () => count;
}

/** Asks again and again, so that as many questions as the wave says are under way. Returns what the answers came to. */
export function asking(wave: number, ask: (asker: number) => Promise<number>): () => number {
  let sum = 0;
  const goOn = async (asker: number): Promise<never> => {
    for (;;) {
      const answers = await ask(asker); // Others add to the sum in the meantime.
      sum += answers;
    }
  };
  for (let i = 0; i < wave; i++) goOn(i);
  return () => sum;
}

/** The loopback address, where everything happens. */
export const LOOPBACK = "127.0.0.1";

/** The options by which a socket is told everything of each datagram. */
const EVERYTHING: Partial<SocketOptions> = {
  recvLocalAddress: true,
  recvTTL: true,
  recvTOS: true,
  recvTimestamp: true,
  recvTruncated: true,
  recvSegmentSize: true,
  recvDropCount: true,
};

/** A bound socket. */
export async function bound(dgram: Dgram, options: Partial<SocketOptions> = {}): Promise<Socket> {
  const socket = dgram.createSocket({ type: "udp4", ...options });
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve));
  return socket;
}

/** A socket connected to a port of the loopback address. */
export async function connected(dgram: Dgram, port: number): Promise<Socket> {
  const socket = await bound(dgram);
  await new Promise<void>((resolve) => socket.connect(port, LOOPBACK, () => resolve()));
  return socket;
}

/** A bound socket for as much as can come, told nothing or everything of it. */
export function boundReceiver(dgram: Dgram, { told }: Options): Promise<Socket> {
  return bound(dgram, { recvBufferSize: RECEIVE_BUFFER, ...(told ? EVERYTHING : {}) });
}

/** Tells the runner which port to send to. */
export function announce(port: number): void {
  console.log(JSON.stringify({ port }));
}

/** Watches a counter for the window, from the warm-up after its first count: how fast it grows, and how much processor time one costs, in microseconds. */
export async function measure({ warm, window }: Options, count: () => number): Promise<Figures> {
  while (count() === 0) await delay(1);
  await delay(warm);
  const before = sample(count());
  await delay(window);
  return between(before, sample(count()));
}

/** The same from within: for what must be asked, as no timer fires. It gives the timers a little more time. */
export class Stopwatch {
  readonly #options: Options;
  readonly #count: () => number;
  readonly #start: number = performance.now();
  #before: Sample | undefined;
  #after: Sample | undefined;

  constructor(options: Options, count: () => number) {
    this.#options = options;
    this.#count = count;
  }

  /** Whether the window, which begins late, is over. */
  isOver(): boolean {
    const { warm, window } = this.#options;
    const now = performance.now();
    if (!this.#before && now > this.#start + 2000 + warm) this.#before = sample(this.#count());
    else if (this.#before && now > this.#before.time + window) this.#after ??= sample(this.#count());
    return this.#after !== undefined;
  }

  /** Figures of a socket that receives: by timers, or from when it was closed because it was over. */
  figures(socket: Socket): Promise<Figures> {
    return Promise.race([
      once(socket, "close").then(() => between(this.#before!, this.#after!)),
      once(socket, "message").then(() => measure(this.#options, this.#count)),
    ]);
  }
}

interface Sample {
  readonly count: number;
  readonly time: number;
  readonly cpu: { user: number; system: number };
}

function sample(count: number): Sample {
  return { count, time: performance.now(), cpu: process.cpuUsage() };
}

function between(before: Sample, after: Sample): Figures {
  const counted = after.count - before.count;
  const cpu = after.cpu.user - before.cpu.user + after.cpu.system - before.cpu.system;
  return { rate: counted / ((after.time - before.time) / 1000), cpu: cpu / Math.max(counted, 1) };
}

/** A message of each size, in turn. */
export function messagesOf(sizes: readonly number[]): Uint8Array[] {
  return sizes.map((size) => new Uint8Array(size).fill(1));
}

/** 127.0.0.1 and the addresses after it: as many peers, all of them served by one socket bound to all addresses. */
export function addressesOf(peers: number): string[] {
  return Array.from({ length: peers }, (_, i) => `127.0.${(i + 1) >> 8}.${(i + 1) & 255}`);
}

/** The value that a share of all values does not exceed. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)];
}
