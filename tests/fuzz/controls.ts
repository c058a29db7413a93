/**
 * Control data that no kernel would give: lengths that lie, pieces of messages, messages of each known kind with too few bytes.
 *
 * All readers of control data are tried on it, for Linux and macOS. None may throw, read outside the data, or go on for ever; and of
 * descriptors each that is in the data is closed once.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Abi } from "../../ffi/abi/abi.ts";
import { DARWIN } from "../../ffi/abi/darwin.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { readAncillary } from "../../ffi/wire/ancillary.ts";
import { ControlReader } from "../../ffi/wire/control.ts";
import { ErrorQueue } from "../../ffi/wire/error_queue.ts";
import { controlTableOf } from "../../ffi/wire/received_controls.ts";
import { DETAIL_OPTIONS, DetailDecoder } from "../../src/receiving/details.ts";
import { Inbox } from "../../src/receiving/inbox.ts";
import { UnixDecoder } from "../../src/unix/decoder.ts";
import { type Arrival, fillSlots, LINUX, scriptedInterfaces, ScriptedLibc } from "../support/scripted_libc.ts";
import type { Random } from "./random.ts";
import type { Attack, Subject } from "./subject.ts";

const ABIS = [LINUX, DARWIN];

/** Levels and types that some reader knows. */
function knownKinds(abi: Abi): [level: number, type: number][] {
  const { levels, options, constants, linux, darwin } = abi;
  const kinds: [number, number | undefined][] = [
    [levels.IPPROTO_IP, options.IP_PKTINFO],
    [levels.IPPROTO_IPV6, options.IPV6_PKTINFO],
    [levels.IPPROTO_IP, options.IP_TTL],
    [levels.IPPROTO_IP, options.IP_TOS],
    [levels.IPPROTO_IPV6, options.IPV6_HOPLIMIT],
    [levels.IPPROTO_IPV6, options.IPV6_TCLASS],
    [levels.SOL_SOCKET, constants.SCM_RIGHTS],
    [levels.SOL_SOCKET, linux?.SCM_CREDENTIALS],
    [levels.SOL_SOCKET, linux?.options.SO_TIMESTAMPING],
    [levels.SOL_SOCKET, linux?.options.SO_TIMESTAMPNS],
    [levels.SOL_SOCKET, linux?.options.SO_RXQ_OVFL],
    [levels.SOL_SOCKET, darwin?.SCM_TIMESTAMP],
    [levels.IPPROTO_UDP, options.UDP_GRO],
    [levels.IPPROTO_IP, linux?.options.IP_RECVERR],
    [levels.IPPROTO_IPV6, linux?.options.IPV6_RECVERR],
    [levels.IPPROTO_IP, linux?.options.IP_ORIGDSTADDR],
    [levels.IPPROTO_IPV6, linux?.options.IPV6_ORIGDSTADDR],
  ];
  return kinds.filter((kind): kind is [number, number] => kind[1] !== undefined);
}

/** Control data: messages that are right up to something, and noise. */
function madeUpControls(random: Random, abi: Abi, kinds: readonly [number, number][]): Uint8Array<ArrayBuffer> {
  const { size, cmsg_len, cmsg_level, cmsg_type, align } = abi.layouts.cmsghdr;
  const bytes = random.bytes(random.below(random.pick([8, 40, 120, 300])));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + size <= bytes.length && !random.oneIn(12);) {
    const [level, type] = random.pick(kinds);
    const length = random.pick([4, 4, 8, 12, 15, 16, 20, 24, 28, 44, 48]) + size;
    const isLie = random.oneIn(6);
    view.setUint32(at + cmsg_len, isLie ? random.word() : length, true);
    if (cmsg_level - cmsg_len === 8) view.setUint32(at + cmsg_len + 4, random.oneIn(30) ? random.word() : 0, true);
    view.setInt32(at + cmsg_level, random.oneIn(15) ? random.word() : level, true);
    view.setInt32(at + cmsg_type, random.oneIn(15) ? random.word() : type, true);
    at += Math.ceil(length / align) * align;
  }
  return bytes;
}

const asText = (value: unknown): string =>
  JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? `${inner}n` : inner);

/** The readers of one system. */
class Readers {
  readonly abi: Abi;
  readonly kinds: readonly [number, number][];
  readonly #reader: ControlReader;
  readonly #libc: Libc;
  readonly #decoders: DetailDecoder[];
  /** Descriptors that came, and those that were closed. */
  #owned: number[] = [];
  #closed: number[] = [];

  constructor(abi: Abi) {
    this.abi = abi;
    this.kinds = knownKinds(abi);
    const table = new Map([[1, "lo"], [3, "eth0"], [255, "veth"]]);
    this.#libc = new ScriptedLibc({
      ...scriptedInterfaces(table, abi),
      fcntl: () => 0,
      owner: { own: (fd: number) => void this.#owned.push(fd) } as Libc["owner"],
    }, abi).libc;
    this.#reader = new ControlReader(abi);
    const wanted = new Set(Object.values(DETAIL_OPTIONS));
    this.#decoders = [4, 6].map((version) => new DetailDecoder(this.#libc, version as 4 | 6, wanted));
  }

  /** What all readers make of control data that stands in the midst of other bytes. */
  read(memory: Uint8Array<ArrayBuffer>, start: number, length: number, flags: number): string {
    const view = new DataView(memory.buffer);
    const reader = this.#reader;
    const open = (): ControlReader => {
      reader.open(view, start, length);
      return reader;
    };
    const messages: number[][] = [];
    for (open(); reader.next();) {
      assert(reader.at >= start && reader.size >= 0 && reader.at + reader.size <= start + length, "outside");
      messages.push([reader.level, reader.type, reader.at, reader.size]);
      assert(messages.length <= length / this.abi.layouts.cmsghdr.size, "goes on");
    }
    const controls = asText(controlTableOf(this.#libc).read(open()));
    const details = this.#decoders.map((decoder) => {
      decoder.beginBatch();
      const found = asText(decoder.decode(open(), flags, 1000));
      assert(decoder.segmentSize >= 0, "a negative segment size");
      return found;
    });
    return asText([messages, controls, details, readAncillary(this.abi, open()), this.#unix(open, flags)]);
  }

  /** Of the descriptors that came, each is closed once, however they are wanted. */
  #unix(open: () => ControlReader, flags: number): unknown {
    return [[true, true], [false, true]].map(([fds, credentials]) => {
      this.#owned = [];
      this.#closed = [];
      const access = { close: (fd: number) => this.#closed.push(fd), disown: () => {} };
      const decoder = new UnixDecoder(this.#libc, access as never, { fds: fds!, credentials: credentials! });
      const details = decoder.decode(open(), flags) as { fds?: { length: number }; credentials?: unknown };
      const [given, early] = [details?.fds?.length, [...this.#closed]];
      decoder.closeAll();
      decoder.closeAll();
      assertEquals(this.#closed, this.#owned, "descriptors that came, and those that were closed");
      return [given, early, details?.credentials];
    });
  }
}

/** Control data. */
export const controls: Subject = {
  name: "controls",
  few: 3000,
  prepare(): Attack {
    const readers = ABIS.map((abi) => new Readers(abi));
    return {
      tryCase(random) {
        const system = random.pick(readers);
        const data = madeUpControls(random, system.abi, system.kinds);
        const start = random.below(5) * 4;
        const flags = random.pick([0, 0, system.abi.constants.MSG_TRUNC, system.abi.constants.MSG_CTRUNC]);
        const read = (): string => {
          const memory = random.bytes(start + data.length + random.pick([0, 8, 80]));
          memory.set(data, start);
          return system.read(memory, start, data.length, flags);
        };
        // With other bytes around it, it means the same.
        assertEquals(read(), read());
      },
    };
  },
};

/** Messages as recvmmsg(2) might write them into its slots. */
function madeUpArrivals(random: Random, kinds: readonly [number, number][]): Arrival[] {
  return Array.from({ length: random.below(5) }, () => ({
    bytes: new Uint8Array(random.pick([0, 1, 10, 100, 1280])),
    name: random.bytes(random.pick([0, 2, 8, 16, 28, 110, 128])).fill(random.pick([1, 2, 10, 0, 200]), 0, 1).fill(
      0,
      1,
      2,
    ),
    controls: madeUpControls(random, LINUX, kinds),
    flags: random.word() | 0,
  }));
}

/** Error queues and inboxes whose slots hold anything. */
export const slots: Subject = {
  name: "slots",
  few: 2000,
  prepare(): Attack {
    let arrivals: Arrival[] = [];
    const scripted: ScriptedLibc = new ScriptedLibc({
      ...scriptedInterfaces(new Map([[1, "lo"]])),
      recvmmsg: (_, at, vlen) => {
        fillSlots(scripted, at, vlen, arrivals);
        return arrivals.length;
      },
    });
    const { libc } = scripted;
    const kinds = knownKinds(LINUX);
    const queue = new ErrorQueue(libc);
    const inbox = new Inbox({ libc }, { slots: 8, slotSize: 2048, flags: 0, takesControl: true });
    const decoder = new DetailDecoder(libc, 6, new Set(Object.values(DETAIL_OPTIONS)));
    return {
      tryCase(random) {
        arrivals = madeUpArrivals(random, kinds);
        const errors = queue.read(5);
        assert(typeof errors === "object" && errors.length <= arrivals.length);
        for (const { payload } of errors) assert(payload.length <= 1280);
        const received = inbox.receive(5, 8, random.oneIn(2) ? decoder : undefined);
        assert(typeof received === "object" && received.length === arrivals.length);
        received.forEach(({ start, length, segmentSize, count, sender }, i) => {
          assertEquals([start, length], [i * 2048, arrivals[i]!.bytes.length]);
          assert(segmentSize >= 0 && count >= 1 && (count - 1) * segmentSize <= length, "segments outside the payload");
          assert(count === 1 || segmentSize > 0);
          assertEquals(typeof sender.address, "string");
        });
      },
    };
  },
};
