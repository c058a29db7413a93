/**
 * Traces the route to a host and finds the MTU of the path, as traceroute and tracepath do. It takes no privilege (Linux).
 *
 *     deno run -A examples/traceroute.ts example.com
 *     bun examples/traceroute.ts example.com
 *     node examples/traceroute.ts example.com
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import process from "node:process";
import { createSocket, type NetworkError } from "../mod.ts";

const MAX_HOPS = 30;
const ATTEMPTS = 3;
/** In milliseconds. */
const PATIENCE = 1000;

const { address, family } = await lookup(process.argv[2] ?? "localhost");
const headers = family === 4 ? 28 : 48;
const socket = createSocket({ type: family === 4 ? "udp4" : "udp6", recvNetworkErrors: true });
socket.bindSync();
// Nothing is fragmented, and what the system thinks of the path does not matter.
socket.setMTUDiscover("PROBE");

/** More than any interface takes: its own refusal tells the first MTU. */
let mtu = 65_535;
/** Another port for each probe, by which its answer is known: unlikely ones, as is the custom. */
let port = 33_434;

/** Sends as much as the MTU allows; resolves with the error that comes of it, or `arrived`, or undefined where nothing comes. */
function probe(): Promise<NetworkError | "arrived" | undefined> {
  const target = port++;
  return new Promise((resolve) => {
    const done = (outcome?: NetworkError | "arrived"): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      resolve(outcome);
    };
    const timer = setTimeout(done, PATIENCE);
    socket.on("networkError", (error) => {
      if (error.port === target || error.origin === "local") done(error);
    });
    socket.on("message", (_, remote) => {
      if (remote.port === target) done("arrived");
    });
    socket.send(new Uint8Array(mtu - headers), target, address, () => {});
  });
}

/** Finds out who is at that distance. @returns Whether that is the end of the way. */
async function hop(distance: number): Promise<boolean> {
  socket.setTTL(distance);
  for (let attempt = 0; attempt < ATTEMPTS;) {
    const start = performance.now();
    const outcome = await probe();
    const duration = `${(performance.now() - start).toFixed(2)} ms`;
    if (outcome === undefined) attempt++;
    else if (outcome !== "arrived" && outcome.mtu && outcome.mtu < mtu) {
      mtu = outcome.mtu;
      console.log(`    MTU ${mtu}, says ${outcome.offender ?? "this host"}`);
    } else {
      const isOnTheWay = outcome !== "arrived" && outcome.icmpType === (family === 4 ? 11 : 3);
      const isThere = outcome === "arrived" || outcome.code === "ECONNREFUSED";
      const who = outcome === "arrived" ? address : outcome.offender ?? "this host";
      console.log(
        `${`${distance}`.padStart(2)}  ${who}  ${duration}${isOnTheWay || isThere ? "" : `  ${outcome.code}`}`,
      );
      if (isThere) console.log(`${address} is hop ${distance}, the path's MTU is ${mtu}`);
      return !isOnTheWay;
    }
  }
  console.log(`${`${distance}`.padStart(2)}  *`);
  return false;
}

for (let distance = 1; distance <= MAX_HOPS && !await hop(distance); distance++);
socket.close();
