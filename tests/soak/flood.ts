/**
 * A hostile peer: `flood <kind> <port or path> <count> <seed>`. Prints the port at which it is told how many of its datagrams were
 * received, and at last how many it has sent.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { createSocket, type Socket } from "../../mod.ts";
import { randomIntegers } from "../support/random.ts";

/** How many may be under way. */
const WINDOW = 256;
/** What is not heard of by then is lost, in milliseconds. */
const PATIENCE = 500;
/** How many descriptors a message carries. */
const DESCRIPTORS = 100;
/** How many source ports there are; each has all addresses of 127.0.0.0/8. */
const PORTS = 16;

const [kind, to, countText, seedText] = process.argv.slice(2);
const count = Number(countText);
const random = randomIntegers(Number(seedText));
const sockets = Array.from({ length: PORTS }, () => {
  const socket = createSocket("udp4");
  socket.bindSync();
  return socket;
});

type Callback = (error: Error | null) => void;
type Send = (callback: Callback) => void;

function address(): string {
  return `127.${random(256)}.${random(256)}.${1 + random(254)}`;
}

const message = new Uint8Array(64);
const target = { port: Number(to), address: "127.0.0.1" };
const unix = createSocket("unix_dgram");

const single = createSocket({ type: "udp4", gso: false });
const KINDS: Record<string, Send> = {
  "single datagrams": (done) => single.send(message, target.port, target.address, done),
  "one peer": (done) => sockets[0].send(message, target.port, target.address, done),
  "spoofed senders": (done) => sockets[random(PORTS)].send(message, { ...target, localAddress: address() }, done),
  // Equal sizes to one destination leave as one payload, which the receiver's kernel keeps together.
  "coalesced bytes": (done) => sockets[0].send(message.subarray(0, 1), target.port, target.address, done),
  "metadata": (done) => {
    const controls = { ttl: 1 + random(255), tos: random(64) << 2, localAddress: address() };
    sockets[random(PORTS)].send(message, { ...target, ...controls }, done);
  },
  "descriptors": (done) =>
    unix.send(message, { path: to.replace("@", "\0"), fds: new Array(DESCRIPTORS).fill(2) }, done),
};

const told: Socket = createSocket("udp4");
let heard = 0;
let wake = (): void => {};
told.on("message", (text) => {
  heard = Math.max(heard, Number(text.toString()));
  wake();
});
console.log(JSON.stringify({ control: told.bindSync({ address: "127.0.0.1" }).port }));
const send = KINDS[kind];
let [sent, lost] = [0, 0];
while (sent < count) {
  const some = Math.min(WINDOW / 2, count - sent);
  await Promise.all(
    Array.from(
      { length: some },
      () => new Promise<void>((resolve, reject) => send((error) => error ? reject(error) : resolve())),
    ),
  );
  sent += some;
  for (const end = performance.now() + PATIENCE; sent - lost - heard > WINDOW / 2;) {
    if (performance.now() > end) lost = sent - heard;
    await Promise.race([new Promise<void>((resolve) => wake = resolve), delay(10)]);
  }
}
console.log(JSON.stringify({ sent }));
for (const socket of [...sockets, single, told, unix]) socket.close();
