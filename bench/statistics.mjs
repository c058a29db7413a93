/**
 * Medians and spread.
 */

/** The value in the middle. */
export function median(values) {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median and spread of each figure. */
export function summarize(figures) {
  return Object.fromEntries(
    Object.entries(figures).map(([name, values]) => [
      name,
      { median: median(values), low: Math.min(...values), high: Math.max(...values), values },
    ]),
  );
}

/** The median over the rounds of what is made of each round's values; undefined where a value is missing. */
export function medianOf(make, ...lists) {
  if (lists.some((list) => list === undefined)) return undefined;
  return median(lists[0].values.map((_, round) => make(...lists.map(({ values }) => values[round]))));
}
