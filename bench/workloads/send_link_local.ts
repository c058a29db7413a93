/**
 * `send()` to a link-local address with its zone, as `rinfo.address` is on a link. In a network namespace, to the socket itself, which
 * nobody reads.
 *
 * @module
 */
import { networkInterfaces } from "node:os";
import { type Dgram, type Figures, measure, messagesOf, type Options } from "../support.ts";

export default async function sendLinkLocal(dgram: Dgram, options: Options): Promise<Figures> {
  const address = linkLocalAddress();
  const socket = dgram.createSocket("udp6");
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  const { port } = socket.address();
  const [message] = messagesOf(options.sizes);
  let [sent, pending] = [0, 0];
  const done = (error: Error | null): void => {
    if (error) throw error;
    sent++;
    if (--pending === 0) setImmediate(sendWave);
  };
  const sendWave = (): void => {
    pending = options.wave;
    for (let i = 0; i < options.wave; i++) socket.send(message, port, address, done);
  };
  sendWave();
  return await measure(options, () => sent);
}

function linkLocalAddress(): string {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      if (address.startsWith("fe80:")) return `${address.split("%")[0]}%${name}`;
    }
  }
  throw new Error("no interface has a link-local address");
}
