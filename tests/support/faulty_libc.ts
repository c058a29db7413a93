/**
 * A C library that fails when a test wants it to: it stands between the module and the real one.
 *
 * @module
 */
import { assert } from "@std/assert";
import type { Libc } from "../../ffi/libc/libc.ts";
import { replaceLibc } from "../../ffi/load.ts";
import type { Tools } from "./harness.ts";

/** The calls that can fail. */
export type CallName = {
  [Name in keyof Libc]: Libc[Name] extends (...args: never[]) => number ? Name : never;
}[keyof Libc];

/** A call as it was made. */
export interface NoteOfCall {
  readonly name: CallName;
  readonly args: readonly unknown[];
  readonly result: number;
}

/** What comes instead of a call. `args` are the call's; `real` is the C library. */
type Answer<Name extends CallName> = (real: Libc, ...args: Parameters<Libc[Name]>) => number;

interface Fault {
  readonly name: CallName;
  readonly answer: (real: Libc, ...args: unknown[]) => number;
  readonly when: (...args: unknown[]) => boolean;
  times: number;
}

/** Faults to be had. */
export class FaultyLibc {
  /** The C library with the faults in it. */
  readonly libc: Libc;
  /** All calls so far. */
  readonly calls: NoteOfCall[] = [];
  readonly #real: Libc;
  #faults: Fault[] = [];

  constructor(real: Libc) {
    this.#real = real;
    this.libc = new Proxy(real, {
      get: (_, key) => {
        const value = Reflect.get(real, key);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => this.#call(key as CallName, args, value);
      },
    });
  }

  /** Lets the next `times` calls fail (those on one descriptor only, where it is given). */
  fail(name: CallName, errno: string, times = 1, fd?: number): Fault {
    const number = this.#real.abi.errno[errno];
    return this.answer(name, () => -number, times, fd);
  }

  /** Gives the next `times` calls another answer. */
  answer<Name extends CallName>(name: Name, answer: Answer<Name>, times = Infinity, fd?: number): Fault {
    const when = (first: unknown): boolean => fd === undefined || first === fd;
    const fault: Fault = { name, answer: answer as unknown as Fault["answer"], when, times };
    this.#faults.push(fault);
    return fault;
  }

  /** Lets a call work again. */
  repair(fault: Fault): void {
    this.#faults = this.#faults.filter((other) => other !== fault);
  }

  /** The calls of one name, on one descriptor where it is given. */
  callsOf(name: CallName, fd?: number): NoteOfCall[] {
    return this.calls.filter((call) => call.name === name && (fd === undefined || call.args[0] === fd));
  }

  /** The descriptor that `socket` returned last. */
  lastSocket(): number {
    const fd = this.callsOf("socket").at(-1)?.result ?? -1;
    assert(fd >= 0, "no socket was made");
    return fd;
  }

  /** Fails unless all faults that were to come a number of times have come. */
  assertUsedUp(): void {
    const left = this.#faults.filter(({ times }) => Number.isFinite(times) && times > 0);
    assert(left.length === 0, `never called: ${left.map(({ name }) => name).join(", ")}`);
  }

  #call(name: CallName, args: unknown[], call: (...args: unknown[]) => unknown): unknown {
    const fault = this.#faults.find((fault) => fault.name === name && fault.times > 0 && fault.when(...args));
    if (fault) fault.times--;
    const result = fault ? fault.answer(this.#real, ...args) : call.apply(this.#real, args);
    if (typeof result === "number") this.calls.push({ name, args, result });
    return result;
  }
}

/** Puts faults into this thread's C library until the test's end. To be called before the test's sockets are made. */
export function injectFaults(tools: Tools): FaultyLibc {
  let faulty: FaultyLibc | undefined;
  tools.cleanup(replaceLibc((libc) => (faulty = new FaultyLibc(libc)).libc));
  return faulty!;
}
