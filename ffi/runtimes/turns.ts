/**
 * Steps of work with ticks and promise jobs between them, as between two callbacks of the event loop.
 *
 * Node runs what a `'message'` listener has queued (`process.nextTick`, promise jobs) before it delivers the next datagram. Delivering
 * many datagrams from one callback has to do the same. The functions that run ticks are internal in every runtime, so each may be
 * missing. Without one, every step takes a turn of the event loop.
 *
 * @module
 */
import { setImmediate } from "./process.ts";

/** Does one piece of work. May throw what a listener throws. Returns whether there is more. */
export type Step = () => boolean;

/**
 * Calls a step until it returns false. Ticks and promise jobs that one call has queued run before the next call. May return before
 * the last call. If a step throws, the exception is uncaught, and the steps go on in a later turn of the event loop.
 */
export type RunSteps = (step: Step) => void;

/**
 * With a function that runs ticks and promise jobs, ticks first.
 *
 * @param runTicks Undefined if the runtime has none.
 */
export function stepsWithTicks(runTicks: (() => void) | undefined): RunSteps {
  if (!runTicks) return stepPerTurn;
  const run: RunSteps = (step) => {
    let hasReturned = false;
    try {
      while (step()) runTicks();
      hasReturned = true;
    } finally {
      if (!hasReturned) setImmediate(run, step);
    }
  };
  return run;
}

/**
 * With a function that runs promise jobs before ticks, and the queue of ticks: each step is a tick, so ticks of the step before run
 * first. The tick between two steps lets ticks run that were queued by a tick.
 */
export function stepsAsTicks(drain: () => void, nextTick: (callback: () => void) => void): RunSteps {
  return (step) => {
    const next = (): void => {
      drain();
      proceed();
    };
    const queueNext = (): void => nextTick(next);
    const proceed = (): void => {
      let isOver = false;
      try {
        isOver = !step();
      } finally {
        if (!isOver) nextTick(queueNext);
      }
    };
    nextTick(proceed);
  };
}

/** Without such a function: each step takes a turn of the event loop. */
export const stepPerTurn: RunSteps = (step) => {
  let isOver = false;
  try {
    isOver = !step();
  } finally {
    if (!isOver) setImmediate(stepPerTurn, step);
  }
};
