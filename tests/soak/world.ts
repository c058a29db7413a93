/**
 * Sockets of all kinds that send to each other at random, and are opened, configured, connected, paused and closed at any moment. What
 * is done follows from the seed alone; when datagrams come does not.
 *
 * @module
 */
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import type { Socket, UnixSocket } from "../../mod.ts";
import { collectGarbage } from "../support/garbage.ts";
import { randomIntegers } from "../support/random.ts";
import { MAX_SIZE } from "./format.ts";
import { type Flow, Ledger } from "./ledger.ts";
import { Party } from "./party.ts";

/**
 * Errors that closed, connected and full peers bring about. A Unix socket whose peer was closed is not connected any more once it was told so
 * (ECONNREFUSED).
 */
const EXPECTED_ERRORS =
  /^(ECONNREFUSED|ENOTCONN|ECANCELED|ENOENT|EPIPE|ECONNRESET|EPERM|ERR_SOCKET_DGRAM_NOT_RUNNING)$/;
/** The most datagrams that the kernel coalesces. */
const MAX_COALESCED = 128;
/** How long the last datagrams may take, in milliseconds. */
const PATIENCE = 20_000;

/** What a round came to. */
export interface Tally {
  sockets: number;
  flows: number;
  steps: number;
  accepted: number;
  failed: number;
  received: number;
  bytes: number;
  /** Dropped by the kernel, by its count. */
  dropped: number;
  missing: number;
  /** Sent to a socket that was closed before it had received all. */
  lostByClosing: number;
  strays: number;
  faults: string[];
  errors: Record<string, number>;
}

/** One message's way to send and what becomes of it. */
type Outcome = (error: Error | null, count?: number) => void;

/** Messages of one callback that is due. */
interface Due {
  readonly messages: readonly [Flow<Party>, number][];
  readonly turn: number;
  readonly isSend: boolean;
  /** Whether the sender was connected when they were sent. It may be so only since. */
  readonly isConnected: boolean;
}

/** A sender, a receiver, and the receiver's address as the sender calls it. */
interface Route {
  readonly from: Party;
  readonly to: Party;
  readonly address: string;
}

export class World {
  readonly #random: (below: number) => number;
  readonly #collectEvery: number;
  readonly #ledger = new Ledger<Party>(1);
  #parties: Party[] = [];
  readonly #closed: Party[] = [];
  readonly #errors: Record<string, number> = {};
  readonly #actions: (() => void | Promise<unknown>)[];
  #opened = 0;
  #steps = 0;
  /** Callbacks that are due. */
  readonly #due = new Set<Due>();
  /** Turns of the event loop. */
  #turns = 0;

  /** @param collectEvery After how many steps garbage is collected. */
  constructor(seed: number, collectEvery = 64) {
    this.#random = randomIntegers(seed);
    this.#collectEvery = collectEvery;
    const { send, burst, sendMany, addressed, sendNow, pieces, controlled } = this.#ways();
    const some = <T>(count: number, what: T): T[] => new Array<T>(count).fill(what);
    this.#actions = [
      ...some(12, send),
      ...some(8, burst),
      ...some(8, sendMany),
      ...some(4, addressed),
      ...some(3, sendNow),
      ...some(3, pieces),
      ...some(4, controlled),
      ...some(6, () => this.#configure()),
      ...some(3, () => this.#pauseOrResume()),
      ...some(3, () => this.#reopen()),
      ...some(2, () => this.#connectOrDisconnect()),
      ...some(8, () => this.#nextTurn(turn())),
      ...some(2, () => this.#nextTurn(delay(this.#random(3)))),
      ...some(4, () => Promise.resolve()),
    ];
  }

  /** Does so many things, waits for what is under way, and holds what came against what was sent. */
  async run(steps: number): Promise<Tally> {
    const count = 6 + this.#random(18);
    for (let i = 0; i < count; i++) this.#open();
    for (let i = 0; i < count / 4; i++) this.#pair();
    for (; this.#steps < steps; this.#steps++) {
      const result = this.#actions[this.#random(this.#actions.length)]();
      if (result) await result;
      if (this.#steps % this.#collectEvery === this.#collectEvery - 1) collectGarbage();
    }
    await this.#quiesce();
    const tally = this.#tally();
    await this.#closeAll();
    return tally;
  }

  async #nextTurn(waiting: Promise<unknown>): Promise<void> {
    await waiting;
    this.#turns++;
  }

  #open(): Party {
    const party: Party = new Party(this.#random, this.#ledger, (error) => this.#note(error, party));
    party.bind();
    this.#parties.push(party);
    this.#opened++;
    return party;
  }

  /** Connects two sockets to each other, which have nothing to do with the others. */
  #pair(): void {
    const one = this.#pick();
    const other = this.#parties.find((it) => it !== one && it.kind === one.kind && !it.peer && !one.peer);
    if (!other || one.kind === "dual") return;
    connect(one, other, one.addressOf(other, this.#random)!);
    connect(other, one, other.addressOf(one, this.#random)!);
  }

  #pick(): Party {
    return this.#parties[this.#random(this.#parties.length)];
  }

  /** Who sends to whom next. */
  #route(): Route | undefined {
    const from = this.#pick();
    const to = from.peer ?? this.#pick();
    const address = from.peer ? from.peerAddress : from.addressOf(to, this.#random);
    if (address === undefined) return undefined;
    // A connected socket hears its peer only, and by the address to which it is connected.
    const hears = to.peer ? to.peer === from && from.peer === to : to.receives;
    if (!hears) return undefined;
    return { from, to, address };
  }

  #size(): number {
    const random = this.#random;
    const kind = random(20);
    if (kind < 5) return random(16);
    if (kind < 14) return 16 + random(1400);
    if (kind < 18) return 16 + random(9000);
    return kind === 18 ? MAX_SIZE - random(8) : random(MAX_SIZE);
  }

  /** What is noted when messages' callback comes. */
  #outcome(messages: readonly [Flow<Party>, number][], isSend = false): Outcome {
    const isConnected = messages[0][0].sender.peer !== undefined;
    const due: Due = { messages, turn: this.#turns, isSend, isConnected };
    this.#due.add(due);
    let isCalled = false;
    return (error, count) => {
      this.#due.delete(due);
      if (isCalled) this.#ledger.faults.push("a callback was called twice");
      isCalled = true;
      if (error) this.#note(error);
      const isUnknown = error !== null && count !== undefined && messages.length > 1;
      for (const [flow, number] of messages) {
        if (!error) flow.accepted++;
        else if (isUnknown) flow.unknown++;
        else if (number <= flow.last) {
          this.#ledger.faults.push(`${number} of ${flow.id} failed (${error}), but it came`);
        } else flow.failed.add(number);
      }
    };
  }

  #note(error: Error, _party?: Party): void {
    const { code = error.message } = error as Error & { code?: string };
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
    if (!EXPECTED_ERRORS.test(code)) this.#ledger.faults.push(`error: ${error.message}`);
  }

  /** The next messages of a route. */
  #messages(route: Route, sizes: readonly number[]) {
    const { from, to, address } = route;
    const flow = this.#ledger.flow(from, to, from.senderTo(to, address));
    const list = sizes.map((size): [Flow<Party>, number, Uint8Array] => [flow, flow.sizes.length, flow.next(size)]);
    return {
      bytes: list.map(([, , bytes]) => bytes),
      outcome: list.map(([flow, number]): [Flow<Party>, number] => [flow, number]),
    };
  }

  /** The ways to send. */
  #ways() {
    const at = <T>(use: (route: Route) => T) => (): void => {
      const route = this.#route();
      if (route) use(route);
    };
    const one = (route: Route, size: number): void => {
      const { bytes, outcome } = this.#messages(route, [size]);
      const done = this.#outcome(outcome, true);
      this.#call("send", route, bytes[0], (error: Error | null) => {
        done(error);
        // From now on the memory is the program's again.
        bytes[0].fill(0xff);
      });
    };
    return {
      send: at((route) => one(route, this.#size())),
      burst: at((route) => {
        const [size, count] = [this.#size(), 1 + this.#random(64)];
        for (let i = 0; i < count; i++) one(route, this.#random(16) > 0 ? size : this.#size());
      }),
      sendMany: at((route) => {
        const size = this.#size();
        const most = size > 9000 ? 8 : 200;
        const sizes = Array.from({ length: 1 + this.#random(most) }, () => this.#random(16) > 0 ? size : this.#size());
        const { bytes, outcome } = this.#messages(route, sizes);
        this.#call("sendMany", route, bytes, this.#outcome(outcome));
      }),
      addressed: at((route) => this.#addressed(route)),
      sendNow: at((route) => {
        const { bytes, outcome } = this.#messages(route, [this.#size()]);
        const done = this.#outcome(outcome);
        try {
          this.#call("sendSync", route, bytes[0]);
          done(null);
        } catch (error) {
          if ((error as { code?: string }).code === "EAGAIN") this.#later(outcome, done);
          else done(error as Error);
        }
      }),
      pieces: at((route) => {
        const { bytes: [bytes], outcome } = this.#messages(route, [this.#size()]);
        const cut = this.#random(bytes.length + 1);
        const pieces = [bytes.subarray(0, cut), bytes.subarray(cut), new Uint8Array()];
        this.#call("send", route, pieces, this.#outcome(outcome, true));
      }),
      controlled: at((route) => this.#controlled(route)),
    };
  }

  /** A message that was not sent for want of room is not an error here. */
  #later(outcome: readonly [Flow<Party>, number][], done: Outcome): void {
    done(Object.assign(new Error("no room"), { code: "ECANCELED" }));
    for (const [flow, number] of outcome) flow.failed.add(number);
  }

  /** Several messages to several receivers in one call. */
  #addressed(route: Route): void {
    const { from } = route;
    if (from.peer) return;
    const routes = [route];
    for (let i = 0; i < 8; i++) {
      const to = this.#pick();
      const address = from.addressOf(to, this.#random);
      if (address !== undefined && to.receives && !to.peer) routes.push({ from, to, address });
    }
    const all: [Flow<Party>, number][] = [];
    const messages = Array.from({ length: 1 + this.#random(40) }, () => {
      const one = routes[this.#random(routes.length)];
      const { bytes, outcome } = this.#messages(one, [this.#size() % 2000]);
      all.push(...outcome);
      return from.kind === "unix"
        ? { message: bytes[0], path: one.address }
        : { message: bytes[0], port: one.to.port, address: one.address };
    });
    (from.socket as Socket).sendMany(messages as never, this.#outcome(all) as never);
  }

  /** With options of the message. */
  #controlled(route: Route): void {
    const { from, to, address } = route;
    if (from.kind === "unix") return;
    const { bytes, outcome } = this.#messages(route, [this.#size()]);
    const controls =
      [{ ttl: 1 + this.#random(255) }, { tos: this.#random(64) << 2 }, { ttl: 9, tos: 8 }][this.#random(3)];
    const options = from.peer ? controls : { ...controls, port: to.port, address };
    (from.socket as Socket).send(bytes[0], options, this.#outcome(outcome, true));
  }

  #call(method: "send" | "sendMany" | "sendSync", { from, to, address }: Route, ...args: unknown[]) {
    const [messages, callback] = args;
    const destination = from.peer ? [] : from.kind === "unix" ? [address] : [to.port, address];
    const all = callback ? [messages, ...destination, callback] : [messages, ...destination];
    return (from.socket[method] as (...args: unknown[]) => unknown).apply(from.socket, all);
  }

  #configure(): void {
    const { socket, kind } = this.#pick();
    const random = this.#random;
    if (kind === "unix") return void (socket as UnixSocket).setSendBufferSize(500_000 + random(500_000));
    const udp = socket as Socket;
    const flag = random(2) === 0;
    const actions = [
      () => udp.setTTL(1 + random(255)),
      () => udp.setTOS(random(256) & 0xfc),
      () => udp.setBroadcast(flag),
      () => udp.setRecvBufferSize(random(4) === 0 ? 4096 : 1 << (16 + random(6))),
      () => udp.setSendBufferSize(200_000 + random(1 << 21)),
      () => udp.setRecvTTL(flag),
      () => udp.setRecvTOS(flag),
      () => udp.setRecvTimestamp(flag),
      () => udp.setRecvLocalAddress(flag),
      () => udp.setRecvSegmentSize(flag),
      () => udp.setRecvDropCount(flag),
      () => udp.setMulticastTTL(1 + random(255)),
      () => udp.setPriority(random(7)),
      () => void udp.getStatistics(),
      () => void (flag ? udp.ref() : udp.unref().ref()),
    ];
    actions[random(actions.length)]();
  }

  #pauseOrResume(): void {
    const party = this.#pick();
    if (party.mode === "iteration") return;
    if (party.isPaused) party.socket.resume();
    else party.socket.pause();
    party.isPaused = !party.isPaused;
  }

  /** Closes a socket in the midst of it, and opens another one. Those that are connected to it go on sending. */
  #reopen(): void {
    const party = this.#pick();
    if (party.peer?.peer === party) return;
    this.#parties.splice(this.#parties.indexOf(party), 1);
    party.close();
    this.#closed.push(party);
    this.#excuse(party);
    this.#open();
  }

  /** As in Node, `send` does not call back on a socket that is closed in the same turn; the messages are sent. */
  #excuse(closed: Party): void {
    for (const due of this.#due) {
      const [[flow]] = due.messages;
      if (flow.sender !== closed || due.isConnected || !due.isSend || due.turn !== this.#turns) continue;
      this.#due.delete(due);
      flow.unknown++;
    }
  }

  /** Only those to which nobody sends: what waits in the receive buffer would be somebody else's. */
  #connectOrDisconnect(): void {
    const one = this.#pick();
    if (one.receives || one.peer?.peer === one) return;
    if (one.peer) return release(one);
    const other = this.#pick();
    const address = one.addressOf(other, this.#random);
    if (address === undefined || other === one || !other.receives || other.peer) return;
    connect(one, other, address);
  }

  /** Waits until all callbacks have come and nothing more comes. */
  async #quiesce(): Promise<void> {
    for (const party of this.#parties) {
      if (party.isPaused) party.socket.resume();
      party.isPaused = false;
    }
    const end = performance.now() + PATIENCE;
    let [quiet, last] = [0, -1];
    while (quiet < 3 && performance.now() < end) {
      await delay(5);
      const isOver = this.#due.size === 0 && this.#ledger.received === last && this.#parties.every(isEmpty) &&
        this.#account().every(({ fault }) => !fault);
      quiet = isOver ? quiet + 1 : 0;
      last = this.#ledger.received;
    }
  }

  /** What each open socket should have received, and has. */
  #account() {
    return this.#parties.map((party) => {
      const flows = this.#ledger.flowsTo(party);
      const sum = (key: "accepted" | "received" | "unknown"): number => flows.reduce((all, flow) => all + flow[key], 0);
      const [missing, unknown, dropped] = [sum("accepted") - sum("received"), sum("unknown"), party.drops()];
      const most = party.gro ? dropped * MAX_COALESCED : dropped;
      const isRight = missing + unknown >= dropped && missing <= most;
      const fault = isRight
        ? undefined
        : `${party.name}: ${missing} are missing (${unknown} unknown), ${dropped} dropped, ${
          isEmpty(party) ? "nothing" : "some"
        } waiting`;
      return { missing, dropped, fault };
    });
  }

  #tally(): Tally {
    const { faults, strays, received, bytes, flowCount } = this.#ledger;
    const account = this.#account();
    const all = [...this.#parties, ...this.#closed].flatMap((party) => this.#ledger.flowsTo(party));
    if (this.#due.size > 0) faults.push(`${this.#due.size} callbacks did not come`);
    for (const { fault } of account) if (fault) faults.push(fault);
    const lost = this.#closed.flatMap((party) => this.#ledger.flowsTo(party));
    return {
      sockets: this.#opened,
      flows: flowCount,
      steps: this.#steps,
      accepted: all.reduce((sum, { accepted }) => sum + accepted, 0),
      failed: all.reduce((sum, { failed }) => sum + failed.size, 0),
      received,
      bytes,
      dropped: account.reduce((sum, { dropped }) => sum + dropped, 0),
      missing: account.reduce((sum, { missing }) => sum + missing, 0),
      lostByClosing: lost.reduce((sum, flow) => sum + flow.accepted - flow.received, 0),
      strays,
      faults,
      errors: this.#errors,
    };
  }

  async #closeAll(): Promise<void> {
    await Promise.all(this.#parties.map((party) => {
      party.isClosed = true;
      return new Promise<void>((resolve) => void party.socket.close(resolve));
    }));
  }
}

function connect(one: Party, other: Party, address: string): void {
  one.peer = other;
  one.peerAddress = address;
  if (one.kind === "unix") (one.socket as UnixSocket).connectSync(address);
  else (one.socket as Socket).connectSync(other.port, address);
}

function release(party: Party): void {
  party.socket.disconnect();
  party.peer = undefined;
}

/** Whether nothing waits in the kernel for the socket. */
function isEmpty({ kind, socket }: Party): boolean {
  return kind === "unix" || (socket as Socket).getMemoryInfo().receiveAllocated === 0;
}
