/**
 * What `process.getActiveResourcesInfo()` tells of sockets, over a process that is none.
 *
 * @module
 */
import process from "node:process";
import { assertEquals } from "@std/assert";
import { ActiveResources } from "../src/loop/active_resources.ts";
import { test, type Tools } from "./support/harness.ts";
import { runtime } from "./support/runtime.ts";

/** Gives the process a list of its own for the time of a test. */
function listing(t: Tools, descriptor: PropertyDescriptor | undefined): void {
  const before = Object.getOwnPropertyDescriptor(process, "getActiveResourcesInfo");
  t.cleanup(() => {
    Reflect.deleteProperty(process, "getActiveResourcesInfo");
    if (before) Object.defineProperty(process, "getActiveResourcesInfo", before);
  });
  Reflect.deleteProperty(process, "getActiveResourcesInfo");
  if (descriptor) Object.defineProperty(process, "getActiveResourcesInfo", descriptor);
}

const list = function (this: unknown): string[] {
  return [this === process ? "Timeout" : "another this"];
};

test("each open socket that is referenced is a UDPWrap behind the runtime's own resources", (t) => {
  listing(t, { value: list, configurable: true, writable: true, enumerable: true });
  const resources = new ActiveResources(true);
  assertEquals(process.getActiveResourcesInfo, list);
  resources.add();
  resources.add();
  const wrapped = process.getActiveResourcesInfo;
  assertEquals(wrapped(), ["Timeout", "UDPWrap", "UDPWrap"]);
  // Bun, which lists no sockets, names it otherwise, as it puts a function where its only use is.
  if (runtime !== "bun") assertEquals(wrapped.name, "getActiveResourcesInfo");
  resources.remove();
  assertEquals(process.getActiveResourcesInfo(), ["Timeout", "UDPWrap"]);
  // Whoever wraps it later keeps what is here.
  process.getActiveResourcesInfo = () => ["later"];
  resources.add();
  assertEquals([process.getActiveResourcesInfo(), wrapped()], [["later"], ["Timeout", "UDPWrap", "UDPWrap"]]);
  const { enumerable, configurable } = Object.getOwnPropertyDescriptor(process, "getActiveResourcesInfo")!;
  assertEquals([enumerable, configurable], [true, true]);
});

test("a list that cannot be changed, or that lists no sockets, stays as it is", (t) => {
  listing(t, { value: list, configurable: true, writable: true });
  new ActiveResources(false).add();
  assertEquals(process.getActiveResourcesInfo, list);
  const value = { not: "a function" };
  listing(t, { value, configurable: true });
  new ActiveResources(true).add();
  assertEquals<unknown>(process.getActiveResourcesInfo, value);
  listing(t, undefined);
  new ActiveResources(true).add();
  assertEquals(Object.hasOwn(process, "getActiveResourcesInfo"), false);
});
