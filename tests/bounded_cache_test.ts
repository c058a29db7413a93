/**
 * The caches, with a revision in the place of a clock.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { BoundedCache, BoundedPairCache } from "../ffi/common/bounded_cache.ts";
import { test } from "./support/harness.ts";

interface Tested {
  get(key: string): number | undefined;
  set(key: string, value: number): void;
}

type Make = (limit: number, source?: { revision: number }) => Tested;

/** Pairs whose first keys are few: what is counted are pairs. */
const pairs: Make = (limit, source) => {
  const cache = new BoundedPairCache<string, string, number>(limit, source);
  return {
    get: (key) => cache.get(key.slice(0, 1), key),
    set: (key, value) => cache.set(key.slice(0, 1), key, value),
  };
};
const CACHES: Record<string, Make> = {
  "a cache": (limit, source) => new BoundedCache<string, number>(limit, source),
  "a cache of pairs": pairs,
};

for (const [name, make] of Object.entries(CACHES)) {
  test(`${name} gives what was put into it, and nothing for what was not`, () => {
    const cache = make(3);
    cache.set("a1", 1);
    cache.set("a2", 2);
    cache.set("b1", 3);
    const keys = ["a1", "a1", "a2", "b1", "a1", "b2", "c1"];
    assertEquals(keys.map((key) => cache.get(key)), [1, 1, 2, 3, 1, undefined, undefined]);
  });

  test(`${name} forgets all when it is full, and goes on with what comes then`, () => {
    const cache = make(2);
    for (const [i, key] of ["a1", "a2", "b1"].entries()) cache.set(key, i);
    assertEquals(["a1", "a2", "b1"].map((key) => cache.get(key)), [undefined, undefined, 2]);
    cache.set("b2", 3);
    assertEquals(["b1", "b2"].map((key) => cache.get(key)), [2, 3]);
    cache.set("c1", 4);
    assertEquals(["b1", "b2", "c1"].map((key) => cache.get(key)), [undefined, undefined, 4]);
  });

  test(`${name} forgets all when what it was made from has changed, the last asked for included`, () => {
    const source = { revision: 7 };
    const cache = make(10, source);
    cache.set("a1", 1);
    cache.set("a2", 2);
    assertEquals([cache.get("a2"), cache.get("a1"), cache.get("a1")], [2, 1, 1]);
    source.revision++;
    assertEquals([cache.get("a1"), cache.get("a2")], [undefined, undefined]);
    cache.set("a1", 3);
    assertEquals([cache.get("a1"), cache.get("a2")], [3, undefined]);
  });

  test(`${name} forgets the rest when something is put in after a change`, () => {
    const source = { revision: 0 };
    const cache = make(10, source);
    cache.set("a1", 1);
    source.revision++;
    cache.set("a2", 2);
    assertEquals([cache.get("a2"), cache.get("a1")], [2, undefined]);
  });

  test(`${name} counts from nothing after a change`, () => {
    const source = { revision: 0 };
    const cache = make(2, source);
    cache.set("a1", 1);
    cache.set("a2", 2);
    source.revision++;
    cache.set("b1", 3);
    cache.set("b2", 4);
    assertEquals([cache.get("b1"), cache.get("b2")], [3, 4]);
  });
}
