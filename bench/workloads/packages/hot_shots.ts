/**
 * A StatsD client: a wave of metrics a turn, each wave when the last callback of the one before has come.
 *
 * @module
 */
import { StatsD } from "hot-shots";
import { type Dgram, type Figures, LOOPBACK, measure, type Options, waves } from "../../support.ts";

export default async function hotShots(_: Dgram, options: Options): Promise<Figures> {
  const client = new StatsD({ host: LOOPBACK, port: options.port, prefix: "service." });
  const sent = waves(options.wave, (done) => client.increment("requests", 1, ["route:/users", "status:200"], done));
  return await measure(options, sent);
}
