/**
 * Very many sockets, one after the other and a few at once, of every kind. Some are never bound, some exchange a datagram with themselves.
 *
 * @module
 */
import { once } from "node:events";
import { createSocket, type Socket, type UnixSocket } from "../../mod.ts";
import { randomIntegers } from "../support/random.ts";
import type { Progress } from "./long_run.ts";

/** How many come and go in one turn of the event loop. */
const AT_ONCE = 32;

/** What is done with a socket before it is closed. */
const WAYS: Record<string, () => Promise<unknown> | void> = {
  "created": () => void createSocket("udp4").close(),
  "bound": () => {
    const socket = createSocket("udp6");
    socket.bindSync({ address: "::1" });
    socket.close();
  },
  "bound to a path": () => {
    const socket = createSocket("unix_dgram");
    socket.bindSync();
    socket.close();
  },
  "configured": () => {
    const socket = createSocket({ type: "udp4", recvTTL: true, recvBufferSize: 65_536, reuseAddr: true });
    socket.bindSync({ address: "127.0.0.1" });
    socket.setTTL(9);
    socket.close();
  },
  "connected": () => {
    const socket = createSocket("udp4");
    socket.connectSync(9, "127.0.0.1");
    socket.close();
  },
  "bound in its time": async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    await closed(socket);
  },
  "closed while it binds": async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await closed(socket);
  },
  "heard": async () => {
    const socket = createSocket("udp4");
    const { port } = socket.bindSync({ address: "127.0.0.1" });
    const heard = once(socket, "message");
    socket.send("x", port, "127.0.0.1");
    const [message] = await heard;
    if (String(message) !== "x") throw new Error(`heard ${message}`);
    await closed(socket);
  },
  "heard on a path": async () => {
    const socket = createSocket("unix_dgram");
    const { path } = socket.bindSync();
    const heard = once(socket, "message");
    socket.send("x", path);
    const [message] = await heard;
    if (String(message) !== "x") throw new Error(`heard ${message}`);
    await closed(socket);
  },
};

async function closed(socket: Socket | UnixSocket): Promise<void> {
  await new Promise<void>((resolve) => void socket.close(resolve));
}

/** How often each is chosen. */
const CHOICES = [
  ...["created", "created", "bound", "bound", "bound to a path", "configured", "connected"],
  ...["bound in its time", "closed while it binds", "heard", "heard on a path"],
];

export default async function sockets(count: number, seed: number, progress: Progress): Promise<object> {
  const random = randomIntegers(seed);
  const ways: Record<string, number> = {};
  // One that is open all the time, as the poller of most programs is: it does not come and go with the others.
  const constant = createSocket("udp4");
  constant.bindSync({ address: "127.0.0.1" });
  for (let done = 0; done < count; done += AT_ONCE) {
    const looking = progress.at(done);
    if (looking) await looking;
    const waiting: (Promise<unknown> | void)[] = [];
    for (let i = 0; i < Math.min(AT_ONCE, count - done); i++) {
      const way = CHOICES[random(CHOICES.length)];
      ways[way] = (ways[way] ?? 0) + 1;
      waiting.push(WAYS[way]());
    }
    await Promise.all(waiting);
    await new Promise((resolve) => void setImmediate(resolve));
  }
  constant.close();
  return { sockets: count, ways };
}
