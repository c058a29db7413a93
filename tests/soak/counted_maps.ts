/**
 * Counts what Maps and Sets hold that get their first entry after this module was imported: import it first, and the module under test
 * after it. So a cache that grows without a limit shows, wherever it is.
 *
 * @module
 */

type Collection = Map<unknown, unknown> | Set<unknown>;

const known = new WeakSet<Collection>();
const all: WeakRef<Collection>[] = [];

const [{ set }, { add }] = [Map.prototype, Set.prototype];

// The runtimes' internals do not see this. A subclass as the global `Map` would break Bun's.
Map.prototype.set = function (key, value) {
  if (this.size === 0) note(this);
  return set.call(this, key, value);
};
Set.prototype.add = function (value) {
  if (this.size === 0) note(this);
  return add.call(this, value);
};

function note(collection: Collection): void {
  if (known.has(collection)) return;
  known.add(collection);
  all.push(new WeakRef(collection));
}

/** The number of entries of all that are still in use, and of the largest. */
export function countedEntries(): { total: number; largest: number } {
  let [total, largest, kept] = [0, 0, 0];
  for (const reference of all) {
    const collection = reference.deref();
    if (!collection) continue;
    all[kept++] = reference;
    total += collection.size;
    largest = Math.max(largest, collection.size);
  }
  all.length = kept;
  return { total, largest };
}
