/**
 * Sockets that close when a signal is aborted.
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import { endpointOf } from "../endpoint/socket_state.ts";

/** Has a signal close a socket; at once where it is aborted already. The signal forgets the socket once that is closed. */
export function closeOnAbort(socket: AnySocket & { close(): unknown }, signal: AbortSignal | undefined): void {
  if (!signal) return;
  const abort = (): void => {
    if (endpointOf(socket)) socket.close();
  };
  if (signal.aborted) return abort();
  signal.addEventListener("abort", abort, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", abort));
}
