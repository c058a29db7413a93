/**
 * Sockets that ask an echo server again and again: each has as many questions under way as the wave says.
 *
 * @module
 */
import { bound, type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options } from "../support.ts";

export default async function ask(dgram: Dgram, options: Options): Promise<Figures> {
  const [message] = messagesOf(options.sizes);
  let answered = 0;
  for (let i = 0; i < options.sockets; i++) {
    const socket = await bound(dgram);
    const question = (): void => socket.send(message, options.port, LOOPBACK);
    socket.on("message", () => {
      answered++;
      question();
    });
    for (let under = 0; under < options.wave; under++) question();
  }
  return await measure(options, () => answered);
}
