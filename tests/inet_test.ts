/**
 * IP addresses as text and bytes: tables from the RFCs, and thousands of made-up ones beside `node:net` and the
 * C library.
 *
 * @module
 */
import { isIPv4, isIPv6 } from "node:net";
import { assert, assertEquals } from "@std/assert";
import { formatIPv4, formatIPv6, parseIp, parseIPv4, parseIPv6 } from "../ffi/wire/inet.ts";
import { compileAndRun, noCompiler } from "./support/compiler.ts";
import { test } from "./support/harness.ts";
import { randomIntegers } from "./support/random.ts";

const hex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const fromHex = (text: string): Uint8Array =>
  Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));

test("IPv4 addresses are parsed", () => {
  const table: Record<string, string> = {
    "0.0.0.0": "00000000",
    "127.0.0.1": "7f000001",
    "1.20.30.4": "01141e04",
    "255.255.255.255": "ffffffff",
  };
  for (const [text, bytes] of Object.entries(table)) {
    assertEquals(hex(parseIPv4(text)), bytes, text);
    assertEquals(formatIPv4(fromHex(bytes)), text);
  }
});

test("what is no IPv4 address in four decimal parts is refused", () => {
  // deno-fmt-ignore
  const texts = ["", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.0.0.1", "1.2.3.1000",
    "01.2.3.4",
    "1.2.3.00", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "1.2.3.4\0", "1.2.3.-4", "1.2.3.+4", "1.2.3.4e0",
    "1.2.3.4%lo", "١.2.3.4", "localhost"];
  for (const text of texts) assertEquals(parseIPv4(text), undefined, JSON.stringify(text));
});

/** RFC 4291, section 2.2, and what follows from it. */
const IPV6: Record<string, string> = {
  "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789": "abcdef0123456789abcdef0123456789",
  "2001:DB8:0:0:8:800:200C:417A": "20010db80000000000080800200c417a",
  "2001:DB8::8:800:200C:417A": "20010db80000000000080800200c417a",
  "FF01:0:0:0:0:0:0:101": "ff010000000000000000000000000101",
  "FF01::101": "ff010000000000000000000000000101",
  "0:0:0:0:0:0:0:1": "00000000000000000000000000000001",
  "::1": "00000000000000000000000000000001",
  "::": "00000000000000000000000000000000",
  "0:0:0:0:0:0:13.1.68.3": "0000000000000000000000000d014403",
  "::13.1.68.3": "0000000000000000000000000d014403",
  "0:0:0:0:0:FFFF:129.144.52.38": "00000000000000000000ffff81903426",
  "::FFFF:129.144.52.38": "00000000000000000000ffff81903426",
  "64:ff9b::192.0.2.33": "0064ff9b0000000000000000c0000221",
  "1:2:3:4:5:6:7::": "00010002000300040005000600070000",
  "::2:3:4:5:6:7:8": "00000002000300040005000600070008",
  "1::8": "00010000000000000000000000000008",
  "1:2:3:4:5:6:1.2.3.4": "00010002000300040005000601020304",
  "1:2:3:4:5::1.2.3.4": "00010002000300040005000001020304",
  "0001:0002::": "00010002000000000000000000000000",
};

test("IPv6 addresses are parsed in all of RFC 4291's forms", () => {
  for (const [text, bytes] of Object.entries(IPV6)) assertEquals(hex(parseIPv6(text)), bytes, text);
});

test("what is no IPv6 address is refused", () => {
  // deno-fmt-ignore
  const texts = ["", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
    "1:2:3:4::5:6:7:8", "1::2::3", "::1::", "1:::2", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:", ":1::", "::1:", "12345::",
    "00001::", "g::", "::-1", "::+1", ":: 1", " ::", ":: ", "::\0", "::0x1", "1.2.3.4", "1.2.3.4::", "::1.2.3.4:5",
    "::1.2.3", "::1.2.3.256", "::01.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6::1.2.3.4", "::1.2.3.4.5", "[::1]",
    "::1%lo",
    "::1/64"];
  for (const text of texts) assertEquals(parseIPv6(text), undefined, JSON.stringify(text));
});

/** RFC 5952, sections 4 and 5; dotted decimal where inet_ntop(3) has it. */
const FORMATTED: Record<string, string> = {
  "20010db8000000000000000000000001": "2001:db8::1",
  "20010db8000000000000000000020001": "2001:db8::2:1",
  "20010db8000000010001000100010001": "2001:db8:0:1:1:1:1:1",
  "20010000000000010000000000000001": "2001:0:0:1::1",
  "20010db8000000000001000000000001": "2001:db8::1:0:0:1",
  "20010db8aaaabbbbccccddddeeee0001": "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1",
  "00010002000300040005000600070000": "1:2:3:4:5:6:7:0",
  "00010002000300040005000600000000": "1:2:3:4:5:6::",
  "00000000000300040005000600070008": "::3:4:5:6:7:8",
  "00000002000300040005000600070008": "0:2:3:4:5:6:7:8",
  "00000000000000000000000000000000": "::",
  "00000000000000000000000000000001": "::1",
  "00000000000000000000000000000002": "::2",
  "00000000000000000000000000010000": "::0.1.0.0",
  "0000000000000000000000000d014403": "::13.1.68.3",
  "00000000000000000000ffffc0000201": "::ffff:192.0.2.1",
  "00000000000000000000ffff00000000": "::ffff:0.0.0.0",
  "0000000000000000ffff0000c0000201": "::ffff:0:c000:201",
  "0064ff9b0000000000000000c0000221": "64:ff9b::c000:221",
  "fe800000000000000000000000000001": "fe80::1",
  "ff020000000000000000000000000000": "ff02::",
};

test("IPv6 addresses are written as RFC 5952 has it", () => {
  for (const [bytes, text] of Object.entries(FORMATTED)) {
    assertEquals(formatIPv6(fromHex(bytes)), text);
    assertEquals(hex(parseIPv6(text)), bytes);
  }
});

test("an address is written from any place in memory", () => {
  const memory = new Uint8Array(32);
  memory.set(fromHex("20010db8000000000000000000000001"), 9);
  assertEquals(formatIPv6(memory, 9), "2001:db8::1");
  memory.set([192, 0, 2, 1], 3);
  assertEquals(formatIPv4(memory, 3), "192.0.2.1");
});

test("an IPv6 address may have a zone, an IPv4 address may not", () => {
  const table: [string, number, string][] = [
    ["192.0.2.1", 4, ""],
    ["2001:db8::1", 6, ""],
    ["fe80::1%eth0", 6, "eth0"],
    ["fe80::1%3", 6, "3"],
    ["::%a%b", 6, "a%b"],
  ];
  for (const [text, version, zone] of table) {
    const ip = parseIp(text);
    assertEquals([ip?.version, ip?.zone], [version, zone], text);
  }
  assertEquals(hex(parseIp("fe80::1%eth0")?.bytes), "fe800000000000000000000000000001");
  for (const text of ["", "%eth0", "192.0.2.1%eth0", "eth0", "fe80::1eth0"]) {
    assertEquals(parseIp(text), undefined, text);
  }
});

const random = randomIntegers(20_260);

/** Texts like addresses, of the pieces that they are made of: about half of them right. */
function madeUpText(): string {
  const pieces = [
    "0",
    "1",
    "12",
    "00",
    "ffff",
    "AbC",
    "g",
    "12345",
    "",
    "1.2.3.4",
    "255.255.255.255",
    "256.1.1.1",
    "01.1.1.1",
  ];
  const weighted = [...pieces, "0", "0", "1", "12", "ffff", "ffff", "AbC", "e", "f0"];
  const text = Array.from({ length: 1 + random(9) }, () => weighted[random(weighted.length)]).join(":");
  if (random(3) === 0) return text.replace(":", "::");
  if (random(20) === 0) return Array.from({ length: 4 }, () => String(random(300))).join(".");
  return random(30) === 0 ? `${text} ` : text;
}

/** Bytes in which zeros and ones are frequent, as they are what makes an address short. */
function madeUpBytes(): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i += 2) {
    const group = [0, 0, 0, 1, 0xffff, random(0x10000)][random(6)];
    bytes.set([group >> 8, group & 0xff], i);
  }
  // The prefixes of mapped and compatible addresses don't come by chance.
  if (random(4) === 0) bytes.fill(0, 0, 12);
  if (random(4) === 0) bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]);
  return bytes;
}

const TEXTS = Array.from({ length: 6000 }, madeUpText);
const BYTES = Array.from({ length: 6000 }, madeUpBytes);

test("6,000 made-up texts are addresses where node:net says so", () => {
  let addresses = 0;
  for (const text of TEXTS) {
    assertEquals(parseIPv4(text) !== undefined, isIPv4(text), JSON.stringify(text));
    assertEquals(parseIPv6(text) !== undefined, isIPv6(text), JSON.stringify(text));
    if (parseIp(text)) addresses++;
  }
  assert(addresses > 500 && addresses < 5500, `${addresses} are addresses: the texts prove little`);
});

test("6,000 made-up addresses are the same bytes after writing and parsing", () => {
  for (const bytes of BYTES) {
    const text = formatIPv6(bytes);
    assertEquals(hex(parseIPv6(text)), hex(bytes), text);
    const tail = bytes.subarray(12);
    assertEquals(hex(parseIPv4(formatIPv4(tail))), hex(tail));
  }
});

const C_HEADERS = "#include <arpa/inet.h>\n#include <stdio.h>\n";

test("6,000 made-up addresses are written as the C library writes them", () => {
  const rows = BYTES.map((bytes) => `{${bytes.join()}}`).join(",\n");
  const { errors, stdout } = compileAndRun(`${C_HEADERS}
static const unsigned char rows[][16] = {${rows}};
int main(void) {
  char text[64];
  for (unsigned i = 0; i < sizeof(rows) / 16; i++) puts(inet_ntop(AF_INET6, rows[i], text, sizeof(text)));
}`);
  assertEquals(errors, "");
  const theirs = stdout.trim().split("\n");
  assertEquals(theirs.length, BYTES.length);
  BYTES.forEach((bytes, i) => assertEquals(formatIPv6(bytes), theirs[i]));
}, { skip: noCompiler });

test("6,000 made-up texts are the addresses that the C library reads", () => {
  const { errors, stdout } = compileAndRun(`${C_HEADERS}
static const char *const texts[] = {${TEXTS.map((text) => JSON.stringify(text)).join(",\n")}};
int main(void) {
  for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
    unsigned char bytes[16];
    if (inet_pton(AF_INET6, texts[i], bytes) == 1) for (int b = 0; b < 16; b++) printf("%02x", bytes[b]);
    puts("");
  }
}`);
  assertEquals(errors, "");
  const theirs = stdout.split("\n");
  TEXTS.forEach((text, i) => assertEquals(hex(parseIPv6(text)) ?? "", theirs[i], JSON.stringify(text)));
}, { skip: noCompiler });
