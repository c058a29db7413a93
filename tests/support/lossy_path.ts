/**
 * A path on loopback that loses, duplicates and reorders datagrams, in both directions. The same seed makes the same choices.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { RemoteInfo, Socket, SocketEvents } from "../../mod.ts";
import type { Family, Tools } from "./harness.ts";
import { randomIntegers } from "./random.ts";

type Pass = (message: SocketEvents["message"][0]) => void;

/** A datagram that so many others overtake, or all of its turn. */
interface Held {
  left: number;
  readonly pass: () => void;
}

/** Between one client and a server: the client sends to its port. */
export class LossyPath {
  /** How often each happened. */
  readonly counts = { lost: 0, doubled: 0, late: 0, passed: 0 };
  /** What was passed on to the server, in that order. */
  readonly toServer: string[] = [];
  readonly #front: Socket;
  readonly #back: Socket;
  readonly #server: number;
  readonly #address: string;
  readonly #random: (below: number) => number;
  #held: Held[] = [];

  private constructor(front: Socket, back: Socket, server: number, address: string, seed: number) {
    this.#front = front;
    this.#back = back;
    this.#server = server;
    this.#address = address;
    this.#random = randomIntegers(seed);
  }

  /** Opens a path to a server on loopback. */
  static async open(t: Tools, { type, loopback }: Family, server: number, seed: number): Promise<LossyPath> {
    const [front, back] = [await t.bound({ type, gro: false }), await t.bound({ type, gro: false })];
    for (const socket of [front, back]) socket.setRecvBufferSize(1 << 20);
    const path = new LossyPath(front, back, server, loopback, seed);
    let client: RemoteInfo | undefined;
    front.on("message", (message, remote) => {
      client = remote;
      path.#take(message, (passed) => {
        path.toServer.push(passed.toString());
        back.send(passed, server, loopback);
      });
    });
    back.on("message", (message) => {
      path.#take(message, (passed) => front.send(passed, client!.port, client!.address));
    });
    return path;
  }

  /** Where the client sends to. */
  get port(): number {
    return this.#front.address().port;
  }

  /** The port that the server hears from. */
  get serverSide(): number {
    return this.#back.address().port;
  }

  /** Sends something to the server that is not lost. */
  async end(text: string): Promise<void> {
    this.toServer.push(text);
    await new Promise((resolve) => this.#back.send(text, this.#server, this.#address, resolve));
  }

  #take(message: SocketEvents["message"][0], send: Pass): void {
    const { counts } = this;
    const pass = (): void => {
      counts.passed++;
      send(message);
    };
    const dice = this.#random(10);
    if (dice === 0) counts.lost++;
    else if (dice < 3) {
      counts.late++;
      this.#held.push({ left: 1 + this.#random(4), pass });
      if (this.#held.length === 1) setImmediate(() => this.#release(() => true));
      return;
    } else {
      if (dice < 5) {
        counts.doubled++;
        pass();
      }
      pass();
    }
    for (const held of this.#held) held.left--;
    this.#release(({ left }) => left <= 0);
  }

  #release(isDue: (held: Held) => boolean): void {
    const due = this.#held.filter(isDue);
    this.#held = this.#held.filter((held) => !isDue(held));
    for (const { pass } of due) pass();
  }
}
