/**
 * Sockets in another process: a test tells tests/fixtures/agent.ts what to do and is told what comes of it.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { AddressInfo, NetworkError, RemoteInfo, SocketOptions, SocketType } from "../../mod.ts";
import type { Tools } from "./harness.ts";
import { Mailbox, patiently } from "./mailbox.ts";
import { commandFor, fixture } from "./runtime.ts";

/** What the agent is told. */
export interface Order {
  readonly id: number;
  readonly socket: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** What the agent tells: the answer to an order, or what a socket has emitted. */
export type Report =
  | { readonly id: number; readonly result?: unknown; readonly error?: Failure }
  | { readonly socket: number; readonly heard: Heard }
  | { readonly socket: number; readonly emitted: Failure }
  | { readonly socket: number; readonly networkError: NetworkError }
  | { readonly socket: number; readonly timestamp: { readonly id: number } };

/** An error of the agent's. */
export interface Failure {
  readonly message: string;
  readonly code?: string;
  readonly syscall?: string;
}

/** A datagram that one of the agent's sockets received. */
export interface Heard {
  readonly text: string;
  readonly remote: RemoteInfo;
}

/** An order that failed in the agent. */
export class AgentError extends Error {
  readonly code: string | undefined;
  readonly syscall: string | undefined;

  constructor({ message, code, syscall }: Failure) {
    super(message);
    this.code = code;
    this.syscall = syscall;
  }
}

/** Where commands are run; by default right here. */
interface Place {
  command(...words: readonly string[]): [string, ...string[]];
}

/** A process that has sockets. */
export class Agent {
  readonly #child: ChildProcess;
  readonly #sockets: RemoteSocket[] = [];
  readonly #answers = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #orders = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on("line", (line) => this.#hear(JSON.parse(line)));
    child.once("exit", () => {
      for (const { reject } of this.#answers.values()) reject(new Error("the agent ended"));
    });
  }

  /** Starts one that ends with the test. */
  static async start(tools: Tools, place?: Place): Promise<Agent> {
    const words = commandFor(fixture("agent"));
    const [command, ...args] = place ? place.command(...words) : words;
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    tools.cleanup(() => ended(child));
    const agent = new Agent(child);
    await agent.order(0, "ready");
    return agent;
  }

  /** The process, whose /proc/…/net is that of its namespace. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Makes a socket. @param isBuiltin Of the runtime's own `node:dgram`. */
  async socket(options: SocketType | SocketOptions, isBuiltin = false): Promise<RemoteSocket> {
    const socket = new RemoteSocket(this, this.#sockets.length);
    this.#sockets.push(socket);
    await socket.call("create", options, isBuiltin);
    return socket;
  }

  /** Makes a socket that adopts another descriptor of one of this agent's sockets. */
  async adopted(from: RemoteSocket, options: SocketOptions): Promise<RemoteSocket> {
    const socket = new RemoteSocket(this, this.#sockets.length);
    this.#sockets.push(socket);
    await socket.call("adopt", this.#sockets.indexOf(from), options);
    return socket;
  }

  /** Makes a socket and binds it. */
  async bound(options: SocketType | SocketOptions, address?: string, port = 0): Promise<RemoteSocket> {
    const socket = await this.socket(options);
    await socket.bind(address, port);
    return socket;
  }

  /** For the sockets. */
  order(socket: number, method: string, args: readonly unknown[] = []): Promise<unknown> {
    const order: Order = { id: this.#orders++, socket, method, args };
    const answer = new Promise((resolve, reject) => this.#answers.set(order.id, { resolve, reject }));
    this.#child.stdin!.write(`${JSON.stringify(order)}\n`);
    return patiently(`an answer to ${method}`, answer);
  }

  #hear(report: Report): void {
    if ("heard" in report) return this.#sockets[report.socket].hear(report.heard);
    if ("networkError" in report) return this.#sockets[report.socket].hearNetwork(report.networkError);
    if ("timestamp" in report) return this.#sockets[report.socket].hearTimestamp(report.timestamp.id);
    if ("emitted" in report) return this.#sockets[report.socket].fail(report.emitted);
    const answer = this.#answers.get(report.id);
    this.#answers.delete(report.id);
    if (report.error) answer?.reject(new AgentError(report.error));
    else answer?.resolve(report.result);
  }
}

/** A socket of an agent. */
export class RemoteSocket {
  /** The port it is bound to, once it is. */
  port = 0;
  readonly #agent: Agent;
  readonly #number: number;
  readonly #datagrams = new Mailbox<Heard>();
  readonly #failures = new Mailbox<Failure>();
  readonly #networkErrors = new Mailbox<NetworkError>();
  readonly #timestamps = new Mailbox<number>();

  constructor(agent: Agent, number: number) {
    this.#agent = agent;
    this.#number = number;
  }

  /** Calls a method of the socket. One that ends in an event or a callback has ended when the promise is settled. */
  call(method: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.#agent.order(this.#number, method, args);
  }

  async bind(address?: string, port = 0): Promise<AddressInfo> {
    const local = await this.call("bind", port, address) as AddressInfo;
    this.port = local.port;
    return local;
  }

  /** Sends, and waits until the kernel has the message. */
  send(text: string, port?: number, address?: string): Promise<unknown> {
    return port === undefined ? this.call("send", text) : this.call("send", text, port, address);
  }

  /** Sends several in one turn, and waits until the kernel has them. */
  sendAll(texts: readonly string[], port: number, address: string): Promise<unknown> {
    return this.call("sendAll", texts, port, address);
  }

  /** The next datagram that has not been asked for yet. */
  next(): Promise<Heard> {
    return this.#datagrams.next();
  }

  /** The next `'error'` that has not been asked for yet. */
  nextError(): Promise<Failure> {
    return this.#failures.next();
  }

  /** The next `'networkError'` that has not been asked for yet. */
  nextNetworkError(): Promise<NetworkError> {
    return this.#networkErrors.next();
  }

  /** The number of the next `'sendTimestamp'` that has not been asked for yet. */
  nextTimestamp(): Promise<number> {
    return this.#timestamps.next();
  }

  /** For the agent. */
  hearTimestamp(id: number): void {
    this.#timestamps.put(id);
  }

  /** For the agent. */
  hearNetwork(error: NetworkError): void {
    this.#networkErrors.put(error);
  }

  /** For the agent. */
  hear(datagram: Heard): void {
    this.#datagrams.put(datagram);
  }

  /** For the agent. */
  fail(failure: Failure): void {
    this.#failures.put(failure);
  }
}

/** An agent ends when there are no more orders. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.stdin!.end();
  });
}
