/**
 * Addresses of Unix sockets as bytes, on Linux and on macOS.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { decodePath, encodePath, maxPathLength } from "../ffi/wire/sockaddr_un.ts";
import { MessageQueue } from "../src/sending/message_queue.ts";
import { validatePath } from "../src/unix/path.ts";
import { test } from "./support/harness.ts";

const LINUX = linuxAbi("x64");
const code = (call: () => unknown): string => (assertThrows(call) as { code: string }).code;

test("a path is encoded with its family and a NUL behind it; macOS has the length in front", () => {
  assertEquals([...encodePath(LINUX, "/a/b")!], [1, 0, 0x2f, 0x61, 0x2f, 0x62, 0]);
  assertEquals([...encodePath(DARWIN, "/a/b")!], [7, 1, 0x2f, 0x61, 0x2f, 0x62, 0]);
  assertEquals([...encodePath(LINUX, "é")!], [1, 0, 0xc3, 0xa9, 0]);
});

test("an abstract path is encoded without a NUL behind it, and no path as the family alone", () => {
  assertEquals([...encodePath(LINUX, "\0ab")!], [1, 0, 0, 0x61, 0x62]);
  assertEquals([...encodePath(LINUX, "")!], [1, 0]);
});

test("a path ends where the kernel says or at its NUL, and nothing behind is read", () => {
  const bytes = new TextEncoder().encode("..\x01\x00/path\0rest");
  assertEquals(decodePath(LINUX, bytes, 2, bytes.length - 2), "/path");
  assertEquals(decodePath(LINUX, bytes, 2, 5), "/pa");
  for (const length of [0, 1, 2]) assertEquals(decodePath(LINUX, bytes, 2, length), "");
  assertEquals(decodePath(LINUX, bytes, 2, 1000), "/path");
  const abstract = new TextEncoder().encode("\x01\x00\0a\0b\0rest");
  assertEquals(decodePath(LINUX, abstract, 0, 7), "\0a\0b\0");
  // macOS gives the whole struct, zeros and all.
  assertEquals(decodePath(DARWIN, new Uint8Array(106), 0, 106), "");
});

test("paths survive being encoded and decoded, up to the longest", () => {
  for (const abi of [LINUX, DARWIN]) {
    for (const path of ["a", "/tmp/é", "x".repeat(maxPathLength(abi, false))]) {
      const encoded = encodePath(abi, path)!;
      assert(encoded.length <= abi.layouts.sockaddr_un.size);
      assertEquals(decodePath(abi, encoded, 0, encoded.length), path);
    }
    assertEquals(encodePath(abi, "x".repeat(maxPathLength(abi, false) + 1)), undefined);
    assertEquals(encodePath(abi, "a\0b"), undefined);
  }
  assertEquals([maxPathLength(LINUX, false), maxPathLength(LINUX, true), maxPathLength(DARWIN, false)], [
    107,
    108,
    103,
  ]);
});

test("macOS has no abstract paths, and a shorter limit, and says so", () => {
  assertEquals(code(() => validatePath(DARWIN, "@name", "path", "bind")), "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM");
  const { message } = assertThrows(() => validatePath(DARWIN, "x".repeat(104), "path", "bind")) as Error;
  assert(message.endsWith("the path has 104 bytes, sun_path holds 103"), message);
  assertEquals(validatePath(LINUX, "@name", "path", "bind"), "\0name");
  assertEquals(validatePath(LINUX, "./@name", "path", "bind"), "./@name");
});

test("a queue shows its first entries, and gives up as many as are taken off, whatever its size", () => {
  const queue = new MessageQueue<number>();
  const out: number[] = [];
  let pushed = 0;
  while (out.length < 10_000) {
    for (let i = 0; i < 30 && pushed < 10_000; i++) queue.push(pushed++);
    const wanted = 1 + out.length % 23;
    const taken = Math.min(wanted, queue.length);
    for (let i = 0; i < taken; i++) out.push(queue.at(i)!);
    assertEquals(queue.at(queue.length), undefined);
    queue.drop(wanted);
  }
  assertEquals(out, Array.from({ length: 10_000 }, (_, i) => i));
  assertEquals([queue.length, queue.at(0)], [0, undefined]);
});
