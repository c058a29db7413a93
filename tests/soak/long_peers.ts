/**
 * Very many peers, each with an address of its own, which ask one socket and are answered. The answer has to reach the address that asked.
 * Every address of 127.0.0.0/8 is this host's: one socket is all peers.
 *
 * @module
 */
import { createSocket } from "../../mod.ts";
import { randomIntegers } from "../support/random.ts";
import { datagram, faultOf, readHeader } from "./format.ts";
import type { Progress } from "./long_run.ts";

/** How many ask at once. */
const AT_ONCE = 64;
const RECEIVE_BUFFER = 4 << 20;
const PATIENCE = 20_000;
/** The flows of questions and of answers. */
const [QUESTION, ANSWER] = [1, 2];

/** The address of the n-th peer, in an order that a cache cannot guess. */
function addressOf(peer: number): string {
  const mixed = (Math.imul(peer + 1, 0x9e3779b1) >>> 8) & 0xffffff;
  return `127.${mixed >> 16}.${(mixed >> 8) & 255}.${mixed & 255}`;
}

export default async function peers(count: number, seed: number, progress: Progress): Promise<object> {
  const random = randomIntegers(seed);
  const server = createSocket({ type: "udp4", recvBufferSize: RECEIVE_BUFFER });
  const all = createSocket({ type: "udp4", recvBufferSize: RECEIVE_BUFFER, recvLocalAddress: true });
  const serverPort = server.bindSync().port;
  const { port } = all.bindSync();
  let [answered, asked, addresses] = [0, 0, 0];
  let finish = (): void => {};
  const fail = (what: string, peer: number): never => {
    throw new Error(`${what}: peer ${peer}, ${addressOf(peer)}`);
  };
  server.on("message", (question, remote) => {
    const fault = faultOf(question);
    const { number } = readHeader(question);
    if (fault) fail(fault, number);
    if (remote.address !== addressOf(number) || remote.port !== port) fail(`asked by ${remote.address}`, number);
    const answer = datagram({ number, flow: ANSWER, length: question.length, port: serverPort });
    server.send(answer, remote.port, remote.address, (error) => {
      if (error) throw error;
    });
  });
  all.on("message", (answer, remote) => {
    const fault = faultOf(answer);
    const { number, flow } = readHeader(answer);
    if (fault) fail(fault, number);
    if (flow !== ANSWER || remote.port !== serverPort) fail(`answered by ${remote.address}:${remote.port}`, number);
    if (remote.localAddress !== addressOf(number)) fail(`the answer went to ${remote.localAddress}`, number);
    if (++answered === asked) finish();
  });
  const watch = setInterval(() => {
    if (answered < asked && addresses === asked) throw new Error(`${asked - answered} answers are lost`);
    addresses = asked;
  }, PATIENCE);
  while (asked < count) {
    const looking = progress.at(asked);
    if (looking) await looking;
    const done = new Promise<void>((resolve) => finish = resolve);
    const last = Math.min(asked + AT_ONCE, count);
    for (; asked < last; asked++) {
      const question = datagram({ number: asked, flow: QUESTION, length: 16 + random(50), port });
      const options = { port: serverPort, address: "127.0.0.1", localAddress: addressOf(asked) };
      all.send(question, options, (error) => {
        if (error) throw error;
      });
    }
    await done;
  }
  clearInterval(watch);
  const dropped = server.getDropCount() + all.getDropCount();
  server.close();
  all.close();
  return { peers: count, answered, dropped };
}
