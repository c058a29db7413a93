/**
 * What depends on the version of Linux: options that it has or lacks, how many segments a payload may have, and whether datagrams of
 * the loopback interface arrive coalesced. `npm run platforms -- --only=kernels` runs it under other kernels.
 *
 * @module
 */
import { release } from "node:os";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SOCKET_OPTIONS, type SocketOption } from "../ffi/abi/socket_options.ts";
import { levelsOf } from "../ffi/wire/sockopt.ts";
import type { Socket } from "../mod.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextMessages, sent, test } from "./support/harness.ts";
import { isKernelSince } from "./support/kernel.ts";
import { linuxOnly } from "./support/runtime.ts";

const skip = linuxOnly("these options");

/** The message of the error with which the kernel does not know an option; undefined if it knows it. Some can only be read or set. */
function unknownness(socket: Socket, name: string): string | undefined {
  const [level] = levelsOf(name);
  const attempts = [() => socket.getsockopt(level, name, 64), () => socket.setsockopt(level, name, 1)];
  const errors = attempts.map((attempt) => {
    try {
      attempt();
    } catch (error) {
      return error as Error & { code?: string };
    }
  });
  return errors.every((error) => error?.code === "ENOPROTOOPT") ? errors[0]!.message : undefined;
}

test(
  "the kernel has an option from the version on that the table names, and if it lacks one, the error names that version",
  (t) => {
    const sockets = { IPV6: t.socket("udp6"), other: t.socket("udp4") };
    for (const [name, { since }] of Object.entries<SocketOption>(SOCKET_OPTIONS)) {
      if (since === undefined) continue;
      const message = unknownness(name.startsWith("IPV6_") ? sockets.IPV6 : sockets.other, name);
      // Some were brought into older kernels, too.
      if (message === undefined) continue;
      assert(!isKernelSince(since), `${name}, ${release()}: ${message}`);
      assertStringIncludes(message, `Linux has it since ${since}`);
    }
  },
  { skip },
);

/** Sends 256 messages in one turn, the last of which is shorter. @returns Whether that one came with those before it. */
async function exchangeRun(receiver: Socket, sender: Socket, turn: number): Promise<boolean> {
  const texts = [...Array.from({ length: 255 }, (_, i) => `${turn}:${String(i).padStart(3, "0")}`), "end"];
  const arriving = nextMessages(receiver, texts.length);
  await Promise.all(texts.map((text) => sent(sender, text, receiver.address().port, "127.0.0.1")));
  const arrived = await arriving;
  assertEquals(arrived.map(({ text }) => text), texts);
  return arrived[255].remote.segmentSize === texts[0].length;
}

test(
  "256 messages of a turn leave in payloads of as many segments as the kernel takes, 64 or 128, and none is lost",
  async (t) => {
    const faulty = injectFaults(t);
    const receiver = await t.bound({ type: "udp4", gro: false, recvBufferSize: 4 << 20 });
    const sender = await t.bound("udp4");
    const payloads: number[] = [];
    for (let turn = 0; turn < 2; turn++) {
      const before = faulty.callsOf("sendmmsg").length;
      await exchangeRun(receiver, sender, turn);
      const results = faulty.callsOf("sendmmsg").slice(before).map(({ result }) => Math.max(result, 0));
      payloads.push(results.reduce((sum, result) => sum + result, 0));
    }
    assert([2, 4].includes(payloads[1]), `${payloads}`);
    console.log(`this kernel: payloads of ${256 / payloads[1]} segments`);
  },
  { skip },
);

test("messages arrive as they were sent, coalesced by the loopback interface or not", async (t) => {
  const receiver = await t.bound({ type: "udp4", gro: true, recvSegmentSize: true, recvBufferSize: 4 << 20 });
  const coalesced = await exchangeRun(receiver, await t.bound("udp4"), 0);
  console.log(`this kernel: ${coalesced ? "UDP_GRO" : "no UDP_GRO"} on loopback`);
}, { skip });
