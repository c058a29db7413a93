/**
 * Closes sockets when a signal is aborted.
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import { endpointOf } from "../endpoint/socket_state.ts";

/** Closes a socket when a signal is aborted, or at once if it already is. When the socket is closed, its listener is removed. */
export function closeOnAbort(socket: AnySocket & { close(): unknown }, signal: AbortSignal | undefined): void {
  if (!signal) return;
  const abort = (): void => {
    if (endpointOf(socket)) socket.close();
  };
  if (signal.aborted) return abort();
  signal.addEventListener("abort", abort, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", abort));
}
