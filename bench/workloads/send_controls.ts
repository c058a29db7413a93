/**
 * `send()` on a connected udp6 socket, with or without options for each message.
 *
 * @module
 */
import { type Dgram, type Figures, measure, messagesOf, type Options } from "../support.ts";

export default async function sendControls(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = dgram.createSocket("udp6");
  await new Promise<void>((resolve) => socket.connect(options.port, "::ffff:127.0.0.1", () => resolve()));
  const [message] = messagesOf(options.sizes);
  let [sent, pending] = [0, 0];
  const done = (error: Error | null): void => {
    if (error) throw error;
    sent++;
    if (--pending === 0) setImmediate(sendWave);
  };
  const sendWave = (): void => {
    pending = options.wave;
    for (let i = 0; i < options.wave; i++) {
      if (options.told) socket.send(message, { ecn: 1 }, done);
      else socket.send(message, done);
    }
  };
  sendWave();
  return await measure(options, () => sent);
}
