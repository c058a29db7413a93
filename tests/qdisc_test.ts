/**
 * Queueing disciplines that refuse messages, which a socket hears of with 'recvNetworkErrors' (ENOBUFS).
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { assert, assertEquals } from "@std/assert";
import { FAMILIES, test, type Tools } from "./support/harness.ts";
import { addressOf, noNamespaces, twoHosts } from "./support/namespaces.ts";
import { commandFor, ended, fixture } from "./support/runtime.ts";

const noTc = noNamespaces ?? (spawnSync("tc", ["-V"]).status === 0 ? undefined : "tc (iproute2) is not installed");

/** What came of it. */
interface Outcome {
  readonly outcomes: (string | number)[];
  readonly queue: [count: number, size: number];
  readonly networkErrors: number;
  readonly cpu: number;
  readonly took: number;
}

/** Sends through a device with a queueing discipline. */
async function through(t: Tools, qdisc: string, sizes: readonly number[]) {
  const { b, hosts } = await twoHosts(t);
  hosts.a.run("tc", "qdisc", "add", "dev", "veth0", "root", ...qdisc.split(" "));
  const receiver = await b.socket("udp4");
  const { port } = await receiver.bind(addressOf(FAMILIES[0], 2));
  const [command, ...args] = hosts.a.command(
    ...commandFor(fixture("qdisc"), [String(port), addressOf(FAMILIES[0], 2), ...sizes.map(String)]),
  );
  const { stdout, stderr } = await ended(spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] }), 30_000);
  assert(stdout !== "", stderr);
  const outcome = JSON.parse(stdout) as Outcome;
  const heard: number[] = [(await receiver.next()).remote.size];
  for (const result of outcome.outcomes) {
    if (typeof result === "number") heard.push((await receiver.next()).remote.size);
  }
  return { ...outcome, heard: heard.slice(1) };
}

test("a message that the device's queue never takes fails alone with ENOBUFS, and the others follow", async (t) => {
  // A packet of more than 600 bytes is no burst.
  const sizes = [100, 800, 101, 102, 900, 103];
  const { outcomes, heard, queue, cpu, took } = await through(t, "tbf rate 10mbit burst 600 limit 100000", sizes);
  assertEquals(outcomes, [100, "ENOBUFS", 101, 102, "ENOBUFS", 103]);
  assertEquals(heard, [100, 101, 102, 103]);
  assertEquals(queue, [0, 0]);
  assert(took > 400, `${took} ms`);
  assert(cpu < 0.4 * took, `${cpu} ms of the processor in ${took} ms`);
}, { skip: noTc });

test("messages wait while the device's queue is full, and none is lost", async (t) => {
  // 20 bytes a millisecond, and room for three packets.
  const sizes = Array.from({ length: 40 }, (_, i) => 200 + i);
  const { outcomes, heard, queue, cpu, took } = await through(t, "tbf rate 160kbit burst 600 limit 800", sizes);
  assertEquals(outcomes, sizes);
  assertEquals(heard, sizes);
  assertEquals(queue, [0, 0]);
  assert(cpu < 0.5 * took, `${cpu} ms of the processor in ${took} ms`);
}, { skip: noTc });
