/**
 * What the module is to show, and whether it does.
 */
import { runtimes } from "./processes.mjs";
import { medianOf } from "./statistics.mjs";

const OURS = "dgram-ffi";
const AGAINST_OWN = "against its own";
const BATCH = "dgram-ffi, 'messages'";
const BUILTIN = "node:dgram";

/** Runtimes with bars; koffi's figures are shown without. */
const BARRED = ["deno", "bun", "node"];

/** How much two figures that are to be equal may differ: less than they do from run to run. */
const SAME = 1.1;

const ratio = (over, under) => over / under;
/** A runtime whose own module nearly stops makes ratios that nobody can believe. */
const times = (value) => value > 1000 ? "> 1,000 x (its own stalls)" : `${value.toFixed(value < 10 ? 2 : 1)} x`;
const percent = (value) => `${(value * 100).toFixed(0)} %`;

/** A rate, as a multiple of that of the same runtime's own module. Without bars it is shown only. */
const speedUp = (workload, label, bars, figure = "rate", contender = OURS) => ({
  workload: label,
  needs: [workload],
  bar: (runtime) => bars[runtime] ?? bars.all,
  isMet: (value, bar) => value >= bar,
  text: times,
  barText: (bar) => `${bar} x its own`,
  unit: AGAINST_OWN,
  isRate: figure === "rate",
  value: (figures, runtime) =>
    medianOf(
      ratio,
      figures(workload, `${runtime}/${contender}`, figure),
      figures(workload, `${runtime}/${BUILTIN}`, figure),
    ),
});

/** A rate, as a share of a C program's. */
const share = (workload, label, contender, limit, bar) => ({
  workload: label,
  needs: [workload],
  bar: () => bar,
  isMet: (value) => value >= bar,
  text: percent,
  barText: () => `${percent(bar)} of C's`,
  unit: "share of C's",
  value: (figures, runtime) =>
    medianOf(ratio, figures(workload, `${runtime}/${contender}`, "rate"), figures(workload, limit, "rate")),
});

/** A figure that is to be as good as the best built-in's of all runtimes. */
const bestBuiltin = (workload, label, figure) => ({
  workload: label,
  needs: [workload],
  bar: () => 1,
  isMet: (value) => figure === "rate" ? value >= 1 : value <= 1,
  text: times,
  barText: () => figure === "rate" ? "the best built-in's" : "at most the best built-in's",
  unit: "against the best built-in's",
  value: (figures, runtime) => {
    const own = figures(workload, `${runtime}/${OURS}`, figure);
    const others = BARRED.map((name) => figures(workload, `${name}/${BUILTIN}`, figure)).filter(Boolean);
    if (!own || others.length === 0) return undefined;
    const best = (...values) => figure === "rate" ? Math.max(...values) : Math.min(...values);
    return medianOf((value, ...rest) => value / best(...rest), own, ...others);
  },
});

/** A figure that is to be no larger than the same runtime's own module's. */
const notAbove = (workload, label, figure) => ({
  ...speedUp(workload, label, { all: 1 }, figure),
  isMet: (value) => value <= 1,
  barText: () => "at most its own",
});

/** The same for processor time, of which less is better. */
const cpuShare = (workload, label, bar) => ({
  ...speedUp(workload, label, { all: bar }, "cpu"),
  isMet: (value) => value <= bar,
  barText: () => `at most ${bar} x its own`,
});

/** A workload that must be no slower than the same runtime's own module, and take no more of the processor. */
const never = (workload, label, of = "message") => [
  speedUp(workload, label, { all: 1 }),
  cpuShare(workload, `${label}, CPU per ${of}`, 1),
];

const bars = [
  speedUp("send64", "bulk send() with callbacks, 64 B", { all: 15 }),
  speedUp("send1200", "bulk send() with callbacks, 1200 B", { all: 10 }),
  speedUp("receive64", "bulk receive by 'message', 64 B", { node: 15, deno: 40, bun: 8 }),
  speedUp("forward", "forwarding by 'message' and send(), 64 B", {}),
  speedUp("forward", "forwarding by 'messages' and sendMany(), 64 B", {}, "rate", "dgram-ffi, batches"),
  share("send64", "bulk send(), 64 B", OURS, "C, UDP_SEGMENT", 0.5),
  share("send1200", "bulk send(), 1200 B", OURS, "C, UDP_SEGMENT", 0.5),
  share("receive64", "bulk receive by 'message', 64 B", OURS, "C, UDP_GRO", 0.5),
  share("receive64", "bulk receive by 'messages', 64 B", BATCH, "C, UDP_GRO", 0.8),
  bestBuiltin("peers", "1,000 peers, rate", "rate"),
  bestBuiltin("peers", "1,000 peers, CPU per datagram", "cpu"),
  bestBuiltin("mixed", "mixed sizes, rate", "rate"),
  bestBuiltin("mixed", "mixed sizes, CPU per datagram", "cpu"),
  notAbove("roundTrip", "round trip, p50", "p50"),
  notAbove("roundTrip", "round trip, p99", "p99"),
  speedUp("perMessage8", "a socket for each message, 8 at a time", { all: 1.2 }),
  cpuShare("perMessage8", "a socket for each message, 8 at a time, CPU", 0.9),
  speedUp("perMessage", "a socket for each message, one at a time", { all: 1.2 }),
  cpuShare("perMessage", "a socket for each message, one at a time, CPU", 0.9),
  speedUp("bindClose", "create, bind, close", { all: 1 }),
  ...never("sendOne", "one send() a turn, to an address"),
  ...never("sendOneConnected", "one send() a turn, connected"),
  ...never("sendAwaited", "one awaited send() after the other"),
  ...never("sendSockets", "100 sockets, 4 messages each a turn"),
  ...never("sendLarge", "60,000-byte messages, 8 a turn"),
  ...never("sendLinkLocal", "send() to a link-local address with its zone"),
  ...never("sendControls", "send() on a connected udp6 socket"),
  ...never("receivePlain", "receive 64 B from a sender without offload"),
  ...never("receiveLarge", "receive 60,000-byte messages"),
  ...never("receive8192", "receive 8,192-byte messages"),
  ...never("askSockets", "32 sockets that ask an echo server"),
  ...never("askMany", "32 questions under way on one socket"),
  ...never("askOnce", "await once() after each question"),
  cpuShare("paced200", "200 messages a second each way, CPU", 1),
  cpuShare("paced1000", "1,000 messages a second each way, CPU", 1),
  notAbove("wake2000", "wake-up of one among 2,000 sockets, p50", "p50"),
  ...never("hotShots", "hot-shots, a StatsD client", "metric"),
  ...never("syslogClient", "syslog-client", "line"),
  ...never("dns2Server", "dns2, a name server of 64 clients", "answer"),
  ...never("dns2Lookup", "dns2, client and server", "answer"),
  ...never("coap", "coap, client and server", "answer"),
  ...never("netSnmp", "net-snmp, walks of a table", "row"),
  ...never("bittorrentDht", "bittorrent-dht, lookups", "lookup"),
  ...never("utp", "utp, a stream", "KiB"),
  ...never("werift", "werift, a WebRTC data channel", "answer"),
  {
    workload: "first message after createSocket, cold",
    needs: ["start"],
    bar: () => 10,
    isMet: (value) => value <= 10,
    text: (value) => `${value >= 0 ? "+" : ""}${value.toFixed(1)} ms`,
    barText: () => "at most +10 ms",
    unit: "beyond its own",
    value: (figures, runtime) =>
      medianOf(
        (own, other) => own - other,
        figures("start", `${runtime}/${OURS}`, "firstMessage"),
        figures("start", `${runtime}/${BUILTIN}`, "firstMessage"),
      ),
  },
  {
    ...notAbove("idle", "memory per idle socket, 10,000 sockets", "memory"),
    isMet: (value) => value < 1,
    barText: () => "below its own",
  },
  {
    workload: "wake-up beside 10,000 idle sockets",
    needs: ["wake10", "wake10000"],
    bar: () => 1,
    isMet: (value) => value <= SAME,
    text: times,
    barText: () => "as beside 10",
    unit: "against that beside 10",
    value: (figures, runtime) =>
      medianOf(ratio, ...["wake10000", "wake10"].map((workload) => figures(workload, `${runtime}/${OURS}`, "p50"))),
  },
];

/** The rows of the table for what was measured. */
export function tableOf(measured, wanted) {
  const figures = (workload, contender, figure) => measured[workload]?.[contender]?.[figure];
  const rows = bars.filter(({ needs }) => needs.every((name) => measured[name])).flatMap((row) =>
    wanted.map((runtime) => rowOf(row, runtime, row.value(figures, runtime))).filter(Boolean)
  );
  return [...rows, ...wanted.map((runtime) => slowest(rows, runtimes[runtime].title)).filter(Boolean)];
}

/** The rate that compares worst with the same runtime's own module's, and of which workload it is. */
function slowest(rows, title) {
  const rates = rows.filter(({ runtime, unit, isRate }) => runtime === title && unit === AGAINST_OWN && isRate);
  if (rates.length < 2) return undefined;
  const { workload, value, measured } = rates.reduce((worst, row) => row.value < worst.value ? row : worst);
  return {
    workload: "slowest of all workloads",
    unit: AGAINST_OWN,
    bar: "",
    runtime: title,
    value,
    measured: `${measured} (${workload})`,
    met: undefined,
    verdict: "",
  };
}

function rowOf({ workload, unit, isRate = false, bar, barText, isMet, text }, runtime, value) {
  if (value === undefined) return undefined;
  const least = BARRED.includes(runtime) ? bar(runtime) : undefined;
  const met = least === undefined ? undefined : isMet(value, least);
  const distance = value / least;
  const verdict = met === undefined ? "" : met ? "met" : missedBy(least, value, distance);
  return {
    workload,
    unit,
    isRate,
    bar: least === undefined ? "" : barText(least),
    runtime: runtimes[runtime].title,
    value,
    measured: text(value),
    met,
    verdict,
  };
}

/** How far a figure is from its bar, in parts of the bar. */
function missedBy(bar, value, distance) {
  return `missed by ${percent(Math.abs(bar === 0 ? value : distance - 1))}`;
}
