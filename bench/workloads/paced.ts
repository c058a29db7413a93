/**
 * Messages at a low, steady rate, each answered by an echo server: the share of a processor that the process takes, in percent.
 *
 * @module
 */
import { bound, type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options } from "../support.ts";

/** Milliseconds between two of a timer's calls: shorter ones are not kept. */
const PERIOD = 5;

export default async function paced(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram);
  const [message] = messagesOf(options.sizes);
  let [answered, sent] = [0, 0];
  socket.on("message", () => void answered++);
  const start = performance.now();
  setInterval(() => {
    // What a late timer has missed is made up for.
    const due = (performance.now() - start) / 1000 * options.pace;
    for (; sent < due; sent++) socket.send(message, options.port, LOOPBACK);
  }, PERIOD);
  const { cpu, rate } = await measure(options, () => answered);
  return { rate, cpu, load: cpu * rate / 10_000 };
}
