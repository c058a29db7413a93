/**
 * Batches that are passed on whole: `sendMany(batch)` in a `'messages'` listener.
 *
 * @module
 */
import { BlockList } from "node:net";
import { assert, assertEquals } from "@std/assert";
import type { MessageBatch, Socket, SocketOptions } from "../mod.ts";
import { type FaultyLibc, injectFaults } from "./support/faulty_libc.ts";
import { type Family, nextMessages, testBoth, type Tools } from "./support/harness.ts";
import { until } from "./support/process.ts";
import { textsOf } from "./support/values.ts";

/** What a `sendMany` callback was called with: the error's code, and the number of messages. */
type Outcome = [code: string | null, sent: number];

/** A sender, the socket its messages come to, and that which passes them on to a receiver. */
interface Chain {
  readonly faults: FaultyLibc;
  readonly sender: Socket;
  readonly middle: Socket;
  readonly out: Socket;
  /** The descriptor of `out`. */
  readonly fd: number;
  readonly receiver: Socket;
}

async function chain(t: Tools, { type }: Family, options: Partial<SocketOptions> = {}): Promise<Chain> {
  const faults = injectFaults(t);
  const [sender, middle, receiver] = await Promise.all(
    [{}, { recvBufferSize: 4 << 20 }, { recvBufferSize: 4 << 20 }].map((more) => t.bound({ type, ...more })),
  );
  const out = await t.bound({ type, ...options });
  return { faults, sender, middle, out, fd: faults.lastSocket(), receiver };
}

/** Sends texts to the one in the middle, all in one turn. */
function feed({ sender, middle }: Chain, { loopback }: Family, texts: readonly string[]): void {
  sender.sendMany(texts, middle.address().port, loopback);
}

/** Has every batch passed on, and collects what the callbacks are told. */
function passOn({ middle, out, receiver }: Chain, { loopback }: Family, times = 1): Outcome[] {
  const outcomes: Outcome[] = [];
  middle.on("messages", (batch: MessageBatch) => {
    for (let i = 0; i < times; i++) {
      out.sendMany(batch, receiver.address().port, loopback, (error, sent) => {
        outcomes.push([error && (error as { code?: string }).code!, sent]);
      });
    }
  });
  return outcomes;
}

const sentOf = (outcomes: readonly Outcome[]): number => outcomes.reduce((sum, [, sent]) => sum + sent, 0);
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`.padStart(4, "0"));

/** Payloads that the kernel took from a socket. */
const payloadsOf = ({ faults, fd }: Chain): number =>
  faults.callsOf("sendmmsg", fd).reduce((sum, { result }) => sum + Math.max(result, 0), 0);

for (const gso of [true, false]) {
  testBoth(
    `a batch is passed on as it came with gso ${gso}: in ${gso ? "few payloads" : "one for each datagram"}`,
    async (t, family) => {
      const given = await chain(t, family, { gso });
      const outcomes = passOn(given, family);
      // Runs of a size, the last of them shorter; single ones; empty ones.
      const texts = [...numbered(200), "end", "", "", "single", ...numbered(100)];
      const arriving = nextMessages(given.receiver, texts.length);
      feed(given, family, texts);
      assertEquals(textsOf(await arriving), texts);
      await until(() => sentOf(outcomes) === texts.length, "callbacks for all");
      assert(outcomes.every(([error]) => error === null));
      const payloads = payloadsOf(given);
      if (gso) assert(payloads < 20, `${payloads} payloads`);
      else assertEquals(payloads, texts.length);
    },
  );
}

testBoth("payloads of one size that came apart are passed on together, as many as fit", async (t, family) => {
  const given = await chain(t, family);
  const outcomes = passOn(given, family);
  const texts = [...numbered(190), "abc", "def"];
  const arriving = nextMessages(given.receiver, texts.length);
  for (const [start, end] of [[0, 60], [60, 120], [120, 190], [190, 192]]) {
    feed(given, family, texts.slice(start, end));
    // What was sent before a change leaves before it.
    given.sender.setTTL(64);
  }
  assertEquals(textsOf(await arriving), texts);
  await until(() => sentOf(outcomes) === texts.length, "callbacks for all");
  assertEquals(payloadsOf(given), 3);
});

for (const errno of ["EINVAL", "EIO"]) {
  testBoth(
    `where the kernel refuses a payload with ${errno}, its datagrams are passed on singly, once, in order`,
    async (t, family) => {
      const given = await chain(t, family);
      const outcomes = passOn(given, family);
      const texts = numbered(60);
      given.faults.fail("sendmmsg", errno, 1, given.fd);
      for (let turn = 0; turn < 2; turn++) {
        const arriving = nextMessages(given.receiver, texts.length);
        feed(given, family, texts);
        assertEquals(textsOf(await arriving), texts);
      }
      await until(() => sentOf(outcomes) === 2 * texts.length, "callbacks for all");
      assert(outcomes.every(([error]) => error === null));
      given.faults.assertUsedUp();
    },
  );
}

testBoth("batches wait while there is no room, and leave in order afterwards", async (t, family) => {
  const given = await chain(t, family);
  const { faults, fd, out, receiver } = given;
  const outcomes = passOn(given, family);
  const texts = numbered(300);
  const full = faults.fail("sendmmsg", "EAGAIN", Infinity, fd);
  feed(given, family, texts.slice(0, 150));
  await until(() => out.getSendQueueCount() === 150, "the first to wait");
  feed(given, family, texts.slice(150));
  await until(() => out.getSendQueueCount() === 300, "the others to wait");
  assertEquals(out.getSendQueueSize(), texts.join("").length);
  const arriving = nextMessages(receiver, texts.length);
  faults.repair(full);
  assertEquals(textsOf(await arriving), texts);
  await until(() => sentOf(outcomes) === texts.length, "callbacks for all");
  assertEquals([out.getSendQueueCount(), out.getSendQueueSize()], [0, 0]);
});

testBoth(
  "a batch that is passed on more often in one turn than memory is kept for is sent as often",
  async (t, family) => {
    const given = await chain(t, family);
    const outcomes = passOn(given, family, 40);
    const size = 1200;
    // 40 times 36,000 bytes are more than a megabyte; the receiver need not have room for all of it.
    feed(given, family, Array.from({ length: 30 }, (_, i) => String(i % 10).repeat(size)));
    await until(() => sentOf(outcomes) === 40 * 30, "callbacks for all");
    assert(outcomes.every(([error]) => error === null));
    assert(given.faults.callsOf("sendmmsg", given.fd).length > 1);
  },
);

testBoth("a batch's error is told once, with none of its datagrams sent", async (t, family) => {
  const sendBlockList = new BlockList();
  sendBlockList.addAddress(family.loopback, family.version === 4 ? "ipv4" : "ipv6");
  const given = await chain(t, family, { sendBlockList });
  const outcomes = passOn(given, family);
  feed(given, family, [...numbered(10), ""]);
  await until(() => outcomes.length > 0, "the callback");
  assert(outcomes.every(([error, sent]) => error === "ERR_IP_BLOCKED" && sent === 0));
  assertEquals(payloadsOf(given), 0);
});
