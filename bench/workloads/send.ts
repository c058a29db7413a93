/**
 * `send()` with callbacks: a wave of messages a turn, each wave when the last callback of the one before has come. On one socket or
 * several, which may be connected.
 *
 * @module
 */
import {
  addressesOf,
  bound,
  connected,
  type Dgram,
  type Figures,
  measure,
  messagesOf,
  type Options,
  type Socket,
} from "../support.ts";

export default async function send(dgram: Dgram, options: Options): Promise<Figures> {
  const { wave, sockets: count } = options;
  const open = (): Promise<Socket> => options.connected ? connected(dgram, options.port) : bound(dgram);
  const sockets: Socket[] = [];
  while (sockets.length < count) sockets.push(await open());
  const messages = messagesOf(options.sizes);
  const addresses = addressesOf(options.peers);
  let [sent, next, pending] = [0, 0, 0];
  const done = (error: Error | null): void => {
    if (error) throw error;
    sent++;
    if (--pending === 0) setImmediate(sendWave);
  };
  const sendOne = (socket: Socket): void => {
    const message = messages[next % messages.length];
    if (options.connected) socket.send(message, done);
    else socket.send(message, options.port, addresses[next % addresses.length], done);
    next++;
  };
  const sendWave = (): void => {
    pending = wave * count;
    for (const socket of sockets) for (let i = 0; i < wave; i++) sendOne(socket);
  };
  sendWave();
  return await measure(options, () => sent);
}
