/**
 * Bulk receive through `'messages'`: ours alone. Every datagram is looked at, as in the workload it is compared with.
 *
 * @module
 */
import { once } from "node:events";
import { announce, boundReceiver, type Dgram, type Figures, measure, type Options } from "../support.ts";

export default async function receiveBatch(dgram: Dgram, options: Options): Promise<Figures> {
  const { told } = options;
  const socket = await boundReceiver(dgram, options);
  let [received, bytes] = [0, 0];
  socket.on("messages", (batch) => {
    received += batch.length;
    for (let i = 0; i < batch.length; i++) bytes += batch.size(i) + batch.port(i) + (told ? batch.details(i).ttl! : 0);
  });
  announce(socket.address().port);
  await once(socket, "messages");
  const figures = await measure(options, () => received);
  if (bytes === 0) throw new Error("nothing came");
  return figures;
}
