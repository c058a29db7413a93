/**
 * What is attacked with made-up input, and how a run goes through its cases.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { Random } from "./random.ts";

/** One subject, ready for its cases. */
export interface Attack {
  /**
   * Tries one case. It throws if something does not hold.
   *
   * @returns How many inputs it was, if it was not one.
   */
  tryCase(random: Random, number: number): void | number | Promise<number>;
  /** Checks what must hold after all cases, and puts things away. */
  end?(): void | Promise<void>;
  /** What was measured. */
  readonly figures?: Record<string, string | number>;
}

/** What can be attacked. */
export interface Subject {
  readonly name: string;
  /** How many inputs are tried within the test suite. */
  readonly few: number;
  /** Whether it attacks something that macOS lacks. */
  readonly needsLinux?: boolean;
  prepare(): Attack | Promise<Attack>;
}

/** Which cases are run. */
export interface Range {
  readonly seed: number;
  /** The number of the first case. */
  readonly from: number;
  /** How many inputs are tried at least. */
  readonly count: number;
}

/** What a run came to. */
export interface Outcome {
  readonly subject: string;
  readonly inputs: number;
  readonly cases: number;
  readonly milliseconds: number;
  /** What did not hold, with the number of the case. */
  readonly findings: readonly string[];
  /** What was measured. */
  readonly figures?: Record<string, string | number> | undefined;
}

/** After so many findings a run ends: they are likely to be of one kind. */
const MOST_FINDINGS = 20;
/** So many cases are tried in one turn of the event loop. */
const CASES_PER_TURN = 500;

/** Runs cases of one subject. */
export async function attack(subject: Subject, { seed, from, count }: Range): Promise<Outcome> {
  const start = performance.now();
  const findings: string[] = [];
  const running = await subject.prepare();
  let [inputs, number] = [0, from];
  for (; inputs < count && findings.length < MOST_FINDINGS; number++) {
    try {
      const tried = running.tryCase(new Random(seed, number), number);
      inputs += (typeof tried === "object" ? await tried : tried) ?? 1;
    } catch (error) {
      inputs++;
      findings.push(`${subject.name}, case ${number} of seed ${seed}: ${(error as Error)?.stack ?? error}`);
    }
    if (number % CASES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  try {
    await running.end?.();
  } catch (error) {
    findings.push(`${subject.name}, at the end of seed ${seed}: ${(error as Error)?.stack ?? error}`);
  }
  const milliseconds = Math.round(performance.now() - start);
  return { subject: subject.name, inputs, cases: number - from, milliseconds, findings, figures: running.figures };
}
