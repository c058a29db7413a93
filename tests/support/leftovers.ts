/**
 * What an operation must not leave behind: listeners of a socket, timers, listeners of a signal.
 *
 * @module
 */
import process from "node:process";
import type { Socket } from "../../mod.ts";
import { runtime } from "./runtime.ts";

const EVENTS = ["message", "messages", "error", "close", "listening", "connect", "networkError", "drain"] as const;

/** The number of a socket's listeners, of all events that operations listen for. */
export function listenersOf(socket: Socket | { readonly socket: Socket }): number {
  const emitter = "socket" in socket ? socket.socket : socket;
  return EVENTS.reduce((count, event) => count + emitter.listenerCount(event as "message"), 0);
}

/** The number of timers that run. Bun does not tell: 0. Its timers are counted by whether a process ends. */
export function runningTimers(): number {
  if (runtime === "bun") return 0;
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

/** A signal that counts its listeners. */
export interface CountedSignal {
  readonly signal: AbortSignal;
  readonly listeners: () => number;
  readonly abort: (reason?: unknown) => void;
}

/** Makes a signal that counts its listeners. */
export function countedSignal(): CountedSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const added = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    added.add(args[1]);
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    added.delete(args[1]);
    removeEventListener.apply(signal, args);
  };
  return { signal, listeners: () => added.size, abort: (reason) => controller.abort(reason) };
}
