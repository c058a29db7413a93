/**
 * Bulk `send()` with callbacks: wave after wave, each when the last callback of the one before has come.
 *
 * @module
 */
import { addressesOf, bound, type Dgram, type Figures, measure, messagesOf, type Options, WAVE } from "../support.ts";

export default async function send(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram);
  const messages = messagesOf(options.sizes);
  const addresses = addressesOf(options.peers);
  let [sent, next, pending] = [0, 0, 0];
  const done = (error: Error | null): void => {
    if (error) throw error;
    sent++;
    if (--pending === 0) setImmediate(sendWave);
  };
  const sendWave = (): void => {
    pending = WAVE;
    for (let i = 0; i < WAVE; i++, next++) {
      socket.send(messages[next % messages.length], options.port, addresses[next % addresses.length], done);
    }
  };
  sendWave();
  return await measure(options, () => sent);
}
