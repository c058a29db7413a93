/**
 * Tests of what is to be as in Node. In Node 26 they run against the built-in module, too: so what they expect is what it does.
 *
 * Not on Linux with macOS's ABI (tests/darwin), which the built-in module knows nothing of.
 *
 * @module
 */
import builtin from "node:dgram";
import process from "node:process";
import { createSocket } from "../../mod.ts";
import { FAMILIES, type Family, test, type Tools } from "./harness.ts";
import { runtime } from "./runtime.ts";

/** How to make a socket: ours or the built-in module's. */
export type CreateSocket = typeof createSocket;

const IMPLEMENTATIONS: readonly (readonly [string, CreateSocket])[] = [
  ["", createSocket],
  ...(runtime === "node" && !process.env.DGRAM_FFI_DARWIN
    ? [[" [node:dgram]", builtin.createSocket as unknown as CreateSocket] as const]
    : []),
];

/** Declares a test of what Node does as well. */
export function testAlike(
  name: string,
  body: (tools: Tools, createSocket: CreateSocket) => void | Promise<void>,
): void {
  for (const [suffix, create] of IMPLEMENTATIONS) test(name + suffix, (tools) => body(tools, create));
}

/** Declares it once for each protocol. */
export function testBothAlike(
  name: string,
  body: (tools: Tools, family: Family, createSocket: CreateSocket) => void | Promise<void>,
): void {
  for (const family of FAMILIES) {
    testAlike(`${name} (${family.name})`, (tools, create) => body(tools, family, create));
  }
}
