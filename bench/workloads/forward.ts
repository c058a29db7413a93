/**
 * A forwarder: every `'message'` is sent on to a port.
 *
 * @module
 */
import {
  announce,
  bound,
  boundReceiver,
  type Dgram,
  type Figures,
  LOOPBACK,
  type Options,
  Stopwatch,
} from "../support.ts";

export default async function forward(dgram: Dgram, options: Options): Promise<Figures> {
  const [socket, out] = [await boundReceiver(dgram, options), await bound(dgram)];
  let [received, passedOn] = [0, 0];
  const until = new Stopwatch(options, () => passedOn);
  const done = (error: Error | null): void => {
    if (error) throw error;
    passedOn++;
  };
  socket.on("message", (message) => {
    out.send(message, options.port, LOOPBACK, done);
    if (++received % 256 === 0 && until.isOver()) socket.close();
  });
  announce(socket.address().port);
  return await until.figures(socket);
}
