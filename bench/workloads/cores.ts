/**
 * An echo server of several Workers on one port (`reusePort`).
 *
 * @module
 */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { announce, type Dgram, type Figures, LOOPBACK, measure, type Options } from "../support.ts";

/** How often a Worker tells how far it has come, in milliseconds. */
const REPORT_EVERY = 20;

export default async function cores(_dgram: Dgram, options: Options): Promise<Figures> {
  const answered = new Float64Array(options.workers);
  let port = 0;
  for (let i = 0; i < options.workers; i++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { port } });
    [port] = await once(worker, "message");
    worker.on("message", (count) => answered[i] = count);
  }
  announce(port);
  const total = (): number => answered.reduce((sum, count) => sum + count, 0);
  while (total() === 0) await new Promise((resolve) => setTimeout(resolve, REPORT_EVERY));
  return await measure(options, total);
}

/** What a Worker does. */
async function serve(): Promise<void> {
  const { createSocket } = await import("../../mod.ts");
  const socket = createSocket({ type: "udp4", reusePort: true });
  let answered = 0;
  socket.on("message", (message, remote) => {
    answered++;
    socket.send(message, remote.port, remote.address);
  });
  socket.bindSync({ port: workerData.port, address: LOOPBACK });
  parentPort!.postMessage(socket.address().port);
  setInterval(() => parentPort!.postMessage(answered), REPORT_EVERY);
}

if (!isMainThread) await serve();
