/**
 * What a scenario saw, as text that is the same in every run.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { textOf } from "./arguments.ts";

/** The ports that the system chooses by itself (Linux: net.ipv4.ip_local_port_range, where it is the usual one). */
const EPHEMERAL = /\b(3[2-9]\d{3}|[45]\d{4}|60\d{3})\b/g;
/** What a socket's buffers have on this host if nobody sets them (Linux). */
const BUFFER_SIZES = ["rmem_default", "wmem_default"].map((name) => {
  return readFileSync(`/proc/sys/net/core/${name}`, "utf8").trim();
});

/** The record of one scenario. */
export class Recorder {
  /** Set once known: it is told from the socket's own port. */
  peerPort = 0;
  /** The socket under test: appears as `this`. */
  socket: unknown;
  #entries: string[] = [];
  #arrivals: string[] = [];

  /** How much was recorded. */
  get count(): number {
    return this.#entries.length + this.#arrivals.length;
  }

  /** Forgets everything: what was recorded up to now belonged to the preparation. */
  restart(): void {
    this.#entries = [];
    this.#arrivals = [];
  }

  /** Something whose place in the order matters. */
  add(what: string, values: readonly unknown[] = []): void {
    this.#entries.push(this.#line(what, values));
  }

  /** A datagram that arrived: when, is the kernel's and the poll's affair, so only the order among these matters. */
  addArrival(what: string, values: readonly unknown[]): void {
    this.#arrivals.push(this.#line(what, values));
  }

  /** All of it. */
  text(): string {
    return [...this.#entries, ...this.#arrivals].join(" | ");
  }

  #line(what: string, values: readonly unknown[]): string {
    const line = [what, ...values.map((value) => this.#describe(value))].join(" ");
    if (BUFFER_SIZES.some((size) => line.endsWith(` ${size}`))) return `${what} <default>`;
    return line.replace(EPHEMERAL, (port) => Number(port) === this.peerPort ? "<peer>" : "<port>");
  }

  #describe(value: unknown): string {
    if (value === this.socket) return "this";
    if (value instanceof Error) return errorText(value);
    return textOf(value);
  }
}

/** An error's class, text and own properties. The code of an error that has it in its text, as Node's own have, stands first. */
function errorText(error: Error): string {
  const { name } = [RangeError, TypeError, Error].find((candidate) => error instanceof candidate)!;
  const { code, ...others } = { ...error } as { code?: unknown };
  const isNodes = String(error) === `${name} [${code}]: ${error.message}`;
  const isPlain = String(error) === `${name}: ${error.message}`;
  const text = isNodes || isPlain ? JSON.stringify(error.message) : String(error);
  const properties = Object.entries(isNodes ? others : error).map(([key, value]) => `${key}=${textOf(value)}`);
  return [name, ...(isNodes ? [code] : []), text, ...properties].join(" ");
}
