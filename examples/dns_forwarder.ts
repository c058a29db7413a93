/**
 * A DNS forwarder on all addresses of this host, which answers from the address that was asked, as resolvers demand (RFC 2181,
 * section 4.1).
 *
 *     deno run -A examples/dns_forwarder.ts [port] [resolver's address] [resolver's port]
 *     bun examples/dns_forwarder.ts 5300 9.9.9.9
 *     node examples/dns_forwarder.ts 5300 9.9.9.9
 *
 * @module
 */
import { randomInt } from "node:crypto";
import { isIPv6 } from "node:net";
import process from "node:process";
import { createSocket, type RemoteInfo, type Socket, type SocketType } from "../mod.ts";

/** Length of a DNS header, of which the first two bytes are the query's id. */
const HEADER_SIZE = 12;
/** After how many milliseconds an answer is not waited for any more. */
const PATIENCE = 5000;

/** A query under way. */
interface Query {
  readonly server: Socket;
  readonly asker: RemoteInfo;
  /** The id it came with. */
  readonly id: number;
  readonly sent: number;
}

const [port = "5300", resolver = "9.9.9.9", resolverPort = "53"] = process.argv.slice(2);
/** By the id they have on the way to the resolver. */
const queries = new Map<number, Query>();

const upstream = createSocket(isIPv6(resolver) ? "udp6" : "udp4", answer);
// A resolver that is not there is one that does not answer.
upstream.on("error", () => {});
upstream.connectSync(Number(resolverPort), resolver);

// One socket for each protocol; with port 0 the second takes the port that the first was given.
const bound = serve("udp4", Number(port));
serve("udp6", bound);
console.log(`forwarding port ${bound} to ${resolver}`);

function serve(type: SocketType, port: number): number {
  const server = createSocket({ type, ipv6Only: type === "udp6", recvLocalAddress: true });
  server.on("message", (query, asker) => forward(server, query, asker));
  return server.bindSync({ port }).port;
}

/** Sends a query on, with an id that nobody can guess. */
function forward(server: Socket, query: Uint8Array, asker: RemoteInfo): void {
  if (query.length < HEADER_SIZE) return;
  forgetOld();
  const id = freeId();
  if (id === undefined) return;
  const view = new DataView(query.buffer, query.byteOffset);
  queries.set(id, { server, asker, id: view.getUint16(0), sent: performance.now() });
  view.setUint16(0, id);
  upstream.send(query);
}

/** Sends an answer to who has asked, from where it was asked. */
function answer(message: Uint8Array): void {
  if (message.length < HEADER_SIZE) return;
  const view = new DataView(message.buffer, message.byteOffset);
  const query = queries.get(view.getUint16(0));
  if (!query) return;
  queries.delete(view.getUint16(0));
  view.setUint16(0, query.id);
  const { port, address, localAddress } = query.asker;
  query.server.send(message, { port, address, localAddress });
}

/** The oldest come first. */
function forgetOld(): void {
  const now = performance.now();
  for (const [id, { sent }] of queries) {
    if (now - sent < PATIENCE) return;
    queries.delete(id);
  }
}

/** Undefined where there are too many queries. */
function freeId(): number | undefined {
  for (let attempt = 0; attempt < 16; attempt++) {
    const id = randomInt(0x10000);
    if (!queries.has(id)) return id;
  }
}
