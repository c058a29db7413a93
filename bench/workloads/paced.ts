/**
 * Messages at a low, steady rate, each answered by an echo server: the share of a processor that the process takes, in percent. The
 * process has exchanged messages at a higher rate before, as at the low one it would take minutes until the engine has compiled what
 * runs for each. `--warm=0` measures a process that has just started.
 *
 * @module
 */
import { bound, type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options } from "../support.ts";

/** Milliseconds between two of a timer's calls: shorter ones are not kept. */
const PERIOD = 5;
/** Messages a second during the warm-up, and milliseconds from its end to the measurement. */
const WARM_PACE = 5000;
const REST = 500;

export default async function paced(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram);
  const [message] = messagesOf(options.sizes);
  let [answered, sent] = [0, 0];
  socket.on("message", () => void answered++);
  const start = performance.now();
  setInterval(() => {
    const time = performance.now() - start;
    const warm = Math.min(time, options.warm);
    // What a late timer has missed is made up for.
    const due = (warm * WARM_PACE + (time - warm) * options.pace) / 1000;
    for (; sent < due; sent++) socket.send(message, options.port, LOOPBACK);
  }, PERIOD);
  const { cpu, rate } = await measure({ ...options, warm: options.warm + REST }, () => answered);
  return { rate, cpu, load: cpu * rate / 10_000 };
}
