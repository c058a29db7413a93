/**
 * When callbacks of `send()` and `sendMany()` are called, in which tick and with what, over a socket that is none.
 *
 * @module
 */
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { type OperationOwner, SendCallbacks, SendManyOperation, SendOperation } from "../src/sending/callbacks.ts";
import type { SendManyError } from "../src/sending/types.ts";
import { test } from "./support/harness.ts";
import { runtime } from "./support/runtime.ts";

/** The end of the turn was scheduled before, so callbacks have ticks of their own. */
const APART = { scheduleWith: () => false };

/** An owner that writes down which contexts are used. */
class Owner implements OperationOwner {
  readonly asyncId = 7;
  readonly callbacks: SendCallbacks = new SendCallbacks(APART);
  open = true;
  readonly ran: unknown[] = [];
  context = "caller";
  readonly contexts = {
    open: () => {
      throw new Error("not asked for");
    },
    capture: (id: number) => `${this.context} ${id}`,
    run: <A, B>(context: unknown, call: (first: A, second: B) => void, first: A, second: B): void => {
      this.ran.push(context);
      call(first, second);
    },
  };
  isOpen(): boolean {
    return this.open;
  }
  sendError(errno: number, address: string | undefined, port: number | undefined): Error {
    return new Error(`${errno} ${address}:${port}`);
  }
}

const tick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/** A callback that writes down what it is called with, and how many arguments there are. */
function recorder() {
  const record: unknown[] = [];
  const callback = (...args: unknown[]): void =>
    void record.push(args.map((arg) => arg instanceof Error ? arg.message : arg));
  return { record, callback };
}

test("a callback has the tick after the hand-over, with the bytes or with the error alone", async () => {
  const owner = new Owner();
  const { record, callback } = recorder();
  for (const result of [5, 0, -22, new Error("refused")]) {
    const operation = new SendOperation(owner, callback, "10.0.0.1", 9);
    operation.schedule(APART);
    operation.finish(result);
  }
  assertEquals(record, []);
  await tick();
  assertEquals(record, [[null, 5], [null, 0], ["22 10.0.0.1:9"], ["refused"]]);
  assertEquals(owner.ran, []);
});

test("a message that waits for room has its callback in the tick after it left, in its caller's context", async () => {
  const owner = new Owner();
  const { record, callback } = recorder();
  const operation = new SendOperation(owner, callback, undefined, undefined);
  operation.schedule(APART);
  await tick();
  await tick();
  assertEquals(record, []);
  owner.context = "other";
  operation.finish(3);
  assertEquals(record, []);
  await tick();
  assertEquals([record, owner.ran], [[[null, 3]], ["caller 7"]]);
});

test("an unconnected socket's callbacks come a tick later, in their order, each in its caller's context", async () => {
  const owner = new Owner();
  const { record, callback } = recorder();
  const operations = ["one", "two", "three"].map((context) => {
    owner.context = context;
    const operation = new SendOperation(owner, callback, "a", 1);
    operation.scheduleAfterLookup();
    return operation;
  });
  operations[0]!.finish(0);
  operations[2]!.finish(2);
  process.nextTick(() => record.push("a tick"));
  await tick();
  await tick();
  assertEquals(record.splice(0, 1), ["a tick"]);
  assertEquals(record, [[null, 0], [null, 2]]);
  // It has waited for room.
  operations[1]!.finish(-1);
  await tick();
  assertEquals([record[2], owner.ran], [["1 a:1"], ["one 7", "three 7", "two 7"]]);
});

test("a socket that is closed in the same turn has no callback, and one that is closed later has", async () => {
  const owner = new Owner();
  const { record, callback } = recorder();
  const send = (): void => {
    const operation = new SendOperation(owner, callback, "a", 1);
    operation.scheduleAfterLookup();
    operation.finish(1);
  };
  send();
  owner.open = false;
  for (let i = 0; i < 3; i++) await tick();
  assertEquals(record, []);
  owner.open = true;
  send();
  await tick();
  owner.open = false;
  await tick();
  assertEquals(record, [[null, 1]]);
});

test("a callback that throws leaves the others their turn, in a tick of their own", async () => {
  const callbacks = new SendCallbacks(APART);
  const order: string[] = [];
  const due = (name: string, throws = false) => ({
    isWanted: () => name !== "unwanted",
    report: () => {
      order.push(name);
      if (throws) throw new Error(name);
    },
  });
  const errors: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const onError = (error: Error): void => void errors.push(error.message);
  process.on("uncaughtException", onError);
  try {
    callbacks.add(due("first"));
    callbacks.add(due("second", true));
    callbacks.add(due("unwanted"));
    callbacks.add(due("third"));
    callbacks.add(due("fourth", true));
    for (let i = 0; i < 50 && errors.length < 2; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  } finally {
    process.removeListener("uncaughtException", onError);
    for (const listener of before) process.on("uncaughtException", listener);
  }
  assertEquals([order, errors], [["first", "second", "third", "fourth"], ["second", "fourth"]]);
  callbacks.add(due("later"));
  await tick();
  await tick();
  assertEquals(order.at(-1), "later");
}, {
  skip: runtime === "bun" ? "Bun fails a test with uncaught exceptions; send_test has a process for it" : undefined,
});

test("sendMany's callback is called once when all are done, with the first failure and the number that was sent", async () => {
  const owner = new Owner();
  const record: [string | null, number, unknown][] = [];
  const callback = (error: SendManyError | null, sent: number): void =>
    void record.push([
      error && error.message,
      sent,
      error && [error.index, "address" in error, error.address, error.port],
    ]);
  const operation = new SendManyOperation(owner, 5, callback);
  const [first, second] = [operation.requestFrom(0, "10.0.0.1", 9), operation.requestFrom(3, undefined, undefined)];
  second.finish(-2);
  first.finish(10);
  first.finish(-1);
  first.finish(0);
  await tick();
  assertEquals(record, []);
  second.finish(4);
  await tick();
  assertEquals(record, [["1 10.0.0.1:9", 3, [1, true, "10.0.0.1", 9]]]);
  assertEquals(owner.ran, ["caller 7"]);
  const connected = new SendManyOperation(owner, 2, callback);
  const request = connected.requestFrom(0, undefined, undefined);
  request.finish(new Error("blocked"));
  request.finish(-5);
  await tick();
  assertEquals(record[1], ["blocked", 0, [0, false, undefined, undefined]]);
  const whole = new SendManyOperation(owner, 1, callback);
  whole.requestFrom(0, "x", 1).finish(0);
  await tick();
  assertEquals(record[2], [null, 1, null]);
});

test("sendMany of nothing calls back in the next tick", async () => {
  const { record, callback } = recorder();
  new SendManyOperation(new Owner(), 0, callback);
  assertEquals(record, []);
  await tick();
  assertEquals(record, [[null, 0]]);
  assert(record.length === 1);
});
