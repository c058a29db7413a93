/**
 * A forwarder: every batch is sent on to a port, whole. Ours alone.
 *
 * @module
 */
import { once } from "node:events";
import {
  announce,
  bound,
  boundReceiver,
  type Dgram,
  type Figures,
  LOOPBACK,
  measure,
  type Options,
} from "../support.ts";

export default async function forwardBatch(dgram: Dgram, options: Options): Promise<Figures> {
  const [socket, out] = [await boundReceiver(dgram, options), await bound(dgram)];
  let passedOn = 0;
  socket.on("messages", (batch) => {
    out.sendMany(batch, options.port, LOOPBACK, (error, sent) => {
      if (error) throw error;
      passedOn += sent;
    });
  });
  announce(socket.address().port);
  await once(socket, "messages");
  return await measure(options, () => passedOn);
}
