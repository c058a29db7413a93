/**
 * A CoAP server and its client.
 *
 * @module
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type IncomingMessage, type OutgoingMessage, request } from "coap";
import { asking, type Dgram, type Figures, LOOPBACK, measure, type Options } from "../../support.ts";

export default async function coap(_: Dgram, options: Options): Promise<Figures> {
  const server = createServer((_: IncomingMessage, outgoing: OutgoingMessage) => outgoing.end("21.5"));
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()));
  const { port } = (server as unknown as { _sock: { address(): AddressInfo } })._sock.address();
  const answered = asking(options.wave, async () => {
    const outgoing = request({ host: LOOPBACK, port, pathname: "/temperature", confirmable: true });
    outgoing.end();
    const [incoming] = await once(outgoing, "response") as [IncomingMessage];
    if (String(incoming.payload) !== "21.5") throw new Error("another answer");
    return 1;
  });
  return await measure(options, answered);
}
