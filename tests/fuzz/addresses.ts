/**
 * Socket addresses of any bytes, and texts that look like IP addresses.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { isIP, isIPv4, isIPv6 } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { DARWIN } from "../../ffi/abi/darwin.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Memory } from "../../ffi/libc/memory.ts";
import { AddressCache } from "../../ffi/wire/address_cache.ts";
import { ipVersionOf, parseIp, parseIPv4, parseIPv6 } from "../../ffi/wire/inet.ts";
import { decodeAddress, encodeAddress, type SocketAddress } from "../../ffi/wire/sockaddr.ts";
import { encodePath } from "../../ffi/wire/sockaddr_un.ts";
import { noCompiler } from "../support/compiler.ts";
import { runtime } from "../support/runtime.ts";
import { LINUX, scriptedInterfaces, ScriptedLibc } from "../support/scripted_libc.ts";
import type { Random } from "./random.ts";
import type { Attack, Subject } from "./subject.ts";

/** Room for each address, with others before and after it. */
const ROOM = 128;

/** Addresses of one system. */
class Addresses {
  readonly libc: Libc;
  readonly #memory: Memory;
  readonly #words: Uint32Array;
  readonly #cache: AddressCache;

  constructor(abi: typeof LINUX) {
    const table = new Map([[1, "lo"], [3, "eth0"]]);
    this.libc = new ScriptedLibc(scriptedInterfaces(table, abi), abi).libc;
    this.#memory = this.libc.allocate(3 * ROOM);
    this.#words = new Uint32Array(this.#memory.buffer);
    this.#cache = new AddressCache(this.libc);
  }

  /** Any bytes, most of them with a family that is known. */
  madeUp(random: Random): Uint8Array<ArrayBuffer> {
    const { constants: { AF_INET, AF_INET6, AF_UNIX }, layouts: { sockaddr } } = this.libc.abi;
    const length = random.pick([0, 1, 2, 3, 16, 16, 28, 28, 28, 29, 110, random.below(ROOM)]);
    const bytes = random.bytes(length);
    if (random.oneIn(20)) return bytes;
    bytes.fill(random.pick([AF_INET, AF_INET6, AF_INET6, AF_UNIX]), sockaddr.sa_family, sockaddr.sa_family + 1);
    if (sockaddr.sizeof_sa_family === 2) bytes.fill(0, sockaddr.sa_family + 1, sockaddr.sa_family + 2);
    return bytes;
  }

  /** Decodes it in the midst of other bytes, directly and by the cache. */
  decode(bytes: Uint8Array, random: Random): SocketAddress | undefined {
    random.fill(this.#memory.bytes);
    // What is not part of a short IP address counts, as the kernel gives none.
    this.#memory.bytes.fill(0, ROOM, 2 * ROOM);
    this.#memory.bytes.set(bytes, ROOM);
    const plain = decodeAddress(this.libc, this.#memory, ROOM, bytes.length);
    this.#cache.beginBatch();
    for (let i = 0; i < 2; i++) {
      assertEquals(this.#cache.decode(this.#memory, this.#words, ROOM, bytes.length), plain, "the cache's");
    }
    return plain;
  }
}

/** What was decoded is encoded to the same bytes again. */
function checkRoundTrip(libc: Libc, bytes: Uint8Array, { address, family, port }: SocketAddress): void {
  const { layouts: { sockaddr_in, sockaddr_in6, sockaddr_un, sockaddr } } = libc.abi;
  if (family === "unix") {
    assertEquals(port, 0);
    const isText = !address.includes("\ufffd");
    const encoded = encodePath(libc.abi, address);
    if (isText && encoded && bytes.length > sockaddr_un.sun_path) {
      const path = encoded.subarray(sockaddr_un.sun_path);
      assertEquals(bytes.subarray(sockaddr_un.sun_path).slice(0, path.length), path.slice(0, bytes.length - 2));
    }
    return;
  }
  assert(port >= 0 && port <= 0xffff);
  const version = family === "IPv4" ? 4 : 6;
  const [size, at] = version === 4 ? [4, sockaddr_in.sin_addr] : [16, sockaddr_in6.sin6_addr];
  if (bytes.length < at + size) return;
  assertEquals(ipVersionOf(address.replace(/%.*/, "")), version, address);
  const encoded = encodeAddress(libc, version, address, port)!;
  // Between them is sin6_flowinfo, which is not told.
  for (const [first, length] of [[sockaddr.sa_family, 1], [sockaddr_in.sin_port, 2], [at, size]] as const) {
    assertEquals(encoded.subarray(first, first + length), bytes.subarray(first, first + length));
  }
}

/** Socket addresses. */
export const addresses: Subject = {
  name: "addresses",
  few: 3000,
  prepare(): Attack {
    const systems = [new Addresses(LINUX), new Addresses(DARWIN)];
    return {
      tryCase(random) {
        const system = random.pick(systems);
        const bytes = system.madeUp(random);
        const [one, other] = [system.decode(bytes, random), system.decode(bytes, random)];
        assertEquals(one, other, "bytes outside the address count");
        if (one && bytes.length > 4) checkRoundTrip(system.libc, bytes, one);
      },
    };
  },
};

const SEEDS = [
  "0.0.0.0",
  "127.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "fe80::1%lo",
  "1:2:3:4:5:6:7:8",
  "2001:db8::ffff:1.2.3.4",
  "::ffff:127.0.0.1",
  "64:ff9b::",
  "1:2:3::6:7:8",
  "::%eth0.1",
];
const PIECES = [
  ..."0123456789abcdefABCDEFxgz:.%-_[]/ \t\n\0+e",
  "::",
  "..",
  "00",
  "256",
  "ffff",
  "\u0660",
  "\uff11",
  "\ud800",
  "é",
];

/** An address with some mistakes, or none. */
function madeUpText(random: Random): string {
  let text = random.oneIn(3) ? madeUpAddress(random) : random.pick(SEEDS);
  for (let edits = random.below(4); edits > 0; edits--) {
    const at = random.below(text.length + 1);
    const removed = random.below(3);
    const added = random.oneIn(3) ? "" : random.pick(PIECES);
    text = text.slice(0, at) + added + text.slice(at + removed);
  }
  return text;
}

function madeUpAddress(random: Random): string {
  if (random.oneIn(3)) return Array.from({ length: 3 + random.below(3) }, () => String(random.below(300))).join(".");
  const groups = Array.from(
    { length: 1 + random.below(9) },
    () => random.word().toString(16).slice(0, 1 + random.below(5)),
  );
  if (random.oneIn(4)) groups.push(Array.from({ length: 4 }, () => random.below(256)).join("."));
  const text = groups.join(":");
  return random.oneIn(2)
    ? text.replace(":", "::")
    : random.oneIn(4)
    ? `::${text}`
    : random.oneIn(6)
    ? `${text}::`
    : text;
}

const PTON = `#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  static char line[8192], text[4096];
  while (fgets(line, sizeof(line), stdin)) {
    size_t n = 0;
    unsigned c;
    for (char *p = line; sscanf(p, "%2x", &c) == 1; p += 2) text[n++] = (char)c;
    text[n] = 0;
    unsigned char bytes[16];
    for (int family = 0; family < 2; family++) {
      if (inet_pton(family ? AF_INET6 : AF_INET, text, bytes) == 1)
        for (int i = 0; i < (family ? 16 : 4); i++) printf("%02x", bytes[i]);
      printf(family ? "\\n" : " ");
    }
  }
}`;

/** Compiles inet_pton(3) of many texts. @returns What it makes of them, and how to remove the program. */
function cParser(): { parse(texts: readonly string[]): string[]; remove(): void } | undefined {
  if (noCompiler) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "dgram-ffi-"));
  const [input, output] = [join(folder, "main.c"), join(folder, "main")];
  writeFileSync(input, PTON);
  const { status, stderr } = spawnSync("cc", ["-O1", "-o", output, input], { encoding: "utf8" });
  assertEquals(status, 0, stderr);
  const encoder = new TextEncoder();
  return {
    parse: (texts) => {
      const lines = texts.map((text) => `${hex(encoder.encode(text))}\n`).join("");
      const { stdout } = spawnSync(output, [], { input: lines, encoding: "utf8", maxBuffer: 2 ** 28 });
      return stdout.split("\n").slice(0, texts.length);
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

const hex = (bytes: Uint8Array = new Uint8Array()): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Texts are compared with C's in batches, as each takes a process. */
const BATCH = 1000;

/** Texts of IP addresses: as inet_pton(3) and Node's `net.isIP` have it. */
export const texts: Subject = {
  name: "texts",
  few: 10000,
  prepare(): Attack {
    const c = cParser();
    const isNode = runtime === "node" || runtime === "koffi";
    return {
      tryCase(random) {
        const made = Array.from({ length: BATCH }, () => madeUpText(random));
        const theirs = c?.parse(made);
        made.forEach((text, i) => {
          const [v4, v6] = [parseIPv4(text), parseIPv6(text)];
          if (isNode && !text.includes("\0")) {
            assertEquals([v4 !== undefined, parseIPv6(text) !== undefined || isZoned(text)], [
              isIPv4(text),
              isIPv6(text),
            ], text);
            assertEquals(ipVersionOf(text), isIP(text), JSON.stringify(text));
          }
          assert(parseIp(text)?.version === 4 === (v4 !== undefined), text);
          // C's texts end at a NUL.
          if (theirs && !text.includes("\0")) assertEquals(`${hex(v4)} ${hex(v6)}`, theirs[i], JSON.stringify(text));
          if (text.includes("\0")) {
            assertEquals([v4, v6, ipVersionOf(text)], [undefined, undefined, 0], JSON.stringify(text));
          }
        });
        return BATCH;
      },
      end: () => c?.remove(),
    };
  },
};

/** Node takes an IPv6 address with a zone for one. */
function isZoned(text: string): boolean {
  return text.includes("%") && ipVersionOf(text) === 6;
}
