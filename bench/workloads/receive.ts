/**
 * Bulk receive through `'message'`.
 *
 * @module
 */
import { announce, boundReceiver, type Dgram, type Figures, type Options, Stopwatch } from "../support.ts";

export default async function receive(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await boundReceiver(dgram, options);
  let [received, bytes] = [0, 0];
  // Bun's own lets no timer fire while datagrams keep coming: who has counted long enough says so, and is closed.
  const until = new Stopwatch(options, () => received);
  socket.on("message", (message, remote) => {
    received++;
    bytes += message.length + remote.port;
    if (received % 256 === 0 && until.isOver()) socket.close();
  });
  announce(socket.address().port);
  const figures = await until.figures(socket);
  if (bytes === 0) throw new Error("nothing came");
  return figures;
}
