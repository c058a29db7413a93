/**
 * A process's first message: the milliseconds from `createSocket()` until it arrives.
 *
 * @module
 */
import { once } from "node:events";
import { bound, type Dgram, type Figures, LOOPBACK } from "../support.ts";

export default async function start(dgram: Dgram): Promise<Figures> {
  const begin = performance.now();
  const socket = await bound(dgram);
  const arriving = once(socket, "message");
  socket.send("x", socket.address().port, LOOPBACK);
  await arriving;
  return { firstMessage: performance.now() - begin, sinceStart: performance.now() };
}
