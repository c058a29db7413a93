/**
 * One socket's error queue, over a queue that a test fills.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { ErrorQueue, QueuedError } from "../ffi/wire/error_queue.ts";
import { ErrorReceiver } from "../src/receiving/error_receiver.ts";
import type { NetworkError } from "../src/receiving/network_error.ts";
import { ownBuffer } from "../src/receiving/own_buffer.ts";
import { test } from "./support/harness.ts";
import { LINUX } from "./support/scripted_libc.ts";

const { errno } = LINUX;
const { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_TIMESTAMPING } = LINUX.linux!;

const HERE = { address: "10.0.0.1", family: "IPv4", port: 9 } as const;
const ROUTER = { address: "10.0.0.2", family: "IPv4", port: 0 } as const;

function queued(code: string, origin = SO_EE_ORIGIN_ICMP, more: Partial<QueuedError> = {}): QueuedError {
  const rest = { type: 3, code: 1, info: 0, data: 0, offender: ROUTER, destination: HERE, timestamps: undefined };
  return { errno: errno[code], origin, ...rest, payload: Uint8Array.of(1, 2), ...more };
}

/** A receiver, what its queue gives at each reading, and what it delivers. */
function receiverWith(...readings: (QueuedError[] | number)[]) {
  const delivered: NetworkError[] = [];
  const asked = { turns: 0, reads: 0 };
  const queue = {
    read: (fd: number) => {
      assertEquals(fd, 5);
      asked.reads++;
      return readings.shift() ?? [];
    },
  } as unknown as ErrorQueue;
  const socket = {
    fd: 5,
    deliverNetworkError: (error: NetworkError) => void delivered.push(error),
    requestErrorTurn: () => void asked.turns++,
    hadNoRoom: () => false,
  };
  const receiver = new ErrorReceiver(queue, socket, LINUX);
  receiver.takesNetworkErrors = true;
  return { receiver, delivered, asked, readings };
}

test("each step delivers one message of the error queue, until there are no more", () => {
  const shared = queued("ECONNREFUSED");
  const { receiver, delivered, asked } = receiverWith([shared, queued("EHOSTUNREACH")], [queued("ENETUNREACH")]);
  assertEquals([receiver.step(), delivered.length, asked.reads], [true, 1, 3]);
  shared.payload.fill(9);
  assertEquals([receiver.step(), receiver.step(), receiver.step()], [true, true, false]);
  assertEquals(delivered.map(({ code }) => code), ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"]);
  assertEquals([...delivered[0].message], [1, 2]);
});

test("an error of the network says where from, what for and by whom; one of this host has no ICMP in it", () => {
  const { receiver, delivered } = receiverWith([
    queued("EMSGSIZE", SO_EE_ORIGIN_ICMP, { info: 1400 }),
    queued("ECONNREFUSED", SO_EE_ORIGIN_ICMP6, { info: 7, offender: undefined, destination: undefined }),
    queued("EMSGSIZE", SO_EE_ORIGIN_LOCAL, { info: 0 }),
    queued("ENOMSG", 77),
  ]);
  while (receiver.step());
  const all = delivered.map(({ message: _, ...rest }) => rest);
  const icmp = { icmpType: 3, icmpCode: 1 };
  assertEquals(all, [
    {
      origin: "icmp",
      code: "EMSGSIZE",
      errno: -90,
      ...icmp,
      mtu: 1400,
      address: "10.0.0.1",
      port: 9,
      offender: "10.0.0.2",
    },
    {
      origin: "icmp6",
      code: "ECONNREFUSED",
      errno: -111,
      ...icmp,
      mtu: undefined,
      address: undefined,
      port: undefined,
      offender: undefined,
    },
    {
      ...{ origin: "local", code: "EMSGSIZE", errno: -90, icmpType: undefined, icmpCode: undefined, mtu: undefined },
      ...{ address: "10.0.0.1", port: 9, offender: undefined },
    },
  ]);
});

test("timestamps go their own way, and errors that were not asked for go nowhere", () => {
  const stamps: number[] = [];
  const time = queued("ENOMSG", SO_EE_ORIGIN_TIMESTAMPING, { data: 4 });
  const { receiver, delivered } = receiverWith([time, queued("ECONNREFUSED"), time]);
  receiver.takesNetworkErrors = false;
  assertEquals(receiver.step(), true);
  receiver.onTimestamp = ({ data }) => void stamps.push(data);
  while (receiver.step());
  assertEquals([stamps, delivered], [[4], []]);
});

test("an errno of ICMP's only repeats what the queue tells, if errors are taken from it", () => {
  const { receiver } = receiverWith();
  const names = [
    "ECONNREFUSED",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EMSGSIZE",
    "EPROTO",
    "ENOPROTOOPT",
    "EACCES",
    "EHOSTDOWN",
    "ENONET",
    "ENOTSUP",
  ];
  assertEquals(names.map((name) => receiver.repeats(errno[name])), names.map(() => true));
  assertEquals(["EBADF", "EINVAL", "ENOBUFS"].map((name) => receiver.repeats(errno[name])), [false, false, false]);
  receiver.takesNetworkErrors = false;
  assertEquals(receiver.repeats(errno.ECONNREFUSED), false);
});

test("a message is sent again if the queue has the error of an earlier one", () => {
  const { receiver, asked, delivered } = receiverWith([
    queued("EHOSTUNREACH"),
    queued("ECONNREFUSED", SO_EE_ORIGIN_ICMP6),
  ]);
  assertEquals([receiver.mayRetry(errno.ECONNREFUSED, 1), asked.turns], [true, 1]);
  // What was fetched before is no reason for the next.
  assertEquals([receiver.mayRetry(errno.ECONNREFUSED, 1), asked.turns], [false, 2]);
  assertEquals([receiver.mayRetry(errno.ECONNREFUSED, 0), receiver.mayRetry(errno.EMSGSIZE, 0)], [true, false]);
  while (receiver.step());
  assertEquals(delivered.length, 2);
  const other = receiverWith([queued("EHOSTUNREACH")], [], [queued("ECONNREFUSED", SO_EE_ORIGIN_LOCAL)]);
  assertEquals(other.receiver.mayRetry(errno.ECONNREFUSED, 1), false);
  assertEquals(other.receiver.mayRetry(errno.ECONNREFUSED, 1), false);
  assertEquals(other.receiver.mayRetry(errno.EBADF, 0), false);
  assertEquals(receiverWith().receiver.mayRetry(errno.ECONNREFUSED, 0), true);
  const quiet = receiverWith();
  quiet.receiver.mayRetry(errno.ECONNREFUSED, 0);
  assertEquals(quiet.asked.turns, 0);
});

test("what this host refused just now is told by the queue, the last of it", () => {
  const { receiver, asked } = receiverWith([
    queued("EMSGSIZE", SO_EE_ORIGIN_LOCAL),
    queued("EPERM", SO_EE_ORIGIN_LOCAL),
    queued("EHOSTUNREACH"),
  ]);
  assertEquals([receiver.localError(), asked.turns], [errno.EPERM, 1]);
  assertEquals([receiver.localError(), asked.turns], [0, 2]);
  const empty = receiverWith();
  assertEquals([empty.receiver.localError(), empty.asked.turns], [0, 0]);
});

test("no more than 256 messages are fetched at a time, and none once the socket stops", () => {
  const some = (): QueuedError[] => Array.from({ length: 100 }, () => queued("EPROTO"));
  const { receiver, delivered, asked } = receiverWith(...Array.from({ length: 10 }, some));
  receiver.step();
  assertEquals(asked.reads, 3);
  for (let i = 0; i < 299; i++) receiver.step();
  assertEquals([delivered.length, asked.reads], [300, 3]);
  receiver.step();
  receiver.stop();
  assertEquals(asked.reads, 6);
  const broken = receiverWith(-errno.EBADF);
  assertEquals([broken.receiver.step(), broken.asked.reads], [false, 1]);
});

test("received bytes are copied into memory that nobody else has", () => {
  for (const size of [0, 1, 64, 65, 5000]) {
    const bytes = new Uint8Array(size + 10).fill(7).subarray(5, 5 + size);
    const copy = ownBuffer(bytes);
    assertEquals([copy.length, copy.byteOffset, copy.buffer.byteLength, copy.every((byte) => byte === 7)], [
      size,
      0,
      size,
      true,
    ]);
    assertEquals(Object.getPrototypeOf(copy), Buffer.prototype);
  }
});
