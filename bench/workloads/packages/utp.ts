/**
 * A stream over UDP: blocks of 64 KiB, each when the one before has arrived. The package has no congestion control: more at once would
 * not fit into the receiver's buffer.
 *
 * @module
 */
import { once } from "node:events";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import { asking, type Dgram, type Figures, LOOPBACK, measure, type Options } from "../../support.ts";

interface Utp {
  createServer(
    connected: (stream: Duplex) => void,
  ): { listen(port: number): void; address(): { port: number } } & Duplex;
  connect(port: number, host: string): Duplex;
}

// The package has no types, and knows only require.
const utp = createRequire(import.meta.url)("utp") as Utp;

const BLOCK = 64 << 10;

export default async function uTorrentProtocol(_: Dgram, options: Options): Promise<Figures> {
  let missing = 0;
  let arrived = (): void => {};
  const server = utp.createServer((stream) =>
    stream.on("data", (data: Uint8Array) => {
      missing -= data.length;
      if (missing === 0) arrived();
    })
  );
  server.listen(0);
  await once(server, "listening");
  const stream = utp.connect(server.address().port, LOOPBACK);
  await once(stream, "connect");
  const block = new Uint8Array(BLOCK).fill(1);
  const transferred = asking(1, () =>
    new Promise((resolve) => {
      missing = BLOCK;
      arrived = (): void => resolve(BLOCK >> 10);
      stream.write(block);
    }));
  return await measure(options, transferred);
}
