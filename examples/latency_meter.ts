/**
 * Measures the way to a host by the kernels' clocks, so that what programs take to wake up is not a part of it: round trip, what
 * the other kernel and program took, and how far the clocks are apart (as NTP has it, RFC 5905).
 *
 *     deno run -A examples/latency_meter.ts serve [port]
 *     deno run -A examples/latency_meter.ts address port [count]
 *
 * Likewise with `bun` and `node`. Linux.
 *
 * @module
 */
import { isIPv6 } from "node:net";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { clockTime, createSocket } from "../mod.ts";

const [first = "serve", second = "0", third = "100"] = process.argv.slice(2);
if (first === "serve") serve(Number(second));
else await measure(first, Number(second), Number(third));

/** Answers with when a datagram came in, by the kernel, and when it goes back, as nearly as a program knows. */
function serve(port: number): void {
  const socket = createSocket({ type: "udp6", recvTimestamp: true, recvLocalAddress: true });
  socket.on("message", (message, { port, address, localAddress, timestamp }) => {
    if (message.length !== 4) return;
    const times = BigInt64Array.of(timestamp!, clockTime("realtime"));
    socket.send([message, new Uint8Array(times.buffer)], { port, address, localAddress });
  });
  socket.bindSync({ port, address: "::" });
  console.log(socket.address().port);
}

/** What one datagram tells, in microseconds. */
interface Sample {
  readonly roundTrip: number;
  readonly offset: number;
  /** From `send()` to the listener. */
  readonly asSeen: number;
}

async function measure(address: string, port: number, count: number): Promise<void> {
  const type = isIPv6(address) ? "udp6" : "udp4";
  const socket = createSocket({ type, recvTimestamp: true, sendTimestamp: true });
  const left = new Map<number, bigint>();
  const began: number[] = [];
  const answers = new Map<number, { came: bigint; there: bigint; back: bigint; asSeen: number }>();
  socket.on("sendTimestamp", ({ id, timestamp }) => timestamp && left.set(id, timestamp));
  socket.on("message", (message, { timestamp }) => {
    if (message.length !== 20) return;
    const id = message.readUInt32LE(0);
    const [there, back] = [message.readBigInt64LE(4), message.readBigInt64LE(12)];
    const start = began[id];
    if (start === undefined || timestamp === undefined) return;
    answers.set(id, { came: timestamp, there, back, asSeen: (performance.now() - start) * 1000 });
  });
  socket.on("error", ({ message }) => console.error(message));
  socket.connectSync(port, address);
  for (let id = 0; id < count; id++) {
    began.push(performance.now());
    socket.send(new Uint8Array(Uint32Array.of(id).buffer));
    await delay(5);
  }
  await delay(200);
  socket.close();
  const samples: Sample[] = [];
  for (const [id, { came, there, back, asSeen }] of answers) {
    const sent = left.get(id);
    if (sent === undefined) continue;
    const roundTrip = Number((came - sent) - (back - there)) / 1000;
    samples.push({ roundTrip, offset: Number((there - sent) + (back - came)) / 2000, asSeen });
  }
  report(samples, count);
}

function report(samples: Sample[], count: number): void {
  const line = (name: string, values: number[]): void => {
    const sorted = values.sort((a, b) => a - b);
    const at = (share: number): string => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(1).padStart(8);
    console.log(`${name.padEnd(22)} least ${at(0)}  median ${at(0.5)}  99 % ${at(0.99)}  most ${at(1)} us`);
  };
  console.log(`${samples.length} of ${count} datagrams came back`);
  if (samples.length === 0) return void (process.exitCode = 1);
  line("round trip, kernels", samples.map(({ roundTrip }) => roundTrip));
  line("round trip, as seen", samples.map(({ asSeen }) => asSeen));
  line("the other's clock", samples.map(({ offset }) => offset));
}
