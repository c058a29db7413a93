/**
 * The sockets of the soak: every kind, every way to receive.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import process from "node:process";
import { threadId } from "node:worker_threads";
import { createSocket, type MessageBatch, type RemoteInfo, type Socket, type UnixSocket } from "../../mod.ts";
import type { Holder, Ledger } from "./ledger.ts";

/** `dual` is IPv6 bound to all addresses, which IPv4 reaches as well, by mapped addresses. */
export type Kind = "udp4" | "udp6" | "dual" | "unix";
export type Mode = "message" | "messages" | "iteration";

const KINDS: readonly Kind[] = ["udp4", "udp4", "udp6", "dual", "dual", "unix"];
const MODES: readonly Mode[] = ["message", "message", "messages", "messages", "iteration"];

let parties = 0;

/** A socket from when it is opened to when it is closed. */
export class Party implements Holder {
  readonly name: string;
  readonly kind: Kind;
  readonly mode: Mode;
  readonly socket: Socket | UnixSocket;
  /** Whether the kernel coalesces what it receives, and so counts several that it drops as one. */
  readonly gro: boolean;
  /** Whether others send to it, unless it has a peer. */
  readonly receives: boolean;
  peer: Party | undefined;
  /** What it calls its peer. */
  peerAddress = "";
  port = 0;
  path = "";
  isClosed = false;
  isPaused = false;

  constructor(random: (below: number) => number, ledger: Ledger<Party>, onError: (error: Error) => void) {
    this.kind = KINDS[random(KINDS.length)];
    this.mode = MODES[random(MODES.length)];
    this.name = `${threadId}.${parties++}-${this.kind}-${this.mode}`;
    this.gro = random(2) === 0;
    this.receives = random(3) > 0;
    const recvBufferSize = [undefined, undefined, 1 << 20, 1 << 22, 16_384][random(5)];
    this.socket = this.kind === "unix" ? createSocket({ type: "unix_dgram", sendBufferSize: 1 << 20 }) : createSocket({
      type: this.kind === "udp4" ? "udp4" : "udp6",
      gro: this.gro,
      gso: random(4) > 0,
      recvBufferSize,
      recvTTL: random(4) === 0,
      recvLocalAddress: random(4) === 0,
      recvDropCount: random(4) === 0,
    });
    this.socket.on("error", onError);
    this.#listen(ledger);
  }

  bind(): void {
    if (this.kind === "unix") {
      this.path = (this.socket as UnixSocket).bindSync(`\0soak-${process.pid}-${this.name}`).path;
    } else {this.port = bindToPort(
        this.socket as Socket,
        this.kind === "udp4" ? "127.0.0.1" : this.kind === "udp6" ? "::1" : "::",
      );}
  }

  /** How this one calls another one; undefined: it cannot reach it. */
  addressOf(other: Party, random: (below: number) => number): string | undefined {
    if (this.kind === "unix" || other.kind === "unix") return this.kind === other.kind ? other.path : undefined;
    if (this.kind === "udp4") return other.kind === "udp6" ? undefined : "127.0.0.1";
    if (other.kind === "udp4") return this.kind === "dual" ? "::ffff:127.0.0.1" : undefined;
    return this.kind === "dual" && other.kind === "dual" && random(2) === 0 ? "::ffff:127.0.0.1" : "::1";
  }

  /** What the receiver is told of who sent a message to that address. */
  senderTo(other: Party, address: string): string {
    if (this.kind === "unix") return this.path;
    const isIPv4 = this.kind === "udp4" || address.startsWith("::ffff:");
    return `${isIPv4 ? other.kind === "dual" ? "::ffff:127.0.0.1" : "127.0.0.1" : "::1"} ${this.port}`;
  }

  /** Datagrams that the kernel has dropped. */
  drops(): number {
    return this.kind === "unix" ? 0 : (this.socket as Socket).getDropCount();
  }

  close(): void {
    this.isClosed = true;
    this.socket.close();
  }

  #listen(ledger: Ledger<Party>): void {
    const { socket, mode } = this;
    if (mode === "messages") {
      socket.on("messages", (batch: MessageBatch) => {
        for (let i = 0; i < batch.length; i++) {
          const from = this.kind === "unix" ? batch.address(i) : `${batch.address(i)} ${batch.port(i)}`;
          ledger.heard(this, batch.view(i), from);
        }
      });
    } else if (mode === "message") {
      socket.on("message", (message: Buffer, remote: object) => ledger.heard(this, message, told(remote)));
    } else void this.#iterate(ledger);
  }

  async #iterate(ledger: Ledger<Party>): Promise<void> {
    try {
      for await (const [message, remote] of this.socket) ledger.heard(this, message, told(remote));
    } catch {
      // The socket's 'error', of which its listener tells. It is received otherwise from now on.
      if (this.isClosed) return;
      this.socket.on("message", (message: Buffer, remote: object) => ledger.heard(this, message, told(remote)));
    }
  }
}

/** The ports that are tried: below those that the kernel hands out, so that nobody else gets one that was closed. */
const [FIRST_PORT, PORTS] = [10_000, 20_000];
let tried = (process.pid * 7919 + threadId * 1009) % PORTS;

/** Binds to a port by its number: the kernel takes one that it has chosen itself away at a disconnect. */
function bindToPort(socket: Socket, address: string): number {
  for (;;) {
    try {
      return socket.bindSync({ port: FIRST_PORT + tried++ % PORTS, address }).port;
    } catch (error) {
      if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    }
  }
}

function told(remote: object): string {
  const { address, port, path } = remote as RemoteInfo & { path?: string };
  return path ?? `${address} ${port}`;
}
