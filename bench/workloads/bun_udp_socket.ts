/**
 * Bun's own interface, `Bun.udpSocket`: bulk send with `sendMany()`, and bulk receive.
 *
 * @module
 */
import {
  addressesOf,
  announce,
  type Dgram,
  type Figures,
  LOOPBACK,
  measure,
  messagesOf,
  type Options,
} from "../support.ts";

interface BunSocket {
  readonly port: number;
  sendMany(packets: unknown[]): number;
}

interface BunNamespace {
  udpSocket(options: {
    hostname: string;
    socket: { data?(socket: BunSocket, data: Uint8Array, port: number): void; drain?(socket: BunSocket): void };
  }): Promise<BunSocket>;
}

const { Bun } = globalThis as unknown as { Bun: BunNamespace };

export default function bunUdpSocket(_dgram: Dgram, options: Options): Promise<Figures> {
  return options.port === 0 ? receive(options) : send(options);
}

async function send(options: Options): Promise<Figures> {
  let sent = 0;
  let next = 0;
  const messages = messagesOf(options.sizes);
  const addresses = addressesOf(options.peers);
  let drained: (() => void) | undefined;
  const socket = await Bun.udpSocket({ hostname: LOOPBACK, socket: { drain: () => drained?.() } });
  const sendWave = (): void => {
    const packets: unknown[] = [];
    for (let i = 0; i < options.wave; i++, next++) {
      packets.push(messages[next % messages.length], options.port, addresses[next % addresses.length]);
    }
    const count = socket.sendMany(packets);
    sent += count;
    if (count === options.wave) setImmediate(sendWave);
    else drained = sendWave;
  };
  sendWave();
  return await measure(options, () => sent);
}

async function receive(options: Options): Promise<Figures> {
  let [received, bytes] = [0, 0];
  const first = Promise.withResolvers<void>();
  const socket = await Bun.udpSocket({
    hostname: LOOPBACK,
    socket: {
      data(_socket, data, port) {
        received++;
        bytes += data.length + port;
        if (received === 1) first.resolve();
      },
    },
  });
  announce(socket.port);
  await first.promise;
  const figures = await measure(options, () => received);
  if (bytes === 0) throw new Error("nothing came");
  return figures;
}
