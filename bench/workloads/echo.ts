/**
 * An echo server.
 *
 * @module
 */
import { once } from "node:events";
import { announce, bound, type Dgram, type Figures, measure, type Options } from "../support.ts";

export default async function echo(dgram: Dgram, options: Options): Promise<Figures> {
  const socket = await bound(dgram);
  let answered = 0;
  socket.on("message", (message, remote) => {
    answered++;
    socket.send(message, remote.port, remote.address);
  });
  announce(socket.address().port);
  await once(socket, "message");
  return await measure(options, () => answered);
}
