/**
 * dns2's client, which makes a socket for each question, and its server.
 *
 * @module
 */
import DNS from "dns2";
import { asking, type Dgram, type Figures, LOOPBACK, measure, type Options } from "../../support.ts";
import { startServer } from "./dns2.ts";

export default async function dns2Lookup(_: Dgram, options: Options): Promise<Figures> {
  const server = await startServer(() => {});
  const resolve = DNS.UDPClient({ dns: LOOPBACK, port: server.address().port, socketType: "udp4" });
  const answered = asking(options.wave, async () => {
    const { answers } = await resolve("example.com");
    if (answers.length !== 1) throw new Error("no answer");
    return 1;
  });
  return await measure(options, answered);
}
