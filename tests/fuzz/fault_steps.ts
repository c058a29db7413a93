/**
 * What is done while calls fail, beside sending and receiving: each step uses calls that nothing else uses.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { clockTime, createSocket, socketpair } from "../../mod.ts";
import { isExpectedError } from "./values.ts";

/** A socket of any kind, as far as all are alike. */
interface Closable extends AsyncDisposable {
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** Sockets of one round, and what was thrown that no caller deserves. */
export class Steps {
  readonly #sockets: Closable[] = [];
  readonly #port: number;
  readonly #closedPort: number;
  /** What is wrong. */
  readonly wrong: string[] = [];

  /** @param port A socket's that takes all. @param closedPort Nobody's. */
  constructor(port: number, closedPort: number) {
    this.#port = port;
    this.#closedPort = closedPort;
  }

  /** Does all. What fails, fails by an error that its caller can understand. */
  run(): void {
    for (const step of [this.#udp, this.#errorQueue, this.#unix, this.#pair, () => clockTime("monotonic")]) {
      this.#attempt(step);
    }
  }

  /** Closes what was opened. */
  async end(): Promise<void> {
    for (const socket of this.#sockets) await socket[Symbol.asyncDispose]();
  }

  #attempt(step: () => unknown): void {
    try {
      step();
    } catch (error) {
      this.#check(error);
    }
  }

  #check(error: unknown): void {
    if (!isExpectedError(error)) this.wrong.push(String((error as Error)?.stack ?? error));
  }

  #made<Socket extends Closable>(socket: Socket): Socket {
    this.#sockets.push(socket);
    socket.on("error", (error) => this.#check(error));
    return socket;
  }

  readonly #udp = (): void => {
    const socket = this.#made(createSocket({ type: "udp4", recvLocalAddress: true }));
    socket.on("message", () => {});
    const { port } = socket.bindSync({ address: "127.0.0.1" });
    for (
      const step of [
        () => socket.getNextDatagramSize(),
        () => socket.getOutputQueueSize(),
        () => socket.addMembership("224.0.0.114", "lo"),
        () => socket.remoteAddress(),
        () => socket.sendSync("x", { port, address: "127.0.0.1", interface: "lo" }),
      ]
    ) this.#attempt(step);
  };

  readonly #errorQueue = (): void => {
    const socket = this.#made(createSocket({ type: "udp4", recvNetworkErrors: true, sendTimestamp: true }));
    socket.on("networkError", () => {});
    socket.on("sendTimestamp", () => {});
    socket.bindSync({ address: "127.0.0.1" });
    socket.send("x", this.#closedPort, "127.0.0.1", () => {});
    socket.send("x", this.#port, "127.0.0.1", () => {});
  };

  readonly #unix = (): void => {
    const receiver = this.#made(createSocket("unix_dgram"));
    receiver.on("message", () => {});
    receiver.bindSync();
    const { path } = receiver.address();
    const sender = this.#made(createSocket("unix_dgram"));
    for (
      const step of [
        () => sender.send("x", path, () => {}),
        () => sender.sendSync("x", path),
        () => sender.connectSync(path),
        () => sender.send("x", () => {}),
        () => sender.setSendBufferSize(4096),
        () => sender.getPeerCredentials(),
      ]
    ) this.#attempt(step);
  };

  readonly #pair = (): void => {
    const [left, right] = socketpair({ recvFds: true, recvCredentials: true });
    this.#made(left);
    this.#made(right).on("message", (_, { fds }) => {
      const fd = fds?.take();
      if (fd === undefined) return;
      for (
        const step of [
          () => fds!.read(fd, new Uint8Array(4)),
          () => fds!.write(fd, new Uint8Array(4)),
          () => fds!.close(fd),
        ]
      ) this.#attempt(step);
    });
    const file = openSync("/dev/zero", "r+");
    this.#attempt(() => left.send("x", { fds: [file] }, () => {}));
    closeSync(file);
  };
}
