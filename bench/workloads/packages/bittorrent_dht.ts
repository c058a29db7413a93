/**
 * A distributed hash table: nodes that know each other look up who has a torrent.
 *
 * @module
 */
import { once } from "node:events";
import type { EventEmitter } from "node:events";
import { createHash } from "node:crypto";
// @ts-ignore: The package has no types.
import { Client } from "bittorrent-dht";
import { asking, type Dgram, type Figures, LOOPBACK, measure, type Options } from "../../support.ts";

interface Node extends EventEmitter {
  listen(port: number, address: string, done: () => void): void;
  address(): { readonly port: number };
  announce(hash: Uint8Array, port: number, done: (error: Error | null) => void): void;
  lookup(hash: Uint8Array, done: (error: Error | null, nodes: number) => void): void;
}

const Node = Client as new (
  options: { readonly bootstrap: readonly string[] | false; readonly nodeId: string },
) => Node;

export default async function bittorrentDht(_: Dgram, options: Options): Promise<Figures> {
  const nodes: Node[] = [];
  while (nodes.length < options.sockets) {
    const bootstrap = nodes.length > 0 && [`${LOOPBACK}:${nodes[0].address().port}`];
    const node = new Node({ bootstrap, nodeId: hashOf(`node ${nodes.length}`).toString("hex") });
    const ready = once(node, "ready");
    await new Promise<void>((resolve) => node.listen(0, LOOPBACK, resolve));
    await ready;
    nodes.push(node);
  }
  const torrent = hashOf("torrent");
  await new Promise<void>((resolve, reject) =>
    nodes[1].announce(torrent, 4711, (error) => error ? reject(error) : resolve())
  );
  const found = asking(options.wave, (i) => lookUp(nodes[2 + i], torrent));
  return await measure(options, found);
}

function hashOf(text: string): Buffer {
  return createHash("sha1").update(text).digest();
}

/** One lookup, which must find the peer. */
function lookUp(node: Node, torrent: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    let peers = 0;
    const count = (): unknown => peers++;
    node.on("peer", count);
    node.lookup(torrent, (error) => {
      node.removeListener("peer", count);
      if (error || peers === 0) reject(error ?? new Error("no peer was found"));
      else resolve(1);
    });
  });
}
