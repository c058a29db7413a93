/**
 * The receive thread of Bun and of Node with koffi.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { test } from "./support/harness.ts";
import { runFixture, runtime } from "./support/runtime.ts";

const skip = runtime === "bun" || runtime === "koffi" ? undefined : `${runtime} has no such thread`;

// Node aborts a process that ends while one of its threads is loading koffi.
for (
  const [way, argument, expected] of [["comes to its end", "end", 0], ["calls process.exit()", "exit", 7]] as const
) {
  test(`a process that ${way} lets its receive thread finish loading`, async () => {
    const { code, signal, stdout } = await runFixture("slow_thread", [argument]);
    assertEquals({ code, signal, stdout }, { code: expected, signal: null, stdout: "loaded\n" });
  }, { skip });
}
