/**
 * The forms that the arguments of `send()` and `sendMany()` take, each brought into one.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fillBatch, MessageBatch } from "../src/receiving/message_batch.ts";
import { parseSendArguments, payloadOf, sliceOf } from "../src/sending/arguments.ts";
import { countMessages, parseSendManyArguments, withOwnBytes } from "../src/sending/many_arguments.ts";
import type { Payload } from "../src/sending/payload.ts";
import { test } from "./support/harness.ts";

const callback = (): void => {};
const textOf = (payload: Payload): string =>
  payload instanceof Uint8Array ? new TextDecoder().decode(payload) : `[${payload.map(textOf).join(" ")}]`;

/** What arguments mean: `text port address`, and whether there is a callback. */
function meaning(isConnected: boolean, ...args: unknown[]): unknown[] {
  const [message, ...rest] = args;
  const [a, b, c, d, e] = rest;
  const parsed = parseSendArguments(isConnected, message, a, b, c, d, e);
  const { payload, length, port, address, callback, controls } = parsed;
  const said = [textOf(payload), port, address, callback !== undefined];
  const size = payload instanceof Uint8Array ? payload.length : payload.reduce((sum, piece) => sum + piece.length, 0);
  assertEquals(length, size);
  return controls === undefined ? said : [...said, controls.ttl];
}

test("the forms of an unconnected socket's send", () => {
  const text = "abcdef";
  assertEquals(meaning(false, text, 9), [text, 9, undefined, false]);
  assertEquals(meaning(false, text, "9", callback), [text, 9, undefined, true]);
  assertEquals(meaning(false, text, 9, "host"), [text, 9, "host", false]);
  assertEquals(meaning(false, text, 9, "host", callback), [text, 9, "host", true]);
  assertEquals(meaning(false, text, 9, undefined, callback), [text, 9, undefined, true]);
  assertEquals(meaning(false, text, 9, null), [text, 9, undefined, false]);
  assertEquals(meaning(false, text, 9, ""), [text, 9, "", false]);
  assertEquals(meaning(false, text, 1, 3, 9), ["bcd", 9, undefined, false]);
  assertEquals(meaning(false, text, 1, 3, 9, callback), ["bcd", 9, undefined, true]);
  assertEquals(meaning(false, text, 1, 3, 9, "host"), ["bcd", 9, "host", false]);
  assertEquals(meaning(false, text, 1, 3, 9, "host", callback), ["bcd", 9, "host", true]);
  assertEquals(meaning(false, text, 1, 3, 9, null, callback), ["bcd", 9, undefined, true]);
  assertEquals(meaning(false, text, 1, 3, 9, "host", "no function"), ["bcd", 9, "host", false]);
});

test("the forms of a connected socket's send", () => {
  const text = "abcdef";
  assertEquals(meaning(true, text), [text, undefined, undefined, false]);
  assertEquals(meaning(true, text, callback), [text, undefined, undefined, true]);
  assertEquals(meaning(true, text, 1, 3), ["bcd", undefined, undefined, false]);
  assertEquals(meaning(true, text, 1, 3, callback), ["bcd", undefined, undefined, true]);
  assertEquals(meaning(true, [text, Buffer.from("x")], callback), [`[${text} x]`, undefined, undefined, true]);
  for (const args of [[1, 3, 9], [undefined, undefined, 9], [1, 3, 0, "host"], [1, 3, undefined, "host"]]) {
    codeOfThrown(() => meaning(true, text, ...args), "ERR_SOCKET_DGRAM_IS_CONNECTED");
  }
});

function codeOfThrown(action: () => unknown, code: string, part = ""): void {
  const error = assertThrows(action, Error, part);
  assertEquals((error as Error & { code: string }).code, code);
}

test("options in the place of the port", () => {
  assertEquals(meaning(false, "a", { port: 9 }), ["a", 9, undefined, false]);
  assertEquals(meaning(false, "a", { port: 9, address: "host", ttl: 5 }, callback), ["a", 9, "host", true, 5]);
  assertEquals(meaning(false, "a", { port: 9, address: null, ttl: 5 }), ["a", 9, undefined, false, 5]);
  assertEquals(meaning(false, "a", { port: 9, address: undefined }, "no function"), ["a", 9, undefined, false]);
  assertEquals(meaning(true, "a", { ttl: 5 }, callback), ["a", undefined, undefined, true, 5]);
  for (const options of [{ port: 9 }, { address: "host" }]) {
    codeOfThrown(() => meaning(true, "a", options), "ERR_SOCKET_DGRAM_IS_CONNECTED");
  }
  codeOfThrown(() => meaning(false, "a", { ttl: 5 }), "ERR_SOCKET_BAD_PORT", "Port should be > 0 and < 65536");
  codeOfThrown(() => meaning(false, "a", { port: 9, address: 5 }), "ERR_INVALID_ARG_TYPE", '"address" argument');
  codeOfThrown(() => meaning(false, 5, { port: 9 }), "ERR_INVALID_ARG_TYPE", '"buffer" argument');
});

test("what send refuses, with Node's errors", () => {
  const message = '"buffer" argument must be of type string or an instance of Buffer, TypedArray, or DataView';
  for (const wrong of [5, null, undefined, {}, true, new ArrayBuffer(4)]) {
    codeOfThrown(() => meaning(false, wrong, 9), "ERR_INVALID_ARG_TYPE", message);
    codeOfThrown(() => meaning(false, wrong, 0, 1, 9), "ERR_INVALID_ARG_TYPE", message);
  }
  codeOfThrown(
    () => meaning(false, [new Uint8Array(1), 5], 9),
    "ERR_INVALID_ARG_TYPE",
    '"buffer list arguments" argument must be of type string or an',
  );
  codeOfThrown(() => meaning(false, [,], 9), "ERR_INVALID_ARG_TYPE", "buffer list arguments");
  for (const port of [0, -1, 65_536, 1.5, NaN, undefined, "x", "", null]) {
    codeOfThrown(() => meaning(false, "a", port), "ERR_SOCKET_BAD_PORT", "Port should be > 0 and < 65536");
  }
  assertEquals(meaning(false, "a", 65_535)[1], 65_535);
  for (const address of [5, {}, true]) {
    codeOfThrown(
      () => meaning(false, "a", 9, address),
      "ERR_INVALID_ARG_TYPE",
      '"address" argument must be of type string',
    );
  }
});

test("a slice lies within its bytes", () => {
  assertEquals(textOf(sliceOf("abc", 0, 3)), "abc");
  assertEquals(textOf(sliceOf("abc", 3, 0)), "");
  assertEquals(textOf(sliceOf(new DataView(Buffer.from("abcdef").buffer.slice(0), 0, 0), 0, 0)), "");
  codeOfThrown(() => sliceOf("abc", 4, 0), "ERR_BUFFER_OUT_OF_BOUNDS", '"offset" is outside of buffer bounds');
  codeOfThrown(() => sliceOf("abc", 1, 3), "ERR_BUFFER_OUT_OF_BOUNDS", '"length" is outside of buffer bounds');
  codeOfThrown(() => sliceOf("abc", -1, 1), "ERR_BUFFER_OUT_OF_BOUNDS", "offset");
  const bytes = new Uint8Array([0, 1, 2, 3, 4]).subarray(1);
  assertEquals([...sliceOf(bytes, 1, 2)], [2, 3]);
});

test("a payload is the bytes of any view, in place, and pieces of them", () => {
  const bytes = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  assert(payloadOf(bytes) === bytes);
  assertEquals([...payloadOf(new DataView(bytes.buffer, 2, 3)) as Uint8Array], [3, 4, 5]);
  assertEquals([...payloadOf(new Uint16Array(bytes.buffer, 2, 2)) as Uint8Array], [3, 4, 5, 6]);
  const detached = new DataView(new ArrayBuffer(4));
  structuredClone(0, { transfer: [detached.buffer] });
  assertEquals((payloadOf(detached) as Uint8Array).length, 0);
  const pieces = payloadOf(["ä", new Uint16Array(bytes.buffer, 2, 1)]) as Uint8Array[];
  assertEquals(pieces.map((piece) => [...piece]), [[0xc3, 0xa4], [3, 4]]);
});

/** What sendMany's arguments mean: each group as `texts port address`. */
function groupsOf(isConnected: boolean, ...args: unknown[]): unknown[] {
  const [messages, port, address, callback] = args;
  const { groups, callback: found } = parseSendManyArguments(isConnected, messages, port, address, callback);
  const parts = groups.map(({ messages, segments, port, address, controls }) => {
    const given = [
      ...messages.map(textOf),
      ...segments.map(({ size, count, bytes }) => `${count}x${size}:${textOf(bytes)}`),
    ];
    return [given.join(" "), port, address, ...(controls ? [controls.ttl] : [])];
  });
  assertEquals(
    countMessages(groups),
    groups.reduce(
      (sum, { messages, segments }) => sum + messages.length + segments.reduce((all, { count }) => all + count, 0),
      0,
    ),
  );
  return found === undefined ? parts : [...parts, "callback"];
}

test("the forms of sendMany", () => {
  assertEquals(groupsOf(false, ["a", Buffer.from("b"), ["c", "d"]], 9), [["a b [c d]", 9, undefined]]);
  assertEquals(groupsOf(false, ["a"], 9, callback), [["a", 9, undefined], "callback"]);
  assertEquals(groupsOf(false, ["a"], "9", "10.0.0.1", callback), [["a", 9, "10.0.0.1"], "callback"]);
  assertEquals(groupsOf(false, ["a"], 9, ""), [["a", 9, undefined]]);
  assertEquals(groupsOf(false, ["a"], 9, null), [["a", 9, undefined]]);
  assertEquals(groupsOf(true, ["a"], callback), [["a", undefined, undefined], "callback"]);
  assertEquals(groupsOf(true, ["a"]), [["a", undefined, undefined]]);
  assertEquals([groupsOf(false, [], 9), groupsOf(false, [], undefined)], [[], []]);
});

test("messages in a row with one destination are together, and those with controls alone", () => {
  const to = (message: unknown, port?: number, address?: string, more = {}): unknown => ({
    message,
    port,
    address,
    ...more,
  });
  const groups = groupsOf(
    false,
    [
      ...["a", to("b", 9), to("c", 9, ""), "d", to("e", 8), to("f", 8, "10.0.0.1"), to("g", 8, "10.0.0.1")],
      ...[
        to("h", 8, "10.0.0.1", { ttl: 3 }),
        to("i", 8, "10.0.0.1", { ttl: 3 }),
        to("j"),
        "k",
        to("l", undefined, undefined, { ttl: 4 }),
        "m",
      ],
    ],
    9,
  );
  assertEquals(groups, [
    ["a b c d", 9, undefined],
    ["e", 8, undefined],
    ["f g", 8, "10.0.0.1"],
    ["h", 8, "10.0.0.1", 3],
    ["i", 8, "10.0.0.1", 3],
    ["j k", 9, undefined],
    ["l", 9, undefined, 4],
    ["m", 9, undefined],
  ]);
});

test("a batch that is passed on is one group of payloads as they came", () => {
  const batch = new MessageBatch();
  assertEquals(groupsOf(false, batch, 9), []);
  const sender = { address: "10.0.0.1", family: "IPv4" as const, port: 1 };
  const payload = (start: number, length: number, segmentSize: number, count: number) => ({
    start,
    length,
    segmentSize,
    count,
    sender,
    details: undefined,
    views: [],
  });
  const bytes = new TextEncoder().encode("aabbc-dd");
  fillBatch(batch, bytes, [payload(0, 5, 2, 3), payload(6, 2, 2, 1)]);
  assertEquals(groupsOf(false, batch, 9, "10.0.0.2"), [["3x2:aabbc 1x2:dd", 9, "10.0.0.2"]]);
  assertEquals(groupsOf(true, batch), [["3x2:aabbc 1x2:dd", undefined, undefined]]);
  const { groups: [group] } = parseSendManyArguments(false, batch, 9, undefined, undefined);
  const own = withOwnBytes(group);
  bytes.fill(0);
  assertEquals(own.segments.map(({ bytes }) => textOf(bytes)), ["aabbc", "dd"]);
});

test("messages that have to wait have memory of their own", () => {
  const bytes = Buffer.from("ab");
  const { groups: [group] } = parseSendManyArguments(false, [bytes, [bytes, "c"]], 9, undefined, undefined);
  const own = withOwnBytes(group);
  bytes.fill("x");
  assertEquals([own.messages.map(textOf), own.port], [["ab", "abc"], 9]);
});

test("what sendMany refuses, before any message is sent", () => {
  const CONNECTED = "ERR_SOCKET_DGRAM_IS_CONNECTED";
  codeOfThrown(() => groupsOf(true, ["a"], 9), CONNECTED);
  codeOfThrown(() => groupsOf(true, ["a"], undefined, "10.0.0.1"), CONNECTED);
  codeOfThrown(() => groupsOf(true, [{ message: "a", port: 9 }]), CONNECTED);
  codeOfThrown(() => groupsOf(true, [{ message: "a", address: "10.0.0.1" }]), CONNECTED);
  for (const wrong of ["text", 5, null, undefined, new Uint8Array(1)]) {
    codeOfThrown(
      () => groupsOf(false, wrong, 9),
      "ERR_INVALID_ARG_TYPE",
      '"messages" argument must be an instance of Array or MessageBatch',
    );
  }
  for (const wrong of [5, null, undefined, {}]) {
    codeOfThrown(() => groupsOf(false, [wrong], 9), "ERR_INVALID_ARG_TYPE", '"buffer"');
  }
  codeOfThrown(() => groupsOf(false, ["a"], 9, 5), "ERR_INVALID_ARG_TYPE", '"address" argument must be of type string');
  codeOfThrown(
    () => groupsOf(false, ["a"], 9, "name"),
    "ERR_INVALID_ARG_VALUE",
    "sendMany does not perform DNS resolution",
  );
  codeOfThrown(() => groupsOf(false, [{ message: "a", port: 9, address: "name" }]), "ERR_INVALID_ARG_VALUE");
  codeOfThrown(() => groupsOf(false, ["a"], 0), "ERR_SOCKET_BAD_PORT", "Port should be > 0 and < 65536");
  codeOfThrown(() => groupsOf(false, [{ message: "a", address: "10.0.0.1" }], 9), "ERR_SOCKET_BAD_PORT");
  codeOfThrown(
    () => groupsOf(false, ["a"], 9, "10.0.0.1", 5),
    "ERR_INVALID_ARG_TYPE",
    '"callback" argument must be of type function',
  );
  codeOfThrown(() => groupsOf(false, [{ message: "a", ttl: 0 }], 9), "ERR_OUT_OF_RANGE");
});
