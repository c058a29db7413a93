/**
 * A syslog client: a wave of lines a turn, each wave when the last callback of the one before has come.
 *
 * @module
 */
import { createRequire } from "node:module";
import { type Dgram, type Figures, LOOPBACK, measure, type Options, waves } from "../../support.ts";

interface Syslog {
  readonly Transport: { readonly Udp: number };
  createClient(host: string, options: { readonly port: number; readonly transport: number }): {
    log(line: string, done: (error?: Error | null) => void): void;
  };
}

// The package has no types, and knows only require.
const syslog = createRequire(import.meta.url)("syslog-client") as Syslog;

export default async function syslogClient(_: Dgram, options: Options): Promise<Figures> {
  const client = syslog.createClient(LOOPBACK, { port: options.port, transport: syslog.Transport.Udp });
  const sent = waves(options.wave, (done) => client.log("GET /users/4711 200 12 ms", done));
  return await measure(options, sent);
}
