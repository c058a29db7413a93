/**
 * Bulk receive through `'message'`.
 *
 * @module
 */
import { once } from "node:events";
import {
  announce,
  bound,
  type Dgram,
  EVERYTHING,
  type Figures,
  measure,
  type Options,
  RECEIVE_BUFFER,
} from "../support.ts";

export default async function receive(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram, { recvBufferSize: RECEIVE_BUFFER, ...(options.told ? EVERYTHING : {}) });
  let [received, bytes] = [0, 0];
  socket.on("message", (message, remote) => {
    received++;
    bytes += message.length + remote.port;
  });
  announce(socket.address().port);
  await once(socket, "message");
  const figures = await measure(options, () => received);
  if (bytes === 0) throw new Error("nothing came");
  return figures;
}
