/**
 * What a process holds (threads, descriptors, libraries), and conversation with one that was started as a fixture.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** The names of a process's threads (Linux). A thread that has just been started has no name of its own yet. */
export function threadNames(pid: number | "self" = "self"): string[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    try {
      return [readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim()];
    } catch {
      // It ended just now.
      return [];
    }
  }).sort();
}

/** What Bun and its engine call the threads of their own that they start when they see fit. */
export const BUNS_OWN = /^(Bun Pool|JITWorker|JSCWarmUp|HeapHelper|mi-scavenger|ollector Thread)/;

/** How many threads a process has, less those (Linux). */
export function threadCount(pid: number | "self" = "self"): number {
  return threadNames(pid).filter((name) => !BUNS_OWN.test(name)).length;
}

/** A UDP socket as the kernel's tables tell of it. `place` is its local address and port, as they are written there. */
export interface UdpSocketRow {
  readonly place: string;
  readonly inode: string;
}

/** The UDP sockets of this process's network namespace (Linux). */
export function udpSocketRows(): UdpSocketRow[] {
  const lines = ["/proc/self/net/udp", "/proc/self/net/udp6"].flatMap((table) =>
    readFileSync(table, "utf8").trim().split("\n").slice(1)
  );
  return lines.map((line) => line.trim().split(/\s+/)).map((row) => ({ place: row[1], inode: row[9] }));
}

/** How many descriptors a process has open (Linux). Reading the list takes one itself where it is this process. */
export function descriptorCount(pid: number | "self" = "self"): number {
  return readdirSync(`/proc/${pid}/fd`).length - (pid === "self" ? 1 : 0);
}

/** The files mapped into a process's memory that a pattern matches: its libraries (Linux). */
export function mappedFiles(pattern: RegExp, pid: number | "self" = "self"): string[] {
  const paths = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n").map((line) => line.split(/\s+/)[5] ?? "");
  return [...new Set(paths)].filter((path) => pattern.test(path)).sort();
}

/** Waits until a condition holds, for what there is no event for. */
export async function until(condition: () => boolean, what: string, milliseconds = 10_000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await delay(10);
  }
}

/** The lines a process prints, one a call; fails at the end of its output. To be called before it can have printed any. */
export function linesOf(child: ChildProcess): () => Promise<string> {
  const lines: string[] = [];
  let [rest, isOver] = ["", false];
  let wake = (): void => {};
  child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
    const pieces = (rest + chunk).split("\n");
    rest = pieces.pop()!;
    lines.push(...pieces);
    wake();
  });
  child.once("close", () => {
    isOver = true;
    wake();
  });
  return async () => {
    while (lines.length === 0) {
      if (isOver) throw new Error(`the process ended with code ${child.exitCode} and printed no further line`);
      await new Promise<void>((resolve) => wake = resolve);
    }
    return lines.shift()!;
  };
}
