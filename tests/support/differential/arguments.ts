/**
 * Arguments of the differential check's calls: values as data, some of which each scenario fills in for itself.
 *
 * @module
 */

/** What a placeholder can draw on. */
export interface Surroundings {
  /** The port of the scenario's other socket. */
  readonly peerPort: number;
  readonly version: 4 | 6;
  /** A function that records being called. */
  newCallback(): (...values: unknown[]) => void;
  /** A resolver that records being asked. */
  readonly lookup: (...values: unknown[]) => void;
}

/** An argument that is known only when the scenario runs. */
export class Placeholder {
  readonly text: string;
  readonly fill: (surroundings: Surroundings) => unknown;

  constructor(text: string, fill: (surroundings: Surroundings) => unknown) {
    this.text = text;
    this.fill = fill;
  }
}

/** A placeholder for text that differs between the protocols. */
function perVersion(text: string, v4: string, v6: string): Placeholder {
  return new Placeholder(text, ({ version }) => version === 4 ? v4 : v6);
}

export const CALLBACK = new Placeholder("callback", (surroundings) => surroundings.newCallback());
export const LOOKUP = new Placeholder("lookup", ({ lookup }) => lookup);
export const PEER_PORT = new Placeholder("peerPort", ({ peerPort }) => peerPort);
export const PEER_PORT_TEXT = new Placeholder("String(peerPort)", ({ peerPort }) => String(peerPort));
export const SOCKET_TYPE = perVersion("type", "udp4", "udp6");
export const LOOPBACK = perVersion("loopback", "127.0.0.1", "::1");
export const OTHER_LOOPBACK = perVersion("otherFamily", "::1", "127.0.0.1");
export const ANY = perVersion("any", "0.0.0.0", "::");
/** Reserved for documentation: no host has it. */
export const NOT_LOCAL = perVersion("notLocal", "192.0.2.1", "2001:db8::1");
export const GROUP = perVersion("group", "224.0.0.114", "ff02::114");
export const LOOPBACK_INTERFACE = perVersion("loInterface", "127.0.0.1", "::1%lo");
export const OTHER_GROUP = perVersion("otherGroup", "ff02::114", "224.0.0.114");
export const OTHER_INTERFACE = perVersion("otherInterface", "::1%lo", "127.0.0.1");
export const OTHER_SSM_GROUP = perVersion("otherSsmGroup", "ff3e::1234", "232.1.1.114");
export const SSM_GROUP = perVersion("ssmGroup", "232.1.1.114", "ff3e::1234");

/** The value of an argument in a scenario. Placeholders may stand in arrays and plain objects. */
export function fill(value: unknown, surroundings: Surroundings): unknown {
  if (value instanceof Placeholder) return value.fill(surroundings);
  if (Array.isArray(value)) return value.map((item) => fill(item, surroundings));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, surroundings)]));
}

/** A value as source text, short: part of a scenario's name, and how results are recorded. */
export function textOf(value: unknown): string {
  if (value instanceof Placeholder) return value.text;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "function";
  if (Array.isArray(value)) return `[${value.map(textOf).join(", ")}]`;
  if (ArrayBuffer.isView(value)) return `${kindOf(value)}(${value.byteLength})`;
  if (isPlain(value)) {
    return `{${Object.entries(value).map(([key, item]) => `${key}: ${textOf(item)}`).join(", ")}}`;
  }
  return typeof value === "object" && value !== null ? kindOf(value) : Object.is(value, -0) ? "-0" : String(value);
}

/** The name of a value's class. A Buffer counts as the Uint8Array it is. */
function kindOf(value: object): string {
  return value instanceof Uint8Array ? "Uint8Array" : value.constructor?.name ?? "object without prototype";
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
