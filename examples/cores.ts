/**
 * An echo server on all cores: a Worker for each binds the same port (`reusePort`), and the kernel spreads the clients among
 * them. Then asks it as 64 clients and prints what each Worker has answered.
 *
 * @module
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createSocket, type Socket } from "../mod.ts";

const CLIENTS = 64;
const QUESTIONS = 100;

if (isMainThread) await main();
else serve();

/** A Worker. It binds the port that it is given; the first one gets 0, which the system makes a free port. */
function serve(): void {
  let answered = 0;
  const socket = createSocket({ type: "udp4", reusePort: true }, (message, remote) => {
    answered++;
    socket.send(message, remote.port, remote.address);
  });
  const { port } = socket.bindSync({ port: workerData.port, address: "127.0.0.1" });
  parentPort!.postMessage(port);
  parentPort!.once("message", () => {
    socket.close();
    parentPort!.postMessage(answered);
  });
}

async function main(): Promise<void> {
  const workers: Worker[] = [];
  let port = 0;
  for (let i = 0; i < Math.max(availableParallelism(), 2); i++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { port } });
    [port] = await once(worker, "message");
    workers.push(worker);
  }
  const answers = await Promise.all(Array.from({ length: CLIENTS }, () => ask(port)));
  console.log(`${CLIENTS} clients had ${answers.reduce((sum, count) => sum + count)} answers from port ${port}`);
  for (const worker of workers) {
    worker.postMessage("stop");
    const [answered] = await once(worker, "message");
    console.log(`  Worker ${worker.threadId}: ${answered}`);
    await worker.terminate();
  }
  process.exitCode = answers.every((count) => count === QUESTIONS) ? 0 : 1;
}

/** One client: one question after the other. Resolves with the number of answers. */
function ask(port: number): Promise<number> {
  return new Promise((resolve) => {
    let answers = 0;
    const client: Socket = createSocket("udp4", () => {
      if (++answers < QUESTIONS) return client.send("question", port, "127.0.0.1");
      client.close();
      resolve(answers);
    });
    client.send("question", port, "127.0.0.1");
  });
}
