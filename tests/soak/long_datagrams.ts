/**
 * Very many datagrams through one process. Never are more under way than the receive buffers hold, so none may be missing: each flow's
 * numbers have to come one after the other.
 *
 * @module
 */
import { createSocket, type MessageBatch, type Socket } from "../../mod.ts";
import { randomIntegers } from "../support/random.ts";
import { datagram, faultOf, HEADER_SIZE } from "./format.ts";
import type { Progress } from "./long_run.ts";

/** Sizes that waves have; mostly small ones. */
const SIZES = [16, 16, 16, 32, 64, 64, 200, 512, 1200, 1432];
/** The most messages of a wave, and the most bytes. */
const [MOST, MOST_BYTES] = [512, 256 << 10];
/** One of so many has a body that is compared; the others have a header. */
const SAMPLED = 64;
const RECEIVE_BUFFER = 4 << 20;
/** If nothing comes for that long, it is lost; in milliseconds. */
const PATIENCE = 20_000;

/** Memory for the messages of one size. */
class Messages {
  readonly size: number;
  readonly all: Uint8Array[] = [];
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.#words = new Uint32Array(MOST * size / 4);
    for (let i = 0; i < MOST; i++) this.all.push(new Uint8Array(this.#words.buffer, i * size, size));
  }

  /** Writes the next messages of a flow. */
  write(count: number, first: number, flow: number, port: number): Uint8Array[] {
    const [words, last] = [this.size / 4, (this.size | (port << 16)) >>> 0];
    for (let i = 0, at = 0; i < count; i++, at += words) {
      const number = first + i;
      if (number % SAMPLED === 0) this.all[i].set(datagram({ number, flow, length: this.size, port }));
      this.#words[at] = number;
      this.#words[at + 1] = flow;
      this.#words[at + 2] = last;
    }
    return count === MOST ? this.all : this.all.slice(0, count);
  }
}

/** How a socket receives. */
type Mode = "messages" | "message" | "iteration";

interface Receiver {
  readonly socket: Socket;
  readonly mode: Mode;
  /** What a sender calls it. */
  readonly address: string;
  readonly port: number;
}

interface Sender {
  readonly socket: Socket;
  readonly port: number;
  readonly type: "udp4" | "udp6";
  readonly connectedTo: Receiver | undefined;
}

class Run {
  readonly #random: (below: number) => number;
  readonly #progress: Progress;
  readonly #messages = new Map(SIZES.map((size) => [size, new Messages(size)]));
  readonly #count: number;
  #senders: Sender[] = [];
  #receivers: Receiver[] = [];
  /** By flow: the number that comes next, and the number that is sent next. A flow is a sender and a receiver. */
  #expected = new Uint32Array(0);
  #next = new Uint32Array(0);
  #received = 0;
  #sent = 0;
  #waves = 0;
  #compared = 0;
  #byMode: Record<Mode, number> = { messages: 0, message: 0, iteration: 0 };
  #finish: () => void = () => {};

  constructor(count: number, seed: number, progress: Progress) {
    this.#count = count;
    this.#random = randomIntegers(seed);
    this.#progress = progress;
  }

  async run(): Promise<object> {
    await this.#open();
    let last = -1;
    const watch = setInterval(() => {
      if (this.#received === last) throw new Error(`lost: ${this.#sent - this.#received} of ${this.#sent}`);
      last = this.#received;
    }, PATIENCE);
    while (this.#received < this.#count) {
      const looking = this.#progress.at(this.#received);
      if (looking) await looking;
      // As many waves as fit into the buffers together.
      await this.#wave();
    }
    clearInterval(watch);
    const dropped = this.#receivers.reduce((sum, { socket }) => sum + socket.getDropCount(), 0);
    for (const { socket } of [...this.#senders, ...this.#receivers]) socket.close();
    const flows = this.#expected.reduce((sum, number) => sum + (number > 0 ? 1 : 0), 0);
    const [received, sent, waves, compared] = [this.#received, this.#sent, this.#waves, this.#compared];
    return { sent, received, missing: sent - received, dropped, flows, waves, compared, ...this.#byMode };
  }

  async #open(): Promise<void> {
    for (const mode of ["messages", "messages", "message", "iteration"] as const) {
      this.#receivers.push(await this.#receiver("udp4", mode), await this.#receiver("udp6", mode));
    }
    for (const type of ["udp4", "udp4", "udp6", "udp6"] as const) {
      this.#senders.push(await this.#sender(type));
      const peers = this.#receivers.filter(({ socket }) => socket.type === type);
      this.#senders.push(await this.#sender(type, peers[this.#random(peers.length)]));
    }
    const flows = this.#senders.length * this.#receivers.length;
    [this.#expected, this.#next] = [new Uint32Array(flows), new Uint32Array(flows)];
  }

  async #receiver(type: "udp4" | "udp6", mode: Mode): Promise<Receiver> {
    const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER });
    await new Promise<void>((resolve) => socket.bind(0, type === "udp4" ? "127.0.0.1" : "::", resolve));
    if (mode === "messages") socket.on("messages", (batch) => this.#heardBatch(batch));
    if (mode === "message") socket.on("message", (message, { port }) => this.#heard(message, port, mode));
    if (mode === "iteration") void this.#iterate(socket);
    return { socket, mode, address: type === "udp4" ? "127.0.0.1" : "::1", port: socket.address().port };
  }

  async #iterate(socket: Socket): Promise<void> {
    for await (const [message, { port }] of socket) this.#heard(message, port, "iteration");
  }

  async #sender(type: "udp4" | "udp6", connectedTo?: Receiver): Promise<Sender> {
    const socket = createSocket(type);
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    if (connectedTo) socket.connectSync(connectedTo.port, connectedTo.address);
    return { socket, port: socket.address().port, type, connectedTo };
  }

  /** Sends messages of one flow, and waits until all have come. */
  #wave(): Promise<void> {
    const random = this.#random;
    const from = random(this.#senders.length);
    const sender = this.#senders[from];
    const receiver = sender.connectedTo ?? this.#pickReceiver();
    const to = this.#receivers.indexOf(receiver);
    const messages = this.#messages.get(SIZES[random(SIZES.length)])!;
    const most = Math.min(MOST, Math.floor(MOST_BYTES / messages.size));
    const left = this.#count - this.#sent;
    const wanted = random(4) > 0 ? most : 1 + random(most);
    // The other ways cost ten times as much.
    const count = Math.min(receiver.mode === "messages" ? wanted : Math.ceil(wanted / 8), left);
    const flow = from * this.#receivers.length + to;
    const list = messages.write(count, this.#next[flow], flow, sender.port);
    this.#next[flow] += count;
    this.#sent += count;
    this.#waves++;
    this.#send(sender, receiver, list);
    return new Promise((resolve) => this.#finish = resolve);
  }

  #pickReceiver(): Receiver {
    const wanted = this.#random(10) > 0 ? "messages" : this.#random(4) > 0 ? "message" : "iteration";
    const candidates = this.#receivers.filter(({ mode }) => mode === wanted);
    return candidates[this.#random(candidates.length)];
  }

  #send({ socket, type, connectedTo }: Sender, { address, port }: Receiver, list: Uint8Array[]): void {
    // Between the families: an IPv4 sender reaches an IPv6 socket that is bound to all addresses; the other way needs a mapped address.
    const reachable = type === "udp4" ? "127.0.0.1" : address === "127.0.0.1" ? "::ffff:127.0.0.1" : address;
    const one = (error: Error | null): void => {
      if (error) throw error;
    };
    if (this.#random(8) > 0) {
      if (connectedTo) socket.sendMany(list, one);
      else socket.sendMany(list, port, reachable, one);
    } else if (connectedTo) { for (const message of list) socket.send(message, one); }
    else for (const message of list) socket.send(message, port, reachable, one);
  }

  #heardBatch(batch: MessageBatch): void {
    const { bytes, length } = batch;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < length; i++) {
      const start = batch.start(i);
      const [size, port] = [batch.size(i), batch.port(i)];
      const number = view.getUint32(start, true);
      const flow = view.getUint32(start + 4, true);
      if (view.getUint32(start + 8, true) !== ((size | (port << 16)) >>> 0)) this.#fail(flow, number, "size or sender");
      if (this.#expected[flow] !== number) this.#fail(flow, number, "order");
      this.#expected[flow]++;
      if (number % SAMPLED === 0) this.#compare(batch.view(i), flow, number);
    }
    this.#count_(length, "messages");
  }

  #heard(message: Uint8Array, port: number, mode: Mode): void {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    if (message.length < HEADER_SIZE) this.#fail(-1, -1, "size");
    const [number, flow] = [view.getUint32(0, true), view.getUint32(4, true)];
    if (view.getUint32(8, true) !== ((message.length | (port << 16)) >>> 0)) this.#fail(flow, number, "size or sender");
    if (this.#expected[flow] !== number) this.#fail(flow, number, "order");
    this.#expected[flow]++;
    if (number % SAMPLED === 0) this.#compare(message, flow, number);
    this.#count_(1, mode);
  }

  #compare(bytes: Uint8Array, flow: number, number: number): void {
    this.#compared++;
    const fault = faultOf(bytes);
    if (fault) this.#fail(flow, number, fault);
  }

  #count_(more: number, mode: Mode): void {
    this.#byMode[mode] += more;
    this.#received += more;
    if (this.#received === this.#sent) this.#finish();
  }

  #fail(flow: number, number: number, what: string): never {
    throw new Error(`${what}: datagram ${number} of flow ${flow}, where ${this.#expected[flow]} was expected`);
  }
}

export default function datagrams(count: number, seed: number, progress: Progress): Promise<object> {
  return new Run(count, seed, progress).run();
}
