/**
 * The examples that live by control messages: examples/dns_forwarder.ts and examples/latency_meter.ts.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { assert, assertEquals } from "@std/assert";
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from "./support/dns.ts";
import { nextMessage, test, type Tools } from "./support/harness.ts";
import { commandFor, ended, entry } from "./support/runtime.ts";

function start(name: string, args: readonly string[]): ChildProcess {
  const [command, ...rest] = commandFor(entry(`examples/${name}`), args);
  return spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Starts an example that serves until the test's end. @returns The first number it prints. */
async function serve(t: Tools, name: string, args: readonly string[]): Promise<number> {
  const child = start(name, args);
  const over = new Promise((resolve) => child.once("close", resolve));
  t.cleanup(() => {
    child.kill();
    return over;
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
  });
  return Number(/\d+/.exec(line)![0]);
}

test("the DNS forwarder answers each asker from the address that was asked", async (t) => {
  const resolver = await t.bound("udp4");
  const asked: number[] = [];
  resolver.on("message", (message, { port, address }) => {
    const { id, name } = decodeQuestion(message)!;
    asked.push(id);
    resolver.send(encodeAnswer({ id, name, addresses: [`192.0.2.${name.length}`] }), port, address);
  });
  const port = await serve(t, "dns_forwarder", ["0", "127.0.0.1", String(resolver.address().port)]);
  const clients = { udp4: await t.bound("udp4"), udp6: await t.bound("udp6") };
  const cases = [["udp4", "127.0.0.1"], ["udp4", "127.3.2.1"], ["udp6", "::1"], ["udp4", "127.3.2.1"]] as const;
  for (const [i, [type, address]] of cases.entries()) {
    const answered = nextMessage(clients[type]);
    const name = `${"x".repeat(i + 1)}.test`;
    clients[type].send(encodeQuestion({ id: 1000 + i, name }), port, address);
    const { message, remote } = await answered;
    assertEquals([remote.address, remote.port], [address, port]);
    assertEquals(decodeAnswer(message), { id: 1000 + i, name, addresses: [`192.0.2.${name.length}`] });
  }
  assertEquals(asked.length, cases.length);
});

test("the latency meter tells what the way takes and how far the clocks are apart", async (t) => {
  const port = await serve(t, "latency_meter", ["serve"]);
  for (const address of ["127.0.0.1", "::1"]) {
    const { code, stdout } = await ended(start("latency_meter", [address, String(port), "20"]), 20_000);
    assertEquals([code, stdout.split("\n")[0]], [0, "20 of 20 datagrams came back"]);
    const median = (name: string): number => Number(new RegExp(`${name} .*median +(-?[\\d.]+)`).exec(stdout)![1]);
    // Between the kernels of one host: less than what the programs see, and one clock.
    assert(0 < median("kernels") && median("kernels") < median("as seen"), stdout);
    assert(Math.abs(median("clock")) < 20_000, stdout);
  }
});
