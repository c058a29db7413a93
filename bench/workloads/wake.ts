/**
 * A message from one socket to one of many in the same process: how long it takes, in microseconds.
 *
 * @module
 */
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

const MAX_TRIPS = 2 ** 20;

export default async function wake(dgram: Dgram, options: Options): Promise<Figures> {
  const sender = await bound(dgram);
  const [message] = messagesOf(options.sizes);
  const ports: number[] = [];
  const trips = new Float64Array(MAX_TRIPS);
  let [count, sentAt] = [0, 0];
  const sendNext = (): void => {
    sentAt = performance.now();
    sender.send(message, ports[count * 7919 % ports.length], LOOPBACK);
  };
  for (let i = 0; i < options.sockets; i++) {
    const socket = await bound(dgram);
    ports.push(socket.address().port);
    socket.on("message", () => {
      trips[count++ % MAX_TRIPS] = performance.now() - sentAt;
      sendNext();
    });
  }
  sendNext();
  const figures = await measure(options, () => count);
  const sorted = trips.subarray(0, Math.min(count, MAX_TRIPS)).sort();
  return { ...figures, p50: percentile(sorted, 0.5) * 1000 };
}
