/**
 * What a socket is told of each datagram: control messages made into properties.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { type ControlMessage, ControlReader, encodeControls, intData } from "../ffi/wire/control.ts";
import { encodeAddress } from "../ffi/wire/sockaddr.ts";
import { DETAIL_OPTIONS, DetailDecoder, type DetailName, kernelOptions } from "../src/receiving/details.ts";
import { test } from "./support/harness.ts";
import { headerOf, LINUX, scriptedInterfaces, ScriptedLibc } from "./support/scripted_libc.ts";

const constants = headerOf(LINUX);

/** Decodes control messages for a socket that wants some details. */
function decoderFor(version: 4 | 6, ...wanted: DetailName[]) {
  const table = new Map([[3, "eth0"]]);
  const { libc } = new ScriptedLibc(scriptedInterfaces(table));
  const decoder = new DetailDecoder(libc, version, new Set(wanted));
  const decode = (messages: readonly ControlMessage[], flags = 0, length = 100): unknown => {
    const bytes = encodeControls(LINUX, messages);
    const reader = new ControlReader(LINUX);
    reader.open(new DataView(bytes.buffer), 0, bytes.length);
    return decoder.decode(reader, flags, length);
  };
  return { decoder, decode, table, libc };
}

function pktinfo(index: number): ControlMessage {
  const data = new Uint8Array(12);
  new DataView(data.buffer).setInt32(0, index, true);
  data.set([10, 0, 0, 1], 8);
  return { level: 0, type: constants.IP_PKTINFO, data };
}

function time(seconds: bigint): Uint8Array {
  const data = new Uint8Array(16);
  new DataView(data.buffer).setBigInt64(0, seconds, true);
  return data;
}

const { libc } = new ScriptedLibc();
const hardware = new Uint8Array(48);
hardware.set(time(2n), 32);

/** All that the kernel can say. */
const ALL: readonly ControlMessage[] = [
  pktinfo(3),
  { level: 0, type: constants.IP_ORIGDSTADDR, data: encodeAddress(libc, 4, "10.0.0.9", 53)! },
  { level: 0, type: constants.IP_TTL, data: intData(0) },
  { level: 0, type: constants.IP_TOS, data: Uint8Array.of(0xb9) },
  { level: constants.SOL_SOCKET, type: constants.SO_TIMESTAMPNS, data: time(1n) },
  { level: constants.SOL_SOCKET, type: constants.SO_TIMESTAMPING, data: hardware },
  { level: constants.SOL_SOCKET, type: constants.SO_RXQ_OVFL, data: intData(7) },
  { level: constants.SOL_UDP, type: constants.UDP_GRO, data: intData(40) },
];

/** What each detail is, of all that. */
const DETAILS: Record<DetailName, Record<string, unknown>> = {
  destination: { localAddress: "10.0.0.1", interfaceIndex: 3, interfaceName: "eth0" },
  originalDestination: { originalAddress: "10.0.0.9", originalPort: 53 },
  ttl: { ttl: 0 },
  tos: { tos: 0xb9, dscp: 46, ecn: 1 },
  timestamp: { timestamp: 1_000_000_000n, hardwareTimestamp: 2_000_000_000n },
  truncated: { truncated: false, controlTruncated: false },
  segmentSize: { segmentSize: 40 },
  dropCount: { dropCount: 7 },
};

test("a socket is told what it wants, and nothing else", () => {
  for (const [wanted, said] of Object.entries(DETAILS)) {
    const { decode, decoder } = decoderFor(4, wanted as DetailName);
    assertEquals(decode(ALL), said);
    // How large datagrams are is known in any case.
    assertEquals(decoder.segmentSize, 40);
  }
  const { decode } = decoderFor(4, ...Object.values(DETAIL_OPTIONS));
  assertEquals(decode(ALL), Object.assign({}, ...Object.values(DETAILS)));
  assertEquals(decode([]), { truncated: false, controlTruncated: false, segmentSize: 100, dropCount: 0 });
});

test("what the kernel has not said is not there", () => {
  for (const wanted of ["destination", "originalDestination", "ttl", "tos", "timestamp"] as const) {
    const { decode, decoder } = decoderFor(4, wanted);
    assertEquals([decode([pktinfo(0)]), decoder.segmentSize], [{}, 0]);
  }
  assertEquals(decoderFor(4, "tos").decode([{ level: 0, type: constants.IP_TOS, data: Uint8Array.of(0) }]), {
    ...{ tos: 0, dscp: 0, ecn: 0 },
  });
});

test("what was cut is told by the flags, and the size of one datagram by its payload", () => {
  const { decode } = decoderFor(4, "truncated", "segmentSize");
  const { MSG_TRUNC, MSG_CTRUNC } = constants;
  const said = (flags: number, length: number, messages: readonly ControlMessage[] = []): unknown =>
    decode(messages, flags, length);
  assertEquals(said(MSG_TRUNC, 9), { truncated: true, controlTruncated: false, segmentSize: 9 });
  assertEquals(said(MSG_CTRUNC, 0), { truncated: false, controlTruncated: true, segmentSize: 0 });
  assertEquals(said(0x4000, 30, ALL), { truncated: false, controlTruncated: false, segmentSize: 30 });
});

test("an IPv4 destination is mapped on a socket of IPv6, as all else there", () => {
  assertEquals(decoderFor(6, "originalDestination").decode(ALL), {
    originalAddress: "::ffff:10.0.0.9",
    originalPort: 53,
  });
  const six = { level: 41, type: constants.IPV6_ORIGDSTADDR, data: encodeAddress(libc, 6, "fd00::1", 53)! };
  assertEquals(decoderFor(6, "originalDestination").decode([six]), { originalAddress: "fd00::1", originalPort: 53 });
});

test("the interface that a datagram came by has the name that it has now", () => {
  const { decode, decoder, table } = decoderFor(4, "destination");
  const name = (): unknown => (decode(ALL) as { interfaceName: string }).interfaceName;
  assertEquals(name(), "eth0");
  table.set(3, "wan");
  decoder.beginBatch();
  assertEquals(name(), "wan");
});

test("there is room for what was asked for", () => {
  assertEquals(decoderFor(4, "truncated").decoder.space, 24);
  assertEquals(decoderFor(4, "ttl", "segmentSize").decoder.space, 24 + 48);
});

test("what the kernel is asked for, and what it need not be", () => {
  assertEquals(kernelOptions(LINUX, 4, "ttl", true), [["IP_RECVTTL", 1]]);
  assertEquals(kernelOptions(LINUX, 4, "ttl", false), [["IP_RECVTTL", 0]]);
  for (const name of ["truncated", "segmentSize"] as const) assertEquals(kernelOptions(LINUX, 4, name, true), []);
  const error = assertThrows(() => kernelOptions(DARWIN, 4, "dropCount", true), TypeError, "SO_RXQ_OVFL");
  assert("code" in error && error.code === "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM");
});
