/**
 * Sockets of all kinds under traffic that does not end by itself, for what ends in the midst of it: a Worker or a process.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { createSocket, type Socket, socketpair, type SocketType, type UnixSocket } from "../../mod.ts";
import { placeOf } from "./left_sockets.ts";

/** What a socket can be in the midst of. */
export const PLACES = [
  "message",
  "messages",
  "iteration",
  "descriptors",
  "callback",
  "binding",
  "listening",
  "connecting",
  "closing",
  "timer",
] as const;

/** One of them. */
export type Place = typeof PLACES[number];

/** How many sockets stay open without traffic. */
const IDLE = 10;
const SHUTDOWN = /ERR_SOCKET_DGRAM_NOT_RUNNING|ECANCELED/;

const loopbackOf = (type: SocketType): string => type === "udp4" ? "127.0.0.1" : "::1";

/** The traffic of one Worker or process. What is done next follows from the seed, when it is done does not. */
export class Bustle {
  /** Where the UDP sockets that stay open are bound. */
  readonly places: string[] = [];
  readonly #sockets = new Set<Socket | UnixSocket>();
  readonly #random: (below: number) => number;
  /** Where brief messages go. */
  #port = 0;
  #isOver = false;
  /** What is to happen at the next place of that name. */
  #next: [Place, () => unknown] | undefined;

  /** What messages with descriptors carry. Not a Worker's own file: Bun and Deno do not close those of one that is terminated. */
  readonly #carried: number;

  constructor(random: (below: number) => number, carried = 2) {
    this.#random = random;
    this.#carried = carried;
  }

  /** Opens the sockets. @returns Once each kind of traffic runs. */
  async start(): Promise<void> {
    const idle = Array.from({ length: IDLE }, (_, i) => this.#bound(i % 2 === 0 ? "udp4" : "udp6"));
    for (const socket of idle) socket.on("message", () => {});
    this.#port = idle[0].address().port;
    await Promise.all([
      this.#circulate(this.#bound("udp4"), this.#bound("udp4")),
      this.#batches(this.#bound("udp6"), this.#bound("udp6")),
      this.#iterate(this.#bound("udp4"), this.#bound("udp4")),
      this.#descriptors(...socketpair({ recvFds: true })),
      this.#again(() => this.#brief()),
      this.#again(() => this.#binding()),
      this.#again(() => this.#connecting()),
    ]);
  }

  /** Has something done when a socket is in the midst of something. */
  at(place: Place, action: () => unknown): void {
    if (place === "timer") setTimeout(action, 1);
    else this.#next = [place, action];
  }

  /** Closes all sockets. */
  close(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.close();
    this.#sockets.clear();
  }

  /** Has all sockets keep nothing alive, and opens no more. */
  unref(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.unref();
  }

  #is(place: Place): void {
    if (this.#next?.[0] !== place) return;
    const [, action] = this.#next;
    this.#next = undefined;
    action();
  }

  #keep<S extends Socket | UnixSocket>(socket: S): S {
    this.#sockets.add(socket);
    (socket as Socket).on("error", (error: Error & { code?: string }) => {
      if (!this.#isOver || !SHUTDOWN.test(String(error.code))) throw error;
    });
    return socket;
  }

  /** Closes a socket, unless that was done when all were closed. */
  #close(socket: Socket, done: () => void): void {
    if (this.#sockets.delete(socket)) socket.close(done);
  }

  #bound(type: SocketType): Socket {
    const socket = this.#keep(createSocket(type));
    this.places.push(placeOf(type, socket.bindSync({ address: loopbackOf(type) }).port));
    return socket;
  }

  /** Sends soon, as a rule at once. */
  #soon(send: () => void): void {
    const run = (): void => this.#isOver ? undefined : send();
    if (this.#random(8) > 0) run();
    else setTimeout(run, this.#random(4)).unref();
  }

  /** One message that goes to and fro. */
  #circulate(one: Socket, other: Socket): Promise<void> {
    const answer = (from: Socket): void => {
      from.on("message", (message, { port, address }) => {
        this.#is("message");
        this.#soon(() => from.send(message, port, address, (error) => error ? this.#failed(error) : undefined));
      });
    };
    answer(one);
    answer(other);
    one.send("x", other.address().port, "127.0.0.1");
    return heard(other, "message");
  }

  #batches(one: Socket, other: Socket): Promise<void> {
    const { port } = other.address();
    const send = (): void => {
      const list = Array.from({ length: 1 + this.#random(20) }, () => new Uint8Array(this.#random(2000)));
      one.sendMany(list, port, "::1", (error) => {
        if (error) return this.#failed(error);
        this.#is("callback");
        this.#soon(send);
      });
    };
    other.on("messages", () => this.#is("messages"));
    send();
    return heard(other, "messages");
  }

  async #iterate(one: Socket, other: Socket): Promise<void> {
    const { port } = other.address();
    const send = (): void => this.#soon(() => one.send(new Uint8Array(this.#random(3000)), port, "127.0.0.1"));
    const read = async (): Promise<void> => {
      for await (const _ of other) {
        this.#is("iteration");
        send();
      }
    };
    void read();
    send();
    await delay(1);
  }

  /** Messages with descriptors, which nobody takes. */
  #descriptors(one: UnixSocket, other: UnixSocket): Promise<void> {
    for (const socket of [one, other]) this.#keep(socket);
    const send = (): void => {
      const fds = [this.#carried, this.#carried];
      one.send("x", { fds }, (error) => error ? this.#failed(error) : undefined);
    };
    other.on("message", () => {
      this.#is("descriptors");
      this.#soon(send);
    });
    send();
    return heard(other, "message");
  }

  /** Does something for the first time, and then again and again. */
  async #again(act: () => Promise<void>): Promise<void> {
    await act();
    const run = async (): Promise<void> => {
      while (!this.#isOver) {
        await act();
        await new Promise<void>((resolve) => setTimeout(resolve, this.#random(3)).unref());
      }
    };
    void run();
  }

  /** A socket for one message. */
  #brief(): Promise<void> {
    const socket = this.#keep(createSocket("udp4"));
    return new Promise<void>((resolve) => {
      socket.send("y", this.#port, "127.0.0.1", () => {
        this.#close(socket, resolve);
        this.#is("closing");
      });
      if (this.#isOver) resolve();
    });
  }

  /** A socket that is bound with a lookup, and perhaps closed meanwhile. */
  #binding(): Promise<void> {
    const socket = this.#keep(createSocket("udp4"));
    return new Promise<void>((resolve) => {
      const end = (): void => this.#close(socket, resolve);
      if (this.#random(3) > 0) {
        socket.bind(0, "localhost", () => {
          this.#is("listening");
          end();
        });
      } else {
        socket.bind(0, "localhost");
        end();
      }
      this.#is("binding");
    });
  }

  #connecting(): Promise<void> {
    const socket = this.#keep(createSocket("udp4"));
    return new Promise<void>((resolve) => {
      socket.connect(this.#port, "localhost", () => {
        if (!this.#isOver) socket.send("z");
        this.#close(socket, resolve);
      });
      this.#is("connecting");
    });
  }

  #failed(error: Error & { code?: string }): void {
    if (!this.#isOver || !SHUTDOWN.test(String(error.code))) throw error;
  }
}

function heard(socket: Socket | UnixSocket, event: "message" | "messages"): Promise<void> {
  return new Promise<void>((resolve) => void (socket as Socket).once(event as "message", () => resolve()));
}
