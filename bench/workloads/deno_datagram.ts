/**
 * Deno's own interface, `Deno.listenDatagram`: bulk send, and bulk receive.
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

interface NetAddress {
  readonly transport: "udp";
  readonly hostname: string;
  readonly port: number;
}

interface DatagramConnection extends AsyncIterable<[Uint8Array, NetAddress]> {
  readonly addr: NetAddress;
  send(message: Uint8Array, address: NetAddress): Promise<number>;
}

interface DenoNamespace {
  listenDatagram(address: NetAddress): DatagramConnection;
}

const { Deno } = globalThis as unknown as { Deno: DenoNamespace };

export default function denoDatagram(_dgram: Dgram, options: Options): Promise<Figures> {
  const connection = Deno.listenDatagram({ transport: "udp", hostname: LOOPBACK, port: 0 });
  return options.port === 0 ? receive(connection, options) : send(connection, options);
}

function send(connection: DatagramConnection, options: Options): Promise<Figures> {
  const messages = messagesOf(options.sizes);
  const addresses = addressesOf(options.peers).map((hostname): NetAddress => {
    return { transport: "udp", hostname, port: options.port };
  });
  let [sent, next, pending] = [0, 0, 0];
  const done = (): void => {
    sent++;
    if (--pending === 0) setImmediate(sendWave);
  };
  const sendWave = (): void => {
    pending = options.wave;
    for (let i = 0; i < options.wave; i++, next++) {
      connection.send(messages[next % messages.length], addresses[next % addresses.length]).then(done);
    }
  };
  sendWave();
  return measure(options, () => sent);
}

async function receive(connection: DatagramConnection, options: Options): Promise<Figures> {
  let [received, bytes] = [0, 0];
  const first = Promise.withResolvers<void>();
  const listen = async (): Promise<void> => {
    for await (const [message, { port }] of connection) {
      received++;
      bytes += message.length + port;
      if (received === 1) first.resolve();
    }
  };
  void listen();
  announce(connection.addr.port);
  await first.promise;
  const figures = await measure(options, () => received);
  if (bytes === 0) throw new Error("nothing came");
  return figures;
}
