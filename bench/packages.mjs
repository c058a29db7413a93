/**
 * npm packages that know only the built-in module, unchanged, each doing its job on the loopback interface: with this module in the
 * built-in's place, and with the built-in. `npm run bench -- --packages`.
 *
 * If a package has both sides, both are in the measured process, and what is counted is what both have done together. Otherwise
 * the other side is a C program.
 */
const contenders = [{ name: "dgram-ffi", module: "registered" }, { name: "node:dgram", module: "builtin" }];

/** Both sides in one process. */
const whole = (script, title, more = {}) => ({
  title,
  pattern: "alone",
  script: `packages/${script}`,
  contenders,
  limits: [],
  ...more,
});

/** A query for the A records of `example.com`, as RFC 1035 puts it. */
const dnsQuery = "0001" + "0100" + "0001" + "000000000000" + "076578616d706c6503636f6d00" + "0001" + "0001";

export const packages = {
  hotShots: {
    ...whole("hot_shots", "hot-shots: increment() with a callback, 32 a turn, to a sink", { wave: 32 }),
    pattern: "send",
  },
  syslogClient: {
    ...whole("syslog_client", "syslog-client: log() with a callback, 32 a turn, to a sink", { wave: 32 }),
    pattern: "send",
  },
  dns2Server: {
    ...whole("dns2_server", "dns2: a server, 64 clients", { clients: 64, question: dnsQuery }),
    pattern: "serve",
  },
  dns2Lookup: whole("dns2_lookup", "dns2: client and server, 32 questions under way, a socket for each", { wave: 32 }),
  coap: whole("coap", "coap: client and server, 32 confirmable requests under way", { wave: 32 }),
  netSnmp: whole("net_snmp", "net-snmp: 8 sessions walk an agent's table, rows", { wave: 8 }),
  bittorrentDht: whole("bittorrent_dht", "bittorrent-dht: lookups among 24 nodes, 4 under way", {
    sockets: 24,
    wave: 4,
  }),
  utp: whole("utp", "utp: a stream, KiB"),
  werift: whole("werift", "werift: a data channel, messages of 1,000 bytes, 16 under way", { sizes: [1000], wave: 16 }),
};
