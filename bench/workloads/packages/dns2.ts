/**
 * The name server of both of dns2's workloads.
 *
 * @module
 */
import DNS from "dns2";
import { LOOPBACK } from "../../support.ts";

/** A server that tells `answered` of each answer. */
export async function startServer(answered: () => void): Promise<ReturnType<typeof DNS.createUDPServer>> {
  const { Packet } = DNS;
  const server = DNS.createUDPServer({ type: "udp4" });
  server.on("request", (request: DNS.Packet, send: (response: DNS.Packet) => void) => {
    const response = Packet.createResponseFromRequest(request);
    const [{ name }] = request.questions;
    const answer = { name, type: Packet.TYPE.A, class: Packet.CLASS.IN, ttl: 60, address: "192.0.2.1" };
    response.answers.push(answer as DNS.Packet.Resource);
    send(response);
    answered();
  });
  await server.listen(0, LOOPBACK);
  return server;
}
