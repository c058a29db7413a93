/**
 * One request at a time to an echo server, beside any number of idle sockets: latency in microseconds.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  bound,
  type Dgram,
  type Figures,
  LOOPBACK,
  measure,
  messagesOf,
  type Options,
  percentile,
} from "../support.ts";

const MAX_TRIPS = 2 ** 21;

export default async function roundTrip(dgram: Dgram, options: Options): Promise<Figures> {
  for (let i = 0; i < options.idle; i++) await bound(dgram);
  const socket = await bound(dgram);
  const [message] = messagesOf(options.sizes);
  const trips = new Float64Array(MAX_TRIPS);
  let [count, asked] = [0, 0];
  const ask = (): void => {
    asked = performance.now();
    socket.send(message, options.port, LOOPBACK);
  };
  socket.on("message", () => {
    trips[count++ % MAX_TRIPS] = performance.now() - asked;
    ask();
  });
  ask();
  await delay(options.warm);
  count = 0;
  const figures = await measure({ ...options, warm: 0 }, () => count);
  const sorted = trips.subarray(0, Math.min(count, MAX_TRIPS)).sort();
  return { ...figures, p50: percentile(sorted, 0.5) * 1000, p99: percentile(sorted, 0.99) * 1000 };
}
