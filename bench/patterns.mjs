/**
 * How a contender, which may be a C program itself, and the C programs at its other ends are run together.
 */
import { startContender, startProgram } from "./processes.mjs";

/** Runs a contender once. Returns its figures. */
export async function measure(runtime, contender, workload, times) {
  const { sizes = [], peers = 1, idle = 0, sockets = 1, wave = 512, pace = 0, connected = false, question } = workload;
  const options = {
    port: 0,
    sizes,
    peers,
    idle,
    sockets,
    wave,
    pace,
    connected,
    question,
    workers: contender.workers ?? 0,
    told: contender.told ?? false,
    ...times,
    ...workload.times,
  };
  const start = (port, place) =>
    startContender(runtime, contender.module, contender.script ?? workload.script, { ...options, port }, place);
  return await patterns[workload.pattern]({ contender, workload, options, start });
}

const patterns = {
  /** The C program receives with offload, as the fastest receiver would: it takes what comes as it comes. */
  send: ({ contender, options, start }) =>
    inTurn(
      [
        () => sink(1, options, 0),
        (port) => contender.module ? start(port) : flood(contender.segments, port, options, options.window),
      ],
      ([, sender]) => sender.figures(),
    ),

  receive: ({ contender, workload, options, start }) =>
    inTurn(
      [
        () => contender.module ? start(0) : sink(contender.offload, options, options.window),
        (port) => flood(workload.segments, port, options, 0),
      ],
      ([receiver]) => receiver.figures(),
    ),

  /** What comes from one C program goes on to another. */
  forward: ({ workload, options, start }) =>
    inTurn(
      [() => sink(1, options, 0), (port) => start(port), (port) => flood(workload.segments, port, options, 0)],
      ([, forwarder]) => forwarder.figures(),
    ),

  /** Each on a processor of its own, as on two machines: where both share one or not would decide more than they do. */
  ask: ({ contender, options, start }) =>
    inTurn(
      [
        () => startProgram("echo", [], 0),
        (port) => contender.module ? start(port, { processor: 1 }) : clients(port, 1, options, 1),
      ],
      ([, client]) => client.figures(),
    ),

  /** The clients say how they were served, the server what it took. */
  serve: ({ contender, workload, options, start }) =>
    inTurn(
      [() => contender.module ? start(0) : startProgram("echo"), (port) => clients(port, workload.clients, options)],
      async ([server, asking]) => {
        const served = await asking.figures();
        return contender.module ? { ...await server.figures(), ...served } : served;
      },
    ),

  /** In a network namespace with a link of its own. */
  async link({ start }) {
    const process = start(0, { hasLink: true });
    try {
      return await process.figures();
    } finally {
      await process.stop();
    }
  },

  /** From the start of the process to its end. */
  async alone({ start }) {
    const process = start(0);
    try {
      return await process.figures();
    } finally {
      await process.stop();
    }
  },
};

/** Starts each when the one before has said its port. Stops the last one first. */
async function inTurn(starts, figures) {
  const processes = [];
  try {
    for (const start of starts) processes.push(start(await processes.at(-1)?.port()));
    return await figures(processes);
  } finally {
    for (const process of processes.reverse()) await process.stop();
  }
}

const seconds = (milliseconds) => milliseconds / 1000;

/** Without a window these two run until they are stopped. */
function flood(segments, port, { peers, sizes, warm }, window) {
  return startProgram("flood", [segments, port, peers, sizes.join(","), seconds(warm), seconds(window)]);
}

function sink(offload, { warm }, window) {
  return startProgram("sink", [offload, seconds(warm), seconds(window)]);
}

function clients(port, count, { sizes, question, warm, window }, processor) {
  const words = [port, count, sizes[0] ?? 0, seconds(warm), seconds(window)];
  return startProgram("clients", question ? [...words, question] : words, processor);
}
