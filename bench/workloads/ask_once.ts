/**
 * One question at a time to an echo server, and `await once(socket, "message")` for its answer.
 *
 * @module
 */
import { once } from "node:events";
import { bound, type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options, untilTurn } from "../support.ts";

export default async function askOnce(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram);
  const [message] = messagesOf(options.sizes);
  let answered = 0;
  const askInTurn = async (): Promise<void> => {
    for (;; answered++) {
      socket.send(message, options.port, LOOPBACK);
      await once(socket, "message");
      await untilTurn(answered);
    }
  };
  void askInTurn();
  return await measure(options, () => answered);
}
