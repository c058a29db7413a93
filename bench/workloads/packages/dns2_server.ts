/**
 * A name server of dns2, which answers whatever it is asked.
 *
 * @module
 */
import { once } from "node:events";
import { announce, type Dgram, type Figures, measure, type Options } from "../../support.ts";
import { startServer } from "./dns2.ts";

export default async function dns2Server(_: Dgram, options: Options): Promise<Figures> {
  let answered = 0;
  const server = await startServer(() => answered++);
  announce(server.address().port);
  await once(server, "request");
  return await measure(options, () => answered);
}
