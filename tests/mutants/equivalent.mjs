/**
 * Mutants that no test can notice, or none should, with the reason. Each is found by its file and what it changes.
 *
 * @module
 */

const COMPACTION =
  "only when memory that has been given back to the queue is let go: the entries and their order are the same";
const IN_VAIN = "a check that spares work: what it spares has no effect";
const SAME_AT_BORDER = "both sides of the border come to the same";

/** The list. */
export const EQUIVALENT = [
  ...[
    ["this.#head < MIN_TAKEN || this.#head < this.#entries.length / 2", "true"],
    ["this.#head < MIN_TAKEN || this.#head < this.#entries.length / 2", "false"],
    [
      "this.#head < MIN_TAKEN || this.#head < this.#entries.length / 2",
      "this.#head < MIN_TAKEN && this.#head < this.#entries.length / 2",
    ],
    ["this.#head < MIN_TAKEN", "false"],
    ["this.#head < MIN_TAKEN", "this.#head <= MIN_TAKEN"],
    ["this.#head < MIN_TAKEN", "this.#head >= MIN_TAKEN"],
    ["this.#head < this.#entries.length / 2", "false"],
    ["this.#head < this.#entries.length / 2", "this.#head <= this.#entries.length / 2"],
    ["this.#head < this.#entries.length / 2", "this.#head >= this.#entries.length / 2"],
    ["this.#entries.length / 2", "this.#entries.length * 2"],
  ].map(([original, replacement]) => ({ file: "message_queue.ts", original, replacement, why: COMPACTION })),
  { file: "callbacks.ts", original: "count > 0", replacement: "true", why: IN_VAIN },
  { file: "callbacks.ts", original: "count > 0", replacement: "count >= 0", why: IN_VAIN },
  { file: "outbox.ts", original: "runs.length === 0", replacement: "false", why: IN_VAIN },
  { file: "outbox.ts", original: "this.#scouts.size > 0", replacement: "true", why: IN_VAIN },
  { file: "outbox.ts", original: "this.#scouts.size > 0", replacement: "this.#scouts.size >= 0", why: IN_VAIN },
  // `schedule` asks the same.
  { file: "outbox.ts", original: "!this.#scheduled", replacement: "true", why: IN_VAIN },
  // undefined >= size is false, too.
  { file: "outbox.ts", original: "ahead !== undefined", replacement: "true", why: IN_VAIN },
  {
    file: "controls.ts",
    original: "this.#last && isSame(this.#last.controls, resolved)",
    replacement: "false",
    why: "a shorter way to what the map has",
  },
  {
    file: "queueing_sender.ts",
    original: "run.length < run.segmentSize",
    replacement: "run.length <= run.segmentSize",
    why: SAME_AT_BORDER,
  },
  { file: "sender.ts", original: "path.limit !== Infinity", replacement: "true", why: IN_VAIN },
  // Nothing is later than Infinity.
  { file: "outbox.ts", original: "this.#limitUntil !== Infinity", replacement: "true", why: IN_VAIN },
  ...["true", "token <= this.#watchers.length"].map((replacement) => ({
    file: "loop.ts",
    original: "token < this.#watchers.length",
    replacement,
    why: "a token that is given back and would be the next one is taken before that one is made",
  })),
  ...["true", "false", "requested.size >= 0", "requested.size <= 0"].map((replacement) => ({
    file: "loop.ts",
    original: "requested.size > 0",
    replacement,
    why: "no turn is requested before the map is emptied",
  })),
  {
    file: "inbox.ts",
    original: "segmentSize !== payload.segmentSize",
    replacement: "true",
    why: "views that are kept spare time only",
  },
  {
    file: "message_batch.ts",
    original: "index < this.#firstIndex",
    replacement: "true",
    why: "datagrams in order are found from the last one: it spares time only",
  },
  {
    file: "message_batch.ts",
    original: "index < this.#firstIndex",
    replacement: "index <= this.#firstIndex",
    why: "datagrams in order are found from the last one: it spares time only",
  },
];
