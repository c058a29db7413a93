/**
 * A stream over UDP: blocks of 64 KiB, each when the one before has arrived. The package has no congestion control: more at once would
 * not fit into the receiver's buffer.
 *
 * It sends whatever is under way again every half second. If the packet that was acknowledged last comes twice, the package keeps it,
 * and takes it for the one 512 packets later. So a stream that has more packets stalls: each has fewer here.
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
/** Blocks of one stream: 376 packets. */
const BLOCKS = 8;

export default async function uTorrentProtocol(_: Dgram, options: Options): Promise<Figures> {
  let missing = 0;
  let arrived = (): void => {};
  const server = utp.createServer((stream) => {
    stream.on("data", (data: Uint8Array) => {
      missing -= data.length;
      if (missing === 0) arrived();
    });
    stream.on("end", () => stream.end());
  });
  server.listen(0);
  await once(server, "listening");
  const { port } = server.address();
  const block = new Uint8Array(BLOCK).fill(1);
  let stream: Duplex | undefined;
  let left = 0;
  const transferred = asking(1, async () => {
    if (left-- === 0) {
      stream?.end();
      stream = utp.connect(port, LOOPBACK);
      await once(stream, "connect");
      left = BLOCKS - 1;
    }
    missing = BLOCK;
    await new Promise<void>((resolve) => {
      arrived = resolve;
      stream!.write(block);
    });
    return BLOCK >> 10;
  });
  return await measure(options, transferred);
}
