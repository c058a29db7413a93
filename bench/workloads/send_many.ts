/**
 * Bulk `sendMany()`: ours alone.
 *
 * @module
 */
import { bound, type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options } from "../support.ts";

export default async function sendMany(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram);
  const [message] = messagesOf(options.sizes);
  const messages = new Array<Uint8Array>(options.wave).fill(message);
  let sent = 0;
  const sendWave = (): void => {
    socket.sendMany(messages, options.port, LOOPBACK, (error, count) => {
      if (error) throw error;
      sent += count;
      setImmediate(sendWave);
    });
  };
  sendWave();
  return await measure(options, () => sent);
}
