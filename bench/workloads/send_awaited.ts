/**
 * One `send()` after the other, each awaited.
 *
 * @module
 */
import { bound, type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options, untilTurn } from "../support.ts";

export default async function sendAwaited(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram);
  const [message] = messagesOf(options.sizes);
  let sent = 0;
  const sendOne = (): Promise<void> =>
    new Promise((resolve, reject) =>
      socket.send(message, options.port, LOOPBACK, (error) => error ? reject(error) : resolve())
    );
  const sendInTurn = async (): Promise<void> => {
    for (;; sent++) {
      await sendOne();
      await untilTurn(sent);
    }
  };
  void sendInTurn();
  return await measure(options, () => sent);
}
