/**
 * What was sent by whom to whom, what became of it, and what came. Each received datagram is held against it.
 *
 * @module
 */
import { datagram, faultOf, HEADER_SIZE, readHeader } from "./format.ts";

/** What a socket is to the ledger, from when it is opened to when it is closed. */
export interface Holder {
  readonly name: string;
  /** The port; 0 on a Unix socket. */
  readonly port: number;
  isClosed: boolean;
}

/** The datagrams of one socket to another one. */
export class Flow<Party extends Holder = Holder> {
  readonly id: number;
  readonly sender: Party;
  readonly receiver: Party;
  /** How the receiver is told the sender's address. */
  readonly from: string;
  /** Sizes by number. */
  readonly sizes: number[] = [];
  /** Numbers of messages that have failed. */
  readonly failed = new Set<number>();
  accepted = 0;
  /** Messages of which it is not said whether the kernel has taken them. */
  unknown = 0;
  received = 0;
  /** The number that was received last. */
  last = -1;

  constructor(id: number, sender: Party, receiver: Party, from: string) {
    this.id = id;
    this.sender = sender;
    this.receiver = receiver;
    this.from = from;
  }

  /** The next message. */
  next(length: number): Uint8Array {
    this.sizes.push(length);
    return this.bytesOf(this.sizes.length - 1);
  }

  bytesOf(number: number): Uint8Array {
    return datagram({ number, flow: this.id, length: this.sizes[number], port: this.sender.port });
  }
}

/** The flows of some time. */
export class Ledger<Party extends Holder = Holder> {
  readonly faults: string[] = [];
  /** Datagrams that came to a later socket of the same address. */
  strays = 0;
  received = 0;
  bytes = 0;
  readonly #flows: Flow<Party>[] = [];
  readonly #byPair = new Map<string, Flow<Party>>();
  readonly #byReceiver = new Map<Party, Flow<Party>[]>();
  readonly #firstId: number;

  constructor(firstId: number) {
    this.#firstId = firstId;
  }

  get flowCount(): number {
    return this.#flows.length;
  }

  flow(sender: Party, receiver: Party, from: string): Flow<Party> {
    const key = `${sender.name} ${receiver.name} ${from}`;
    const known = this.#byPair.get(key);
    if (known) return known;
    const flow = new Flow(this.#firstId + this.#flows.length, sender, receiver, from);
    this.#flows.push(flow);
    this.#byPair.set(key, flow);
    const others = this.#byReceiver.get(receiver);
    if (others) others.push(flow);
    else this.#byReceiver.set(receiver, [flow]);
    return flow;
  }

  flowsTo(receiver: Party): readonly Flow<Party>[] {
    return this.#byReceiver.get(receiver) ?? [];
  }

  /** A datagram came. @param from The sender's address as it was told. */
  heard(receiver: Party, bytes: Uint8Array, from: string): void {
    this.received++;
    this.bytes += bytes.length;
    const found = bytes.length < HEADER_SIZE ? this.#short(receiver, bytes, from) : this.#long(receiver, bytes, from);
    if (!found) return;
    const [flow, number] = found;
    if (flow.failed.has(number)) this.#fault(receiver, from, `${number} of ${flow.id} came, although it had failed`);
    flow.last = number;
    flow.received++;
  }

  #long(receiver: Party, bytes: Uint8Array, from: string): [Flow<Party>, number] | undefined {
    const { flow: id, number } = readHeader(bytes);
    const flow = this.#flows[id - this.#firstId];
    const what = `${bytes.length} bytes, ${number} of ${id}`;
    if (!flow || flow.sizes[number] !== bytes.length) return this.#fault(receiver, from, `unknown: ${what}`);
    if (flow.receiver !== receiver) {
      if (flow.receiver.isClosed) return this.#stray();
      return this.#fault(receiver, from, `meant for ${flow.receiver.name}: ${what}`);
    }
    const fault = faultOf(bytes);
    if (fault) return this.#fault(receiver, from, `${fault}: ${what}`);
    if (flow.from !== from) return this.#fault(receiver, from, `sent by ${flow.from}: ${what}`);
    if (number <= flow.last) return this.#fault(receiver, from, `after ${flow.last}: ${what}`);
    return [flow, number];
  }

  /** A datagram that does not say whose it is: the next one of the sender's that it can be. */
  #short(receiver: Party, bytes: Uint8Array, from: string): [Flow<Party>, number] | undefined {
    for (const flow of this.flowsTo(receiver)) {
      if (flow.from !== from) continue;
      for (let number = flow.last + 1; number < flow.sizes.length; number++) {
        if (flow.sizes[number] !== bytes.length || flow.failed.has(number)) continue;
        const expected = flow.bytesOf(number);
        if (bytes.every((byte, i) => byte === expected[i])) return [flow, number];
      }
    }
    const isForOther = this.#flows.some((flow) =>
      flow.from === from && flow.receiver.isClosed && flow.receiver.port === receiver.port
    );
    if (isForOther) return this.#stray();
    return this.#fault(receiver, from, `${bytes.length} bytes that were not sent, or sent before: ${[...bytes]}`);
  }

  #stray(): undefined {
    this.strays++;
  }

  #fault(receiver: Party, from: string, what: string): undefined {
    if (this.faults.length < 20) this.faults.push(`${receiver.name} from ${from}: ${what}`);
  }
}
