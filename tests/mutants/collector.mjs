/**
 * Stands in the place of `node:test` for the harness: keeps tests instead of running them.
 *
 * @module
 */

/** All tests that were declared. */
export const collected = [];

/** As `test` of `node:test`. */
export function test(name, options, run) {
  if (!options.skip) collected.push({ name, run });
}
