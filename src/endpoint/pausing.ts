/**
 * Pausing and resuming of receiving.
 *
 * @module
 */
import { endpointOf } from "./socket_state.ts";

/** The pause of the program itself, by `pause()`. */
const PROGRAM = "program";

/** See {@linkcode Socket.pause}. A closed socket receives nothing anyway. */
export function pause(socket: object): void {
  endpointOf(socket)?.setPaused(PROGRAM, true);
}

/** See {@linkcode Socket.resume}. */
export function resume(socket: object): void {
  endpointOf(socket)?.setPaused(PROGRAM, false);
}

/** See {@linkcode Socket.isPaused}. */
export function isPaused(socket: object): boolean {
  return endpointOf(socket)?.isPausedBy(PROGRAM) ?? false;
}
