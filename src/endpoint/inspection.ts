/**
 * How `util.inspect`, `console.log`, and the inspection functions of Deno and Bun show a socket.
 *
 * @module
 */
import { isPaused } from "./pausing.ts";
import { stateOf } from "./socket_state.ts";

/** Own properties that are not added: EventEmitter's, and the type, which is shown anyway. */
const HIDDEN = new Set(["_events", "_eventsCount", "_maxListeners", "domain", "type"]);

/** The properties that differ between UDP and Unix sockets. */
export interface Shown {
  readonly state: string;
  readonly address: string | undefined;
  readonly peer: string | undefined;
}

/** The properties to show. Reading them sends nothing and changes nothing. */
export function describeSocket(socket: { readonly type: string }, show: () => Shown): object {
  const state = stateOf(socket);
  // The prototype, or an object that only inherits from it.
  if (!state) return {};
  const shown: Record<string, unknown> = { type: socket.type };
  const { endpoint } = state;
  if (!endpoint) {
    shown.state = "closed";
  } else {
    const { state, address, peer } = show();
    shown.state = state;
    if (address !== undefined) shown.address = address;
    if (peer !== undefined) shown.peer = peer;
    if (endpoint.fd >= 0) shown.fd = endpoint.fd;
    const { count, size } = endpoint.sendQueue;
    if (count > 0) shown.sendQueue = { messages: count, bytes: size };
    if (isPaused(socket)) shown.paused = true;
  }
  for (const [name, value] of Object.entries(socket)) if (!HIDDEN.has(name)) shown[name] = value;
  return shown;
}

/** An IP address with its port. */
export function hostPort({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
