/**
 * What `NODE_DEBUG=dgram-ffi` has the module tell of itself, in the form of Node's own `debuglog`.
 *
 * @module
 */
import process from "./process.ts";

const SECTION = "dgram-ffi";

/** Tells something, once for each text. */
export type Debug = (text: string) => void;

/** @param variable `NODE_DEBUG`: names with commas between, where `*` stands for anything. @returns Undefined if nothing is wanted. */
export function debugFor(variable: string | undefined): Debug | undefined {
  if (!variable?.split(",").some(matches)) return undefined;
  const told = new Set<string>();
  return (text) => {
    if (told.has(text)) return;
    told.add(text);
    console.error(`${SECTION.toUpperCase()} ${process.pid}: ${text}`);
  };
}

function matches(name: string): boolean {
  const pattern = name.trim().replace(/[|\\{}()[\]^$+?.]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${pattern}$`, "i").test(SECTION);
}
