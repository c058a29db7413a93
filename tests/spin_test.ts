/**
 * Whether the poll loop looks on for a moment before it waits.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Spin } from "../src/loop/spin.ts";
import { test } from "./support/harness.ts";

/** A loop whose next activity comes after `spinning` or `waiting` milliseconds. Tells how often it looked on. */
function simulate(spin: Spin, clock: { now: number }, rounds: number, spinning: number, waiting: number): number {
  let looked = 0;
  for (let i = 0; i < rounds; i++) {
    spin.recordActivity();
    const looksOn = spin.shouldSpin();
    if (looksOn) looked++;
    clock.now += looksOn ? spinning : waiting;
  }
  return looked;
}

function spinWithClock(): [Spin, { now: number }] {
  const clock = { now: 1000 };
  return [new Spin(() => clock.now), clock];
}

test("the loop looks on where the next datagram then comes sooner", () => {
  const [spin, clock] = spinWithClock();
  assert(simulate(spin, clock, 1000, 0.06, 0.13) > 950);
});

test("the loop waits where looking on gains nothing", () => {
  const [spin, clock] = spinWithClock();
  assert(simulate(spin, clock, 1000, 0.05, 0.05) < 50);
});

test("the loop waits where looking on delays who is to answer", () => {
  const [spin, clock] = spinWithClock();
  assert(simulate(spin, clock, 1000, 0.08, 0.03) < 50);
});

test("the loop waits where datagrams are far apart", () => {
  const [spin, clock] = spinWithClock();
  assert(simulate(spin, clock, 1000, 1, 1) <= 2);
});

test("the loop looks on again when traffic becomes dense, and a single gap does not stop it", () => {
  const [spin, clock] = spinWithClock();
  simulate(spin, clock, 100, 5, 5);
  assert(simulate(spin, clock, 100, 0.06, 0.13) > 90);
  simulate(spin, clock, 1, 8, 8);
  assert(simulate(spin, clock, 100, 0.06, 0.13) > 90);
});

test("the loop asks no more after an activity where datagrams are far apart, and again when they are near", () => {
  const [spin, clock] = spinWithClock();
  const expected = (gap: number): boolean[] =>
    Array.from({ length: 10 }, () => {
      spin.recordActivity();
      const expects = spin.expectsMore();
      if (expects) spin.shouldSpin();
      clock.now += gap;
      return expects;
    });
  assertEquals(expected(5).slice(-5), Array(5).fill(false));
  assertEquals(expected(0.1).slice(-5), Array(5).fill(true));
});

test("the loop looks on for a tenth of a millisecond at most", () => {
  const [spin, clock] = spinWithClock();
  simulate(spin, clock, 100, 0.06, 0.13);
  spin.recordActivity();
  clock.now += 0.09;
  assertEquals(spin.shouldSpin(), true);
  clock.now += 0.02;
  assertEquals(spin.shouldSpin(), false);
});

/** How long it looks on, or not, in a row: `8 off, 52 on`. The time until the next activity depends on it. */
function sequence(rounds: number, timeOf: (round: number, looksOn: boolean) => number): string {
  const [spin, clock] = spinWithClock();
  const runs: [count: number, state: string][] = [];
  for (let i = 0; i < rounds; i++) {
    spin.recordActivity();
    const looksOn = spin.shouldSpin();
    const state = looksOn ? "on" : "off";
    if (runs.at(-1)?.[1] === state) runs.at(-1)![0]++;
    else runs.push([1, state]);
    clock.now += timeOf(i, looksOn);
  }
  return runs.map((run) => run.join(" ")).join(", ");
}

test("eight times each way are compared, and after 512 the other way is tried once", () => {
  const [short, long] = [0.0625, 0.125];
  assertEquals(sequence(1100, (_, on) => on ? short : long), "8 off, 519 on, 1 off, 511 on, 1 off, 60 on");
  assertEquals(sequence(1100, (_, on) => on ? long : short), "8 off, 8 on, 511 off, 1 on, 511 off, 1 on, 60 off");
  assertEquals(sequence(40, () => short), "8 off, 8 on, 24 off");
});

test("one long gap changes nothing, and two have it measure anew", () => {
  const gaps = (count: number) => (i: number, on: boolean) => i >= 20 && i < 20 + count ? 1 : on ? 0.0625 : 0.125;
  assertEquals(sequence(60, gaps(1)), "8 off, 52 on");
  assertEquals(sequence(60, gaps(2)), "8 off, 14 on, 8 off, 30 on");
  assertEquals(sequence(60, gaps(3)), "8 off, 14 on, 9 off, 29 on");
  assertEquals(sequence(40, () => 0.3125), "40 off");
});
