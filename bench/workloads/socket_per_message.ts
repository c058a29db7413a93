/**
 * A socket for each message, as DNS, NTP and StatsD clients use UDP: `createSocket()`, `send()` with a callback, `close()`. As many at
 * a time as there are `peers`.
 *
 * @module
 */
import { type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options, untilTurn } from "../support.ts";

export default async function socketPerMessage(dgram: Dgram, options: Options): Promise<Figures> {
  const [message] = messagesOf(options.sizes);
  let count = 0;
  const sendOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = dgram.createSocket("udp4");
      socket.send(message, options.port, LOOPBACK, (error) => {
        if (error) reject(error);
        else socket.close(resolve);
      });
    });
  const sendInTurn = async (): Promise<void> => {
    for (;; count++) {
      await sendOne();
      await untilTurn(count);
    }
  };
  for (let i = 0; i < options.peers; i++) void sendInTurn();
  return await measure(options, () => count);
}
